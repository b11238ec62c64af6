using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>Which records there are: what fsck compares with the tree.</content>
/// <remarks>
/// A segment is walked from header to header in windows of 16 KiB. Where no header is (a write that failed, damage),
/// the walk goes on to the next 16-byte place that holds one; a header says which segment and offset it belongs to,
/// so content is not taken for one. All copies are walked: a record counts as there when one copy has its header.
/// </remarks>
internal sealed partial class SegmentStore
{
    private const int WindowBytes = 16 << 10;

    /// <summary>Every record that was written whole and is not known to be dead, once each.</summary>
    internal async IAsyncEnumerable<(ContentId Content, SegmentPlacement Record)> EnumerateRecordsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        byte[] window = new byte[WindowBytes];
        Dictionary<long, (ContentId Content, int LengthBytes)> found = [];
        foreach (Segment segment in _segments.Values)
        {
            await LoadDeadAsync(segment, cancellationToken).ConfigureAwait(false);
            found.Clear();
            foreach (int number in segment.Targets)
            {
                await WalkAsync(segment, _targets.Get(number), window, found, cancellationToken).ConfigureAwait(false);
            }

            foreach ((long offset, (ContentId content, int length)) in found)
            {
                if (!IsDead(segment, offset))
                {
                    yield return (content,
                        new SegmentPlacement(segment.Pool, segment.Id, offset, length, segment.Targets));
                }
            }
        }
    }

    /// <summary>Whether a copy of the record is there by its header; a bad content is scrub's business.</summary>
    /// <exception cref="DataLayerException">TargetFailed: no copy has it, and a target cannot be asked.</exception>
    internal async ValueTask<bool> HasRecordAsync(
        ContentId content, SegmentPlacement placement, CancellationToken cancellationToken)
    {
        byte[] header = new byte[SegmentRecord.HeaderBytes];
        DataLayerException? unknown = null;
        foreach (int number in placement.Targets)
        {
            try
            {
                int read = await _targets.Get(number).ReadSegmentAsync(
                    placement.SegmentId, placement.OffsetBytes, header, default, cancellationToken)
                        .ConfigureAwait(false);
                if (read == header.Length
                    && SegmentRecord.TryReadHeader(header, placement.SegmentId, placement.OffsetBytes,
                        out ContentId found, out int length)
                    && found == content && length == placement.LengthBytes)
                {
                    return true;
                }
            }
            catch (DataLayerException fault)
            {
                unknown ??= fault.Code == ErrorCode.NotFound ? null : fault;
            }
        }

        return unknown is null ? false : throw unknown;
    }

    /// <summary>Bytes of a segment that count as dead though no tombstone says of which records.</summary>
    internal long GetUnattributedDeadBytes(long segmentId)
    {
        if (!_segments.TryGetValue(segmentId, out Segment? segment))
        {
            return 0;
        }

        lock (segment.Gate)
        {
            return segment.UnknownDeadBytes;
        }
    }

    /// <summary>Whether a record is known to be dead, or gone with its segment.</summary>
    internal bool IsDead(SegmentPlacement placement) =>
        !_segments.TryGetValue(placement.SegmentId, out Segment? segment) || IsDead(segment, placement.OffsetBytes);

    private static bool IsDead(Segment segment, long offset)
    {
        lock (segment.Gate)
        {
            return segment.IsDeleted || segment.IsDeadLocked(offset);
        }
    }

    private async ValueTask WalkAsync(
        Segment segment, ITarget target, byte[] window, Dictionary<long, (ContentId Content, int LengthBytes)> found,
        CancellationToken cancellationToken)
    {
        long end;
        lock (segment.Gate)
        {
            end = segment.CoveredEndLocked(); // Behind it, records are still being written.
        }

        long start = 0;
        int length = 0;
        for (long at = Segment.HeadBytes; at + SegmentRecord.HeaderBytes <= end;)
        {
            if (at < start || at + SegmentRecord.HeaderBytes > start + length)
            {
                start = at;
                length = await TryReadWindowAsync(segment, target, at, window, cancellationToken).ConfigureAwait(false);
                if (length < SegmentRecord.HeaderBytes)
                {
                    return; // The copy is shorter, gone, or out of reach.
                }
            }

            ReadOnlySpan<byte> header = window.AsSpan((int)(at - start), SegmentRecord.HeaderBytes);
            if (SegmentRecord.TryReadHeader(header, segment.Id, at, out ContentId content, out int contentBytes)
                && contentBytes <= end - at && at + SegmentRecord.RecordBytes(contentBytes) <= end)
            {
                found[at] = (content, contentBytes);
                at += SegmentRecord.RecordBytes(contentBytes);
            }
            else
            {
                at += SegmentRecord.AlignmentBytes;
            }
        }
    }

    private async ValueTask<int> TryReadWindowAsync(
        Segment segment, ITarget target, long offset, byte[] window, CancellationToken cancellationToken)
    {
        try
        {
            return target.State == TargetState.Missing ? 0 : await target.ReadSegmentAsync(
                segment.Id, offset, default, window, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException fault)
        {
            HotTierLog.SegmentFailed(_log, segment.Id, target.Number, fault.Message);
            return 0;
        }
    }
}
