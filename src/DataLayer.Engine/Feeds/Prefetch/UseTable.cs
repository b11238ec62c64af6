using System.Runtime.InteropServices;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// The next uses of blocks in a window of a feed's order, found by walking the order ahead: for orders of draws, which
/// have no inverse.
/// </summary>
/// <remarks>
/// <para>A ring holds the uses of the window in their order; those of one block are chained, and the table says where
/// each block's chain begins. The window has room for eight uses a block (within bounds), so that of blocks that come
/// by chance all but one in three thousand are in it; it is filled step by step as the feed goes on. A block that is
/// not in it counts as used later than all that are.</para>
/// <para>Memory: 16 bytes a use and 8 a block. <see cref="MoveTo"/> by one thread at a time; <see cref="NextOf"/> by
/// any, at once with it: it may then miss a use that was added or passed just now.</para>
/// </remarks>
internal sealed class UseTable
{
    private const long MinUses = 1 << 12;
    private const long MaxUses = 1 << 22;
    private const int UsesPerBlock = 8;
    private const int LeastAtOnce = 1 << 14;
    private const int AtOncePerUse = 8;
    private readonly SampleIndex _index;
    private readonly CourseWalk _walk;
    private readonly long[] _firstBlocks;
    private readonly Use[] _ring;
    private readonly int[] _heads;
    private readonly int[] _tails;
    private long _first;
    private long _end;

    /// <summary>Makes a table with nothing in it.</summary>
    /// <param name="index">The index.</param>
    /// <param name="blocks">Blocks of all its files, a count.</param>
    /// <param name="walk">The feed's samples from where it is on; the table's own from now on.</param>
    public UseTable(SampleIndex index, long blocks, CourseWalk walk)
    {
        (_index, _walk) = (index, walk);
        _ring = new Use[Math.Clamp(blocks * UsesPerBlock, MinUses, MaxUses)];
        _heads = new int[blocks];
        _tails = new int[blocks];
        Array.Fill(_heads, -1);
        Array.Fill(_tails, -1);
        _firstBlocks = new long[index.FileCount];
        long next = 0;
        for (long file = 0; file < _firstBlocks.Length; file++)
        {
            _firstBlocks[file] = next;
            next += BlockLayout.BlockCount(index.FileBytesOf(file));
        }
    }

    /// <summary>The position of a block's next use, from a position on; −1 where the window has none.</summary>
    public long NextOf(long file, uint block, long from)
    {
        int slot = Volatile.Read(ref _heads[_firstBlocks[file] + block]);
        for (int looked = 0; slot >= 0 && looked < UsesPerBlock; looked++)
        {
            Use use = _ring[slot];
            if (use.Position >= from)
            {
                return use.Position;
            }

            slot = use.Next;
        }

        return -1;
    }

    /// <summary>Drops the uses before a position, and fills the window further.</summary>
    public void MoveTo(long position)
    {
        long before = _first;
        for (; _first < _end && _ring[_first % _ring.Length].Position < position; _first++)
        {
            Use use = _ring[_first % _ring.Length];
            Volatile.Write(ref _heads[use.Block], use.Next);
            if (use.Next < 0)
            {
                _tails[use.Block] = -1;
            }
        }

        long goal = _end + Math.Max(LeastAtOnce, (_first - before) * AtOncePerUse);
        while (_end < goal && _end - _first < _ring.Length - 1 && _walk.TryNext(out long at, out long sample))
        {
            if (at >= position)
            {
                Add(at, sample);
            }
        }
    }

    /// <summary>Adds a sample's blocks; of one that fills the window by itself only as many as have room.</summary>
    private void Add(long position, long sample)
    {
        SamplePlace place = _index[sample];
        long firstBlock = _firstBlocks[_index.FileOf(sample)];
        uint last = BlockLayout.BlockIndex(place.OffsetBytes + Math.Max(1, place.LengthBytes) - 1);
        for (uint block = BlockLayout.BlockIndex(place.OffsetBytes);
            block <= last && _end - _first < _ring.Length && firstBlock + block < _heads.Length; block++)
        {
            int number = (int)(firstBlock + block);
            int slot = (int)(_end++ % _ring.Length);
            _ring[slot] = new Use(position, number, -1);
            int tail = _tails[number];
            if (tail < 0)
            {
                Volatile.Write(ref _heads[number], slot);
            }
            else
            {
                _ring[tail].Next = slot;
            }

            _tails[number] = slot;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Use(long position, int block, int next)
    {
        public readonly long Position = position;
        public readonly int Block = block;
        public int Next = next;
    }
}
