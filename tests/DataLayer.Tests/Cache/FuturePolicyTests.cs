using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Cache;

/// <summary>Farthest next use, and how blocks with and without a known future share a cache.</summary>
public sealed class FuturePolicyTests
{
    private const int Length = 16 << 10;
    private const long Capacity = 16 << 20;
    private const int Fitting = 900; // Blocks, about.

    [Theory]
    [InlineData(10)]
    [InlineData(25)]
    [InlineData(50)]
    [InlineData(75)]
    public void Samples_come_close_to_the_optimum(int percent)
    {
        // Two jobs over the same objects, each in its own order.
        CacheTrace one = CacheTraces.Passes(1500, 4, reshuffle: true, 1), two = CacheTraces.Passes(1500, 4, reshuffle: true, 2);
        CacheTrace trace = new();
        for (int i = 0; i < 1500; i++)
        {
            trace.AddObject(1);
        }

        for (int i = 0; i < one.Count; i++)
        {
            trace.Add(one.Objects[i], Length);
            trace.Add(two.Objects[i], Length);
        }

        long size = 1500L * Length * percent / 100;
        double optimum = CacheSimulator.Run(trace, [], size)[^1].ByteHitRatio;
        double future = CacheSimulator.Replay(trace, "future", size).ByteHitRatio;

        Assert.True(future >= 0.95 * optimum, $"{future:P1} of {optimum:P1}");
        Assert.True(future <= optimum, "Nothing is better than the optimum.");
    }

    [Fact]
    public async Task The_block_that_is_used_last_goes_and_a_later_one_is_not_admitted()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, "guard");
        ToldFuture future = new() { NextUse = block => 1000 + block.Inode };
        cache.SetFuture(future);
        for (int i = 1; i <= 2000; i++)
        {
            Fill(cache, i);
        }

        int kept = Count(cache, 1, 2000);
        Assert.InRange(kept, Fitting / 2, 1100);
        Assert.Equal(kept, Count(cache, 1, kept)); // The first to be used came first: nothing after them was let in.

        for (int i = 5000; i > 4000; i--)
        {
            future.NextUse = block => block.Inode > 3000 ? 5100 - block.Inode : 10_000 + block.Inode;
            Fill(cache, i);
        }

        Assert.InRange(Count(cache, 4001, 5000), kept * 9 / 10, kept); // Sooner ones took the place of all others.
    }

    [Theory]
    [InlineData("guard")]
    [InlineData("s3fifo")]
    [InlineData("lru")]
    public async Task A_feed_leaves_others_their_part_and_they_leave_the_feed_its(string policy)
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, policy);
        ToldFuture future = new() { NextUse = block => block.Inode < 10_000 ? 100 + block.Inode : IFutureUses.Unknown };
        cache.SetFuture(future);
        Random random = new(1);

        // The feed goes over twice the cache; others read a set that would fit beside, every fourth read of all.
        Mix(cache, future, random, rounds: 12_000, otherOfFour: 1, others: 200);
        (long known, long other) = cache.Memory.SidesOfPolicy();
        Assert.InRange(Count(cache, 20_000, 20_200), 150, 200);
        Assert.True(known > 2 * other, $"{known} bytes known, {other} others.");

        // Others read far more than fits, three of four reads: the feed keeps its part.
        Mix(cache, future, random, rounds: 12_000, otherOfFour: 3, others: 5000);
        (known, other) = cache.Memory.SidesOfPolicy();
        Assert.InRange((double)known / (known + other), 0.15, 0.5);
    }

    [Theory]
    [InlineData("whole")]
    [InlineData("pieces")]
    [InlineData("in place")]
    public async Task What_a_feed_hits_counts_as_its_own_however_it_reads(string way)
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, "lru");
        ToldFuture future = new() { NextUse = block => block.Inode < 10_000 ? 100 + block.Inode : IFutureUses.Unknown };
        cache.SetFuture(future);
        for (int i = 0; i < 20_000; i++)
        {
            if (i % 4 == 0)
            {
                Read(cache, 20_000 + (i / 4 % 5000), datasetId: 2); // Others go over far more than fits.
            }
            else
            {
                Read(cache, 1 + (i % 600), datasetId: 1, way); // Three of four bytes are the feed's, and fit in its part.
            }
        }

        Assert.Equal(450, Enumerable.Range(1, 600).Count(i => i % 4 != 1 && cache.Contains(CacheFixture.Block(i))));
    }

    [Fact]
    public async Task Metadata_is_let_in_beside_a_feed_that_reads_nearly_everything()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, "guard");
        ToldFuture future = new() { NextUse = block => block.Inode < 10_000 ? 100 + block.Inode : IFutureUses.Unknown };
        cache.SetFuture(future);
        for (int i = 0; i < 20_000; i++)
        {
            Read(cache, 1 + (i % 2000), datasetId: 1);
            if (i % 500 == 0)
            {
                for (int k = 0; k < 10; k++)
                {
                    Read(cache, 20_000 + k, datasetId: 0);
                }
            }
        }

        Assert.Equal(10, Count(cache, 20_000, 20_010));
    }

    [Fact]
    public async Task What_a_feed_left_behind_is_the_others_again()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, "lru");
        ToldFuture future = new() { NextUse = block => 100 + block.Inode };
        cache.SetFuture(future);
        for (int i = 1; i <= 2000; i++)
        {
            Fill(cache, i);
        }

        future.NextUse = _ => IFutureUses.Unknown;
        future.Version++;
        future.IsEmpty = true;
        for (int i = 5000; i < 5400; i++)
        {
            Fill(cache, i);
        }

        Assert.InRange(Count(cache, 5000, 5400), 380, 400); // As under LRU alone: what comes is let in.
        Assert.Equal(0, cache.Memory.SidesOfPolicy().KnownBytes);
    }

    [Fact]
    public async Task Blocks_that_were_there_before_the_feed_become_its_own()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, "lru");
        for (int i = 1; i <= 600; i++)
        {
            Fill(cache, i);
        }

        cache.SetFuture(new ToldFuture { NextUse = block => 100 + block.Inode });
        for (int i = 601; i < 2000; i++)
        {
            Fill(cache, i);
        }

        Assert.Equal(600, Count(cache, 1, 600)); // LRU would have thrown them out: they are used first.
        Assert.Equal(0, cache.Memory.SidesOfPolicy().OtherBytes);
    }

    private static void Mix(BlockCache cache, ToldFuture future, Random random, int rounds, int otherOfFour, int others)
    {
        for (int i = 0; i < rounds; i++)
        {
            if (i % 4 < otherOfFour)
            {
                Read(cache, 20_000 + random.Next(others), datasetId: 2);
            }
            else
            {
                long at = ++future.Now;
                future.NextUse = block => block.Inode < 10_000 ? at + 1 + ((block.Inode - at) % 2000 + 2000) % 2000 : IFutureUses.Unknown;
                Read(cache, 1 + (at % 2000), datasetId: 1);
            }
        }
    }

    private static void Read(BlockCache cache, long inode, int datasetId, string way = "whole")
    {
        BlockId block = CacheFixture.Block(inode);
        byte[] bytes = new byte[Length];
        Nobody reader = default;
        bool hit = way switch
        {
            "pieces" => cache.TryReadMany(block, [new CachePiece(0, Length, 0)], bytes, datasetId),
            "in place" => cache.TryVisit(block, [new CachePiece(0, Length, 0)], ref reader, datasetId),
            _ => cache.TryRead(block, 0, bytes, datasetId, out _),
        };
        if (!hit)
        {
            cache.TryFill(block, bytes, datasetId);
        }
    }

    private static void Fill(BlockCache cache, long inode) => cache.TryFill(CacheFixture.Block(inode), new byte[Length], 1);

    private static int Count(BlockCache cache, long first, long last)
    {
        int count = 0;
        for (long inode = first; inode <= last; inode++)
        {
            count += cache.Contains(CacheFixture.Block(inode)) ? 1 : 0;
        }

        return count;
    }

    private readonly struct Nobody : ICacheReader
    {
        public void Take(int piece, ReadOnlySpan<byte> bytes)
        {
            // Only the hit matters.
        }
    }

    private sealed class ToldFuture : IFutureUses
    {
        public required Func<BlockId, long> NextUse { get; set; }

        public bool IsEmpty { get; set; }

        public int Version { get; set; } = 1;

        public long Now { get; set; }

        public long NextUseOf(in BlockId block) => NextUse(block);

        public bool Knows(in BlockId block) => NextUse(block) != IFutureUses.Unknown;
    }
}
