using System.Globalization;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>A part of each day, in a time zone. From and to are times of the wall clock there.</summary>
/// <param name="From">Its first moment.</param>
/// <param name="To">Its end, which is not in it; before <paramref name="From"/> where it goes over midnight.</param>
/// <param name="Zone">The zone (IANA).</param>
public sealed record MoveWindow(TimeOnly From, TimeOnly To, string Zone)
{
    private readonly TimeZoneInfo _zone = FindZone(Zone);

    /// <summary>As text, <c>22:00-06:00</c>.</summary>
    [JsonIgnore]
    public string Times => string.Create(CultureInfo.InvariantCulture, $"{From:HH\\:mm}-{To:HH\\:mm}");

    /// <summary>Reads a window.</summary>
    /// <param name="times">Two times of day, <c>22:00-06:00</c>; equal ones are the whole day.</param>
    /// <param name="zone">The zone (IANA).</param>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public static MoveWindow Parse(string times, string zone)
    {
        ArgumentNullException.ThrowIfNull(times);
        string[] parts = times.Split('-');
        return parts.Length == 2 && TryParse(parts[0], out TimeOnly from) && TryParse(parts[1], out TimeOnly to)
            ? new MoveWindow(from, to, zone)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{times}' is no window: give two times of day, as 22:00-06:00.");
    }

    /// <summary>How long it is until the window is open; zero where it is.</summary>
    public TimeSpan UntilOpen(DateTimeOffset now)
    {
        TimeOnly there = TimeOnly.FromTimeSpan(TimeZoneInfo.ConvertTime(now, _zone).TimeOfDay);
        return From == To || there.IsBetween(From, To) ? TimeSpan.Zero : From - there;
    }

    private static bool TryParse(string text, out TimeOnly time) => TimeOnly.TryParseExact(
        text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out time);

    private static TimeZoneInfo FindZone(string? zone) =>
        zone is not null && TimeZoneInfo.TryFindSystemTimeZoneById(zone, out TimeZoneInfo? found)
            ? found
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"There is no time zone '{zone}': give one as Europe/Berlin.");
}
