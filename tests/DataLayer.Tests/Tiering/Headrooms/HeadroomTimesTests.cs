using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Tests.Tiering.Headrooms;

/// <summary>When headrooms are in force, and which cannot be kept beside each other.</summary>
public sealed class HeadroomTimesTests
{
    private const long Gib = 1L << 30;
    private static readonly DateTimeOffset _monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    private static readonly HeadroomWindow _trading = new()
    {
        Days = "mon-fri",
        From = "09:30",
        To = "16:00",
        TimeZone = "America/New_York",
        Calendar = "nyse",
    };

    private static readonly PolicyCalendar[] _calendars =
    [
        new("nyse", 0x3E, new Dictionary<DateOnly, bool> { [new DateOnly(2026, 1, 6)] = false }, []),
    ];

    [Fact]
    public void A_window_is_in_force_from_its_lead_to_its_end_on_trading_days()
    {
        TimedHeadroom headroom = Read("open", "/a", _trading);
        DateTimeOffset opens = _monday.AddHours(14.5); // 09:30 in New York.

        Assert.Equal(new HeadroomOccurrence(opens, opens.AddHours(6.5), false), headroom.Find(opens.AddHours(-1.01)));
        Assert.True(headroom.Find(opens.AddHours(-1))!.Value.IsInForce);
        Assert.True(headroom.Find(opens.AddHours(6.4))!.Value.IsInForce);
        HeadroomOccurrence next = headroom.Find(opens.AddHours(6.5))!.Value;
        Assert.Equal((opens.AddDays(2), false), (next.Start, next.IsInForce)); // Tuesday is closed.
    }

    [Theory]
    [InlineData(null, null, "30 22 * * *", "4h")]
    [InlineData("22:00", "02:30", null, null)]
    [InlineData("01:30", "02:30", null, null)]
    public void The_stretches_of_a_window_are_when_it_is_open(string? from, string? to, string? cron, string? length)
    {
        HeadroomWindow window = new() { From = from, To = to, Cron = cron, For = length, TimeZone = "Europe/Berlin" };
        PolicyWindow read = Read("w", "/a", window).Window;
        DateTimeOffset begin = new(2026, 10, 23, 0, 0, 0, TimeSpan.Zero); // Over the end of summer time.
        List<(DateTimeOffset Start, DateTimeOffset End)> spans = read.GetSpans(begin, begin.AddDays(5));
        Assert.InRange(spans.Count, 5, 6);
        for (DateTimeOffset at = begin; at < begin.AddDays(5); at = at.AddMinutes(10))
        {
            Assert.Equal(read.IsOpen(at), spans.Exists(s => s.Start <= at && at < s.End));
        }
    }

    [Fact]
    public void All_that_is_wrong_with_a_window_is_told()
    {
        HeadroomWindow window = new() { Days = "mon-fry", From = "25:00", To = "16:00", Calendar = "none", TimeZone = "Berlin" };
        DataLayerException fault = Assert.Throws<DataLayerException>(() => Read("w", "/a", window));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        foreach (string part in new[] { "mon-fry", "25:00", "'none'", "Berlin" })
        {
            Assert.Contains(part, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void More_than_there_is_at_a_time_is_refused_with_the_numbers()
    {
        TimedHeadroom other = Read("one", "/a", Daily("08:00", "12:00"), hotBytes: 6 * Gib);
        TimedHeadroom wanted = Read("two", "/b", Daily("11:00", "14:00"), hotBytes: 5 * Gib);

        DataLayerException fault = Assert.Throws<DataLayerException>(
            () => HeadroomConflicts.Demand(wanted, [other], Gib, 10 * Gib, _monday));

        Assert.Contains("11GiB of the hot tier would be reserved (5GiB for 'two', 6GiB for 'one'), and 10GiB may be", fault.Message, StringComparison.Ordinal);
        Assert.Contains("2026-01-05 10:00 UTC", fault.Message, StringComparison.Ordinal); // The lead counts.
        HeadroomConflicts.Demand(wanted, [other], Gib, 11 * Gib, _monday);
        HeadroomConflicts.Demand(
            Read("two", "/b", Daily("13:00", "14:00"), hotBytes: 5 * Gib), [other], Gib, 10 * Gib, _monday);
    }

    [Fact]
    public void Two_at_a_time_for_the_same_files_are_refused()
    {
        TimedHeadroom other = Read("one", "/a/b", Daily("08:00", "12:00"));
        DataLayerException fault = Assert.Throws<DataLayerException>(() => HeadroomConflicts.Demand(
            Read("two", "/a", Daily("12:30", "14:00")), [other], Gib, Gib, _monday)); // Only the lead meets.
        Assert.Contains("'one' reserves for '/a/b' and this for '/a'", fault.Message, StringComparison.Ordinal);
        HeadroomConflicts.Demand(Read("two", "/a", Daily("13:00", "14:00")), [other], Gib, Gib, _monday);
        HeadroomConflicts.Demand(Read("two", "/a/bc", Daily("08:00", "14:00")), [other], Gib, Gib, _monday);
    }

    [Fact]
    public void A_window_that_never_opens_is_refused()
    {
        HeadroomWindow never = new() { Cron = "0 8 30 2 *", For = "1h" };
        Assert.Throws<DataLayerException>(
            () => HeadroomConflicts.Demand(Read("never", "/a", never), [], Gib, Gib, _monday));
    }

    private static HeadroomWindow Daily(string from, string to) => new() { From = from, To = to };

    private static TimedHeadroom Read(string name, string path, HeadroomWindow window, long hotBytes = 1) =>
        TimedHeadroom.Read(name, new HeadroomSpec { Path = path, HotBytes = hotBytes, Window = window }, _calendars);
}
