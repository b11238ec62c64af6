using DataLayer.Core.Errors;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>What is dead, and giving its space back.</content>
internal sealed partial class SegmentStore
{
    private const int PageBytes = 4096;

    /// <summary>Marks a record dead; deletes its segment if it was the last and the segment is sealed. A repeated call
    /// does nothing.</summary>
    internal async ValueTask DeleteAsync(SegmentPlacement placement, CancellationToken cancellationToken)
    {
        if (!_segments.TryGetValue(placement.SegmentId, out Segment? segment))
        {
            ThrowIfMissing(placement);
            return;
        }

        await LoadDeadAsync(segment, cancellationToken).ConfigureAwait(false);
        SegmentTombstone tombstone = new((uint)placement.OffsetBytes, (uint)SegmentRecord.RecordBytes(
            placement.LengthBytes));
        lock (segment.Gate)
        {
            if (segment.IsDeleted || !segment.MarkDeadLocked(tombstone))
            {
                return;
            }
        }

        if (await DeleteIfDeadAsync(segment, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        await AppendTombstonesAsync(segment, placement, tombstone, cancellationToken).ConfigureAwait(false);

        // Another delete may have been the last, and have left the segment to this one.
        await DeleteIfDeadAsync(segment, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask AppendTombstonesAsync(
        Segment segment, SegmentPlacement placement, SegmentTombstone tombstone, CancellationToken cancellationToken)
    {
        lock (segment.Gate)
        {
            if (segment.IsDeleted)
            {
                return;
            }

            segment.PendingTombstoneCount++;
        }

        try
        {
            foreach (int number in placement.Targets)
            {
                try
                {
                    await _targets.Get(number).AppendTombstoneAsync(segment.Id, tombstone, cancellationToken)
                        .ConfigureAwait(false);
                }
                catch (DataLayerException fault)
                {
                    // Memory knows it; after a restart the reconciliation finds it out.
                    HotTierLog.SegmentFailed(_log, segment.Id, number, fault.Message);
                }
            }
        }
        finally
        {
            lock (segment.Gate)
            {
                segment.PendingTombstoneCount--;
            }
        }
    }

    /// <summary>
    /// Gives back at once what dead records of a pool take: segments without a live one are deleted, also open ones;
    /// of others the pages that dead records fill are punched out, which a compaction would free later by copying what
    /// lives. A walk passes over the hole, where no header is.
    /// </summary>
    internal async ValueTask ReclaimAsync(string pool, CancellationToken cancellationToken)
    {
        foreach (Segment segment in _segments.Values)
        {
            if (segment.Pool != pool)
            {
                continue;
            }

            await LoadDeadAsync(segment, cancellationToken).ConfigureAwait(false);
            List<(long OffsetBytes, long LengthBytes)> dead;
            lock (segment.Gate)
            {
                segment.IsSealed |= segment.IsAllDead;
                dead = segment.TakeDeadRangesLocked();
            }

            if (await DeleteIfDeadAsync(segment, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            foreach ((long offset, long length) in dead)
            {
                long first = (offset + PageBytes - 1) / PageBytes * PageBytes;
                long end = (offset + length) / PageBytes * PageBytes;
                if (end > first)
                {
                    await PunchAsync(segment, first, end - first, cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    private async ValueTask PunchAsync(
        Segment segment, long offsetBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        foreach (int number in segment.Targets)
        {
            try
            {
                await _targets.Get(number)
                    .PunchSegmentAsync(segment.Id, offsetBytes, lengthBytes, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException fault)
            {
                HotTierLog.SegmentFailed(_log, segment.Id, number, fault.Message);
            }
        }
    }

    /// <summary>Segments of earlier starts without live bytes are deleted; for the others the difference is
    /// noted.</summary>
    internal async ValueTask ReconcileAsync(IReadOnlyDictionary<long, long> liveBytesBySegment,
        CancellationToken cancellationToken)
    {
        foreach (Segment segment in _segments.Values)
        {
            if (!IsOfEarlierStart(segment.Id))
            {
                continue;
            }

            long live = liveBytesBySegment.GetValueOrDefault(segment.Id);
            if (!liveBytesBySegment.ContainsKey(segment.Id))
            {
                await DeleteSegmentAsync(segment, cancellationToken).ConfigureAwait(false);
                continue;
            }

            await LoadDeadAsync(segment, cancellationToken).ConfigureAwait(false);
            lock (segment.Gate)
            {
                segment.UnknownDeadBytes = 0;
                segment.UnknownDeadBytes = Math.Max(0, segment.LiveBytes - live);
            }
        }
    }

    /// <summary>Sealed segments whose live share is below the limit.</summary>
    internal List<long> GetCompactable()
    {
        List<long> compactable = [];
        foreach (Segment segment in _segments.Values)
        {
            lock (segment.Gate)
            {
                long total = segment.TailBytes - Segment.HeadBytes;
                if (segment.IsSealed && !segment.IsDeleted && segment.LiveBytes < total * _options.CompactBelow)
                {
                    compactable.Add(segment.Id);
                }
            }
        }

        compactable.Sort();
        return compactable;
    }

    /// <summary>The segments with a copy on a target.</summary>
    internal List<long> GetSegmentsOn(int target)
    {
        List<long> found = [];
        foreach (Segment segment in _segments.Values)
        {
            if (segment.Targets.Contains(target))
            {
                found.Add(segment.Id);
            }
        }

        found.Sort();
        return found;
    }

    /// <summary>Seals what is open on a target that drains, and deletes its segments that hold nothing alive.</summary>
    internal async ValueTask RemoveEmptyOnAsync(int target, CancellationToken cancellationToken)
    {
        foreach (Segment segment in _segments.Values)
        {
            if (!segment.Targets.Contains(target))
            {
                continue;
            }

            await LoadDeadAsync(segment, cancellationToken).ConfigureAwait(false);
            lock (segment.Gate)
            {
                segment.IsSealed = true;
            }

            await DeleteIfDeadAsync(segment, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> DeleteIfDeadAsync(Segment segment, CancellationToken cancellationToken)
    {
        lock (segment.Gate)
        {
            if (!segment.IsSealed || !segment.IsAllDead || segment.IsDeleted || segment.PendingTombstoneCount > 0)
            {
                return false;
            }

            segment.IsDeleted = true;
        }

        await DeleteSegmentAsync(segment, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async ValueTask DeleteSegmentAsync(Segment segment, CancellationToken cancellationToken)
    {
        lock (segment.Gate)
        {
            segment.IsDeleted = true;
        }

        bool isGone = true;
        foreach (int number in segment.Targets)
        {
            try
            {
                await _targets.Get(number).DeleteSegmentAsync(segment.Id, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException fault)
            {
                isGone = false;
                HotTierLog.SegmentFailed(_log, segment.Id, number, fault.Message);
            }
        }

        if (isGone)
        {
            _segments.TryRemove(segment.Id, out _);
        }
    }

    /// <summary>Reads the dead records of a segment of an earlier start once.</summary>
    private async ValueTask LoadDeadAsync(Segment segment, CancellationToken cancellationToken)
    {
        lock (segment.Gate)
        {
            if (segment.HasDeadList || !IsOfEarlierStart(segment.Id))
            {
                return;
            }
        }

        foreach (int number in segment.Targets)
        {
            try
            {
                List<SegmentTombstone> dead = await _targets.Get(number).ReadTombstonesAsync(segment.Id,
                    cancellationToken).ConfigureAwait(false);
                lock (segment.Gate)
                {
                    segment.LoadDeadLocked(dead);
                }
            }
            catch (DataLayerException fault)
            {
                HotTierLog.SegmentFailed(_log, segment.Id, number, fault.Message);
            }
        }
    }
}
