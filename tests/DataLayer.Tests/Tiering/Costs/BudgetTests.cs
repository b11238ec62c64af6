using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;

namespace DataLayer.Tests.Tiering.Costs;

/// <summary>Budgets: where they stand, and what they keep from going out.</summary>
public sealed class BudgetTests
{
    private static readonly long _day = UnixTime.ToNanoseconds(new DateTimeOffset(2026, 3, 10, 0, 0, 0, TimeSpan.Zero));
    private static readonly CostBudget _budget = new() { Name = "b", Amount = 10, Action = BudgetAction.StopPrefetch };

    [Fact]
    public void A_state_gets_only_worse_within_a_period_and_eases_after_one_that_was_exceeded()
    {
        BudgetStatus status = Next(null, 7.9, 1);
        Assert.Equal((BudgetState.Within, null), (status.State, status.InForce));
        status = Next(status, 8, 2);
        Assert.Equal((BudgetState.Warned, null), (status.State, status.InForce));
        status = Next(status, 1, 3);
        Assert.Equal(BudgetState.Warned, status.State);
        status = Next(status, 10, 4);
        Assert.Equal((BudgetState.Exceeded, BudgetAction.StopPrefetch), (status.State, status.InForce));
        Assert.Equal(_day + (4 * CostPeriod.Hour), status.SinceNanoseconds);
        status = Next(status, 2, 5);
        Assert.Equal((BudgetState.Exceeded, _day + (4 * CostPeriod.Hour)), (status.State, status.SinceNanoseconds));

        status = Next(status, 0, 24);
        Assert.Equal((BudgetState.Easing, BudgetAction.Throttle), (status.State, status.InForce));
        Assert.Equal(_day + CostPeriod.Day, status.PeriodStartNanoseconds);
        Assert.Equal(BudgetState.Exceeded, Next(status, 11, 24.5).State);
        status = Next(status, 9, 24.9);
        Assert.Equal(BudgetState.Easing, status.State);
        Assert.Equal(BudgetState.Warned, Next(status, 9, 25).State);
        Assert.Equal(BudgetState.Within, Next(status, 1, 25).State);
    }

    [Fact]
    public void A_clock_that_goes_back_does_not_bring_the_last_period_back()
    {
        BudgetStatus exceeded = Next(null, 12, 23.9);
        BudgetStatus next = Next(exceeded, 0, 26);
        Assert.Equal(BudgetState.Within, next.State);
        BudgetStatus back = Next(next, 12, 23.95);
        Assert.Equal((next.State, next.PeriodStartNanoseconds, next.SpentNanos), (back.State, back.PeriodStartNanoseconds, back.SpentNanos));
    }

    [Fact]
    public void A_raised_amount_lifts_what_was_exceeded_at_once()
    {
        BudgetStatus exceeded = Next(null, 12, 3);
        BudgetStatus raised = BudgetStatus.Next(_budget with { Amount = 20 }, exceeded, 12_000_000_000, _day + (4 * CostPeriod.Hour));
        Assert.Equal(BudgetState.Within, raised.State);
    }

    [Fact]
    public void A_warning_never_throttles()
    {
        CostBudget warns = _budget with { Action = BudgetAction.Warn };
        BudgetStatus exceeded = BudgetStatus.Next(warns, null, 12_000_000_000, _day);
        Assert.Equal((BudgetState.Exceeded, BudgetAction.Warn), (exceeded.State, exceeded.InForce));
        BudgetStatus easing = BudgetStatus.Next(warns, exceeded, 0, _day + CostPeriod.Day);
        Assert.Equal((BudgetState.Easing, null), (easing.State, easing.InForce));
    }

    [Fact]
    public void A_month_has_the_length_of_the_calendar()
    {
        (long start, long end) = CostPeriod.Of(_day, CostLevel.Month);
        Assert.Equal((9, 31), ((_day - start) / CostPeriod.Day, (end - start) / CostPeriod.Day));
        Assert.Equal(_day, CostPeriod.Of(_day + CostPeriod.Hour, CostLevel.Day).Start);
        Assert.Equal(-CostPeriod.Hour, CostPeriod.Of(-1, CostLevel.Hour).Start);
    }

    [Fact]
    public async Task Only_what_nobody_waits_for_is_stopped_and_only_where_the_budget_is_of()
    {
        SpendGate gate = new(TimeProvider.System, 5);
        gate.Set([Next(null, 12, 1) with { Budget = _budget with { Dataset = "/a" } }]);
        Attachment a = new() { Folder = InodeId.Root, Path = "/a", Source = "s3://bucket", StoreName = "default" };
        Assert.False(gate.Allows(a));
        Assert.True(gate.Allows(a with { Path = "/b" }));
        await gate.WaitAsync("/a", 1, default);
        OriginUse.Current = new OriginUse(OriginPurpose.Foreground, 0, "ann");
        await gate.WaitAsync("/a", 1, default);
        OriginUse.Current = new OriginUse(OriginPurpose.Warm, 3);
        await gate.WaitAsync("/b", 1, default);
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(async () => await gate.WaitAsync("/a", 1, default));
        Assert.Equal(ErrorCode.QuotaExceeded, refused.Code);
        Assert.Contains("'b' is spent", refused.Message, StringComparison.Ordinal);
        Assert.Contains("2026-03-11 00:00Z", refused.Message, StringComparison.Ordinal);
        gate.Set([]);
        await gate.WaitAsync("/a", 1, default);
        Assert.True(gate.Allows(a));
        Assert.Equal(2, gate.LeftOutCount);
    }

    [Fact]
    public void A_throttle_lets_through_what_its_rate_allows_and_leaves_the_rest_out()
    {
        StoppedClock clock = new();
        SpendGate gate = new(clock, 3);
        gate.Set([Next(null, 12, 1) with { Budget = _budget with { Action = BudgetAction.Throttle } }]);
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => gate.Allows(null)));
        clock.Seconds++;
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => gate.Allows(null)));
    }

    [Fact]
    public async Task Budgets_follow_the_bill_and_go_on_after_a_restart()
    {
        await using CostFixture t = await new CostFixture
        {
            Options = new CostOptions
            {
                FlushInterval = TimeSpan.FromMinutes(10),
                Budgets =
                [
                    _budget with { Amount = 2 },
                    _budget with { Name = "other", Amount = 2, Dataset = "/other" },
                    _budget with { Name = "ann", Amount = 2, Tenant = "ann", Period = CostLevel.Month },
                ],
            },
        }.StartAsync();
        await t.Meter.StartAsync(default);
        OriginUse.Current = new OriginUse(OriginPurpose.Foreground, 0, "ann");
        await t.Store.HeadAsync("none", default);
        await t.Store.HeadAsync("none", default);
        await t.Meter.FlushAsync(default);
        BudgetState[] expected = [BudgetState.Exceeded, BudgetState.Within, BudgetState.Exceeded];
        Assert.Equal(expected, t.Meter.Budgets.Select(b => b.State));
        Assert.True(t.Gate.IsInForce);

        CostMeter before = t.Meter;
        t.Make();
        await t.Meter.StartAsync(default);
        await t.Meter.FlushAsync(default);
        Assert.Equal(expected, t.Meter.Budgets.Select(b => b.State));
        Assert.Equal([2_000_000_000, 0, 2_000_000_000], t.Meter.Budgets.Select(b => b.SpentNanos));

        t.Tree.Clock.Advance(TimeSpan.FromDays(1));
        await t.Meter.FlushAsync(default);
        Assert.Equal([BudgetState.Easing, BudgetState.Within, BudgetState.Exceeded], t.Meter.Budgets.Select(b => b.State));
        await before.DisposeAsync();
    }

    private sealed class StoppedClock : TimeProvider
    {
        public long Seconds { get; set; } = 1000;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }

    private static BudgetStatus Next(BudgetStatus? before, double spent, double hours) =>
        BudgetStatus.Next(_budget, before, (long)(spent * 1e9), _day + (long)(hours * CostPeriod.Hour));
}
