using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Storage.Cache;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Feeds;

namespace DataLayer.Tests.Feeds;

/// <summary>What feeds say of the next use of a block, against a walk along their orders.</summary>
public sealed class FeedFuturesTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly StepClock _clock = new();

    [Theory]
    [InlineData("files", OrderMode.Shuffle, 1)]
    [InlineData("files", OrderMode.Sequential, 1)]
    [InlineData("files", OrderMode.Blocks, 3)]
    [InlineData("files", OrderMode.Balanced, 1)]
    [InlineData("files", OrderMode.Balanced, 2)]
    [InlineData("files", OrderMode.Shuffle, 4)]
    [InlineData("files-apart", OrderMode.Shuffle, 1)]
    [InlineData("files-split", OrderMode.Shuffle, 1)]
    [InlineData("files-split", OrderMode.Balanced, 1)]
    [InlineData("large-files", OrderMode.Shuffle, 2)]
    [InlineData("tars", OrderMode.Shuffle, 1)]
    [InlineData("records", OrderMode.Shuffle, 2)]
    [InlineData("files", OrderMode.Weighted, 1)]
    public void The_next_use_is_where_the_order_comes_to_the_block_next(string kind, OrderMode mode, int world)
    {
        SampleIndex index = IndexOf(kind);
        OrderSpec spec = new()
        {
            Mode = mode,
            Seed = 5,
            BlockSamples = 20,
            WindowBlocks = 3,
            Part = kind == "files-split" ? DatasetPart.Train : DatasetPart.All,
            Weights = mode == OrderMode.Weighted ? [.. Enumerable.Range(1, index.ClassCount).Select(i => (uint)i)] : [],
        };
        SampleOrder order = index.MakeOrder(spec);
        RankSlice slice = new(order.PassLength, world, world - 1, 8, LastStep.Drop);
        FeedFutures futures = new(_clock, TimeSpan.FromMinutes(1));
        using FeedCourse course = futures.Register(index, order, slice, cursor: 37, endCursor: 40 * order.PassLength);
        course.MoveTo(slice.StepAt(slice.StepAt(37).NextCursor).NextCursor);

        Dictionary<BlockId, long> expected = Walk(index, order, slice, course.Cursor, samples: 8000);

        int known = 0;
        foreach (BlockId block in BlocksOf(index))
        {
            long next = futures.NextUseOf(block);
            bool isUsed = expected.TryGetValue(block, out long position);
            if (next is IFutureUses.Unknown or IFutureUses.Never)
            {
                // Farther than the walk went, or never, or not within the passes that are looked at.
                Assert.True(!isUsed || position > course.Cursor + (2 * world * order.PassLength), $"{block}: {position}");
                continue;
            }

            known++;
            Assert.True(isUsed, $"{block} is used at {next}.");
            Assert.Equal(futures.Now + ((1 + ((position - course.Cursor) / world)) * course.SampleBytes), next);
        }

        Assert.True(known > expected.Count * 3 / 4, $"{known} of {expected.Count}");
    }

    [Fact]
    public void A_block_of_two_feeds_counts_for_whoever_comes_first_at_its_pace()
    {
        SampleIndex index = IndexOf("files");
        FeedFutures futures = new(_clock, TimeSpan.FromMinutes(1));
        using FeedCourse fast = Register(futures, index, seed: 1);
        using FeedCourse slow = Register(futures, index, seed: 2);
        for (int i = 1; i <= 400; i++)
        {
            fast.MoveTo(i * 3);
            slow.MoveTo(i);
        }

        Dictionary<BlockId, long> ofFast = Walk(index, fast.Order, fast.Slice, fast.Cursor, 1000);
        Dictionary<BlockId, long> ofSlow = Walk(index, slow.Order, slow.Slice, slow.Cursor, 1000);
        int right = 0, all = 0;
        List<(double Real, long Told)> times = [];
        foreach (BlockId block in BlocksOf(index))
        {
            double real = Math.Min(ofFast[block] - fast.Cursor, 3.0 * (ofSlow[block] - slow.Cursor));
            times.Add((real, futures.NextUseOf(block)));
        }

        times.Sort();
        for (int i = 50; i < times.Count; i += 7, all++)
        {
            right += times[i].Told > times[i - 50].Told ? 1 : 0;
        }

        Assert.True(right >= all * 9 / 10, $"{right} of {all} are in their order.");
    }

    [Fact]
    public void A_feed_that_stands_still_stops_counting_until_it_moves()
    {
        SampleIndex index = IndexOf("files");
        FeedFutures futures = new(_clock, TimeSpan.FromMinutes(1));
        using FeedCourse course = Register(futures, index, seed: 1);
        BlockId block = new(index.ContentOf(3), 0);
        int before = futures.Version;
        Assert.NotEqual(IFutureUses.Unknown, futures.NextUseOf(block));

        _clock.Advance(TimeSpan.FromSeconds(90));
        int stalled = futures.Version; // Who is about to look for a victim asks.

        Assert.NotEqual(before, stalled);
        Assert.Equal(IFutureUses.Unknown, futures.NextUseOf(block));

        course.MoveTo(1);

        Assert.NotEqual(stalled, futures.Version);
        Assert.NotEqual(IFutureUses.Unknown, futures.NextUseOf(block));
    }

    [Fact]
    public void A_feed_that_ended_knows_nothing()
    {
        SampleIndex index = IndexOf("files");
        FeedFutures futures = new(_clock, TimeSpan.FromMinutes(1));
        FeedCourse course = Register(futures, index, seed: 1);
        BlockId block = new(index.ContentOf(3), 0);
        Assert.NotEqual(IFutureUses.Unknown, futures.NextUseOf(block));

        course.Dispose();

        Assert.True(futures.IsEmpty);
        Assert.Equal(IFutureUses.Unknown, futures.NextUseOf(block));
    }

    [Fact]
    public void A_content_that_the_index_is_not_of_is_unknown()
    {
        SampleIndex index = IndexOf("files");
        FeedFutures futures = new(_clock, TimeSpan.FromMinutes(1));
        using FeedCourse course = Register(futures, index, seed: 1);

        Assert.Equal(IFutureUses.Unknown, futures.NextUseOf(new BlockId(1, 2, 0))); // Another generation.
        Assert.Equal(IFutureUses.Unknown, futures.NextUseOf(new BlockId(1_000_000, 1, 0)));
    }

    [Fact]
    public void An_index_whose_last_columns_are_constant_opens()
    {
        // All files of one size, generation and version: these columns take no bytes, however many files there are.
        SampleIndex index = FeedIndexes.Files(_folder.Combine("constant"), 50_000, 4096);

        Assert.Equal(50_000, index.Count);
        Assert.Equal(4096, index[49_999].LengthBytes);
    }

    public void Dispose() => _folder.Dispose();

    private static FeedCourse Register(FeedFutures futures, SampleIndex index, long seed)
    {
        SampleOrder order = index.MakeOrder(new OrderSpec { Seed = seed });
        return futures.Register(index, order, new RankSlice(order.PassLength, 1, 0, 1, LastStep.Drop), 0, long.MaxValue);
    }

    private static Dictionary<BlockId, long> Walk(SampleIndex index, SampleOrder order, RankSlice slice, long cursor, int samples)
    {
        Dictionary<BlockId, long> next = [];
        for (int done = 0; done < samples;)
        {
            FeedStep step = slice.StepAt(cursor);
            for (int i = 0; i < step.Count - step.PaddingCount; i++, done++)
            {
                SamplePlace place = index[index.Select(order.Spec.Part, order.Sorting, order.At(step.Pass, step[i]))];
                uint last = BlockLayout.BlockIndex(place.OffsetBytes + place.LengthBytes - 1);
                for (uint block = BlockLayout.BlockIndex(place.OffsetBytes); block <= last; block++)
                {
                    next.TryAdd(new BlockId(new ContentId(place.Inode, place.Generation), block), (step.Pass * order.PassLength) + step[i]);
                }
            }

            cursor = step.NextCursor;
        }

        return next;
    }

    private static IEnumerable<BlockId> BlocksOf(SampleIndex index)
    {
        for (long file = 0; file < index.FileCount; file++)
        {
            for (uint block = 0; block < BlockLayout.BlockCount(index.FileBytesOf(file)); block++)
            {
                yield return new BlockId(index.ContentOf(file), block);
            }
        }
    }

    private SampleIndex IndexOf(string kind) => kind switch
    {
        "files" => FeedIndexes.Files(_folder.Combine(kind), 500, 4096),
        "files-apart" => FeedIndexes.Files(_folder.Combine(kind), 500, 4096, stride: 977),
        "files-split" => FeedIndexes.Files(_folder.Combine(kind), 500, 4096, validationShare: 0.3),
        "large-files" => FeedIndexes.Files(_folder.Combine(kind), 90, 5 << 20),
        "tars" => FeedIndexes.Tars(_folder.Combine(kind), 20, 30, seed: 3),
        _ => FeedIndexes.Records(_folder.Combine(kind), 12, 400, 60_000),
    };

    private sealed class StepClock : TimeProvider
    {
        private long _now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan by) => _now += by.Ticks;
    }
}
