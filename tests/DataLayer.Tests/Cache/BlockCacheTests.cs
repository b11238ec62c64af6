using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Cache;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

public sealed class BlockCacheTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(784)]
    [InlineData(4097)]
    [InlineData(65_537)]
    [InlineData(300_001)]
    [InlineData(BlockLayout.BlockBytes)]
    public async Task Gives_back_the_bytes_that_were_filled(int length)
    {
        await using BlockCache cache = NewCache();
        byte[] expected = Bytes(Block(1), length);
        Assert.True(cache.TryFill(Block(1), expected, 0));
        byte[] actual = new byte[length];
        Assert.True(cache.TryRead(Block(1), 0, actual, 0, out int read));
        Assert.Equal(length, read);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public async Task Reads_any_range_of_a_block_in_pieces()
    {
        await using BlockCache cache = NewCache();
        byte[] expected = Bytes(Block(7), 300_001);
        cache.TryFill(Block(7), expected, 0);
        Random random = new(4);
        for (int i = 0; i < 200; i++)
        {
            int offset = random.Next(expected.Length + 10), length = random.Next(expected.Length);
            byte[] actual = new byte[length];
            Assert.True(cache.TryRead(Block(7), offset, actual, 0, out int read));
            Assert.Equal(Math.Clamp(expected.Length - offset, 0, length), read);
            Assert.True(actual.AsSpan(0, read).SequenceEqual(expected.AsSpan(Math.Min(offset, expected.Length), read)));
        }
    }

    [Fact]
    public async Task Tells_blocks_apart_by_inode_generation_and_index()
    {
        await using BlockCache cache = NewCache();
        BlockId[] blocks = [Block(1), Block(2), Block(1, 1), Block(1, 0, 2), Block(1, 1, 2)];
        foreach (BlockId block in blocks)
        {
            cache.TryFill(block, Bytes(block, 1000), 0);
        }

        byte[] actual = new byte[1000];
        foreach (BlockId block in blocks)
        {
            Assert.True(cache.TryRead(block, 0, actual, 0, out _));
            Assert.Equal(Bytes(block, 1000), actual);
        }

        Assert.False(cache.TryRead(Block(3), 0, actual, 0, out int read));
        Assert.Equal(0, read);
    }

    [Fact]
    public async Task Replaces_an_older_copy()
    {
        await using BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 5000), 0);
        Assert.True(cache.TryFill(Block(1), Bytes(Block(1), 300, salt: 1), 0));
        byte[] actual = new byte[5000];
        Assert.True(cache.TryRead(Block(1), 0, actual, 0, out int read));
        Assert.Equal(Bytes(Block(1), 300, salt: 1), actual[..read]);
        Assert.Equal(1, cache.GetStatistics().BlockCount);
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task Removes_blocks_and_whole_contents()
    {
        await using BlockCache cache = NewCache();
        for (uint index = 0; index < 10; index++)
        {
            cache.TryFill(Block(1, index), Bytes(Block(1, index), 100), 0);
            cache.TryFill(Block(2, index), Bytes(Block(2, index), 100), 0);
        }

        Assert.True(cache.Remove(Block(1, 3)));
        Assert.False(cache.Remove(Block(1, 3)));
        Assert.Equal(9, cache.RemoveContent(new ContentId(new InodeId(1), 1), 10));
        Assert.Equal(10, cache.RemoveContent(new ContentId(new InodeId(2), 1), uint.MaxValue));
        Assert.Equal(0, cache.GetStatistics().BlockCount);
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task An_empty_block_is_not_cached()
    {
        await using BlockCache cache = NewCache();
        Assert.False(cache.TryFill(Block(1), default, 0));
        Assert.False(cache.Contains(Block(1)));
    }

    [Theory]
    [InlineData("lru")]
    [InlineData("s3fifo")]
    [InlineData("guard")]
    public async Task Never_exceeds_its_budget(string policy)
    {
        const long Capacity = 4 << 20;
        await using BlockCache cache = NewCache(Capacity, policy);
        Random random = new(11);
        byte[] buffer = new byte[200_000];
        for (int i = 0; i < 20_000; i++)
        {
            BlockId block = Block(random.Next(1, 4000));
            Span<byte> bytes = buffer.AsSpan(0, random.Next(1, i % 50 == 0 ? buffer.Length : 3000));
            if (!cache.TryRead(block, 0, buffer, 1, out _))
            {
                cache.TryFill(block, bytes, 1);
            }

            BlockCacheStatistics statistics = cache.GetStatistics();
            Assert.True(statistics.UsedBytes <= Capacity, $"{statistics.UsedBytes} of {Capacity} at step {i}");
        }

        Assert.True(cache.Memory.LogBytes < Capacity / 8, $"The index's log holds {cache.Memory.LogBytes} bytes.");
        cache.Memory.CheckIntegrity();
    }

    [Theory]
    [InlineData("lru")]
    [InlineData("s3fifo")]
    [InlineData("guard")]
    public async Task A_hit_allocates_nothing_nor_does_a_miss(string policy)
    {
        await using BlockCache cache = NewCache(policy: policy);
        cache.TryFill(Block(1), Bytes(Block(1), 16_384), 0);
        byte[] buffer = new byte[16_384];
        for (int i = 0; i < 100; i++)
        {
            cache.TryRead(Block(1), 0, buffer, 3, out _);
            cache.TryRead(Block(2), 0, buffer, 3, out _);
        }

        // A session is made once when the scrubber holds the others: what repeats counts.
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                cache.TryRead(Block(1), 0, buffer, 3, out _);
                cache.TryRead(Block(2), 0, buffer, 3, out _);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public async Task Pinned_blocks_outlive_any_pressure()
    {
        await using BlockCache cache = NewCache(2 << 20);
        for (int i = 1; i <= 20; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 0);
            Assert.True(cache.TryPin(Block(i)));
        }

        for (int i = 100; i < 1000; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 0);
        }

        for (int i = 1; i <= 20; i++)
        {
            Assert.True(cache.Contains(Block(i)));
            Assert.True(cache.Unpin(Block(i)));
            Assert.False(cache.Unpin(Block(i)));
        }

        Assert.Equal(0, cache.GetStatistics().PinnedBytes);
        for (int i = 1000; i < 2000; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 0);
        }

        Assert.False(cache.Contains(Block(1)));
    }

    [Fact]
    public async Task Pins_stop_at_their_budget()
    {
        await using BlockCache cache = NewCache(2 << 20, pinShare: 0.1);
        int pinned = 0;
        for (int i = 1; i <= 100; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 0);
            pinned += cache.TryPin(Block(i)) ? 1 : 0;
        }

        Assert.InRange(pinned, 15, 20);
        Assert.InRange(cache.GetStatistics().PinnedBytes, 1, (2 << 20) / 10);
        Assert.False(cache.TryPin(Block(999)));
    }

    [Fact]
    public async Task A_replaced_block_keeps_its_pins()
    {
        await using BlockCache cache = NewCache(2 << 20);
        cache.TryFill(Block(1), Bytes(Block(1), 10_000), 0);
        cache.TryPin(Block(1));
        cache.TryFill(Block(1), Bytes(Block(1), 20_000, salt: 1), 0);
        for (int i = 100; i < 1000; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 10_000), 0);
        }

        Assert.True(cache.Contains(Block(1)));
        Assert.True(cache.Unpin(Block(1)));
        Assert.Equal(0, cache.GetStatistics().PinnedBytes);
    }

    [Fact]
    public async Task Removing_a_pinned_block_returns_its_pin_budget()
    {
        await using BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 10_000), 0);
        cache.TryPin(Block(1));
        Assert.True(cache.Remove(Block(1)));
        Assert.Equal(0, cache.GetStatistics().PinnedBytes);
    }

    [Fact]
    public void All_wrong_options_are_named_at_once()
    {
        BlockCacheOptions options = new()
        {
            CapacityBytes = 1,
            Policy = "clock",
            PinShare = 2,
            SessionCount = 0,
            ScrubBytesPerSecond = -1,
            SpillDirectory = "/x",
        };
        DataLayerException error = Assert.Throws<DataLayerException>(options.Validate);
        Assert.Equal(ErrorCode.InvalidArgument, error.Code);
        foreach (string name in (string[])["CapacityBytes", "Policy", "PinShare", "SessionCount", "ScrubBytesPerSecond", "SpillCapacityBytes"])
        {
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Arguments_out_of_range_are_refused()
    {
        await using BlockCache cache = NewCache();
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.TryRead(Block(1), -1, new byte[1], 0, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.TryFill(Block(1), new byte[BlockLayout.BlockBytes + 1], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.SetDataset(1, -1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.SetDataset(1, 1, -1));
    }

    [Fact]
    public async Task A_closed_cache_says_so()
    {
        BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 100), 0);
        await cache.DisposeAsync();
        await cache.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => cache.TryRead(Block(1), 0, new byte[1], 0, out _));
        Assert.Throws<ObjectDisposedException>(() => cache.TryFill(Block(1), new byte[1], 0));
    }

    [Fact]
    public async Task Counters_add_up()
    {
        await using BlockCache cache = NewCache();
        byte[] buffer = new byte[500];
        cache.TryRead(Block(1), 0, buffer, 0, out _);
        cache.TryFill(Block(1), buffer, 0);
        cache.TryRead(Block(1), 0, buffer, 0, out _);
        cache.TryRead(Block(1), 400, buffer, 0, out _);
        BlockCacheStatistics statistics = cache.GetStatistics();
        Assert.Equal((2, 600, 1, 1), (statistics.Hits, statistics.HitBytes, statistics.Misses, statistics.Fills));
    }
}
