using System.Collections.Immutable;

namespace DataLayer.Storage.Stripes;

/// <summary>One segment as the process knows it. Guarded by <see cref="Gate"/>, but for the flush, which takes turns by
/// <see cref="FlushTurn"/>.</summary>
internal sealed class Segment(long id, string pool, ImmutableArray<int> targets) : IDisposable
{
    /// <summary>The first record's offset: the segment's head.</summary>
    internal const int HeadBytes = 64;

    private readonly SortedSet<long> _inFlight = [];
    private Dictionary<uint, uint>? _dead;
    private long _punchedBytes;

    internal Lock Gate { get; } = new();

    internal SemaphoreSlim FlushTurn { get; } = new(1);

    internal long Id => id;

    internal string Pool => pool;

    internal ImmutableArray<int> Targets { get; private set; } = targets;

    /// <summary>Where the next record goes, bytes.</summary>
    internal long TailBytes { get; set; } = HeadBytes;

    /// <summary>Records that end here or before are durable.</summary>
    internal long DurableEnd { get; set; } = HeadBytes;

    /// <summary>Gets no more records.</summary>
    internal bool IsSealed { get; set; }

    /// <summary>Why a flush failed; what was not durable then is suspect for good.</summary>
    internal string? Failure { get; set; }

    /// <summary>Bytes of records known dead.</summary>
    internal long DeadBytes { get; private set; }

    /// <summary>Bytes the metadata does not know of and no tombstone tells of, from the last reconciliation.</summary>
    internal long UnknownDeadBytes { get; set; }

    /// <summary>Tombstones being written: the segment's files stay until they are.</summary>
    internal int PendingTombstoneCount { get; set; }

    internal bool HasDeadList => _dead is not null;

    internal bool IsDeleted { get; set; }

    /// <summary>Bytes of records not known to be dead.</summary>
    internal long LiveBytes => Math.Max(0, TailBytes - HeadBytes - DeadBytes - UnknownDeadBytes);

    /// <summary>Whether every record is known to be dead by itself.</summary>
    internal bool IsAllDead => TailBytes - HeadBytes <= DeadBytes;

    /// <summary>Takes room at the end; the record counts as in flight until <see cref="EndWriteLocked"/>.</summary>
    internal long BeginWriteLocked(int recordBytes)
    {
        long offset = TailBytes;
        TailBytes += recordBytes;
        _inFlight.Add(offset);
        return offset;
    }

    internal void EndWriteLocked(long offset) => _inFlight.Remove(offset);

    /// <summary>Up to where a flush that starts now covers the records.</summary>
    internal long CoveredEndLocked() => _inFlight.Count > 0 ? _inFlight.Min : TailBytes;

    internal void LoadDeadLocked(List<SegmentTombstone> tombstones)
    {
        _dead ??= [];
        foreach (SegmentTombstone tombstone in tombstones)
        {
            MarkDeadLocked(tombstone);
        }
    }

    /// <summary>Counts a record as dead; false if it was already.</summary>
    internal bool MarkDeadLocked(SegmentTombstone tombstone)
    {
        _dead ??= [];
        if (!_dead.TryAdd(tombstone.OffsetBytes, tombstone.RecordBytes))
        {
            return false;
        }

        DeadBytes += tombstone.RecordBytes;
        return true;
    }

    internal bool IsDeadLocked(long offset) => _dead is not null && _dead.ContainsKey((uint)offset);

    /// <summary>
    /// The ranges of dead records that lie together, where some died since the last call; else none. In order.
    /// </summary>
    internal List<(long OffsetBytes, long LengthBytes)> TakeDeadRangesLocked()
    {
        List<(long OffsetBytes, long LengthBytes)> ranges = [];
        if (_dead is null || _punchedBytes == DeadBytes)
        {
            return ranges;
        }

        _punchedBytes = DeadBytes;
        uint[] offsets = [.. _dead.Keys];
        Array.Sort(offsets);
        foreach (uint offset in offsets)
        {
            if (ranges.Count > 0 && ranges[^1] is var last && last.OffsetBytes + last.LengthBytes == offset)
            {
                ranges[^1] = (last.OffsetBytes, last.LengthBytes + _dead[offset]);
            }
            else
            {
                ranges.Add((offset, _dead[offset]));
            }
        }

        return ranges;
    }

    internal void AddTarget(int target)
    {
        if (!Targets.Contains(target))
        {
            Targets = Targets.Add(target);
        }
    }

    public void Dispose() => FlushTurn.Dispose();
}
