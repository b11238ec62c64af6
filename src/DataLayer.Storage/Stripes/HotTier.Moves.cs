using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes.Sealing;

namespace DataLayer.Storage.Stripes;

/// <content>Moving contents between targets, and what fsck needs.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Copies what a content has on one target to another of its pool and returns the new placement, durable; the old
    /// one stays valid until deleted. Nobody may write the content meanwhile. Columns the target no longer has good
    /// copies of come from the other copy.
    /// </summary>
    /// <exception cref="DataLayerException">NoSpace: no other target has room. Corrupt: a chunk has no good
    /// copy.</exception>
    public async ValueTask<Placement> MoveAsync(
        ContentId content, Placement placement, long contentSizeBytes, int fromTarget,
            CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        if (placement is SegmentPlacement segment)
        {
            return await MoveRecordAsync(content, segment, contentSizeBytes, fromTarget, cancellationToken)
                .ConfigureAwait(false);
        }

        StripedPlacement striped = (StripedPlacement)placement;
        ImmutableArray<int> targets = striped.Targets;
        PoolOptions pool = _targets.GetPool(striped.Pool);
        for (int i = 0; i < targets.Length; i++)
        {
            if (striped.Targets[i] != fromTarget)
            {
                continue;
            }

            int column = i % striped.Width;
            int copy = i / striped.Width;
            int chosen = ChooseNew(pool, targets, column, content, striped, fromTarget, striped.ColumnLength(
                column, contentSizeBytes));
            await MoveColumnAsync(content, striped, column, copy, chosen, contentSizeBytes, cancellationToken)
                .ConfigureAwait(false);
            targets = targets.SetItem(i, chosen);
        }

        return striped with { Targets = targets };
    }

    /// <summary>
    /// The placement of a striped content with another number of copies; nothing is copied or deleted. The first
    /// copies stay where they are.
    /// </summary>
    /// <exception cref="DataLayerException">NoSpace: fewer targets than copies have room.</exception>
    public StripedPlacement ChooseCopies(
        ContentId content, StripedPlacement placement, long contentSizeBytes, int copyCount)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfLessThan(copyCount, 1);
        ImmutableArray<int> targets = placement.Targets;
        if (copyCount <= placement.CopyCount)
        {
            return placement with { CopyCount = copyCount, Targets = targets[..(placement.Width * copyCount)] };
        }

        PoolOptions pool = _targets.GetPool(placement.Pool);
        if (TargetChoice.FindEligible(pool, _targets.ByNumber, 0, [], default).Count < copyCount)
        {
            throw new DataLayerException(
                ErrorCode.NoSpace, $"{copyCount} copies need as many targets of pool '{pool.Name}' that are well.");
        }

        for (int copy = placement.CopyCount; copy < copyCount; copy++)
        {
            for (int column = 0; column < placement.Width; column++)
            {
                targets = targets.Add(ChooseNew(
                    pool, targets, column, content, placement with { CopyCount = copy }, leaving: -1,
                    placement.ColumnLength(column, contentSizeBytes)));
            }
        }

        return placement with { CopyCount = copyCount, Targets = targets };
    }

    /// <summary>
    /// Makes the copies that <paramref name="wanted"/> (<see cref="ChooseCopies"/>) has more than a content has, from
    /// chunks that agree with their checksums, and flushes them. Nobody may write the content meanwhile; its placement
    /// stays valid. Where it fails, what it made is deleted.
    /// </summary>
    /// <exception cref="DataLayerException">Corrupt: a chunk has no good copy. Or what a target says.</exception>
    public async ValueTask AddCopiesAsync(
        ContentId content, StripedPlacement placement, StripedPlacement wanted, long contentSizeBytes,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentNullException.ThrowIfNull(wanted);
        int made = placement.Targets.Length;
        try
        {
            for (int i = made; i < wanted.Targets.Length; i++)
            {
                made = i + 1;
                await MoveColumnAsync(
                    content, placement, i % placement.Width, i / placement.Width, wanted.Targets[i], contentSizeBytes,
                    cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            for (int i = placement.Targets.Length; i < made; i++)
            {
                await _targets.Get(wanted.Targets[i])
                    .DeleteAsync(ColumnAt(content, placement, i), CancellationToken.None).ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Deletes the parts of <paramref name="before"/> that <paramref name="after"/> does not use. Safe to
    /// repeat.</summary>
    public async ValueTask DeleteMovedAsync(
        ContentId content, Placement before, Placement after, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (before.Equals(after))
        {
            return;
        }

        if (before is not StripedPlacement from || after is not StripedPlacement to)
        {
            await DeleteAsync(content, before, cancellationToken).ConfigureAwait(false);
            return;
        }

        // Columns are named by content, column and copy alone: placements of other widths share names too.
        HashSet<(int Target, ColumnId Column)> used = [.. Columns(content, to)];
        foreach ((int target, ColumnId column) in Columns(content, from))
        {
            if (!used.Contains((target, column)))
            {
                await _targets.Get(target).DeleteAsync(column, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Whether a column of a placement is there already: left by stripes that the content had before, and not deleted
    /// yet.
    /// </summary>
    public async ValueTask<bool> HasColumnsAsync(
        ContentId content, StripedPlacement placement, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        foreach ((int target, ColumnId column) in Columns(content, placement))
        {
            if (await _targets.Get(target).ExistsAsync(column, cancellationToken).ConfigureAwait(false))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The column, of one of the copies, that a placement has on its target at an index.</summary>
    private static ColumnId ColumnAt(ContentId content, StripedPlacement placement, int index) =>
        new(content, index % placement.Width, index / placement.Width);

    private static IEnumerable<(int Target, ColumnId Column)> Columns(ContentId content, StripedPlacement placement)
    {
        for (int i = 0; i < placement.Targets.Length; i++)
        {
            yield return (placement.Targets[i], ColumnAt(content, placement, i));
        }
    }

    /// <summary>Every striped content found on the targets, once each (fsck compares it with the tree).</summary>
    public async IAsyncEnumerable<ContentId> EnumerateContentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HashSet<ContentId> seen = [];
        foreach (ITarget? target in _targets.ByNumber.ToArray())
        {
            if (target is null || target.State == TargetState.Missing)
            {
                continue;
            }

            await foreach (ColumnId column in target.EnumerateColumnsAsync(cancellationToken).ConfigureAwait(false))
            {
                if (seen.Add(column.Content))
                {
                    yield return column.Content;
                }
            }
        }
    }

    /// <summary>Deletes all backing files of a content on all targets but those a placement names: of a content the
    /// tree does not know, or parts left by a move that was cut short.</summary>
    /// <param name="content">The content.</param>
    /// <param name="keep">The placement the tree has for it, or null to delete everything.</param>
    /// <param name="cancellationToken">Gives up between files.</param>
    /// <returns>How many columns were deleted, a count.</returns>
    public async ValueTask<int> DeleteStrayAsync(ContentId content, Placement? keep,
        CancellationToken cancellationToken)
    {
        int deleted = 0;
        StripedPlacement? striped = keep as StripedPlacement;
        foreach (ITarget? target in _targets.ByNumber.ToArray())
        {
            if (target is null || target.State == TargetState.Missing)
            {
                continue;
            }

            List<ColumnId> found = await target.FindColumnsAsync(content, cancellationToken).ConfigureAwait(false);
            foreach (ColumnId column in found)
            {
                bool isKept = striped is not null && column.Column < striped.Width && column.Copy < striped.CopyCount
                    && striped.TargetOf(column.Column, column.Copy) == target.Number;
                if (!isKept && await target.DeleteAsync(column, cancellationToken).ConfigureAwait(false))
                {
                    deleted++;
                }
            }
        }

        return deleted;
    }

    /// <summary>
    /// Deletes files on the targets that are none of the format's: temporary files of a crash and unfinished rebuilds.
    /// Only while nothing else works on the hot tier, as at fsck.
    /// </summary>
    /// <returns>The paths deleted.</returns>
    public async ValueTask<IReadOnlyList<string>> DeleteStrayFilesAsync(CancellationToken cancellationToken)
    {
        List<string> deleted = [];
        foreach (ITarget? target in _targets.ByNumber.ToArray())
        {
            if (target is not null && target.State != TargetState.Missing)
            {
                deleted.AddRange(await target.DeleteStrayFilesAsync(cancellationToken).ConfigureAwait(false));
            }
        }

        return deleted;
    }

    /// <summary>
    /// Tells segment accounting which records are alive, at start (before the first append) or after fsck: live content
    /// bytes by segment. Segments of earlier starts that are not in it are deleted; those of this start never are by
    /// this call.
    /// </summary>
    public ValueTask ReconcileSegmentsAsync(IReadOnlyDictionary<long, long> liveBytesBySegment,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(liveBytesBySegment);
        return _segments.ReconcileAsync(liveBytesBySegment, cancellationToken);
    }

    /// <summary>Every segment record that was written whole and is not known to be dead, once each (fsck compares it
    /// with the tree). Reads the headers of all segments.</summary>
    public IAsyncEnumerable<(ContentId Content, SegmentPlacement Record)> EnumerateRecordsAsync(
        CancellationToken cancellationToken) => _segments.EnumerateRecordsAsync(cancellationToken);

    /// <summary>Whether a copy of a segment record is there, by its header; whether its content is good, a scrub
    /// says.</summary>
    /// <exception cref="DataLayerException">TargetFailed: no copy has it, and a target cannot be asked.</exception>
    public ValueTask<bool> HasRecordAsync(ContentId content, SegmentPlacement placement,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        return _segments.HasRecordAsync(content, placement, cancellationToken);
    }

    /// <summary>Whether a segment record was deleted.</summary>
    public bool IsRecordDead(SegmentPlacement placement)
    {
        ArgumentNullException.ThrowIfNull(placement);
        return _segments.IsDead(placement);
    }

    /// <summary>Bytes a record of a content takes in a segment, with header and padding.</summary>
    public static int RecordBytes(int contentBytes) => SegmentRecord.RecordBytes(contentBytes);

    /// <summary>Bytes of a segment of an earlier start that count as dead since the last reconciliation though no
    /// tombstone says of which records: what a crash left, and its space is given back.</summary>
    public long GetUnattributedDeadBytes(long segmentId) => _segments.GetUnattributedDeadBytes(segmentId);

    /// <summary>Sealed segments mostly dead, worth compaction: the engine re-appends their live records and publishes
    /// the new placements.</summary>
    public IReadOnlyList<long> GetCompactableSegments() => _segments.GetCompactable();

    /// <summary>
    /// Gives back at once what dead records take in a pool's segments, which else waits for a compaction.
    /// </summary>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask ReclaimSegmentsAsync(string? pool, CancellationToken cancellationToken) =>
        _segments.ReclaimAsync(_targets.GetPool(pool).Name, cancellationToken);

    /// <summary>The segments that have a copy on a target: draining it means moving their live records.</summary>
    public IReadOnlyList<long> GetSegmentsOn(int target) => _segments.GetSegmentsOn(target);

    private async ValueTask<Placement> MoveRecordAsync(
        ContentId content, SegmentPlacement segment, long contentSizeBytes, int fromTarget,
            CancellationToken cancellationToken)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(segment.LengthBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(contentSizeBytes, segment.LengthBytes);
        await _segments.ReadAsync(content, segment, 0, bytes, cancellationToken).ConfigureAwait(false);
        SegmentPlacement moved = await _segments
            .AppendAsync(
                content, _targets.GetPool(segment.Pool), bytes, fromTarget, spareHolds: false, cancellationToken)
                .ConfigureAwait(false);
        await _segments.FlushAsync(moved, cancellationToken).ConfigureAwait(false);
        return moved;
    }

    private int ChooseNew(PoolOptions pool, ImmutableArray<int> used, int column, ContentId content,
        StripedPlacement placement, int leaving, long bytes)
    {
        // Never where another copy of the column is; better where nothing of the content is.
        List<int> excluded = [leaving];
        for (int copy = 0; copy < placement.CopyCount; copy++)
        {
            excluded.Add(used[(copy * placement.Width) + column]);
        }

        List<int> unused = [.. excluded, .. used];
        List<int> eligible = TargetChoice.FindEligible(pool, _targets.ByNumber, bytes, unused.ToArray(), content.Inode);
        if (eligible.Count == 0)
        {
            eligible = TargetChoice.FindEligible(pool, _targets.ByNumber, bytes, excluded.ToArray(), content.Inode);
        }

        return eligible.Count > 0 ? eligible[column % eligible.Count] : throw TargetChoice.NoRoom(
            pool, _targets.ByNumber, bytes);
    }

    private async ValueTask MoveColumnAsync(ContentId content, StripedPlacement placement, int column, int copy,
        int chosen,
        long contentSizeBytes, CancellationToken cancellationToken)
    {
        ITarget to = _targets.Get(chosen);
        ColumnId id = new(content, column, copy);
        await to.DeleteAsync(id, cancellationToken).ConfigureAwait(false);
        await to.PrepareWriteAsync(id, 0, 0, create: true, cancellationToken).ConfigureAwait(false);
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        long columnLength = placement.ColumnLength(column, contentSizeBytes);
        long fileLength = placement.KeyId == 0 ? columnLength : SealedPage.FileLength(columnLength);
        long chunkCount = (fileLength + ChunkEntry.ChunkBytes - 1) / ChunkEntry.ChunkBytes;
        for (long chunk = 0; chunk < chunkCount; chunk++)
        {
            int length = await ReadGoodChunkAsync(
                content, placement, column, chunk, buffer, checksPages: true, cancellationToken)
                .ConfigureAwait(false);
            if (length > 0)
            {
                long offset = chunk * ChunkEntry.ChunkBytes;
                await to.WriteAsync(id, offset, length, new StripeView(buffer.AsMemory(0, length), offset),
                    cancellationToken)
                    .ConfigureAwait(false);
            }
        }

        await to.FlushAsync(id, cancellationToken).ConfigureAwait(false);
    }
}
