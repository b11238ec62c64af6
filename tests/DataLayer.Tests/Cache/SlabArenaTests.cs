using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Tests.Cache;

public sealed class SlabArenaTests
{
    [Theory]
    [InlineData(1, 128)]
    [InlineData(128, 128)]
    [InlineData(129, 256)]
    [InlineData(784, 896)]
    [InlineData(1 << 20, 1 << 20)]
    public void A_value_takes_little_more_than_its_size(int bytes, long expected) =>
        Assert.Equal(expected, SlabArena.RoundedBytes(bytes));

    [Fact]
    public void Rounding_wastes_at_most_a_granule_and_a_sixteenth()
    {
        for (int bytes = 1; bytes <= 1 << 20; bytes += 997)
        {
            Assert.InRange(SlabArena.RoundedBytes(bytes), bytes, bytes + SlabArena.GranuleBytes + (bytes / 16));
        }
    }

    [Fact]
    public void All_memory_can_be_handed_out_and_comes_back_whole()
    {
        using SlabArena arena = new(4 << 20);
        uint[] pieces = new uint[SlabArena.MaxPieces];
        List<uint> all = [];
        while (arena.TryAllocate(1 << 16, pieces, out int count))
        {
            all.AddRange(pieces[..count]);
        }

        Assert.Equal(0, arena.FreeGranules);
        arena.Free(all.ToArray());
        arena.CheckIntegrity();
        for (int i = 0; i < 4; i++)
        {
            Assert.True(arena.TryAllocate(1 << 20, pieces, out int count));
            Assert.Equal(1, count);
        }
    }

    [Fact]
    public void A_large_value_uses_small_free_pieces()
    {
        using SlabArena arena = new(1 << 20);
        uint[] pieces = new uint[SlabArena.MaxPieces];
        List<uint> held = [];
        while (arena.TryAllocate(1 << 16, pieces, out int count))
        {
            held.AddRange(pieces[..count]);
        }

        // Every other piece is freed: 512 KiB are free, none in a row.
        for (int i = 0; i < held.Count; i += 2)
        {
            arena.Free([held[i]]);
        }

        Assert.True(arena.TryAllocate(500_000, pieces, out int parts));
        Assert.InRange(parts, 2, SlabArena.MaxPieces);
        arena.CheckIntegrity();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_use_never_hands_a_granule_out_twice(int seed)
    {
        using SlabArena arena = new(2 << 20);
        Random random = new(seed);
        List<uint[]> live = [];
        HashSet<uint> owned = [];
        uint[] pieces = new uint[SlabArena.MaxPieces];
        for (int step = 0; step < 5000; step++)
        {
            if (random.Next(5) < 3 && arena.TryAllocate(random.Next(20) == 0 ? random.Next(1, 1 << 20) : random.Next(1, 9000), pieces, out int count))
            {
                foreach (uint granule in Granules(arena, pieces.AsSpan(0, count)))
                {
                    Assert.True(owned.Add(granule), $"seed {seed} step {step}: granule {granule} twice");
                }

                live.Add(pieces[..count]);
            }
            else if (live.Count > 0)
            {
                int chosen = random.Next(live.Count);
                owned.ExceptWith(Granules(arena, live[chosen]));
                arena.Free(live[chosen]);
                live[chosen] = live[^1];
                live.RemoveAt(live.Count - 1);
            }

            Assert.Equal(owned.Count * (long)SlabArena.GranuleBytes, arena.UsedBytes);
        }

        arena.CheckIntegrity();
    }

    [Fact]
    public unsafe void Numbers_that_name_no_piece_lead_nowhere()
    {
        using SlabArena arena = new(1 << 20);
        Assert.False(arena.TryGetPiece(uint.MaxValue, 0, out _));
        Assert.False(arena.TryGetPiece(0, 14, out _));
        Assert.False(arena.TryGetPiece(1, 13, out _));
        Assert.False(arena.TryGetSingle(8191, 129, out _));
        Assert.True(arena.TryGetSingle(8191, 128, out _));
    }

    private static List<uint> Granules(SlabArena arena, ReadOnlySpan<uint> pieces)
    {
        List<uint> granules = [];
        foreach (uint piece in pieces)
        {
            for (uint i = 0; i < 1u << arena.OrderOf(piece); i++)
            {
                granules.Add(piece + i);
            }
        }

        return granules;
    }
}
