using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.TestSupport;
using static DataLayer.Tests.Tiering.Planning.PriceFixture;

namespace DataLayer.Tests.Tiering.Planning;

public sealed class PlanBuilderTests
{
    private static readonly PlanOptions _options = new() { PolicyHash = "p", HeatHalfLife = TimeSpan.FromDays(7) };

    [Fact]
    public void A_plan_sums_up_by_rule_what_its_moves_cost_and_save()
    {
        PlanBuilder builder = Builder(static (in FileFacts f) =>
            f.Path.StartsWith("/old", StringComparison.Ordinal) ? Decision(PlacementTier.Release, "IA", rule: 1) : PlacementDecision.None);
        builder.Add(HotFile("/old/a"));
        builder.Add(HotFile("/old/b", 3 * GiB));
        builder.Add(HotFile("/new/c", 5 * GiB));
        TieringPlan plan = builder.Complete();
        Assert.Equal([1, -1], plan.Rules.Select(r => r.RuleIndex));
        MoveTotals moved = plan.Rules[0].Moved;
        Assert.Equal((2L, 4 * GiB, 4 * GiB, 4 * GiB), (moved.Moves, moved.MovedBytes, moved.UploadBytes, moved.ReleaseBytes));
        Assert.Equal(0.40, moved.MonthlyBefore, 9);
        Assert.Equal(0.04, moved.MonthlyAfter, 9);
        Assert.Equal(0.90, plan.Totals.MonthlyBefore, 9);
        Assert.Equal(0.54, plan.Totals.MonthlyAfter, 9);

        // 130 and 386 PUTs at 0.010, two HEADs at 0.001.
        Assert.Equal(518, moved.Requests);
        Assert.Equal((516 * 0.010) + 0.002, moved.Once.Total, 9);

        // Needed again: 512 GETs at 0.001, 4 × 0.01 retrieval, 4 × 0.05 egress.
        Assert.Equal(0.512 + 0.04 + 0.20, moved.RecallCost, 9);
        Assert.InRange(moved.ExpectedRecallCost, 0.0001, moved.RecallCost / 2);
        Assert.Equal(0, plan.Rules[1].Moved.Moves);
    }

    [Fact]
    public void The_hit_ratio_counts_bytes_by_the_heat_seen()
    {
        PlanBuilder builder = Builder(static (in FileFacts f) =>
            f.Path == "/warm" ? Decision(PlacementTier.Release) : PlacementDecision.None);
        builder.Add(HotFile("/hot") with { Heat = 9 });
        builder.Add(HotFile("/warm") with { Heat = 1 });
        builder.Add(ColdFile("/cold") with { Heat = 10 });
        TieringPlan plan = builder.Complete();
        Assert.Equal(0.50, plan.HitRatioBefore, 9);
        Assert.Equal(0.45, plan.HitRatioAfter, 9);
    }

    [Fact]
    public void Early_leaves_are_charged_by_the_time_in_the_class()
    {
        PlanBuilder builder = Builder(static (in FileFacts _) => Decision(PlacementTier.Release, "STANDARD"));
        builder.Add(ColdFile("/young", GiB, "IA", storedDays: 12));
        builder.Add(ColdFile("/ripe", GiB, "IA", storedDays: 31));
        Assert.Equal(0.01 * 18 / 30, builder.Complete().Totals.Once.EarlyDeletionCost, 9);
    }

    [Fact]
    public void What_stands_in_the_way_is_told_with_an_example_and_a_remedy()
    {
        PlanBuilder builder = Builder(static (in FileFacts _) => Decision(PlacementTier.Release));
        builder.Add(HotFile("/loose/1") with { AttachmentId = 0 });
        builder.Add(HotFile("/loose/2") with { AttachmentId = 0 });
        builder.Add(HotFile("/pinned") with { IsPinned = true, HasObject = true });
        builder.Add(ColdFile("/odd", storageClass: "REDUCED"));
        IReadOnlyList<PlanWarning> warnings = builder.Complete().Warnings;
        Assert.Equal([MoveObstacle.NoAttachment, MoveObstacle.Pinned, MoveObstacle.UnknownClass], warnings.Select(w => w.Obstacle));
        Assert.Equal((2L, 2 * GiB, "/loose/1"), (warnings[0].Files, warnings[0].Bytes, warnings[0].Example));
        Assert.Contains("attach one", warnings[0].Message, StringComparison.Ordinal);
        Assert.Contains("'REDUCED'", warnings[2].Message, StringComparison.Ordinal);
        Assert.Contains("priced as STANDARD", warnings[2].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_without_classes_gets_the_move_without_the_class()
    {
        PlanBuilder builder = new(
            static (in FileFacts _) => Decision(PlacementTier.Release, "IA"), Pricing,
            _options with { ClasslessAttachments = new HashSet<long> { 1 } }, Now, spool: null);
        Assert.Null(builder.Add(HotFile()).Change.StorageClass);
        Assert.Equal(MoveKinds.None, builder.Add(ColdFile()).Change.Kinds);
        PlanWarning warning = Assert.Single(builder.Complete().Warnings);
        Assert.Equal((MoveObstacle.NoClasses, 2L), (warning.Obstacle, warning.Files));
    }

    [Fact]
    public void Moves_stand_in_the_file_heaviest_first_and_one_weight_in_the_order_of_the_walk()
    {
        using TempFolder folder = new();
        string path = Path.Combine(folder.Path, "moves");
        List<PlannedMove> expected = [];
        long bytes;
        using (MoveSpool spool = new(path))
        {
            Random random = new(11);

            // More than two runs of the sort.
            for (int i = 0; spool.Count < 240_000; i++)
            {
                PlannedMove move = new()
                {
                    Inode = new InodeId(i + 2),
                    Version = random.NextInt64(),
                    Path = $"/data/dataset-{i % 97:d3}/file-{i:d8}.bin",
                    RuleIndex = i % 10_000,
                    Kinds = (MoveKinds)random.Next(64),
                    SizeBytes = random.NextInt64(1L << 40),
                    HotBytes = random.NextInt64(1L << 40),
                    CopyCount = random.Next(3),
                    FromClass = i % 3 == 0 ? null : "STANDARD",
                    ToClass = i % 5 == 0 ? "GLACIER_IR" : null,
                    Weight = random.Next(50) / 7.0,
                    OnceCost = random.NextDouble(),
                    MonthlyChange = -random.NextDouble(),
                };
                spool.Add(move);
                expected.Add(move);
            }

            bytes = spool.Complete();
        }

        Assert.Equal(["moves"], Directory.EnumerateFiles(folder.Path).Select(f => Path.GetFileName(f)!));
        using MoveFile file = new(path, bytes, 0);
        foreach (PlannedMove move in expected.OrderByDescending(m => m.Weight))
        {
            Assert.Equal(move, file.Read());
        }

        Assert.Null(file.Read());
    }

    [Fact]
    public void Pages_of_moves_go_on_where_the_one_before_ended()
    {
        using TempFolder folder = new();
        (string path, long bytes) = WriteMoves(folder, 10);
        List<long> seen = [];
        long next = 0;
        while (next < bytes)
        {
            using MoveFile page = new(path, bytes, next);
            for (int i = 0; i < 3 && page.Read() is { } move; i++)
            {
                seen.Add(move.Inode.Value);
            }

            next = page.Position;
        }

        Assert.Equal(Enumerable.Range(2, 10).Select(i => (long)i), seen);
    }

    [Fact]
    public void A_damaged_file_of_moves_is_never_read_as_a_plan()
    {
        using TempFolder folder = new();
        (string path, long bytes) = WriteMoves(folder, 3);
        byte[] good = File.ReadAllBytes(path);
        for (int at = 0; at < good.Length; at++)
        {
            byte[] bad = [.. good];
            bad[at] ^= 0x40;
            File.WriteAllBytes(path, bad);
            DataLayerException fault = Assert.Throws<DataLayerException>(() =>
            {
                using MoveFile file = new(path, bytes, 0);
                while (file.Read() is not null)
                {
                }
            });
            Assert.Equal(ErrorCode.Corrupt, fault.Code);
        }

        File.WriteAllBytes(path, good[..^5]);
        Assert.Throws<DataLayerException>(() => new MoveFile(path, bytes, 0));
        File.Delete(path);
        Assert.Equal(ErrorCode.NotFound, Assert.Throws<DataLayerException>(() => new MoveFile(path, bytes, 0)).Code);
    }

    [Fact]
    public void A_spool_given_up_leaves_nothing()
    {
        using TempFolder folder = new();
        using (MoveSpool spool = new(Path.Combine(folder.Path, "moves")))
        {
            for (int i = 0; i < 150_000; i++)
            {
                spool.Add(Move(i));
            }
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Use_is_likelier_the_hotter_and_the_more_recent()
    {
        HeatForecast forecast = new(TimeSpan.FromDays(7));
        TimeSpan month = TimeSpan.FromDays(30);
        double never = forecast.ProbabilityOfUse(ColdFile() with { Heat = 0 }, Now, month);
        double once = forecast.ProbabilityOfUse(ColdFile() with { Heat = 1, AccessedAt = Now.AddDays(-1) }, Now, month);
        double often = forecast.ProbabilityOfUse(ColdFile() with { Heat = 10, AccessedAt = Now.AddDays(-1) }, Now, month);
        double ancient = forecast.ProbabilityOfUse(ColdFile() with { AccessedAt = Now.AddDays(-1000) }, Now, month);
        Assert.True(0 < ancient && ancient < never && never < once && once < often && often < 1, $"{ancient} {never} {once} {often}");
        Assert.Equal(0, forecast.ProbabilityOfUse(ColdFile(), Now, TimeSpan.Zero));
    }

    private static PlanBuilder Builder(PlacementRule rule) => new(rule, Pricing, _options, Now, spool: null);

    private static PlannedMove Move(int i) => new()
    {
        Inode = new InodeId(i + 2),
        Version = 1,
        Path = $"/a/some/longer/path/to/a/file/of/a/dataset/{i}",
        RuleIndex = 0,
        Kinds = MoveKinds.Release,
    };

    private static (string Path, long Bytes) WriteMoves(TempFolder folder, int count)
    {
        string path = Path.Combine(folder.Path, "moves");
        using MoveSpool spool = new(path);
        for (int i = 0; i < count; i++)
        {
            spool.Add(Move(i));
        }

        return (path, spool.Complete());
    }
}
