using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// The segments' records against the tree, for one check: list them, take out those the tree names, look at the rest.
/// </summary>
/// <remarks>
/// A record goes through these states in this order: being written (or of a content in use), named by the tree, owed
/// by the journal, dead. What is left over is asked for them in the same order, so that one which moves on meanwhile is
/// met. Records that a crash left in segments of an earlier start are no fault: the start counted them as dead, without
/// knowing which they are. Memory: about 50 bytes a living record.
/// </remarks>
internal sealed class RecordComparison(EngineContext context)
{
    private const int Page = 1000;
    private readonly Dictionary<(long Segment, long OffsetBytes), (ContentId Content, int LengthBytes)> _unknown = [];
    private readonly Dictionary<long, SegmentPlacement> _segments = [];

    /// <summary>Reads which records there are; before the tree is read.</summary>
    public async ValueTask ListAsync(CancellationToken cancellationToken)
    {
        await foreach ((ContentId content, SegmentPlacement record) in context.Hot.EnumerateRecordsAsync(
            cancellationToken).ConfigureAwait(false))
        {
            _unknown[(record.SegmentId, record.OffsetBytes)] = (content, record.LengthBytes);
            _segments.TryAdd(record.SegmentId, record);
        }
    }

    /// <summary>The tree names a record; false if it is not there.</summary>
    public bool Remove(ContentId content, SegmentPlacement record) =>
        _unknown.TryGetValue((record.SegmentId, record.OffsetBytes), out (ContentId Content, int LengthBytes) found)
        && found == (content, record.LengthBytes)
        && _unknown.Remove((record.SegmentId, record.OffsetBytes));

    /// <summary>Reports, and with <paramref name="repair"/> deletes, what the tree did not name. Returns how many were
    /// repaired.</summary>
    public async ValueTask<int> CheckStraysAsync(
        bool repair, List<TreeProblem> problems, CancellationToken cancellationToken)
    {
        List<(ContentId Content, SegmentPlacement Record)> strays = [];
        foreach (((long segment, long offset), (ContentId content, int length)) in _unknown)
        {
            SegmentPlacement record = _segments[segment] with { OffsetBytes = offset, LengthBytes = length };
            if (!context.NewRecords.ContainsKey(content) && !context.Contents.IsInUse(content)
                && !await IsNamedAsync(content, record, cancellationToken).ConfigureAwait(false))
            {
                strays.Add((content, record));
            }
        }

        if (strays.Count == 0)
        {
            return 0;
        }

        HashSet<(long Segment, long OffsetBytes)> owed = await ListOwedAsync(cancellationToken).ConfigureAwait(false);
        strays.RemoveAll(stray => owed.Contains((stray.Record.SegmentId, stray.Record.OffsetBytes))
            || context.Hot.IsRecordDead(stray.Record));
        Dictionary<long, long> bytesBySegment = [];
        foreach ((_, SegmentPlacement record) in strays)
        {
            bytesBySegment[record.SegmentId] = bytesBySegment.GetValueOrDefault(record.SegmentId)
                + HotTier.RecordBytes(record.LengthBytes);
        }

        int repaired = 0;
        foreach ((ContentId content, SegmentPlacement record) in strays)
        {
            if (bytesBySegment[record.SegmentId] <= context.Hot.GetUnattributedDeadBytes(record.SegmentId))
            {
                continue;
            }

            problems.Add(new TreeProblem(
                "stray-record", content.Inode,
                $"Segment {record.SegmentId:x16} holds a record of content {content} at {record.OffsetBytes}, which "
                + "the tree does not know. Repair deletes it."));
            if (repair)
            {
                await context.Hot.DeleteAsync(content, record, cancellationToken).ConfigureAwait(false);
                repaired++;
            }
        }

        return repaired;
    }

    private async ValueTask<bool> IsNamedAsync(
        ContentId content, SegmentPlacement record, CancellationToken cancellationToken)
    {
        FileContent? current = await context.Tree.GetContentAsync(content.Inode, cancellationToken)
            .ConfigureAwait(false);
        return current?.Attributes.Content == content && current.Placement is SegmentPlacement named
            && named.SegmentId == record.SegmentId && named.OffsetBytes == record.OffsetBytes;
    }

    /// <summary>Records whose deletion the journal owes.</summary>
    private async ValueTask<HashSet<(long Segment, long OffsetBytes)>> ListOwedAsync(
        CancellationToken cancellationToken)
    {
        HashSet<(long Segment, long OffsetBytes)> owed = [];
        long after = 0;
        while (true)
        {
            IReadOnlyList<JournalEntry> entries = await context.Tree.ListJournalAsync(
                JournalKind.DeleteHotCopy, after, Page, cancellationToken).ConfigureAwait(false);
            foreach (JournalEntry entry in entries)
            {
                after = entry.Id;
                if (entry.Placement is { } text && PlacementText.Parse(text) is SegmentPlacement record)
                {
                    owed.Add((record.SegmentId, record.OffsetBytes));
                }
            }

            if (entries.Count < Page)
            {
                return owed;
            }
        }
    }
}
