using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Tests.Engine;
using DataLayer.Tests.Tiering.Packs;

namespace DataLayer.Tests.Feeds;

/// <summary>What is brought in ahead of a feed, and what that costs the origin.</summary>
public sealed class FeedPrefetchTests
{
    private const int Files = 112;
    private const int FileBytes = 48 << 10;
    private static readonly CancellationToken _limit = new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token;

    [Fact]
    public async Task A_feed_finds_in_memory_what_was_fetched_ahead_and_the_origin_is_read_once()
    {
        // With fewer requests than files a reader does not wait until prefetch has its turn, and asks for some itself.
        await using EngineFixture engine = await OpenAsync(new PrefetchOptions { MaxRequests = 2 * Files });
        SampleIndex index = await IndexAsync(engine, Files);

        await using Reader reader = new(engine, index, seed: 1, passes: 2);
        await reader.RunAsync();
        await engine.SettleAsync(); // What became of each request is counted behind it.

        Assert.Equal((long)Files * FileBytes, engine.Probe.ReadBytes);
        Assert.Equal((long)Files * FileBytes, Sum(engine, Counter.PrefetchedBytes)); // No reader had to ask for itself.
        Assert.Equal((long)Files * FileBytes, Sum(engine, Counter.PrefetchUsefulBytes));
        Assert.Equal(0, Sum(engine, Counter.PrefetchWastedBytes));
    }

    [Theory]
    [InlineData(64L << 20)] // All of the dataset fits in memory.
    [InlineData(2L << 20)] // Less than half of it does: the hot tier has the rest.
    public async Task Two_feeds_that_start_apart_cost_the_origin_what_one_costs(long cacheBytes)
    {
        await using EngineFixture engine = await OpenAsync(cacheBytes: cacheBytes);
        SampleIndex index = await IndexAsync(engine, Files);
        await using Reader first = new(engine, index, seed: 1, passes: 1);
        await first.RunAsync(steps: 7);
        await using Reader second = new(engine, index, seed: 2, passes: 1);

        await Task.WhenAll(first.RunAsync(), second.RunAsync());

        Assert.InRange(engine.Probe.ReadBytes, (long)Files * FileBytes, (long)(1.05 * Files * FileBytes));
    }

    [Theory]
    [InlineData(64L << 20)]
    [InlineData(2L << 20)]
    public async Task Two_feeds_with_slabs_that_start_apart_cost_the_origin_what_one_costs(long cacheBytes)
    {
        await using EngineFixture engine = await OpenAsync(cacheBytes: cacheBytes);
        await IndexAsync(engine, Files);
        FeedService feeds = new(engine.Engine, new FeedOptions { SlabBytes = 64 << 20 });
        FeedRequest request = new() { Dataset = "set", Batch = 8, Passes = 2, LastStep = LastStep.Pad };
        await using FeedRun first = feeds.Open(request with { Order = new OrderSpec { Seed = 1 } }, "first");
        for (int i = 0; i < 4; i++)
        {
            FeedBatch batch = (await first.NextAsync(_limit))!.Value;
            first.Release((ulong)batch.Header.Sequence);
        }

        await using FeedRun second = feeds.Open(request with { Order = new OrderSpec { Seed = 2 } }, "second");
        await Task.WhenAll(DrainAsync(first), DrainAsync(second)).WaitAsync(_limit);

        Assert.Equal((2L * Files, 2L * Files), (first.Progress.Samples, second.Progress.Samples));
        Assert.InRange(engine.Probe.ReadBytes, (long)Files * FileBytes, (long)(1.05 * Files * FileBytes));
        Assert.True(engine.Engine.Context.Futures.IsEmpty); // They ended.
    }

    [Fact]
    public async Task A_feed_that_waits_is_not_read_ahead_of_further_than_allowed()
    {
        const long Ahead = 1 << 20;
        await using EngineFixture engine = await OpenAsync(new PrefetchOptions { AheadBytes = Ahead });
        SampleIndex index = await IndexAsync(engine, Files);
        await using Reader reader = new(engine, index, seed: 1, passes: 1);

        await reader.Prefetch.WhenLookedAsync(reader.LastCursor, _limit); // Ends since prefetch waits, not since it came so far.
        await engine.SettleAsync();

        Assert.InRange(engine.Probe.ReadBytes, Ahead / 2, Ahead + (2 * FileBytes));
        await reader.RunAsync();
        Assert.Equal((long)Files * FileBytes, engine.Probe.ReadBytes);
    }

    [Fact]
    public async Task Records_of_a_file_come_in_few_large_requests()
    {
        const int RecordBytes = 10_000, Records = 2000;
        await using EngineFixture engine = await OpenAsync();
        byte[] bytes = new byte[RecordBytes * Records];
        new Random(4).NextBytes(bytes);
        await engine.PutObjectAsync("set/all.bin", bytes);
        SampleIndex index = await IndexAsync(engine, 0, new() { Path = "/data/set", Kind = DatasetKind.Fixed, RecordBytes = RecordBytes });

        await using Reader reader = new(engine, index, seed: 1, passes: 1);
        await reader.RunAsync();

        Assert.InRange(engine.Probe.ReadBytes, bytes.Length - (2 << 20), bytes.Length); // The build of the index read a block.
        Assert.True(engine.Probe.Reads <= 8, $"{engine.Probe.Reads} requests."); // 20 blocks; one by one 2,000.
    }

    [Fact]
    public async Task Neighbours_in_a_pack_are_one_request()
    {
        await using PackFixture pack = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await pack.FillAsync(40);
        Assert.Empty(await pack.PackAsync());
        await pack.CoolAsync();
        SampleIndex index = await IndexAsync(pack.Engine, 0);
        pack.Engine.Probe.Reset();

        await using Reader reader = new(pack.Engine, index, seed: 1, passes: 1);
        await reader.RunAsync();

        Assert.True(pack.Engine.Probe.Reads <= 4, $"{pack.Engine.Probe.Reads} requests for {files.Count} files.");
        pack.Engine.Probe.Reset();
        await pack.CheckAsync(files);
        Assert.Equal(0, pack.Engine.Probe.Reads);
    }

    [Fact]
    public async Task A_spent_budget_stops_prefetch_and_no_reader()
    {
        await using EngineFixture engine = await OpenAsync();
        SampleIndex index = await IndexAsync(engine, Files);
        engine.Engine.Context.Gate.Set(
        [
            new BudgetStatus(
                new CostBudget { Name = "day", Amount = 1, Action = BudgetAction.StopPrefetch }, 0, 2_000_000_000, BudgetState.Exceeded, 0),
        ]);

        await using Reader reader = new(engine, index, seed: 1, passes: 1);
        await reader.RunAsync();

        Assert.Equal(0, Sum(engine, Counter.PrefetchedBytes));
        Assert.Equal((long)Files * FileBytes, engine.Probe.ReadBytes);
    }

    [Fact]
    public async Task What_fails_ahead_of_a_feed_is_read_again_by_it()
    {
        await using EngineFixture engine = await OpenAsync();
        SampleIndex index = await IndexAsync(engine, Files);
        int requests = 0;
        engine.Probe.Before = (verb, _) => verb == "GET" && Interlocked.Increment(ref requests) % 16 == 0
            ? new DataLayerException(ErrorCode.OriginUnavailable, "Not now.")
            : null;

        await using Reader reader = new(engine, index, seed: 1, passes: 1) { Retries = 20 };
        await reader.RunAsync();

        Assert.InRange(requests, Files + (Files / 16), 2 * Files); // One of sixteen fails.
    }

    [Fact]
    public async Task Without_prefetch_a_feed_still_keeps_its_course()
    {
        await using EngineFixture engine = await OpenAsync(new PrefetchOptions { AheadBytes = 0 });
        SampleIndex index = await IndexAsync(engine, Files);

        await using (Reader reader = new(engine, index, seed: 1, passes: 1))
        {
            Assert.False(engine.Engine.Context.Futures.IsEmpty);
            await reader.RunAsync();
            Assert.Equal(0, Sum(engine, Counter.PrefetchedBytes));
        }

        Assert.True(engine.Engine.Context.Futures.IsEmpty);
    }

    private static async Task DrainAsync(FeedRun run)
    {
        while (await run.NextAsync(_limit) is { } batch)
        {
            run.Release((ulong)batch.Header.Sequence);
        }
    }

    private static long Sum(EngineFixture engine, Counter counter) => engine.Engine.Context.Counters.Sum(counter);

    private static async Task<EngineFixture> OpenAsync(PrefetchOptions? options = null, long cacheBytes = 64L << 20) => await new EngineFixture
    {
        CachePolicy = "guard",
        CacheBytes = cacheBytes,
        Options = () => new FileEngineOptions { Prefetch = options ?? new() },
    }.StartAsync();

    private static async Task<SampleIndex> IndexAsync(EngineFixture engine, int files, DatasetSpec? spec = null)
    {
        Random random = new(3);
        byte[] bytes = new byte[FileBytes];
        for (int i = 0; i < files; i++)
        {
            random.NextBytes(bytes);
            await engine.PutObjectAsync($"set/{i:D4}.bin", bytes);
        }

        if (await engine.Engine.ListAttachmentsAsync(default) is { Count: 0 })
        {
            await engine.AttachAsync();
        }

        await engine.Engine.Datasets.CreateAsync("set", spec ?? new() { Path = "/data/set", Kind = DatasetKind.Files }, default);
        await engine.Engine.Datasets.BuildAsync("set", static _ => { }, default);
        await engine.SettleAsync(); // What the build had read ahead is not this test's.
        engine.Probe.Reset();
        return engine.Engine.Datasets.Open("set");
    }

    /// <summary>A feed without slabs: reads the samples of its steps, all of a step side by side.</summary>
    private sealed class Reader : IAsyncDisposable
    {
        private const int Batch = 16;
        private readonly EngineFixture _engine;
        private readonly SampleIndex _index;
        private readonly SampleOrder _order;
        private readonly RankSlice _slice;
        private readonly int _passes;
        private long _cursor;

        public Reader(EngineFixture engine, SampleIndex index, long seed, int passes)
        {
            (_engine, _index, _passes) = (engine, index, passes);
            _order = index.MakeOrder(new OrderSpec { Seed = seed });
            _slice = new RankSlice(_order.PassLength, 1, 0, Batch, LastStep.Pad);
            Prefetch = FeedPrefetch.Open(engine.Engine, index, _order, _slice, 0, LastCursor);
        }

        public FeedPrefetch Prefetch { get; }

        public long LastCursor => _passes * _order.PassLength;

        public int Retries { get; init; }

        public async Task RunAsync(int steps = int.MaxValue)
        {
            for (; steps > 0 && _cursor < LastCursor; steps--)
            {
                FeedStep step = _slice.StepAt(_cursor);
                await Prefetch.WhenLookedAsync(step.NextCursor, _limit);
                List<Task> reads = [];
                for (int i = 0; i < step.Count; i++)
                {
                    reads.Add(ReadAsync(_index[_index.Select(_order.Spec.Part, _order.Sorting, _order.At(step.Pass, step[i]))]));
                }

                Prefetch.MoveTo(step.NextCursor);
                await Task.WhenAll(reads).WaitAsync(_limit);
                _cursor = step.NextCursor;
            }
        }

        public ValueTask DisposeAsync() => Prefetch.DisposeAsync();

        private async Task ReadAsync(SamplePlace place)
        {
            byte[] bytes = new byte[place.LengthBytes];
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    Assert.Equal(bytes.Length, await _engine.Engine.Datasets.ReadSampleAsync(place, bytes, _limit));
                    return;
                }
                catch (DataLayerException) when (attempt < Retries)
                {
                }
            }
        }
    }
}
