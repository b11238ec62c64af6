using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Does one journal entry. Each is idempotent: it may have been done before, wholly or in part, with its answer lost.
/// </summary>
internal sealed class JournalTasks(EngineContext context, FetchRunner runner, UploadWaits uploads)
{
    private static readonly TimeSpan _conflictWait = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan _soon = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _busyWait = TimeSpan.FromSeconds(1);
    private readonly UploadPrints _prints = new(context);
    private readonly PackNamesTask _names = new(context);
    private readonly ConcurrentDictionary<long, long> _heldSince = new();

    /// <summary>Does the entry and completes it; or says how long to leave it alone.</summary>
    /// <exception cref="DataLayerException">It failed and is to be tried again later.</exception>
    public async ValueTask<TimeSpan?> RunAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        TimeSpan? hold = entry.Kind == JournalKind.DeleteHotCopy
            ? await DeleteHotCopyAsync(entry, cancellationToken).ConfigureAwait(false)
            : await RunOnKeyAsync(entry, cancellationToken).ConfigureAwait(false);
        if (hold is null)
        {
            _heldSince.TryRemove(entry.Id, out _);
        }

        return hold;
    }

    /// <summary>Tells those who wait for the entry.</summary>
    public void Failed(JournalEntry entry, DataLayerException error)
    {
        if (entry.Kind == JournalKind.UploadObject)
        {
            uploads.Ended(entry.Content.Inode, error);
        }
    }

    /// <summary>
    /// One at a time on a key: an upload that was cancelled in the tree may still be under way, and must not overtake
    /// the next.
    /// </summary>
    private async ValueTask<TimeSpan?> RunOnKeyAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        if (!context.KeysInUse.TryAdd((entry.AttachmentId, entry.Key), 0))
        {
            return _soon;
        }

        OriginUse.Current = OriginUse.Within(OriginUse.Current, OriginPurpose.Upload, null);
        try
        {
            if (entry.Kind == JournalKind.WritePackNames)
            {
                await _names.RunAsync(entry, cancellationToken).ConfigureAwait(false);
                return null;
            }

            return entry.Kind == JournalKind.UploadObject
                ? await UploadAsync(entry, cancellationToken).ConfigureAwait(false)
                : await DeleteObjectAsync(entry, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            context.KeysInUse.TryRemove((entry.AttachmentId, entry.Key), out _);
        }
    }

    private async ValueTask<TimeSpan?> UploadAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        InodeId inode = entry.Content.Inode;
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null || context.Attachments.Find(entry.AttachmentId) is null)
        {
            if (content is not null)
            {
                await context.ReleaseAsync(content).ConfigureAwait(false);
            }

            await context.Tree.CompleteJournalAsync(entry.Id, cancellationToken).ConfigureAwait(false);
            uploads.Ended(inode, null);
            return null;
        }

        try
        {
            if (content.IsDirty)
            {
                return _busyWait; // Its next flush signals.
            }

            FileContent? fresh = await context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
            if (fresh?.Attributes.Content != content.Id
                || fresh.Attributes.Version != content.Content.Attributes.Version)
            {
                return _soon; // The commit that made the entry is not yet known here.
            }

            if (!Equals(fresh.Object, content.Content.Object))
            {
                // An upload of an older content of the file ended, or a pack took it in: the condition must know.
                await context.ReloadAsync(content, cancellationToken).ConfigureAwait(false);
            }

            return NeededByReaders(entry, content.Id) ? _busyWait : await UploadAsync(entry, content, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    private async ValueTask<TimeSpan?> UploadAsync(
        JournalEntry entry, ContentState content, CancellationToken cancellationToken)
    {
        FileContent current = content.Content;
        IObjectStore store = context.Attachments.StoreOf(entry.AttachmentId);
        UploadContent source = new(context, runner, content);
        string? etag = current.Object is { } known && known.Key == entry.Key && known.AttachmentId == entry.AttachmentId
            ? known.ETag
            : entry.ETag;
        bool replacesUnknown = entry.MayReplace && entry.ETag is null;
        ObjectWriteCondition condition = replacesUnknown
            ? ObjectWriteCondition.None
            : new ObjectWriteCondition(etag, IfAbsent: etag is null);
        IReadOnlyList<string> prints = await _prints.AddAsync(content.Id.Inode, source, cancellationToken)
            .ConfigureAwait(false);
        context.Step("upload.noted");
        ObjectProperties stored;
        try
        {
            stored = await store.WriteAsync(entry.Key, source, condition, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (
            error.Code is ErrorCode.Stale or ErrorCode.AlreadyExists or ErrorCode.NotFound)
        {
            if (content.IsDirty || content.Content.Attributes.Version != current.Attributes.Version)
            {
                return _busyWait; // Written to meanwhile: the next flush brings it back.
            }

            ObjectProperties? found = await store.HeadAsync(entry.Key, cancellationToken).ConfigureAwait(false);
            if (found is null && etag is not null)
            {
                // Somebody deleted the object we would have replaced: ours takes its place, unless one appears
                // meanwhile.
                stored = await store.WriteAsync(
                    entry.Key, source, new ObjectWriteCondition(IfAbsent: true), cancellationToken)
                        .ConfigureAwait(false);
            }
            else if (found is { } other && await source.EqualsObjectAsync(store, other, cancellationToken)
                .ConfigureAwait(false))
            {
                stored = other; // Our own upload, whose answer was lost.
            }
            else if (found is { } earlier
                && await UploadPrints.MatchesAsync(prints, store, earlier, cancellationToken).ConfigureAwait(false))
            {
                // Our own upload of a content that was replaced since.
                stored = await store.WriteAsync(
                    entry.Key, source, new ObjectWriteCondition(earlier.ETag), cancellationToken).ConfigureAwait(false);
            }
            else
            {
                return Conflict(entry, error);
            }
        }

        context.Step("upload.stored");
        await CompleteAsync(entry, content, current, stored, source.LengthBytes).ConfigureAwait(false);
        return null;
    }

    private async ValueTask CompleteAsync(
        JournalEntry entry, ContentState content, FileContent current, ObjectProperties stored, long lengthBytes)
    {
        if (stored.SizeBytes != lengthBytes)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt,
                $"Object '{entry.Key}' has {stored.SizeBytes} bytes after the upload of {lengthBytes}.");
        }

        ObjectReference uploaded = new(
            entry.AttachmentId, entry.Key, stored.ETag, stored.VersionId, lengthBytes,
            StorageClass: stored.StorageClass, StoredTimeNanoseconds: context.NowNanoseconds());
        using (new ChangeScope(context.Stamps).Inode(content.Id.Inode))
        {
            await context.Tree.CompleteUploadAsync(
                entry.Id, content.Id, current.Attributes.Version, uploaded, CancellationToken.None)
                    .ConfigureAwait(false);
        }

        context.Step("upload.completed");
        await _prints.ForgetAsync(content.Id.Inode).ConfigureAwait(false);
        await context.ReloadAsync(content, CancellationToken.None).ConfigureAwait(false);
        context.Counters.Add(Counter.UploadedBytes, lengthBytes);
        context.Room.NoteEnd();
        uploads.Ended(content.Id.Inode, null);
    }

    private TimeSpan? Conflict(JournalEntry entry, DataLayerException error)
    {
        context.Counters.Add(Counter.UploadConflicts, 1);
        EngineLog.UploadConflict(context.Log, entry.Key, error.Message);
        uploads.Ended(entry.Content.Inode, new DataLayerException(
            ErrorCode.Stale,
            $"object '{entry.Key}' was changed by somebody else. Save the local content under another name, or delete "
            + "the object, then it is uploaded.",
            error));
        return _conflictWait;
    }

    private async ValueTask<TimeSpan?> DeleteObjectAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        if (NeededByReaders(entry, default))
        {
            return _busyWait;
        }

        if (context.Attachments.Find(entry.AttachmentId) is not null)
        {
            IObjectStore store = context.Attachments.StoreOf(entry.AttachmentId);
            bool deleted = await store.DeleteAsync(
                entry.Key, new ObjectWriteCondition(entry.ETag), cancellationToken).ConfigureAwait(false);
            if (!deleted)
            {
                EngineLog.DeleteSkipped(context.Log, entry.Key);
            }
        }

        context.Step("delete.done");
        await context.Tree.CompleteJournalAsync(entry.Id, cancellationToken).ConfigureAwait(false);
        return null;
    }

    /// <summary>
    /// Deletes a hot copy nobody uses. A content that is current again (released, then recalled) keeps the parts its
    /// new placement shares with the old.
    /// </summary>
    private async ValueTask<TimeSpan?> DeleteHotCopyAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        Placement placement = PlacementText.Parse(entry.Placement!);
        // The tree itself is asked: what is cached may be of a moment before the commit that made this entry.
        FileContent? current = await context.Tree.GetContentAsync(entry.Content.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (current?.Attributes.Content == entry.Content)
        {
            if (!await DeleteUnusedAsync(entry.Content, placement, cancellationToken).ConfigureAwait(false))
            {
                return _soon;
            }
        }
        else if (context.Contents.IsInUse(entry.Content))
        {
            if (context.Contents.Peek(entry.Content) is { } reader)
            {
                reader.WakeOnClose = true;
            }

            return _busyWait;
        }
        else
        {
            context.Contents.Forget(entry.Content);
            await context.Hot.DeleteAsync(entry.Content, placement, cancellationToken).ConfigureAwait(false);
        }

        context.Step("hotcopy.deleted");
        await context.Tree.CompleteJournalAsync(entry.Id, cancellationToken).ConfigureAwait(false);
        context.Room.NoteEnd();
        return null;
    }

    /// <summary>
    /// Deletes what the current placement of a content does not use; false if the content is no longer, or not yet,
    /// known as current.
    /// </summary>
    private async ValueTask<bool> DeleteUnusedAsync(
        ContentId id, Placement placement, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(id.Inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return false;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            FileContent? current = await context.Tree.GetContentAsync(id.Inode, cancellationToken)
                .ConfigureAwait(false);
            if (content.Id != id || current?.Attributes.Content != id)
            {
                return false;
            }

            if (Equals(current.Placement, placement))
            {
                return true; // Placed there again meanwhile.
            }

            if (current.Placement is StripedPlacement && placement is StripedPlacement)
            {
                await context.Hot.DeleteMovedAsync(id, placement, current.Placement, cancellationToken)
                    .ConfigureAwait(false);
            }
            else
            {
                await context.Hot.DeleteAsync(id, placement, cancellationToken).ConfigureAwait(false);
            }

            return true;
        }
        finally
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether somebody still reads an older content of the inode (of a pack: one of its contents) that lies in the
    /// bucket only, so that changing the object would cut the reader off. Bounded by
    /// <see cref="FileEngineOptions.OpenReaderGrace"/>.
    /// </summary>
    private bool NeededByReaders(JournalEntry entry, ContentId current)
    {
        bool needed = false;
        bool isPack = entry.Content.Inode.Value < 0;
        if (context.Attachments.Find(entry.AttachmentId) is { Flush: FlushMode.WriteThrough })
        {
            return false; // The writer waits.
        }

        foreach (ContentState older in isPack
            ? context.Contents.ReadersOf(entry.Key)
            : context.Contents.OlderInUse(current == default ? new ContentId(entry.Content.Inode, 0) : current))
        {
            FileContent content = older.Content;
            needed |= content.Object?.Key == entry.Key && content.Attributes.State != TierState.Hot
                && content.Residency.ResidentCount < BlockLayout.BlockCount(content.Attributes.SizeBytes);
            older.WakeOnClose |= needed;
        }

        if (!needed)
        {
            return false;
        }

        long now = context.NowNanoseconds();
        long since = _heldSince.GetOrAdd(entry.Id, now);
        return now - since < context.Options.OpenReaderGrace.TotalNanoseconds;
    }
}
