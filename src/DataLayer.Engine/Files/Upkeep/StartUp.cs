using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Attaching;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// What an engine does before it serves: takes back writes that never were published, forgets orphans nobody can have
/// open any more, gives up packs that were being written, and tells the hot tier which segment records are alive. Each
/// step may be cut short and is done again at the next start.
/// </summary>
internal sealed class StartUp(EngineContext context, AttachmentService attaching)
{
    private const int Page = 1000;

    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        int pending = await DropPendingWritesAsync(cancellationToken).ConfigureAwait(false);
        int orphans = context.Options.KeepOrphans
            ? await KeepOrphansAsync(cancellationToken).ConfigureAwait(false)
            : await attaching.ReleaseOrphansAsync(cancellationToken).ConfigureAwait(false);

        // Nobody writes a pack yet: what was begun is of an earlier process.
        await context.Tree.CollectPacksAsync(unfinished: true, cancellationToken).ConfigureAwait(false);
        int unflushed = await context.Unflushed.ReplayAsync(cancellationToken).ConfigureAwait(false);
        if (unflushed > 0)
        {
            EngineLog.ReplayedUnflushed(context.Log, unflushed);
        }

        // Last: a segment goes at once when nothing in the tree needs it, and what was just forgotten does not.
        await ReconcileSegmentsAsync(cancellationToken).ConfigureAwait(false);
        if (pending + orphans > 0)
        {
            EngineLog.Replayed(context.Log, pending, orphans);
        }
    }

    /// <summary>A mount that outlived the service may have them open: it forgets each, or ends.</summary>
    private async ValueTask<int> KeepOrphansAsync(CancellationToken cancellationToken)
    {
        foreach (InodeId orphan in await context.Tree.ListOrphansAsync(cancellationToken).ConfigureAwait(false))
        {
            context.Holds.Keep(orphan);
        }

        return 0;
    }

    private async ValueTask<int> DropPendingWritesAsync(CancellationToken cancellationToken)
    {
        int count = 0;
        long after = 0;
        while (true)
        {
            IReadOnlyList<JournalEntry> entries = await context.Tree.ListJournalAsync(
                JournalKind.PendingWrite, after, Page, cancellationToken).ConfigureAwait(false);
            if (entries.Count > 0)
            {
                // What a killed service committed without a sync may be what makes these bytes needless.
                await context.Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
            }

            foreach (JournalEntry entry in entries)
            {
                after = entry.Id;
                await DropAsync(entry, cancellationToken).ConfigureAwait(false);
                count++;
            }

            if (entries.Count < Page)
            {
                return count;
            }
        }
    }

    private async ValueTask DropAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        FileContent? current = await context.Tree.GetContentAsync(entry.Content.Inode, cancellationToken)
            .ConfigureAwait(false);
        Placement? keep = current?.Attributes.Content == entry.Content ? current.Placement : null;
        Placement written = PlacementText.Parse(entry.Placement!);
        if (keep is StripedPlacement)
        {
            // The conversion to stripes was committed (and the content perhaps moved since): only strays may go.
            await context.Hot.DeleteMovedAsync(entry.Content, written, keep, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await context.Hot.DeleteAsync(entry.Content, written, cancellationToken).ConfigureAwait(false);
        }

        await context.Tree.CompleteJournalAsync(entry.Id, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask ReconcileSegmentsAsync(CancellationToken cancellationToken)
    {
        Dictionary<long, long> live = [];
        InodeId after = InodeId.None;
        while (true)
        {
            IReadOnlyList<FileContent> page = await context.Tree.ListPlacedAsync(after, Page, cancellationToken)
                .ConfigureAwait(false);
            foreach (FileContent file in page)
            {
                after = file.Attributes.Inode;
                if (file.Placement is SegmentPlacement record)
                {
                    live[record.SegmentId] = live.GetValueOrDefault(record.SegmentId) + record.LengthBytes;
                }
            }

            if (page.Count < Page)
            {
                break;
            }
        }

        await context.Hot.ReconcileSegmentsAsync(live, cancellationToken).ConfigureAwait(false);
    }
}
