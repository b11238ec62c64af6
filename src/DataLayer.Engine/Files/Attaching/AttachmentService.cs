using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Attaching;

/// <summary>Attaches buckets, lists them again, detaches them. Never changes an object.</summary>
internal sealed class AttachmentService(EngineContext context)
{
    /// <summary>Attaches, or goes on with an attach of the same source and path that was interrupted.</summary>
    public async ValueTask<Attachment> AttachAsync(
        AttachRequest request, IProgress<AttachProgress>? progress, CancellationToken cancellationToken)
    {
        ObjectSource source = ObjectSource.Parse(request.Source);
        context.Parts.Stores.Open(
            request.StoreName, source, request.Path); // Refuses what cannot be served before anything is made.
        InodeAttributes folder = await context.View.MakeFoldersAsync(request.Path, 0x1ED, cancellationToken)
            .ConfigureAwait(false);
        Attachment? attachment = context.Attachments.FindByFolder(folder.Inode);
        if (attachment is not null)
        {
            attachment = await ReloadAsync(attachment.Id, cancellationToken).ConfigureAwait(false);
        }

        bool isResumed = attachment is not null;
        if (attachment is null)
        {
            Attachment wanted = new()
            {
                Folder = folder.Inode,
                Path = request.Path,
                Source = source.ToString(),
                StoreName = request.StoreName,
                Mode = request.Mode,
                Freshness = request.Freshness,
                MaxAge = request.MaxAge,
                Flush = request.Flush,
                ListingCursor = ListingPlan.Whole().TextWith(new KeyRange(null, null), null),
            };
            if (request.Encrypt)
            {
                DatasetKeys keys = context.Parts.DatasetKeys ?? throw new DataLayerException(
                    ErrorCode.NotSupported, "This service keeps no keys: it cannot attach encrypted.");
                wanted = wanted with { SealedKey = keys.Make(wanted) };
            }

            using (new ChangeScope(context.Stamps, all: true))
            {
                attachment = await context.Tree.AddAttachmentAsync(wanted, cancellationToken).ConfigureAwait(false);
            }

            context.Attachments.Put(attachment);
        }
        else if (attachment.IsEncrypted != request.Encrypt)
        {
            string how = attachment.IsEncrypted ? "encrypted" : "without encryption";
            throw new DataLayerException(
                ErrorCode.AlreadyExists,
                $"'{request.Path}' is attached {how} already. Detach it first, or attach it as it is.");
        }
        else if (attachment.Source != source.ToString() || attachment.StoreName != request.StoreName)
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists, $"'{request.Path}' is attached to {attachment.Source}. Detach it first.");
        }
        else if (attachment.ListingCursor is null)
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists,
                $"'{request.Path}' is attached to {attachment.Source} already. Use refresh to list it again.");
        }

        await ListAsync(
            attachment, ListingPlan.Parse(attachment.ListingCursor!), isResumed, progress, cancellationToken)
            .ConfigureAwait(false);
        return context.Attachments.Find(attachment.Id) ?? attachment;
    }

    /// <summary>
    /// Lists the bucket again: new objects appear, changed ones are new generations, vanished ones go. A listing that
    /// was interrupted goes on where it was; what it saw before does not count as vanished.
    /// </summary>
    public async ValueTask<AttachProgress> RefreshAsync(
        string path, IProgress<AttachProgress>? progress, CancellationToken cancellationToken)
    {
        Attachment attachment = await FindAsync(path, cancellationToken).ConfigureAwait(false);
        attachment = await ReloadAsync(attachment.Id, cancellationToken).ConfigureAwait(false) ?? attachment;
        long now = context.NowNanoseconds();
        ListingPlan plan = attachment.ListingCursor is { } cursor ? ListingPlan.Parse(cursor) : ListingPlan.Whole(now);
        if (plan.StartedNanoseconds > now)
        {
            plan = ListingPlan.Whole(now); // The clock went back: what is seen from now on would count as unseen.
        }

        bool isResumed = attachment.ListingCursor is not null;
        return await ListAsync(attachment, plan, isResumed, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes an attachment with all names below; the bucket stays as it is.</summary>
    public async ValueTask DetachAsync(string path, bool force, CancellationToken cancellationToken)
    {
        Attachment attachment = await FindAsync(path, cancellationToken).ConfigureAwait(false);
        using (new ChangeScope(context.Stamps, all: true))
        {
            await context.Tree.RemoveAttachmentAsync(attachment.Id, force, cancellationToken).ConfigureAwait(false);
        }

        // What is encrypted is unreadable from here on; its columns go with their orphans.
        context.Attachments.EraseKeys(attachment.Id);
        await ReleaseOrphansAsync(cancellationToken).ConfigureAwait(false);
        context.Attachments.Remove(attachment.Id);
        context.JournalSignal?.Invoke();
    }

    /// <summary>Forgets inodes without names that nobody has open. Returns how many there were.</summary>
    public async ValueTask<int> ReleaseOrphansAsync(CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (InodeId orphan in await context.Tree.ListOrphansAsync(cancellationToken).ConfigureAwait(false))
        {
            await context.ReleaseOrphanAsync(orphan).ConfigureAwait(false);
            count++;
        }

        return count;
    }

    public async ValueTask<Attachment> FindAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes folder = await context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        return context.Attachments.FindByFolder(folder.Inode)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"Nothing is attached at '{path}'.");
    }

    private async ValueTask<AttachProgress> ListAsync(
        Attachment attachment, ListingPlan plan, bool isResumed, IProgress<AttachProgress>? progress,
        CancellationToken cancellationToken)
    {
        OriginUse.Current = OriginUse.Within(OriginUse.Current, OriginPurpose.Listing, null);
        BucketLister lister = new(context, attachment, context.Attachments.StoreOf(attachment.Id), plan, progress);
        await lister.RunAsync(cancellationToken).ConfigureAwait(false);
        if (plan.StartedNanoseconds > 0)
        {
            // Before the listing counts as complete: a refresh that is cut short here removes them when it goes on.
            context.Step("refresh.listed");
            using (new ChangeScope(context.Stamps, all: true))
            {
                await context.Tree.RemoveUnseenAsync(attachment.Id, plan.StartedNanoseconds, cancellationToken)
                    .ConfigureAwait(false);
            }

            await ReleaseOrphansAsync(cancellationToken).ConfigureAwait(false);
        }

        AttachProgress done = lister.Progress(done: true);
        if (lister.SawPacks || isResumed)
        {
            // After what the listing did not see has gone: a file that was packed meanwhile has lost its object.
            PackImporter packs = new(context, attachment, context.Attachments.StoreOf(attachment.Id));
            await packs.RunAsync(cancellationToken).ConfigureAwait(false);
            done = packs.AddTo(done);
        }

        Attachment current = await ReloadAsync(attachment.Id, cancellationToken).ConfigureAwait(false) ?? attachment;
        Attachment complete = current with { ListingCursor = null };
        await context.Tree.UpdateAttachmentAsync(complete, cancellationToken).ConfigureAwait(false);
        context.Attachments.Put(complete);
        context.JournalSignal?.Invoke();
        progress?.Report(done);
        return done;
    }

    private async ValueTask<Attachment?> ReloadAsync(long attachmentId, CancellationToken cancellationToken)
    {
        foreach (Attachment attachment in await context.Tree.ListAttachmentsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            if (attachment.Id == attachmentId)
            {
                context.Attachments.Put(attachment);
                return attachment;
            }
        }

        return null;
    }
}
