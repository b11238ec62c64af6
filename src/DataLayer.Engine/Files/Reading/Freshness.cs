using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Checks known objects against the bucket as their attachment's freshness mode says, and brings changed ones in as new
/// generations.
/// </summary>
internal sealed class Freshness(EngineContext context)
{
    /// <summary>
    /// Before an open: with <see cref="FreshnessMode.Immutable"/> nothing is asked; else at most one HEAD. True when
    /// the file is another one now, so that it must be looked up again.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound: the object is gone, and with it the name. Or what the store says.
    /// </exception>
    public async ValueTask<bool> CheckAsync(InodeAttributes attributes, CancellationToken cancellationToken)
    {
        if (context.IsReader || attributes.AttachmentId == 0 || attributes.State == TierState.Hot
            || context.Attachments.Find(attributes.AttachmentId) is not { } attachment
            || attachment.Freshness == FreshnessMode.Immutable)
        {
            return false;
        }

        FileContent? content = await context.Tree.GetContentAsync(attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content?.Object is null || content.Attributes.State == TierState.Hot)
        {
            return false;
        }

        long age = context.NowNanoseconds() - content.CheckedTimeNanoseconds;
        if (attachment.Freshness == FreshnessMode.MaxAge && age >= 0 && age < attachment.MaxAge.TotalNanoseconds)
        {
            return false;
        }

        long started = context.Time.GetTimestamp();
        bool changed = false;
        try
        {
            changed = await LookAsync(content, attachment, removeMissing: true, cancellationToken)
                .ConfigureAwait(false);
            return changed;
        }
        finally
        {
            context.Counters.Add(Counter.Revalidations, 1);
            context.Counters.Add(Counter.RevalidationsChanged, changed ? 1 : 0);
            context.Counters.Add(
                Counter.RevalidateCauseNanoseconds, (long)context.Time.GetElapsedTime(started).TotalNanoseconds);
        }
    }

    /// <summary>
    /// A read found another object than the tree knows: whether it is the one that is known, copied onto itself into
    /// another class by us. Then the tree has it as it is now, and the read may be tried again.
    /// </summary>
    public async ValueTask<bool> RenewAsync(ContentState content, CancellationToken cancellationToken)
    {
        FileContent before = content.Content;
        if (before.Object is not { } known || before.Attributes.State == TierState.Hot)
        {
            return false;
        }

        await context.ReloadAsync(content, cancellationToken).ConfigureAwait(false);
        if (content.Content.Object is { } now && now.ETag != known.ETag && now.Key == known.Key)
        {
            return true; // Whoever copied it has told the tree meanwhile.
        }

        if (context.IsReader)
        {
            return false;
        }

        ObjectProperties? seen = await context.Attachments.StoreOf(known.AttachmentId)
            .HeadAsync(known.Key, cancellationToken).ConfigureAwait(false);
        return seen is { } found
            && await RenewAsync(content.Id.Inode, known, found, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes over an object that was copied onto itself by us; false where it is another one.</summary>
    public async ValueTask<bool> RenewAsync(
        InodeId inode, ObjectReference known, ObjectProperties seen, CancellationToken cancellationToken)
    {
        if (seen.CopiedFrom != known.ETag || seen.SizeBytes < known.SizeBytes)
        {
            return false;
        }

        ObjectReference copied = known with
        {
            ETag = seen.ETag,
            VersionId = seen.VersionId,
            StorageClass = seen.StorageClass,
            StoredTimeNanoseconds = UnixTime.ToNanoseconds(seen.LastModified),
        };
        bool renewed;
        using (new ChangeScope(context.Stamps).Inode(inode))
        {
            renewed = await context.Tree.RenewObjectAsync(inode, known.ETag, copied, cancellationToken)
                .ConfigureAwait(false);
        }

        if (await context.AcquireAsync(inode, CancellationToken.None).ConfigureAwait(false) is { } content)
        {
            await context.ReloadAsync(content, CancellationToken.None).ConfigureAwait(false);
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }

        return renewed;
    }

    /// <summary>
    /// A read found another object than the tree knows: brings the new one in and says so to the reader of the old.
    /// </summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.Stale"/>, always.</exception>
    public async ValueTask ObjectChangedAsync(ContentState content, CancellationToken cancellationToken)
    {
        FileContent known = content.Content;
        if (!context.IsReader && known.Object is { } source && known.Attributes.State != TierState.Hot
            && context.Attachments.Find(source.AttachmentId) is { } attachment)
        {
            FileContent? current = await context.Tree.GetContentAsync(content.Id.Inode, cancellationToken)
                .ConfigureAwait(false);
            if (current is not null && current.Attributes.Content == content.Id && current.Object is not null)
            {
                await LookAsync(current, attachment, removeMissing: false, cancellationToken).ConfigureAwait(false);
            }

            throw new DataLayerException(
                ErrorCode.Stale,
                $"Object '{source.Key}' of {attachment.Source} changed while it was read. "
                + "Open the file again to read its new content.");
        }

        throw new DataLayerException(
            ErrorCode.Stale, $"Content {content.Id} changed while it was read. Open the file again.");
    }

    private async ValueTask<bool> LookAsync(
        FileContent content, Attachment attachment, bool removeMissing, CancellationToken cancellationToken)
    {
        ObjectReference known = content.Object!;
        InodeId inode = content.Attributes.Inode;
        IObjectStore store = context.Attachments.StoreOf(known.AttachmentId);
        if (known.IsPacked)
        {
            // Its pack is written once, and each read names its ETag. What somebody else may have changed is the
            // object at the key of its name: there is none, or still the one it had.
            if (await FindForPackedAsync(inode, cancellationToken).ConfigureAwait(false) is not { } own)
            {
                return false;
            }

            known = own;
            removeMissing = false;
        }

        OriginUse.Current = OriginUse.Within(OriginUse.Current, OriginPurpose.Foreground, known.StorageClass);
        ObjectProperties? seen = await store.HeadAsync(known.Key, cancellationToken).ConfigureAwait(false);
        if (seen is null && known != content.Object)
        {
            await NoteCheckedAsync(content, cancellationToken).ConfigureAwait(false);
            return false;
        }

        if (seen is null)
        {
            if (removeMissing)
            {
                await RemoveAsync(content.Attributes.Content, cancellationToken).ConfigureAwait(false);
                throw new DataLayerException(
                    ErrorCode.NotFound, $"Object '{known.Key}' of {attachment.Source} was deleted in the bucket.");
            }

            return false;
        }

        if (seen.Value.ETag == known.ETag)
        {
            await NoteCheckedAsync(content, cancellationToken).ConfigureAwait(false);
            return false;
        }

        if (await RenewAsync(inode, known, seen.Value, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        string? path = await context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false);
        string? folder = await context.Tree.GetPathAsync(attachment.Folder, cancellationToken).ConfigureAwait(false);
        if (path is null || folder is null || !path.StartsWith(folder, StringComparison.Ordinal))
        {
            return false;
        }

        ObjectProperties found = seen.Value;
        ImportedObject changed = new(
            path[folder.Length..].TrimStart('/'), found.Key, found.ETag, found.VersionId, found.SizeBytes,
            UnixTime.ToNanoseconds(found.LastModified), found.StorageClass);
        using (new ChangeScope(context.Stamps, all: true))
        {
            await context.Tree.ImportAsync(attachment.Id, [changed], attachment.ListingCursor, cancellationToken)
                .ConfigureAwait(false);
        }

        EngineLog.ObjectChanged(context.Log, found.Key, path);
        context.JournalSignal?.Invoke();
        return true;
    }

    private async ValueTask<ObjectReference?> FindForPackedAsync(InodeId inode, CancellationToken cancellationToken)
    {
        FileContent? now = await context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        string? key = await context.Tree.GetObjectKeyAsync(inode, cancellationToken).ConfigureAwait(false);
        string? former = await context.Tree.GetFormerETagAsync(inode, cancellationToken).ConfigureAwait(false);
        return now?.Object is { IsPacked: true } packed && key is not null
            ? packed with { Key = key, ETag = former ?? string.Empty, PackOffsetBytes = 0 }
            : null;
    }

    private async ValueTask NoteCheckedAsync(FileContent content, CancellationToken cancellationToken)
    {
        ContentUpdate update = new()
        {
            Content = content.Attributes.Content,
            CheckedTimeNanoseconds = context.NowNanoseconds(),
        };
        try
        {
            // Nothing a reader keeps depends on the time of the check, so no stamp changes.
            await context.Tree.UpdateContentAsync(update, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale or ErrorCode.NotFound)
        {
            // Replaced meanwhile: the new content has its own check time.
        }
    }

    private async ValueTask RemoveAsync(ContentId content, CancellationToken cancellationToken)
    {
        bool removed;
        using (new ChangeScope(context.Stamps, all: true))
        {
            removed = await context.Tree.RemoveVanishedAsync(content, cancellationToken).ConfigureAwait(false);
        }

        if (removed)
        {
            await context.ReleaseOrphanAsync(content.Inode).ConfigureAwait(false);
        }
    }
}
