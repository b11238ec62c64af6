using DataLayer.Core.Layout;

namespace DataLayer.Engine.Files.Reading;

/// <summary>What a read looks like, and what to fetch ahead of the next.</summary>
/// <param name="IsSequential">
/// The read goes on where an earlier one ended, or starts the file: whole blocks are worth fetching.
/// </param>
/// <param name="IssueFrom">First byte to fetch ahead.</param>
/// <param name="IssueTo">End of what to fetch ahead; nothing if not after <paramref name="IssueFrom"/>.</param>
/// <param name="WindowBytes">The stream's window, from which the size of requests follows.</param>
/// <param name="Stride">Distance of a strided pattern, bytes, or 0.</param>
/// <param name="IsExtent">
/// The caller reads on to <paramref name="IssueTo"/> or further and nothing is known of what comes then: not a byte
/// more is worth fetching.
/// </param>
internal readonly record struct ReadAdvice(
    bool IsSequential, long IssueFrom, long IssueTo, long WindowBytes, long Stride, bool IsExtent = false);

/// <summary>
/// Finds sequential and strided readers of one content among its reads, whichever descriptor or request they come by,
/// and says how far to run ahead of each.
/// </summary>
/// <remarks>
/// <para>Four streams are followed; a read that fits none takes the place of the least promising. A stream's window
/// starts at one block, or at eight where the first read is a large one, and grows eightfold each time half a window
/// was consumed, up to the bound the caller gives: a file of 64 MiB needs two or three round trips. More is issued when
/// less than half the window lies ahead. Three reads at one
/// distance make a stride; the next <see cref="StrideDepth"/> places are fetched.</para>
/// <para>A caller that reads an extent in pieces (a range of HTTP) says where the extent ends. Unless an earlier read
/// led to its start, its pieces are no proof of a sequential reader: what is fetched ends with the extent. A read that
/// goes on at its end makes it an ordinary stream.</para>
/// <para>Fetches of a stream that the cache did not take are held here until the reader passed them. Lock: own, a leaf
/// except that it is taken before a content's.</para>
/// </remarks>
internal sealed class ReadStreams
{
    public const int StrideDepth = 8;

    /// <summary>The window of a stream that began with a large read, bytes; that of a proven one is larger.</summary>
    public const int FirstWindowBytes = GrowthFactor * BlockLayout.BlockBytes;

    private const int SlotCount = 4;
    private const int GrowthFactor = 8;
    private const int StrangerLimit = 64;
    private const long SlackBytes = BlockLayout.BlockBytes;
    private readonly Lock _lock = new();
    private readonly Slot[] _slots = new Slot[SlotCount];
    private List<BlockFetch>? _held;
    private volatile bool _isActive;
    private long _clock;
    private long _lastOffset = -1;
    private long _stride;
    private int _strideRun;
    private long _strideIssuedTo;
    private int _strangers;

    /// <summary>Whether reads that hit must be noted too: a stream runs.</summary>
    public bool IsActive => _isActive;

    /// <summary>When a read was last noted, in the caller's ticks.</summary>
    public long LastUse { get; private set; }

    /// <summary>
    /// Notes a read and answers what it looks like. <paramref name="extentEndBytes"/> is where the extent ends of which
    /// the read is a piece, or 0.
    /// </summary>
    public ReadAdvice Note(
        long offsetBytes, int lengthBytes, long extentEndBytes, long sizeBytes, long maxWindowBytes, long now)
    {
        lock (_lock)
        {
            LastUse = now;
            _clock++;
            long end = offsetBytes + lengthBytes;
            int index = FindLocked(offsetBytes);
            if (index < 0)
            {
                return NoteNewLocked(offsetBytes, lengthBytes, extentEndBytes, sizeBytes, maxWindowBytes);
            }

            _strideRun = 0;
            _lastOffset = offsetBytes;
            ref Slot slot = ref _slots[index];
            slot.LastUse = _clock;
            if (offsetBytes < slot.LimitBytes && extentEndBytes == slot.LimitBytes)
            {
                slot.NextBytes = Math.Max(slot.NextBytes, end);
                return AdviseExtentLocked(ref slot, sizeBytes, maxWindowBytes);
            }

            slot.LimitBytes = 0;
            slot.Run++;
            slot.ConsumedBytes += Math.Max(0, end - slot.NextBytes);
            slot.NextBytes = Math.Max(slot.NextBytes, end);
            if (slot.ConsumedBytes >= slot.WindowBytes / 2)
            {
                slot.ConsumedBytes = 0;
                slot.WindowBytes = Math.Min(slot.WindowBytes * GrowthFactor, maxWindowBytes);
            }

            _isActive = true;
            _strangers = 0;
            return AdviseLocked(ref slot, sizeBytes);
        }
    }

    /// <summary>A read that was noted has its bytes: what no stream comes to any more is let go.</summary>
    public void Passed(long sizeBytes)
    {
        lock (_lock)
        {
            bool any = false;
            foreach (ref Slot slot in _slots.AsSpan())
            {
                if (slot.NextBytes >= sizeBytes)
                {
                    slot = default; // The reader reached the end.
                }

                any |= slot.LastUse != 0;
            }

            for (int i = (_held?.Count ?? 0) - 1; i >= 0; i--)
            {
                BlockFetch fetch = _held![i];
                if (!IsWantedLocked(fetch))
                {
                    _held.RemoveAt(i);
                    fetch.Release();
                }
            }

            _isActive &= any || _held is { Count: > 0 };
        }
    }

    /// <summary>Less memory is to be had: the streams run less far ahead until they proved themselves again.</summary>
    public void Shrink(long issuedTo)
    {
        lock (_lock)
        {
            foreach (ref Slot slot in _slots.AsSpan())
            {
                slot.WindowBytes = Math.Max(slot.WindowBytes / 2, BlockLayout.BlockBytes);
                slot.ConsumedBytes = 0;
                slot.IssuedBytes = Math.Min(slot.IssuedBytes, Math.Max(issuedTo, slot.NextBytes));
            }
        }
    }

    /// <summary>Holds a fetch (whose reference passes to the stream) until the reader passed it.</summary>
    public void Hold(BlockFetch fetch)
    {
        lock (_lock)
        {
            (_held ??= []).Add(fetch);
        }
    }

    /// <summary>Lets go of a fetch that the cache holds now, or that failed.</summary>
    public void Drop(BlockFetch fetch)
    {
        bool removed;
        lock (_lock)
        {
            removed = _held is not null && _held.Remove(fetch);
        }

        if (removed)
        {
            fetch.Release();
        }
    }

    /// <summary>Lets go of everything: the content is idle, or memory is short.</summary>
    public int ReleaseAll()
    {
        List<BlockFetch>? held;
        lock (_lock)
        {
            held = _held;
            _held = null;
            _isActive = false;
            Array.Clear(_slots);
        }

        foreach (BlockFetch fetch in held ?? [])
        {
            fetch.Release();
        }

        return held?.Count ?? 0;
    }

    private int FindLocked(long offset)
    {
        int near = -1;
        for (int i = 0; i < SlotCount; i++)
        {
            ref Slot slot = ref _slots[i];
            if (slot.LastUse == 0)
            {
                continue;
            }

            if (slot.NextBytes == offset)
            {
                return i;
            }

            // Several requests of one reader may arrive out of order; only a proven stream is given that slack.
            if (slot.Run >= 3 && Math.Abs(offset - slot.NextBytes) <= SlackBytes)
            {
                near = i;
            }
        }

        return near;
    }

    private ReadAdvice NoteNewLocked(long offset, int length, long extentEnd, long size, long maxWindow)
    {
        long end = offset + length;
        long distance = _lastOffset < 0 ? 0 : offset - _lastOffset;
        _strideRun = distance != 0 && distance == _stride ? _strideRun + 1 : 0;
        _stride = distance;
        _lastOffset = offset;
        if (_strideRun >= 2)
        {
            _isActive = true;
            long from = Math.Max(offset + _stride, _strideIssuedTo);
            long to = offset + (_stride * StrideDepth);
            if (_stride > 0 && to - from >= _stride * StrideDepth / 2)
            {
                _strideIssuedTo = to + _stride;
                return new ReadAdvice(IsSequential: false, from, Math.Min(to + length, size), length, _stride);
            }

            return new ReadAdvice(IsSequential: false, 0, 0, 0, 0);
        }

        if (_strideRun == 0)
        {
            _strideIssuedTo = 0;
        }

        int worst = 0;
        for (int i = 1; i < SlotCount; i++)
        {
            ref Slot candidate = ref _slots[i];
            bool worse = (candidate.Run < 2) != (_slots[worst].Run < 2)
                ? candidate.Run < 2
                : candidate.LastUse < _slots[worst].LastUse;
            worst = worse ? i : worst;
        }

        // A reader in no order is not worth watching while memory answers it; its next miss is noted again.
        _strangers++;
        _isActive = _strangers < StrangerLimit || _held is { Count: > 0 };
        bool starts = offset == 0;

        // Who begins with a large read means to read on: the second round trip starts with the first.
        bool isLarge = starts && length >= BlockLayout.BlockBytes / 2;
        long window = isLarge ? FirstWindowBytes : BlockLayout.BlockBytes;
        ref Slot slot = ref _slots[worst];
        slot = new Slot
        {
            NextBytes = end,
            IssuedBytes = end,
            Run = starts ? 1 : 0,
            WindowBytes = Math.Min(window, maxWindow),
            ConsumedBytes = starts ? length : 0,
            LastUse = _clock,
        };
        if (!starts && extentEnd > end)
        {
            _isActive = true;
            slot.Run = 1;
            slot.ConsumedBytes = extentEnd - offset; // All of it counts once a read goes on behind it.
            slot.LimitBytes = extentEnd;
            return AdviseExtentLocked(ref slot, size, maxWindow);
        }

        return isLarge ? AdviseLocked(ref slot, size) : new ReadAdvice(starts, 0, 0, BlockLayout.BlockBytes, 0);
    }

    /// <summary>The rest of an extent is fetched ahead, as far as the largest window reaches, and nothing
    /// behind it.</summary>
    private static ReadAdvice AdviseExtentLocked(ref Slot slot, long size, long maxWindow)
    {
        long limit = Math.Min(slot.LimitBytes, size);
        long from = Math.Max(slot.IssuedBytes, slot.NextBytes);
        if (from >= limit || slot.IssuedBytes - slot.NextBytes >= maxWindow / 2)
        {
            return new ReadAdvice(IsSequential: false, 0, 0, 0, 0, IsExtent: true);
        }

        long to = (slot.NextBytes + maxWindow) / BlockLayout.BlockBytes * BlockLayout.BlockBytes;
        to = Math.Max(from, Math.Min(to, limit));
        slot.IssuedBytes = to;
        return new ReadAdvice(IsSequential: false, from, to, to - from, 0, IsExtent: true);
    }

    private static ReadAdvice AdviseLocked(ref Slot slot, long size)
    {
        long ahead = slot.IssuedBytes - slot.NextBytes;
        if (ahead >= slot.WindowBytes / 2 || slot.IssuedBytes >= size)
        {
            return new ReadAdvice(IsSequential: true, 0, 0, slot.WindowBytes, 0);
        }

        long from = Math.Max(slot.IssuedBytes, slot.NextBytes);
        long to = Math.Min(slot.NextBytes + slot.WindowBytes, size);
        to = Math.Min(size, (to + BlockLayout.BlockBytes - 1) / BlockLayout.BlockBytes * BlockLayout.BlockBytes);
        slot.IssuedBytes = Math.Max(to, from);
        return new ReadAdvice(IsSequential: true, from, to, slot.WindowBytes, 0);
    }

    /// <summary>
    /// Whether a stream, or the strided reader, will come to a fetch. Proven streams are given slack for requests out
    /// of order.
    /// </summary>
    private bool IsWantedLocked(BlockFetch fetch)
    {
        if (_strideRun >= 2 && fetch.EndBytes > _lastOffset)
        {
            return true;
        }

        foreach (ref Slot slot in _slots.AsSpan())
        {
            long slack = slot.Run >= 3 ? SlackBytes : 0;
            if (slot.LimitBytes > 0 && slot.NextBytes >= slot.LimitBytes)
            {
                continue; // An extent that was read to its end.
            }

            if (slot.Run >= 1 && fetch.EndBytes + slack > slot.NextBytes
                && fetch.OffsetBytes < slot.IssuedBytes + SlackBytes)
            {
                return true;
            }
        }

        return false;
    }

    private struct Slot
    {
        public long NextBytes;
        public long IssuedBytes;
        public long WindowBytes;
        public long ConsumedBytes;
        public long LastUse;
        public long LimitBytes;
        public int Run;
    }
}
