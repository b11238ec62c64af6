using System.Diagnostics.Metrics;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Policies;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

public sealed class GuardPolicyTests
{
    private const long Object = 65_536;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_told_pass_length_gives_the_optimum_over_passes(int seed)
    {
        CacheTrace trace = CacheTraces.Passes(1000, 5, reshuffle: true, seed);
        SimulationRow guard = CacheSimulator.Replay(trace, "guard", 300 * Object, policy => policy.SetDataset(1, 1000, 1));
        Assert.Equal(300 * 4, guard.Hits);
    }

    [Fact]
    public void A_told_block_dies_after_two_pass_lengths_times_the_jobs()
    {
        ReuseModel model = new();
        model.Tell(100, 3);
        Assert.True(model.Worth(1, 6, 600) > 0);
        Assert.Equal(0, model.Worth(1, 6, 601));
        Assert.True(model.Worth(1, 6, 500) > model.Worth(1, 6, 0));
    }

    [Fact]
    public void A_dataset_without_jobs_is_worth_nothing()
    {
        ReuseModel model = new();
        model.Tell(100, 0);
        Assert.Equal(0, model.Worth(1, 6, 1));
    }

    [Fact]
    public async Task A_dataset_whose_jobs_ended_makes_room_at_once()
    {
        await using BlockCache cache = NewCache(4 << 20, "guard");
        cache.SetDataset(1, 1000, 1);
        cache.SetDataset(2, 1000, 1);
        for (int i = 1; i <= 1000; i++)
        {
            cache.TryRead(Block(i), 0, new byte[1], 1, out _);
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 1);
        }

        long refused = cache.GetStatistics().FillsRefused;
        Assert.True(refused > 500, $"{refused} refused: the first dataset keeps its place");
        cache.SetDataset(1, 1000, 0);
        for (int i = 2001; i <= 2100; i++)
        {
            cache.TryRead(Block(i), 0, new byte[1], 2, out _);
            Assert.True(cache.TryFill(Block(i), Bytes(Block(i), 10_000), 2), $"block {i}");
        }
    }

    [Fact]
    public void Learned_worth_grows_with_age_under_passes_and_ends_when_nobody_comes()
    {
        const int Length = 2000;
        ReuseModel model = new();
        Random random = new(3);
        uint[] last = new uint[Length];
        int[] order = [.. Enumerable.Range(0, Length)];
        for (int pass = 0; pass < 8; pass++)
        {
            random.Shuffle(order);
            for (int i = 0; i < Length; i++)
            {
                model.Now++;
                if (pass > 0)
                {
                    model.OnReuse(pass - 1, 10.5f, model.Now - last[order[i]]);
                }

                last[order[i]] = model.Now;
                if (model.Now % 500 == 0)
                {
                    Refresh(model, last, pass);
                }
            }
        }

        float fresh = model.Worth(7, 10.5f, 0), due = model.Worth(7, 10.5f, 2500);
        Assert.True(due > 1.2f * fresh, $"{due} against {fresh}");

        // Nobody asks any more: the blocks wait, and waiting teaches that they are dead.
        for (int i = 0; i < 30; i++)
        {
            model.Now += 500;
            Refresh(model, last, 7);
        }

        float dead = model.Worth(7, 10.5f, 5 * Length);
        Assert.True(dead < due / 4, $"{dead} against {due}");
    }

    private static void Refresh(ReuseModel model, uint[] last, int uses)
    {
        model.BeginRefresh();
        foreach (uint used in last)
        {
            if (used > 0)
            {
                model.AddWaiting(uses, 10.5f, model.Now - used, 1);
            }
        }

        model.EndRefresh();
    }

    [Fact]
    public async Task More_datasets_than_models_share_and_still_work()
    {
        await using BlockCache cache = NewCache(2 << 20, "guard");
        byte[] buffer = new byte[2000];
        for (int i = 0; i < 20_000; i++)
        {
            int dataset = i % 100;
            if (!cache.TryRead(Block(i % 3000), 0, buffer, dataset, out _))
            {
                cache.TryFill(Block(i % 3000), buffer, dataset);
            }
        }

        Assert.True(cache.GetStatistics().Hits > 3000);
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task The_meter_reports_what_the_statistics_say()
    {
        await using BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 1234), 0);
        cache.TryRead(Block(1), 0, new byte[1234], 0, out _);
        Dictionary<string, long> seen = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "DataLayer.Cache")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            lock (seen)
            {
                // Other tests' caches report too: the largest is at least ours.
                seen[instrument.Name] = Math.Max(value, seen.GetValueOrDefault(instrument.Name));
            }
        });
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.True(seen["datalayer.cache.hit.bytes"] >= 1234);
        Assert.True(seen["datalayer.cache.fills"] >= 1);
        Assert.Contains("datalayer.cache.bad_blocks", seen.Keys);
        Assert.Contains("datalayer.cache.spill.errors", seen.Keys);
    }
}
