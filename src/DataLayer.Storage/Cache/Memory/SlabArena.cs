using System.Numerics;
using System.Runtime.CompilerServices;
using DataLayer.Storage.Cache.Interop;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// The cache's memory: one native mapping cut into pieces of 2^k granules (binary buddies), k from 0 to
/// <see cref="MaxOrder"/>. A value is a short list of pieces, largest first, so that no free byte is lost to
/// fragmentation: if no large piece is free, smaller ones do.
/// </summary>
/// <remarks>
/// <para>Algorithm. A value's size in granules is rounded up to <see cref="SignificantBits"/> significant bits (at most
/// 3 % waste, and at most that many pieces in an empty arena). Then, largest power of two first: take the smallest free
/// piece that is large enough and split it; if there is none, take the largest that is free; give up after
/// <see cref="MaxPieces"/>. Freeing merges a piece with its buddy while that is free too. Both cost O(pieces ×
/// MaxOrder).</para>
/// <para>A byte a granule holds the order of the piece that starts there, and whether it is free. Free pieces are
/// chained through their own first bytes. Memory that was never used lies behind a watermark, untouched, so it is not
/// resident.</para>
/// <para>Not thread safe: the owner's lock guards all but <see cref="TryGetPiece"/>, which any reader may call with any
/// number, stale or torn, and which never leads outside the mapping.</para>
/// </remarks>
internal sealed unsafe class SlabArena : IDisposable
{
    /// <summary>
    /// The unit of allocation, bytes. 128 wastes 12 % on a 784-byte file; the map costs 0.8 % of the arena.
    /// </summary>
    public const int GranuleBytes = 128;

    /// <summary>The largest piece: 2^13 granules, 1 MiB, one whole block.</summary>
    public const int MaxOrder = 13;

    /// <summary>The most pieces a value may lie in.</summary>
    public const int MaxPieces = 12;

    private const int SignificantBits = 5;
    private const uint Nil = uint.MaxValue;
    private const byte FreeFlag = 0x80;
    private const byte NoHead = 0x40;

    private readonly NativeMapping _memory;
    private readonly NativeMapping _map;
    private readonly uint[] _heads = new uint[MaxOrder + 1];
    private readonly uint _granules;
    private uint _watermark;
    private uint _freeOrders;

    /// <summary>Reserves an arena of about <paramref name="bytes"/> bytes (rounded down to 4 KiB).</summary>
    public SlabArena(long bytes)
    {
        bytes &= ~4095L;
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1 << 16);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, (long)int.MaxValue * GranuleBytes);
        _granules = (uint)(bytes / GranuleBytes);
        _memory = new NativeMapping(bytes);
        _map = new NativeMapping(_granules);
        Array.Fill(_heads, Nil);
        FreeGranules = _granules;
    }

    /// <summary>All of the arena, bytes.</summary>
    public long CapacityBytes => (long)_granules * GranuleBytes;

    /// <summary>What the map of pieces takes beside the arena, bytes.</summary>
    public static long MapBytes(long arenaBytes) => arenaBytes / GranuleBytes;

    /// <summary>Granules not handed out, a count.</summary>
    public long FreeGranules { get; private set; }

    /// <summary>Bytes handed out, with rounding.</summary>
    public long UsedBytes => (_granules - FreeGranules) * GranuleBytes;

    /// <summary>What a value of <paramref name="bytes"/> bytes takes in the arena, bytes.</summary>
    public static long RoundedBytes(int bytes) => (long)RoundedGranules(bytes) * GranuleBytes;

    /// <summary>
    /// Takes pieces for <paramref name="bytes"/> bytes. <paramref name="pieces"/> must hold <see cref="MaxPieces"/>.
    /// False, and nothing taken, if the free memory does not do or lies in too many pieces.
    /// </summary>
    public bool TryAllocate(int bytes, Span<uint> pieces, out int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        count = 0;
        uint remaining = RoundedGranules(bytes);
        if (FreeGranules < remaining)
        {
            return false;
        }

        while (remaining > 0)
        {
            int order = Math.Min(BitOperations.Log2(remaining), MaxOrder);
            uint piece = count == MaxPieces ? Nil : Take(ref order);
            if (piece == Nil)
            {
                Free(pieces[..count]);
                count = 0;
                return false;
            }

            pieces[count++] = piece;
            remaining -= 1u << order;
        }

        return true;
    }

    /// <summary>Takes one piece of exactly 2^<paramref name="order"/> granules.</summary>
    public bool TryAllocatePiece(int order, out uint piece)
    {
        int wanted = order;
        piece = Take(ref order);
        if (piece != Nil && order != wanted)
        {
            FreePiece(piece);
            piece = Nil;
        }

        return piece != Nil;
    }

    /// <summary>Gives pieces back.</summary>
    public void Free(ReadOnlySpan<uint> pieces)
    {
        foreach (uint piece in pieces)
        {
            FreePiece(piece);
        }
    }

    /// <summary>Gives the memory of a piece that stays allocated back to the kernel.</summary>
    public void Discard(uint piece)
    {
        int order = OrderOf(piece);
        _memory.Discard((long)piece * GranuleBytes, (long)GranuleBytes << order);
    }

    /// <summary>The order of a piece that is handed out.</summary>
    public int OrderOf(uint piece) => _map.Pointer[piece] & 0x0F;

    /// <summary>
    /// Where a piece lies. Any thread, without the lock; false for numbers that cannot be a piece.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGetPiece(uint piece, int order, out byte* pointer)
    {
        pointer = _memory.Pointer + ((long)piece * GranuleBytes);
        return order <= MaxOrder && piece + (1L << order) <= _granules;
    }

    /// <summary>As <see cref="TryGetPiece"/>, for a block of known length in one piece.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGetSingle(uint piece, int length, out byte* pointer)
    {
        long offset = (long)piece * GranuleBytes;
        pointer = _memory.Pointer + offset;
        return offset + length <= (long)_granules * GranuleBytes;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Dispose();
        _map.Dispose();
    }

    /// <summary>
    /// Walks all pieces and checks that they tile the arena and that the counts agree. For tests and soaks.
    /// </summary>
    public void CheckIntegrity()
    {
        long free = _granules - _watermark;
        uint at = 0;
        while (at < _watermark)
        {
            byte tag = _map.Pointer[at];
            if ((tag & NoHead) != 0)
            {
                throw new InvalidOperationException($"Granule {at} is not the head of a piece.");
            }

            uint size = 1u << (tag & 0x0F);
            free += (tag & FreeFlag) != 0 ? size : 0;
            at += size;
        }

        if (at != _watermark || free != FreeGranules)
        {
            throw new InvalidOperationException(
                $"The pieces end at {at} of {_watermark}; {free} granules are free, {FreeGranules} are counted.");
        }
    }

    private static uint RoundedGranules(int bytes)
    {
        uint granules = (uint)((bytes + GranuleBytes - 1) / GranuleBytes);
        int drop = BitOperations.Log2(granules) + 1 - SignificantBits;
        if (drop <= 0)
        {
            return granules;
        }

        uint step = 1u << drop;
        return (granules + step - 1) & ~(step - 1);
    }

    /// <summary>
    /// A piece of the wanted order, or else the largest smaller one there is; <paramref name="order"/> says which.
    /// </summary>
    private uint Take(ref int order)
    {
        uint atLeast = _freeOrders >> order << order;
        if (atLeast == 0 && GrowWatermark(order))
        {
            atLeast = _freeOrders >> order << order;
        }

        if (atLeast == 0)
        {
            if (_freeOrders == 0)
            {
                return Nil;
            }

            order = BitOperations.Log2(_freeOrders);
            return Pop(order);
        }

        int found = BitOperations.TrailingZeroCount(atLeast);
        uint piece = Pop(found);
        while (found > order)
        {
            found--;
            Push(piece + (1u << found), found);
        }

        _map.Pointer[piece] = (byte)order;
        return piece;
    }

    /// <summary>
    /// Puts the next untouched stretch on the free lists: a whole largest piece, or at the end what is left.
    /// </summary>
    private bool GrowWatermark(int order)
    {
        bool grown = false;
        while (_watermark < _granules)
        {
            uint left = _granules - _watermark;
            int fits = Math.Min(BitOperations.Log2(left), MaxOrder);
            Push(_watermark, fits);
            FreeGranules -= 1u << fits;
            _watermark += 1u << fits;
            grown = true;
            if (fits >= order)
            {
                break;
            }
        }

        return grown;
    }

    private void FreePiece(uint piece)
    {
        int order = _map.Pointer[piece] & 0x0F;
        while (order < MaxOrder)
        {
            uint buddy = piece ^ (1u << order);
            if (buddy >= _watermark || _map.Pointer[buddy] != (FreeFlag | order))
            {
                break;
            }

            Unlink(buddy, order);
            FreeGranules -= 1u << order;
            _map.Pointer[Math.Max(piece, buddy)] = NoHead;
            piece = Math.Min(piece, buddy);
            order++;
        }

        Push(piece, order);
    }

    private uint Pop(int order)
    {
        uint piece = _heads[order];
        Unlink(piece, order);
        _map.Pointer[piece] = (byte)order;
        FreeGranules -= 1u << order;
        return piece;
    }

    private void Push(uint piece, int order)
    {
        uint* links = Links(piece);
        links[0] = _heads[order];
        links[1] = Nil;
        if (_heads[order] != Nil)
        {
            Links(_heads[order])[1] = piece;
        }

        _heads[order] = piece;
        _freeOrders |= 1u << order;
        _map.Pointer[piece] = (byte)(FreeFlag | order);
        FreeGranules += 1u << order;
    }

    private void Unlink(uint piece, int order)
    {
        uint* links = Links(piece);
        if (links[1] == Nil)
        {
            _heads[order] = links[0];
            if (links[0] == Nil)
            {
                _freeOrders &= ~(1u << order);
            }
        }
        else
        {
            Links(links[1])[0] = links[0];
        }

        if (links[0] != Nil)
        {
            Links(links[0])[1] = links[1];
        }
    }

    private uint* Links(uint piece) => (uint*)(_memory.Pointer + ((long)piece * GranuleBytes));
}
