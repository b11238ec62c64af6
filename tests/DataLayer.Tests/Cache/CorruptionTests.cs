using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Memory;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

public sealed class CorruptionTests
{
    [Fact]
    public async Task Bytes_that_are_stored_elsewhere_are_compared_with_their_checksum()
    {
        await using BlockCache cache = new(new BlockCacheOptions { CapacityBytes = 8 << 20, Policy = "lru" }, TimeProvider.System);
        byte[] bytes = new byte[100_000];
        new Random(1).NextBytes(bytes);
        Assert.True(cache.TryFill(Block(1), bytes, 0));
        byte[] copy = new byte[bytes.Length];
        Assert.True(cache.TryReadChecked(Block(1), copy));
        Assert.Equal(bytes, copy);
        Assert.False(cache.TryReadChecked(Block(1), new byte[99_999]));
        Assert.False(cache.TryReadChecked(Block(2), copy));
        Flip(cache.Memory, Block(1), 99_999);
        Assert.False(cache.TryReadChecked(Block(1), copy));
        Assert.False(cache.Contains(Block(1)));
    }

    [Fact]
    public async Task The_scrubber_finds_a_flipped_bit_and_drops_only_that_block()
    {
        await using BlockCache cache = NewCache();
        for (int i = 1; i <= 20; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 50_001), 0);
        }

        Flip(cache.Memory, Block(7), 50_000);
        uint next = 1;
        BlockScrubber.ScrubStep(cache.Memory, ref next, long.MaxValue);
        Assert.False(cache.Contains(Block(7)));
        Assert.Equal((19, 1), (cache.GetStatistics().BlockCount, cache.GetStatistics().BadBlocks));
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task A_header_that_names_another_block_is_a_miss_and_counted()
    {
        await using BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 5000), 0);
        cache.Memory.Entries[EntryOf(cache.Memory, Block(1))].Block = Block(2);
        Assert.False(cache.TryRead(Block(1), 0, new byte[10], 0, out _));
        Assert.False(cache.TryRead(Block(1), 0, new byte[10], 0, out _));
        Assert.Equal((0, 1), (cache.GetStatistics().BlockCount, cache.GetStatistics().BadBlocks));
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task A_bad_block_can_be_filled_again()
    {
        await using BlockCache cache = NewCache();
        cache.TryFill(Block(1), Bytes(Block(1), 5000), 0);
        Flip(cache.Memory, Block(1), 17);
        Assert.NotEqual(0, cache.Memory.Scrub(EntryOf(cache.Memory, Block(1))));
        Assert.True(cache.TryFill(Block(1), Bytes(Block(1), 5000), 0));
        byte[] actual = new byte[5000];
        Assert.True(cache.TryRead(Block(1), 0, actual, 0, out _));
        Assert.Equal(Bytes(Block(1), 5000), actual);
    }

    [Fact]
    public async Task The_scrubber_goes_round_in_steps()
    {
        await using BlockCache cache = NewCache();
        for (int i = 1; i <= 10; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 1000), 0);
        }

        uint next = 1;
        Assert.Equal(3000, BlockScrubber.ScrubStep(cache.Memory, ref next, 2500));
        Assert.Equal(4u, next);
        Assert.Equal(10_000, BlockScrubber.ScrubStep(cache.Memory, ref next, long.MaxValue));
        Assert.Equal(4u, next);
    }

    [Fact]
    public async Task The_background_scrubber_drops_a_bad_block_by_itself()
    {
        await using BlockCache cache = new(new BlockCacheOptions { CapacityBytes = 4 << 20, ScrubBytesPerSecond = 1 << 30 }, TimeProvider.System);
        cache.TryFill(Block(1), Bytes(Block(1), 5000), 0);
        Flip(cache.Memory, Block(1), 17);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        while (cache.Contains(Block(1)))
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.Equal(1, cache.GetStatistics().BadBlocks);
    }

    [Theory]
    [InlineData("lru", 50_001)]
    [InlineData("guard", 300_000)]
    public async Task A_sweep_compares_the_blocks_it_keeps_and_drops_a_damaged_one(string policy, int length)
    {
        await using BlockCache cache = NewCache(16 << 20, policy);
        List<BlockId> kept = FillAndPin(cache, 12, length);
        Flip(cache.Memory, kept[5], length - 1);
        long before = cache.GetStatistics().BadBlocks;
        Churn(cache, firstInode: 1000, fills: 3000);
        Assert.Equal((0, 1), (before, cache.GetStatistics().BadBlocks));
        Assert.False(cache.TryRead(kept[5], 0, new byte[length], 1, out _));
        kept.RemoveAt(5);
        Assert.All(kept, block => AssertReads(cache, block, length));
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task Every_survivor_of_a_sweep_is_compared_not_just_some()
    {
        await using BlockCache cache = NewCache(16 << 20);
        List<BlockId> kept = FillAndPin(cache, 40, 70_000);
        kept.ForEach(block => Flip(cache.Memory, block, block.Index == 0 ? 1 : 69_999));
        Churn(cache, firstInode: 1000, fills: 3000);
        Assert.Equal(40, cache.GetStatistics().BadBlocks);
        Assert.All(kept, block => Assert.False(cache.Contains(block)));
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task What_sweeps_left_to_compare_the_scrubber_does_first()
    {
        await using BlockCache cache = NewCache(16 << 20);
        FillAndPin(cache, 100, 5000);

        // Removals sweep without a fill in between, so the survivors wait.
        BlockId[] others = [.. Enumerable.Range(1000, 1000).Select(i => Block(i))];
        Array.ForEach(others, block => cache.TryFill(block, Bytes(block, 2000), 0));
        Array.ForEach(others, block => cache.Remove(block));
        Assert.True(cache.Memory.TryScrubSwept(out int bytes));
        Assert.Equal(5000, bytes);
        uint next = 1;
        Assert.Equal(5000, BlockScrubber.ScrubStep(cache.Memory, ref next, 5000));
        Assert.Equal(1u, next);
    }

    [Fact]
    public async Task A_damaged_record_of_the_index_gives_no_wrong_bytes_and_is_counted()
    {
        await using BlockCache cache = NewCache(16 << 20);
        List<BlockId> kept = FillAndPin(cache, 10, 4000);
        uint other = EntryOf(cache.Memory, kept[4]), otherVersion = cache.Memory.Entries[other].Version;
        byte[] bytes = new byte[4000];
        foreach (Func<BlockLocation, BlockLocation> damage in (Func<BlockLocation, BlockLocation>[])
            [
                good => good with { Piece = PieceOf(cache.Memory, other) },
                good => good with { Extent = 3000 },
                good => good with { Entry = other, Version = otherVersion },
                good => good with { Entry = 1u << 30 },
            ])
        {
            uint entry = EntryOf(cache.Memory, kept[3]);
            ref CacheEntry node = ref cache.Memory.Entries[entry];
            BlockLocation bad = damage(BlockLocation.Of(entry, ref node, node.Version));
            cache.Memory.OverwriteRecord(kept[3], bad);
            Assert.False(cache.TryRead(kept[3], 0, bytes, 1, out _), $"{bad}");
            Assert.False(cache.TryReadChecked(kept[3], bytes), $"{bad}");
            Assert.True(cache.TryFill(kept[3], Bytes(kept[3], 4000), 1));
            AssertReads(cache, kept[3], 4000);
        }

        // The last is a miss like any other, unless a sweep comes by.
        Assert.Equal(3, cache.GetStatistics().BadBlocks);
        Assert.All(kept.Where(block => cache.Contains(block)), block => AssertReads(cache, block, 4000));
    }

    [Fact]
    public async Task A_sweep_finds_records_that_do_not_agree_with_their_block()
    {
        await using BlockCache cache = NewCache(16 << 20);
        List<BlockId> kept = FillAndPin(cache, 10, 4000);
        uint entry = EntryOf(cache.Memory, kept[3]), other = EntryOf(cache.Memory, kept[4]);
        ref CacheEntry node = ref cache.Memory.Entries[entry];
        cache.Memory.OverwriteRecord(
            kept[3], BlockLocation.Of(entry, ref node, node.Version) with { Piece = PieceOf(cache.Memory, other) });
        Churn(cache, firstInode: 1000, fills: 3000);
        Assert.Equal(1, cache.GetStatistics().BadBlocks);
        Assert.False(cache.Contains(kept[3]));
        kept.RemoveAt(3);
        Assert.All(kept, block => AssertReads(cache, block, 4000));
        cache.Memory.CheckIntegrity();
    }

    [Fact]
    public async Task A_sweep_counts_a_record_that_leads_nowhere()
    {
        await using BlockCache cache = NewCache(16 << 20);
        BlockId block = FillAndPin(cache, 10, 4000)[3];
        cache.Memory.OverwriteRecord(block, new BlockLocation(1u << 30, 1, 0, 4000));
        Churn(cache, firstInode: 1000, fills: 3000);
        Assert.Equal(1, cache.GetStatistics().BadBlocks);
        Assert.False(cache.Contains(block));
    }

    private static List<BlockId> FillAndPin(BlockCache cache, int count, int length)
    {
        List<BlockId> blocks = [.. Enumerable.Range(1, count).Select(i => Block(i))];
        foreach (BlockId block in blocks)
        {
            Assert.True(cache.TryFill(block, Bytes(block, length), 1));
            Assert.True(cache.TryPin(block));
        }

        return blocks;
    }

    /// <summary>Fills one block after the other and removes it again: the index's log goes round several times.</summary>
    private static void Churn(BlockCache cache, int firstInode, int fills)
    {
        byte[] bytes = new byte[2000];
        for (int i = 0; i < fills; i++)
        {
            BlockId block = Block(firstInode + i);
            Assert.True(cache.TryFill(block, bytes, 1));
            Assert.True(cache.Remove(block));
        }
    }

    private static void AssertReads(BlockCache cache, BlockId block, int length)
    {
        byte[] actual = new byte[length];
        Assert.True(cache.TryRead(block, 0, actual, 1, out int bytesRead), $"{block}");
        Assert.Equal(length, bytesRead);
        Assert.Equal(Bytes(block, length), actual);
    }

    private static unsafe uint PieceOf(MemoryStore store, uint entry) => store.Entries[entry].Pieces[0];

    [Theory]
    [InlineData("", 0u)]
    [InlineData("123456789", 0xE3069283u)]
    public void Crc32C_gives_the_published_values(string text, uint expected) =>
        Assert.Equal(expected, Crc32C.Compute(System.Text.Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Crc32C_gives_the_values_of_RFC_3720()
    {
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        byte[] ones = new byte[32];
        Array.Fill(ones, (byte)0xFF);
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(ones));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
    }

    [Fact]
    public void Crc32C_in_lanes_equals_bit_by_bit()
    {
        byte[] bytes = Bytes(Block(3), 20_000);
        foreach (int length in (int[])[1, 7, 8, 6143, 6144, 6145, 12_288, 12_295, 20_000])
        {
            Assert.Equal(BitByBit(bytes.AsSpan(0, length)), Crc32C.Compute(bytes.AsSpan(0, length)));
            Assert.Equal(Crc32C.Compute(bytes.AsSpan(0, length)), Crc32C.Append(Crc32C.Compute(bytes.AsSpan(0, length / 3)), bytes.AsSpan(length / 3, length - (length / 3))));
        }
    }

    private static uint BitByBit(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
            }
        }

        return ~crc;
    }

    internal static uint EntryOf(MemoryStore store, BlockId block)
    {
        for (uint entry = 1; entry < store.Entries.End; entry++)
        {
            if (store.Entries[entry].Block == block && (store.Entries[entry].Version & 1) == 1)
            {
                return entry;
            }
        }

        throw new InvalidOperationException($"{block} is not cached.");
    }

    internal static unsafe void Flip(MemoryStore store, BlockId block, int at)
    {
        ref CacheEntry entry = ref store.Entries[EntryOf(store, block)];
        for (int i = 0; ; i++)
        {
            Assert.True(store.Arena.TryGetPiece(entry.Pieces[i], entry.Orders[i], out byte* pointer));
            int bytes = SlabArena.GranuleBytes << entry.Orders[i];
            if (at < bytes)
            {
                pointer[at] ^= 1;
                return;
            }

            at -= bytes;
        }
    }
}
