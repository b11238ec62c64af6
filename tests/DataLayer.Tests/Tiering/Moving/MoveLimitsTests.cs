using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Tiering.Moving;

/// <summary>Windows, rates and budgets by themselves.</summary>
public sealed class MoveLimitsTests
{
    [Theory]
    [InlineData("22:00-06:00", "2026-11-23T20:30:00Z", 30)] // 21:30 in Berlin.
    [InlineData("22:00-06:00", "2026-11-23T21:00:00Z", 0)]
    [InlineData("22:00-06:00", "2026-11-24T04:59:00Z", 0)]
    [InlineData("22:00-06:00", "2026-11-24T05:00:00Z", 960)]
    [InlineData("09:00-17:00", "2026-11-24T08:00:00Z", 0)]
    [InlineData("09:00-17:00", "2026-11-24T16:00:00Z", 960)]
    [InlineData("09:00-17:00", "2026-07-24T06:30:00Z", 30)] // Summer time.
    [InlineData("00:00-00:00", "2026-11-24T16:00:00Z", 0)]
    public void A_window_opens_by_the_clock_of_its_zone(string times, string now, int minutes)
    {
        MoveWindow window = MoveWindow.Parse(times, "Europe/Berlin");
        Assert.Equal(TimeSpan.FromMinutes(minutes), window.UntilOpen(DateTimeOffset.Parse(now, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal(times, window.Times);
    }

    [Theory]
    [InlineData("22:00", "UTC")]
    [InlineData("22-6", "UTC")]
    [InlineData("22:00-24:30", "UTC")]
    [InlineData("22:00-06:00", "Mars/Olympus")]
    public void What_is_no_window_is_refused(string times, string zone) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => MoveWindow.Parse(times, zone)).Code);

    [Fact]
    public async Task Bytes_wait_until_those_before_them_have_passed_at_the_rate()
    {
        ManualClock clock = new();
        MovePace pace = new(1000, clock);
        await pace.TakeAsync(5000, default); // The first begins at once.
        await pace.TakeAsync(0, default);
        clock.Advance(TimeSpan.FromSeconds(5));
        await pace.TakeAsync(1000, default);
        using CancellationTokenSource stop = new();
        Task waits = pace.TakeAsync(1000, stop.Token).AsTask();
        Assert.False(waits.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
    }

    [Fact]
    public void A_budget_counts_what_is_under_way_and_the_first_that_does_not_fit_ends_it()
    {
        MoveBudget budget = new(new MoveLimits { MaxRequests = 10, MaxCost = 1 }, "USD", 2, 0.25);
        MoveCost bill = new(4, 0.25, 0, 0, 0);
        Assert.True(budget.TryReserve(bill, isBudgeted: true));
        Assert.True(budget.TryReserve(bill, isBudgeted: true));
        budget.Settle(bill, new MoveCost(1, 0.01, 0, 0, 0));
        Assert.True(budget.TryReserve(new MoveCost(3, 0.1, 0, 0, 0), isBudgeted: true));
        Assert.False(budget.TryReserve(bill, isBudgeted: true));
        Assert.Equal("the budget of 10 requests", budget.Exhausted);
        Assert.False(budget.TryReserve(default, isBudgeted: true));
        Assert.True(budget.TryReserve(bill, isBudgeted: false));
    }
}
