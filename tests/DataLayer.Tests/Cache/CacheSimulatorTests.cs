using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Cache;

public sealed class CacheSimulatorTests
{
    private const int Object = 65_536;

    [Theory]
    [InlineData("a b c a b c", 2, 0)]
    [InlineData("a b a c b a", 2, 1)]
    [InlineData("a a a b b a", 1, 3)]
    [InlineData("a b a b a b", 2, 4)]
    public void Lru_does_what_is_worked_out_by_hand(string keys, int size, int hits) =>
        Assert.Equal(hits, Row(keys, "lru", size).Hits);

    [Theory]
    [InlineData("a b c a b c", 2, 2)]
    [InlineData("a b c d a b c d", 2, 2)]
    [InlineData("a b a c b a", 2, 3)]
    [InlineData("a a a b b a", 1, 3)]
    public void Belady_does_what_is_worked_out_by_hand(string keys, int size, int hits) =>
        Assert.Equal(hits, Row(keys, "belady", size).Hits);

    [Theory]
    // A one-hit block leaves the small queue; b and c were hit and stay.
    [InlineData("b b c c a d b c", 3, 4)]
    // x falls out of the small queue, is remembered, and comes back into the main one.
    [InlineData("a a b b x y x z x", 3, 3)]
    public void S3fifo_does_what_is_worked_out_by_hand(string keys, int size, int hits) =>
        Assert.Equal(hits, Row(keys, "s3fifo", size).Hits);

    [Theory]
    [InlineData("a b c a b c a b c", 2, 4)]
    [InlineData("a b c d c a d b a b c d", 2, 4)]
    public void Guard_keeps_what_is_there_over_passes(string keys, int size, int hits) =>
        Assert.Equal(hits, Row(keys, "guard", size).Hits);

    [Fact]
    public void A_run_always_has_lru_and_the_optimum()
    {
        IReadOnlyList<SimulationRow> rows = CacheSimulator.Run(new StringReader("1 a 10\n2 a 10"), ["s3fifo"], 100);
        Assert.Equal(["s3fifo", "lru", "belady"], rows.Select(row => row.Policy));
        Assert.Equal("""{"policy":"lru","size":100,"requests":2,"hits":1,"bytes":20,"hitBytes":10}""", rows[1].ToJson());
    }

    [Fact]
    public void Keys_are_free_text_and_name_their_dataset()
    {
        CacheTrace trace = CacheTrace.Read(new StringReader("# comment\n\n0.5 train/a b.png 10\n1\ttrain/a b.png\t10\n2 other/x 3\n3 plain 4\n4 /train/c 5\r\n"));
        Assert.Equal((5, 4), (trace.Count, trace.ObjectCount));
        Assert.Equal([1, 2, 0, 1], trace.DatasetOf);
    }

    [Theory]
    [InlineData("1 a 10\n2 a", 2)]
    [InlineData("1 a ten", 1)]
    [InlineData("1 a 10\n\nx a 10", 3)]
    [InlineData("1 a -5", 1)]
    [InlineData("1 a 0", 1)]
    [InlineData("1  5", 1)]
    public void A_bad_line_is_named(string text, int line)
    {
        DataLayerException error = Assert.Throws<DataLayerException>(() => CacheSimulator.Run(new StringReader(text), ["lru"], 100));
        Assert.Contains($"Line {line} ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_policy_or_size_is_refused()
    {
        Assert.Throws<DataLayerException>(() => CacheSimulator.Run(new StringReader("1 a 1"), ["arc"], 100));
        Assert.Throws<DataLayerException>(() => CacheSimulator.Run(new StringReader("1 a 1"), ["lru"], 0));
    }

    [Fact]
    public void A_changed_size_is_a_miss()
    {
        IReadOnlyList<SimulationRow> rows = CacheSimulator.Run(new StringReader("1 a 10\n2 a 12\n3 a 12"), [], 100);
        Assert.All(rows, row => Assert.Equal((1, 12), (row.Hits, row.HitBytes)));
    }

    [Fact]
    public void What_is_larger_than_the_cache_is_passed_by()
    {
        IReadOnlyList<SimulationRow> rows = CacheSimulator.Run(new StringReader("1 a 10\n2 b 1000\n3 a 10"), ["guard", "s3fifo"], 100);
        Assert.All(rows, row => Assert.Equal(1, row.Hits));
    }

    [Fact]
    public void No_policy_beats_the_optimum_for_one_size()
    {
        for (int seed = 1; seed <= 5; seed++)
        {
            foreach (CacheTrace trace in (CacheTrace[])[CacheTraces.Zipf(500, 5000, 0.9, seed), CacheTraces.Passes(500, 5, true, seed), CacheTraces.Recent(5000, 100, seed)])
            {
                IReadOnlyList<SimulationRow> rows = CacheSimulator.Run(trace, CacheSimulator.PolicyNames, 100 * Object);
                Assert.All(rows, row => Assert.True(row.Hits <= rows[^1].Hits, $"seed {seed}: {row}"));
            }
        }
    }

    [Theory]
    [InlineData(20, true)]
    [InlineData(50, true)]
    [InlineData(80, true)]
    [InlineData(50, false)]
    public void Guard_reaches_the_optimum_over_passes_without_being_told(int percent, bool reshuffle)
    {
        foreach (int dataset in (int[])[0, 1])
        {
            CacheTrace trace = CacheTraces.Passes(2000, 6, reshuffle, seed: 3, dataset);
            Assert.InRange(RatioToOptimum(trace, "guard", 2000L * Object * percent / 100), 0.97, 1);
        }
    }

    [Fact]
    public void Guard_follows_a_switch_of_datasets() =>
        Assert.InRange(RatioToOptimum(CacheTraces.Switch(2000, 6, seed: 3), "guard", 1000L * Object), 0.8, 1);

    [Theory]
    [InlineData(0.8)]
    [InlineData(1.0)]
    [InlineData(1.2)]
    public void Guard_is_not_behind_s3fifo_under_zipf(double skew)
    {
        CacheTrace trace = CacheTraces.Zipf(5000, 100_000, skew, seed: 3);
        double guard = RatioToOptimum(trace, "guard", 1000L * Object), s3fifo = RatioToOptimum(trace, "s3fifo", 1000L * Object);
        Assert.True(guard >= s3fifo, $"guard {guard}, s3fifo {s3fifo}");
    }

    [Fact]
    public void Guard_lets_scans_pass() =>
        Assert.InRange(RatioToOptimum(CacheTraces.ScanZipf(4000, 60_000, 1.0, 4000, 2000, seed: 3), "guard", 2000L * Object), 0.9, 1);

    [Theory]
    [InlineData("guard")]
    [InlineData("s3fifo")]
    [InlineData("lru")]
    public async Task The_simulator_is_within_a_point_of_the_real_cache(string policy)
    {
        foreach (CacheTrace trace in (CacheTrace[])[CacheTraces.Zipf(5000, 20_000, 1.0, 7), CacheTraces.Passes(2000, 4, true, 7), CacheTraces.Switch(2000, 3, 7), CacheTraces.PassesWithMetadata(2000, 4, 3000, 2, 500, 7)])
        {
            const long Size = 64L << 20;
            double real = await ReplayAsync(trace, policy, Size);
            double simulated = CacheSimulator.Run(trace, [policy], Size)[0].ByteHitRatio;
            Assert.InRange(Math.Abs(real - simulated), 0, 0.01);
        }
    }

    private static async Task<double> ReplayAsync(CacheTrace trace, string policy, long size)
    {
        await using BlockCache cache = CacheFixture.NewCache(size, policy);
        byte[] buffer = new byte[Object];
        long hitBytes = 0, bytes = 0;
        for (int i = 0; i < trace.Count; i++)
        {
            int id = trace.Objects[i], dataset = trace.DatasetOf[id], length = trace.Sizes[i];
            BlockId block = new(id + 1, 1, 0);
            bytes += length;
            if (cache.TryRead(block, 0, buffer.AsSpan(0, length), dataset, out _))
            {
                hitBytes += length;
            }
            else
            {
                cache.TryFill(block, buffer.AsSpan(0, length), dataset);
            }
        }

        return (double)hitBytes / bytes;
    }

    private static double RatioToOptimum(CacheTrace trace, string policy, long size)
    {
        IReadOnlyList<SimulationRow> rows = CacheSimulator.Run(trace, [policy], size);
        return rows[0].ByteHitRatio / rows[^1].ByteHitRatio;
    }

    private static SimulationRow Row(string keys, string policy, int size)
    {
        StringBuilder text = new();
        foreach (string key in keys.Split(' '))
        {
            text.Append("1 ").Append(key).Append(" 1\n");
        }

        return CacheSimulator.Run(new StringReader(text.ToString()), [policy], size).First(row => row.Policy == policy);
    }
}
