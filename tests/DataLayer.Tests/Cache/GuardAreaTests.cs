using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Memory;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

/// <summary>Guard's area for blocks of no dataset, in the real cache; one object is 64 KiB unless it is metadata of 4 KiB.</summary>
public sealed class GuardAreaTests
{
    private const int Object = 65_536;
    private const long Capacity = 1000L * Object;

    [Fact]
    public async Task The_area_keeps_within_its_bounds_while_a_dataset_is_read()
    {
        await using BlockCache cache = NewCache(Capacity, "guard");

        // The small objects alone are five times the area.
        CacheTrace trace = CacheTraces.PassesWithMetadata(2000, 4, 5 * (int)(Capacity / 10 / 4096), 1, 2000, seed: 5);
        Replay(cache, trace);
        Assert.InRange(AreaBytes(cache), Capacity / 20, Capacity / 10);
        cache.Memory.CheckIntegrity();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Passes_do_not_push_out_metadata_that_is_read_once_a_pass(int seed)
    {
        await using BlockCache cache = NewCache(Capacity, "guard");
        CacheTrace trace = new();
        Random random = new(seed);
        int[] order = [.. Enumerable.Range(0, 3000).Select(_ => trace.AddObject(1))];
        int[] index = [.. Enumerable.Range(0, 30).Select(_ => trace.AddObject(0))];
        for (int pass = 0; pass < 8; pass++)
        {
            Array.ForEach(index, id => trace.Add(id, Object));
            random.Shuffle(order);
            Array.ForEach(order, id => trace.Add(id, Object));
        }

        (double ofNone, double ofDataset) = Replay(cache, trace);
        Assert.InRange(ofNone, 7.0 / 8, 1);
        Assert.InRange(ofDataset, 0.27, 1);
    }

    [Fact]
    public async Task A_scan_outside_all_datasets_costs_a_dataset_no_more_than_the_area()
    {
        await using BlockCache quiet = NewCache(Capacity, "guard");
        double alone = Replay(quiet, CacheTraces.Passes(2000, 6, reshuffle: true, seed: 3)).OfDataset;
        await using BlockCache cache = NewCache(Capacity, "guard");
        double beside = Replay(cache, CacheTraces.PassesWithMetadata(2000, 6, 1, 2000, 3000, seed: 3)).OfDataset;
        Assert.InRange(beside, 0.89 * alone, alone + 0.01);
    }

    [Fact]
    public async Task Without_a_dataset_the_area_is_the_whole_cache_and_gives_it_back_when_one_comes()
    {
        await using BlockCache cache = NewCache(Capacity, "guard");
        Replay(cache, CacheTraces.Zipf(3000, 20_000, 1.0, seed: 4));
        Assert.InRange(AreaBytes(cache), Capacity * 95 / 100, Capacity);

        CacheTrace passes = CacheTraces.Passes(2000, 2, reshuffle: true, seed: 4);
        Replay(cache, passes, firstInode: 1_000_000);
        Assert.InRange(AreaBytes(cache), Capacity / 20, Capacity / 10);
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task When_the_jobs_of_all_datasets_ended_worth_alone_decides()
    {
        await using BlockCache cache = NewCache(Capacity, "guard");
        Replay(cache, CacheTraces.PassesWithMetadata(2000, 3, 100, 4, 500, seed: 6));
        Assert.InRange(AreaBytes(cache), 0, Capacity / 10);
        cache.SetDataset(1, 2000, 0);
        Replay(cache, CacheTraces.Zipf(3000, 20_000, 1.0, seed: 6), firstInode: 1_000_000);
        Assert.InRange(AreaBytes(cache), Capacity / 2, Capacity);
    }

    [Fact]
    public async Task A_dataset_that_nobody_reads_any_more_loses_its_claim()
    {
        await using BlockCache cache = NewCache(Capacity, "guard");
        Replay(cache, CacheTraces.PassesWithMetadata(2000, 3, 100, 4, 500, seed: 6));
        Replay(cache, CacheTraces.Zipf(3000, 60_000, 1.0, seed: 6), firstInode: 1_000_000);
        Assert.InRange(AreaBytes(cache), Capacity / 2, Capacity);
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task A_block_larger_than_the_area_stays_out_of_a_full_cache()
    {
        await using BlockCache cache = NewCache(8 << 20, "guard");
        for (int i = 1; i <= 300; i++)
        {
            cache.TryRead(Block(i), 0, new byte[1], i % 10 == 0 ? 0 : 1, out _);
            cache.TryFill(Block(i), Bytes(Block(i), Object), i % 10 == 0 ? 0 : 1);
        }

        Assert.False(cache.TryRead(Block(1000), 0, new byte[1], 0, out _));
        Assert.False(cache.TryFill(Block(1000), new byte[1 << 20], 0));
        Assert.True(cache.TryFill(Block(1001), new byte[Object], 0));
    }

    [Fact]
    public void A_plain_text_trace_names_datasets_by_folder_and_the_area_shows_in_it()
    {
        List<string> lines = [];
        Random random = new(8);
        int[] order = [.. Enumerable.Range(0, 400)];
        for (int pass = 0; pass < 8; pass++)
        {
            random.Shuffle(order);
            lines.Add("1 index 1000");
            lines.AddRange(order.Select(id => $"1 train/{id} 1000"));
        }

        SimulationRow guard = CacheSimulator.Run(new StringReader(string.Join('\n', lines)), ["guard"], 100_000)[0];

        // The index in the area, and 90 to 99 of 400 in the rest.
        Assert.InRange(guard.Hits, 7 + (7 * 88), 7 * 100);
    }

    private static (double OfNone, double OfDataset) Replay(BlockCache cache, CacheTrace trace, int firstInode = 1)
    {
        byte[] buffer = new byte[Object];
        long[] hits = new long[2], requests = new long[2];
        for (int i = 0; i < trace.Count; i++)
        {
            int id = trace.Objects[i], dataset = trace.DatasetOf[id], side = dataset == 0 ? 0 : 1;
            BlockId block = new(firstInode + id, 1, 0);
            Span<byte> bytes = buffer.AsSpan(0, trace.Sizes[i]);
            requests[side]++;
            if (cache.TryRead(block, 0, bytes, dataset, out _))
            {
                hits[side]++;
            }
            else
            {
                cache.TryFill(block, bytes, dataset);
            }
        }

        return ((double)hits[0] / Math.Max(1, requests[0]), (double)hits[1] / Math.Max(1, requests[1]));
    }

    private static long AreaBytes(BlockCache cache)
    {
        long bytes = 0;
        EntryTable entries = cache.Memory.Entries;
        for (uint entry = 1; entry < entries.End; entry++)
        {
            bytes += (entries[entry].Version & 1) == 1 && entries[entry].DatasetId == 0 ? entries[entry].Length : 0;
        }

        return bytes;
    }
}
