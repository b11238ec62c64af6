using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Nodes;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Takes over what the writing node changed: forgets what memory holds of it, and tells the mounts.
/// </summary>
/// <remarks>
/// In this order: attachments are read, so that nothing new stands under one that is not known; the stamps of names and
/// inodes are counted up, from when on every look goes to the tree; blocks of contents that changed are dropped and
/// contents in use read again; mounts are told. One call at a time, by the follower.
/// </remarks>
internal sealed class RemoteChanges(EngineContext context)
{
    private const int Page = 1000;

    /// <summary>How far the nodes' clocks may lie apart for what changed in a gap to be found.</summary>
    private static readonly TimeSpan _slack = TimeSpan.FromHours(1);

    /// <summary>Takes changes over; null where anything may have changed since a time.</summary>
    public ValueTask ApplyAsync(IReadOnlyList<TreeChange>? changes, long sinceNanoseconds) =>
        changes is null ? ApplyGapAsync(sinceNanoseconds) : ApplyAsync(changes);

    private async ValueTask ApplyAsync(IReadOnlyList<TreeChange> changes)
    {
        foreach (TreeChange change in changes)
        {
            if (change.Kind == TreeChangeKind.Attachments)
            {
                await LoadAttachmentsAsync().ConfigureAwait(false);
                break;
            }
        }

        using (ChangeScope scope = new(context.Stamps))
        {
            foreach (TreeChange change in changes)
            {
                _ = change.Kind switch
                {
                    TreeChangeKind.Name => scope.Name(change.Inode, change.Name!),
                    TreeChangeKind.Attachments => scope,
                    _ => scope.Inode(change.Inode),
                };
            }
        }

        foreach (TreeChange change in changes)
        {
            if (change.Kind is TreeChangeKind.Attributes or TreeChangeKind.Content)
            {
                await RenewAsync(new ContentId(change.Inode, change.Generation), change.BlockCount)
                    .ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Blocks are named by inode and generation, which a write in place does not change: those of every file that
    /// changed since are dropped.
    /// </summary>
    private async ValueTask ApplyGapAsync(long sinceNanoseconds)
    {
        await LoadAttachmentsAsync().ConfigureAwait(false);
        new ChangeScope(context.Stamps, all: true).Dispose();
        foreach (ContentState state in context.Contents.ListInUse())
        {
            await RenewAsync(state.Id, 0).ConfigureAwait(false);
        }

        InodeId after = InodeId.None;
        while (true)
        {
            IReadOnlyList<InodeAttributes> page = await context.Tree.ListChangedAsync(
                after, sinceNanoseconds - (long)_slack.TotalNanoseconds, Page, context.Stopping).ConfigureAwait(false);
            foreach (InodeAttributes file in page)
            {
                after = file.Inode;
                await RenewAsync(file.Content, BlockLayout.BlockCount(file.SizeBytes)).ConfigureAwait(false);
            }

            if (page.Count < Page)
            {
                return;
            }
        }
    }

    private async ValueTask RenewAsync(ContentId content, uint blockCount)
    {
        ContentState? state = context.Contents.TryAcquire(content);
        if (state is null)
        {
            if (blockCount > 0)
            {
                context.Cache.RemoveContent(content, blockCount);
                context.Stamps.Feed.TellContent(content.Inode, origin: null);
            }

            return;
        }

        try
        {
            if (blockCount > 0)
            {
                state.InvalidateBlocks(context.Cache, 0, blockCount - 1);
            }

            await context.ReloadAsync(state, context.Stopping).ConfigureAwait(false);
            if (blockCount > 0)
            {
                // Once more: what was read with what was known of the content before.
                state.InvalidateBlocks(context.Cache, 0, blockCount - 1);
                context.Stamps.Feed.TellContent(content.Inode, origin: null);
            }
        }
        finally
        {
            await context.ReleaseAsync(state).ConfigureAwait(false);
        }
    }

    private async ValueTask LoadAttachmentsAsync()
    {
        HashSet<long> before = [];
        foreach (Attachment attachment in context.Attachments.List())
        {
            before.Add(attachment.Id);
        }

        foreach (Attachment attachment in await context.Tree.ListAttachmentsAsync(context.Stopping)
            .ConfigureAwait(false))
        {
            before.Remove(attachment.Id);
            context.Attachments.Put(attachment);
        }

        foreach (long gone in before)
        {
            context.Attachments.Remove(gone);
        }
    }
}
