using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Simulation;
using FsCheck;
using FsCheck.Fluent;
using static DataLayer.Tests.Tiering.Planning.PriceFixture;

namespace DataLayer.Tests.Tiering.Simulation;

/// <summary>Small traces whose bills are computed by hand, with the round prices of the fixture.</summary>
public sealed class TieringSimulatorTests
{
    private static readonly DateTimeOffset _start = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void All_hot_costs_the_hot_price_for_as_long_as_files_are_there()
    {
        // 10 GiB for 30 days at 0.10; a second file of 10 GiB for its last 15 days.
        SimulationResult result = Run(
            30, Nothing,
            Write(-1, 0, 10 * GiB), Write(15, 1, 10 * GiB));
        Assert.Equal(1.00 + 0.50, result.AllHotCost, 9);
        Assert.Equal(result.AllHotCost, result.Billed, 9);
        Assert.Equal(30, result.Days.Count);
        Assert.Equal(1.00 / 30, result.Days[0].HotCost, 9);
    }

    [Fact]
    public void A_file_released_on_the_third_day_is_billed_by_where_it_lay()
    {
        // Released at 48 h (the plan after 24 h finds it idle for one day only): two days hot, 28 days in IA, the upload.
        SimulationResult result = Run(30, ReleaseIdle(days: 2, "IA"), Write(0, 0, 10 * GiB));
        double upload = Pricing.Upload(Class("IA"), 10 * GiB).Total;
        Assert.Equal((10 * 0.10 * 2 / 30) + (10 * 0.01 * 28 / 30) + upload, result.Billed, 9);
        Assert.Equal(10 * GiB, result.Days[2].ReleasedBytes);
        Assert.Equal(upload, result.Days[2].Once.Total, 9);
    }

    [Fact]
    public void A_read_of_a_released_file_waits_once_and_is_billed_as_a_recall()
    {
        SimulationResult result = Run(
            30, ReleaseIdle(days: 2, "IA"), Write(0, 0, 10 * GiB), Read(10, 0, 10 * GiB), Read(10.5, 0, 10 * GiB));
        Assert.Equal((10 * GiB, 10 * GiB), (result.Days[10].WaitedBytes, result.Days[10].ServedBytes));
        Assert.Equal(0.5, result.ServedHotShare, 9);
        Assert.Equal(Pricing.Recall(Class("IA"), 10 * GiB).Total, result.Days[10].Once.Total, 9);

        // Hot again from day 10 until the plan of day 13 finds it idle for two days; its object was there all the time.
        Assert.Equal(10 * 0.10 / 30, result.Days[11].HotCost, 9);
        Assert.Equal(10 * 0.01 / 30, result.Days[11].ColdCost, 9);
        Assert.Equal(10 * GiB, result.Days[13].ReleasedBytes);
        Assert.Equal(0, result.Days[13].UploadedBytes);
    }

    [Fact]
    public void Overwriting_and_deleting_pay_the_rest_of_the_minimum_duration()
    {
        // Stored on day 2; overwritten on day 12 (20 days left), stored again on day 14, deleted on day 24 (20 left).
        SimulationResult result = Run(
            30, ReleaseIdle(days: 2, "IA"),
            Write(0, 0, 30 * GiB), Write(12, 0, 30 * GiB), Delete(24, 0));
        Assert.Equal(0.20, result.Days[12].Once.EarlyDeletionCost, 9);
        Assert.Equal(0.20, result.Days[24].Once.EarlyDeletionCost, 9);
        Assert.Equal(0, result.Days[25].Billed, 9);
    }

    [Fact]
    public void A_plan_foretells_to_the_cent_what_a_quiet_time_costs()
    {
        // Reading back is free here, so that what might be read (it is not) costs nothing.
        PriceTable table = new("quiet", [
            new StorageClassPrice { Name = "STANDARD", PerGibMonth = 0.02 },
            new StorageClassPrice { Name = "IA", PerGibMonth = 0.01, MinDays = 30, MinObjectBytes = 128 * KiB, PutPer1000 = 10 },
        ])
        { HotPerGibMonth = 0.10 };
        SimulationResult result = TieringSimulator.Run(
            new AccessTrace
            {
                Start = _start,
                Length = TimeSpan.FromDays(40),
                Files = [.. Enumerable.Range(0, 50).Select(i => new TraceFile($"/data/{i:d3}", "data", null))],
                Events = [.. Enumerable.Range(0, 50).Select(i => Write(-200, i, (i + 1) * 100 * MiB))],
            },
            ReleaseIdle(days: 2, "IA"), new TierPricing(table, new TransferShape()), _options);
        Assert.Equal(39, result.Plans.Count);
        Assert.Equal(50, result.Plans[0].Moves);
        Assert.True(result.Plans[0].Billed > 10 * result.Plans[1].Billed);
        Assert.All(result.Plans, p => Assert.Equal(p.Billed, p.Predicted, 6));
        Assert.Equal(0, result.PlanError, 4);
    }

    [Fact]
    public void The_first_recalls_of_a_dataset_bring_in_the_rest_ahead_of_its_reader()
    {
        TraceEvent[] writes = [.. Enumerable.Range(0, 100).Select(i => Write(-20, i, GiB))];
        TraceEvent[] pass = [.. Enumerable.Range(0, 100).Select(i => Read(10 + (i * 0.0005), i, GiB))];
        SimulationResult follows = Run(12, ReleaseIdle(days: 2, "IA"), [.. writes, .. pass]);
        SimulationResult alone = Run(12, ReleaseIdle(days: 2, "IA"), _options with { GroupRecall = null }, [.. writes, .. pass]);
        Assert.Equal(100 * GiB, alone.Days[10].WaitedBytes);
        Assert.InRange(follows.Days[10].WaitedBytes, 3 * GiB, 5 * GiB);
        Assert.Equal(100 * GiB, follows.Days[10].RecalledBytes);
        Assert.Equal(alone.Days[10].Once.Total, follows.Days[10].Once.Total, 6);
    }

    [Fact]
    public void A_move_budget_spreads_a_migration_over_plans()
    {
        SimulationResult result = Run(
            10, ReleaseIdle(days: 2, "IA"), _options with { MoveBytesPerPlan = 10 * GiB },
            [.. Enumerable.Range(0, 25).Select(i => Write(-20, i, GiB))]);
        Assert.Equal([10 * GiB, 10 * GiB, 5 * GiB, 0L], result.Days.Take(4).Select(d => d.ReleasedBytes));
        Assert.Equal([15L, 5L, 0L], result.Plans.Take(3).Select(p => p.Deferred));
    }

    [Fact]
    public void A_file_larger_than_the_move_budget_goes_alone()
    {
        SimulationResult result = Run(
            5, ReleaseIdle(days: 2, "IA"), _options with { MoveBytesPerPlan = MiB }, Write(-20, 0, GiB), Write(-20, 1, GiB));
        Assert.Equal([GiB, GiB, 0L], result.Days.Take(3).Select(d => d.ReleasedBytes));
    }

    [Fact]
    public void An_archived_file_is_restored_before_it_is_hot()
    {
        // The restore takes 12 h: the read after 6 h waits too and is not billed again; the one after 13 h is served.
        SimulationResult result = Run(
            30, ReleaseIdle(days: 2, "ARCHIVE"),
            Write(0, 0, GiB), Read(10, 0, GiB), Read(10.25, 0, GiB), Read(10.55, 0, GiB));
        Assert.Equal((2 * GiB, GiB), (result.Days[10].WaitedBytes, result.Days[10].ServedBytes));
        Assert.Equal(Pricing.Recall(Class("ARCHIVE"), GiB).Total, result.Days[10].Once.Total, 9);
    }

    [Fact]
    public void Two_reads_of_a_released_file_recall_no_more_than_it_has()
    {
        SimulationResult result = Run(
            5, ReleaseIdle(days: 1, "IA"),
            Write(0.23, 8, 1_133_510_656), Read(2.15, 8, 1_069_547_520), Read(2.91, 8, 1_133_510_656));
        Assert.Equal((1_133_510_656L, 1_133_510_656L), (result.Days[2].RecalledBytes, result.Days[2].HotBytes));
    }

    [Fact]
    public void Any_trace_is_billed_the_same_twice_and_no_state_leaks()
    {
        Gen<TraceEvent> gen =
            from day in Gen.Choose(0, 2000)
            from action in Gen.Elements(TraceAction.Write, TraceAction.Read, TraceAction.Read, TraceAction.Delete)
            from file in Gen.Choose(0, 9)
            from size in Gen.Choose(0, 4000)
            select new TraceEvent(TimeSpan.FromDays(day / 100.0), action, file, action == TraceAction.Delete ? 0 : size * MiB);
        Prop.ForAll(
            gen.ArrayOf().ToArbitrary(),
            events =>
            {
                TraceEvent[] sorted = [.. events.OrderBy(e => e.At)];
                SimulationResult first = Run(20, ReleaseIdle(days: 1, "IA"), sorted);
                SimulationResult second = Run(20, ReleaseIdle(days: 1, "IA"), sorted);
                Assert.Equal(first.Days, second.Days);
                Dictionary<int, long> live = [];
                foreach (TraceEvent e in sorted.Where(e => e.At < TimeSpan.FromDays(20))) // What comes at the end is not of the trace.
                {
                    _ = e.Action switch
                    {
                        TraceAction.Write => (live[e.File] = e.Bytes) >= 0,
                        TraceAction.Delete => live.Remove(e.File),
                        _ => true,
                    };
                }

                Assert.Equal(live.Values.Sum(), first.Days[^1].Bytes);
                Assert.All(first.Days, d => Assert.True(
                    d.HotBytes >= 0 && d.HotBytes <= d.Bytes && d.ColdCost >= -1e-9 && d.Billed >= -1e-9, d.ToString()));
            }).QuickCheckThrowOnFailure();
    }

    private static readonly SimulationOptions _options = new() { HotCapacityBytes = 1000 * GiB, FirstPlan = TimeSpan.Zero };

    private static PlacementRule Nothing(DateTimeOffset now, IReadOnlyDictionary<string, double> fill) =>
        static (in FileFacts _) => PlacementDecision.None;

    private static PolicyAt ReleaseIdle(double days, string storageClass) => (now, _) => (in FileFacts file) =>
        now - file.AccessedAt >= TimeSpan.FromDays(days) ? Decision(PlacementTier.Release, storageClass) : PlacementDecision.None;

    private static TraceEvent Write(double day, int file, long bytes) => new(TimeSpan.FromDays(day), TraceAction.Write, file, bytes);

    private static TraceEvent Read(double day, int file, long bytes) => new(TimeSpan.FromDays(day), TraceAction.Read, file, bytes);

    private static TraceEvent Delete(double day, int file) => new(TimeSpan.FromDays(day), TraceAction.Delete, file, 0);

    private static SimulationResult Run(int days, PolicyAt policy, params TraceEvent[] events) => Run(days, policy, _options, events);

    private static SimulationResult Run(int days, PolicyAt policy, SimulationOptions options, params TraceEvent[] events) =>
        TieringSimulator.Run(
            new AccessTrace
            {
                Start = _start,
                Length = TimeSpan.FromDays(days),
                Files = [.. Enumerable.Range(0, 100).Select(i => new TraceFile($"/data/{i:d3}", "data", null))],
                Events = events,
            },
            policy, Pricing, options);
}
