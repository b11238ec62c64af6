using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <content>Contents, the journal, attachments.</content>
public sealed partial class TreeStore
{
    /// <summary>
    /// An object was copied onto itself: a file that had it under the ETag from before has it under the new reference,
    /// whatever became of its content meanwhile; work that waits for the old ETag waits for the new one.
    /// </summary>
    /// <param name="inode">The file.</param>
    /// <param name="etagBefore">The ETag before the copy.</param>
    /// <param name="copied">The object as it is now.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>Whether the file had the object.</returns>
    public ValueTask<bool> RenewObjectAsync(
        InodeId inode, string etagBefore, ObjectReference copied, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(etagBefore);
        ArgumentNullException.ThrowIfNull(copied);
        return ChangeAsync(w => ContentChanges.RenewObject(w, inode, etagBefore, copied), cancellationToken);
    }

    /// <summary>
    /// Reserves the identity of a content to be written: the next generation of the file at folder/name, or
    /// generation 1 of a new inode. With a placement, journals a PendingWrite durably, so a crash leaves nothing
    /// behind; a new file without one costs no commit.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The name.</param>
    /// <param name="place">Says where the content will be written, or null. Quick and without effect: it may run on
    /// the writer's thread, and twice.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, IsADirectory, ReadOnly, InvalidArgument (a
    /// symbolic link), NameTooLong.</exception>
    public async ValueTask<PendingContent> BeginReplaceAsync(
        InodeId folder, string name, Func<ContentId, Placement?> place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        InodeId reserved = InodeId.None;
        if (await _reads.RunAsync(t => ContentChanges.IsNewName(t, folder, name), cancellationToken)
            .ConfigureAwait(false))
        {
            reserved = await _newInodes.TakeAsync(cancellationToken).ConfigureAwait(false);
            ContentId content = new(reserved, 1);
            if (place(content) is null)
            {
                return new PendingContent(content, folder, name, null, 0);
            }
        }

        return await ChangeAsync(w => ContentChanges.Begin(w, folder, name, reserved, place), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>
    /// Makes a fully written and flushed content current under its name, in one transaction: name, inode, generation,
    /// size, placement, residency full, state Hot, PendingWrite removed, DeleteHotCopy journalled for what it
    /// replaced, UploadObject journalled under a read-write attachment. The file it took the name from, if another
    /// writer put one there meanwhile, is an orphan: <see cref="PublishReplacingAsync"/> names it.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale (IfMatch failed; the file was renamed, or a later content was published), AlreadyExists (IfAbsent),
    /// NotFound, NotADirectory, IsADirectory, ReadOnly, FileTooLarge, InvalidArgument. The written content stays
    /// pending: publish again or abandon it.
    /// </exception>
    public async ValueTask<InodeAttributes> PublishAsync(PublishRequest request, CancellationToken cancellationToken) =>
        (await PublishReplacingAsync(request, cancellationToken).ConfigureAwait(false)).Published;

    /// <summary>As <see cref="PublishAsync"/>, and says which other file lost its name.</summary>
    public ValueTask<PublishResult> PublishReplacingAsync(PublishRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return ChangeAsync(w => ContentChanges.Publish(w, request), cancellationToken);
    }

    /// <summary>
    /// Gives up a content that was begun: journals the deletion of what was written. No effect the second time.
    /// </summary>
    public ValueTask AbandonAsync(PendingContent pending, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pending);
        return pending.JournalId == 0
            ? ValueTask.CompletedTask
            : ChangeVoidAsync(w => ContentChanges.Abandon(w, pending), cancellationToken);
    }

    /// <summary>
    /// Changes the current content in place: size, placement, residency, state, object, check time; as one
    /// transaction, only if the generation (and version, where given) still holds. <see cref="ContentUpdate"/> says
    /// what changes. A placement that is replaced or cleared is journalled as DeleteHotCopy; one that is set again
    /// takes its pending DeleteHotCopy back.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound, Stale, ReadOnly (only with ContentChanges), InvalidArgument (a state that needs an object there is
    /// none of; the only copy given up; a block past the end), FileTooLarge.
    /// </exception>
    public ValueTask<FileContent> UpdateContentAsync(ContentUpdate update, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(update);
        return ChangeAsync(w => ContentChanges.Update(w, update), cancellationToken);
    }

    /// <summary>
    /// As <see cref="UpdateContentAsync"/> for many contents, in one transaction, durable or relaxed. One that is not
    /// current any more is left as it is.
    /// </summary>
    /// <returns>Each content as it is now; null for one that is gone or not current.</returns>
    /// <exception cref="DataLayerException">Any other fault: nothing was changed.</exception>
    public ValueTask<IReadOnlyList<FileContent?>> UpdateContentsAsync(
        IReadOnlyList<ContentUpdate> updates, bool relaxed)
    {
        ArgumentNullException.ThrowIfNull(updates);
        return ChangeAsync(w => ContentChanges.UpdateMany(w, updates), CancellationToken.None, relaxed);
    }

    // ---- journal -----------------------------------------------------------------------------------------------

    /// <summary>
    /// Hands out entries of a kind that are due and next in their order, for a time: until then they are not handed
    /// out again, except after a restart. Uploads and deletes come in the order of their key and of their inode,
    /// oldest first; one that an orphan's readers stand in the way of waits. Empty when there is nothing to do,
    /// without a commit.
    /// </summary>
    /// <remarks>
    /// Workers take work here rather than with <see cref="ListJournalAsync"/>: an upload that was taken may have
    /// reached the bucket, and only then is its object deleted when the upload is cancelled.
    /// </remarks>
    public async ValueTask<IReadOnlyList<JournalEntry>> TakeJournalAsync(
        JournalKind kind, TimeSpan lease, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        long now = UnixTime.ToNanoseconds(_time.GetUtcNow());
        bool any = await _reads.RunAsync(t => t.Journal.ListDue(kind, now, 1).Count > 0, cancellationToken)
            .ConfigureAwait(false);
        return any
            ? await ChangeAsync(w => JournalChanges.Take(w, kind, lease.Ticks * 100, limit), cancellationToken)
                .ConfigureAwait(false)
            : [];
    }

    /// <summary>Adds an entry and gives its number.</summary>
    public ValueTask<long> AddJournalAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return ChangeAsync(w => JournalChanges.Add(w, entry), cancellationToken);
    }

    /// <summary>Removes an entry whose work is done. No effect if it is gone.</summary>
    public ValueTask CompleteJournalAsync(long entryId, CancellationToken cancellationToken) =>
        ChangeVoidAsync(w => w.Tables.Journal.Remove(entryId), cancellationToken);

    /// <summary>Counts a failure of an entry and makes it due again at a time, nanoseconds since 1970 UTC.</summary>
    public ValueTask PostponeJournalAsync(long entryId, long dueTimeNanoseconds, CancellationToken cancellationToken) =>
        ChangeVoidAsync(
            w =>
            {
                w.Tables.Journal.Postpone(entryId, dueTimeNanoseconds);
                return true;
            },
            cancellationToken);

    /// <summary>
    /// The upload of a content was verified: in one transaction the entry is done, and if generation and version
    /// still hold, the object and the state (Premigrated; Released where the hot copy has gaps) are set. Where the
    /// content changed meanwhile, the object is kept for If-Match and the next upload journalled. Where the upload
    /// was cancelled meanwhile, the deletion of what it wrote is journalled, unless the key has a new owner.
    /// </summary>
    /// <returns>Whether the uploaded content is the file's current one.</returns>
    public ValueTask<bool> CompleteUploadAsync(
        long entryId, ContentId content, long version, ObjectReference uploaded, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(uploaded);
        return ChangeAsync(w => JournalChanges.CompleteUpload(w, entryId, content, version, uploaded),
            cancellationToken);
    }

    // ---- attachments -------------------------------------------------------------------------------------------

    /// <summary>Binds an empty folder to a bucket prefix.</summary>
    /// <returns>The attachment with its number and key prefix.</returns>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, NotEmpty, InvalidArgument (attachments do not
    /// nest).</exception>
    public ValueTask<Attachment> AddAttachmentAsync(Attachment attachment, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        return ChangeAsync(w => AttachmentChanges.Add(w, attachment), cancellationToken);
    }

    /// <summary>Writes an attachment's settings and listing position back. Its folder cannot change.</summary>
    /// <exception cref="DataLayerException">NotFound, InvalidArgument.</exception>
    public ValueTask UpdateAttachmentAsync(Attachment attachment, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        return ChangeVoidAsync(w => AttachmentChanges.Update(w, attachment), cancellationToken);
    }

    /// <summary>Replaces the sealed key of an attachment whose hot copies are encrypted: the same key, sealed anew.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: it has none.</exception>
    public ValueTask ResealAttachmentAsync(long attachmentId, string sealedKey, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(sealedKey);
        return ChangeVoidAsync(w => AttachmentChanges.Reseal(w, attachmentId, sealedKey), cancellationToken);
    }

    /// <summary>
    /// Removes the attachment and all names below its folder, never an object. Files become orphans, to be released.
    /// Runs in steps: from the first on nothing below can be changed, and a restart finishes what is left.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument while uploads are pending, unless
    /// forced.</exception>
    public async ValueTask RemoveAttachmentAsync(long attachmentId, bool force, CancellationToken cancellationToken)
    {
        await ChangeAsync(w => AttachmentChanges.BeginRemoval(w, attachmentId, force), cancellationToken)
            .ConfigureAwait(false);
        await ContinueRemovalAsync(attachmentId, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Brings listed objects into the tree in one transaction: makes folders and inodes (state Released), refreshes
    /// changed ETags or sizes as a new generation (old hot copy journalled away), leaves files alone that have
    /// unflushed changes, and objects whose deletion is pending. A key that ends in '/' is a folder. The cursor is
    /// stored with them, so an interrupted listing goes on where it was. Give up to 1,000 at a time.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound: no such attachment.</exception>
    public ValueTask<ImportResult> ImportAsync(
        long attachmentId, IReadOnlyList<ImportedObject> objects, string? listingCursor,
            CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(objects);
        return ChangeAsync(w => ImportChange.Run(w, attachmentId, objects, listingCursor), cancellationToken);
    }

    /// <summary>
    /// Removes names of objects that a complete refresh did not see (last seen before <paramref
    /// name="refreshStartNanoseconds"/>, no local changes), and folders that only they kept alive. The files become
    /// orphans, to be released.
    /// </summary>
    /// <returns>How many files, a count.</returns>
    /// <exception cref="DataLayerException">NotFound: no such attachment.</exception>
    public async ValueTask<long> RemoveUnseenAsync(
        long attachmentId, long refreshStartNanoseconds, CancellationToken cancellationToken)
    {
        long removed = 0;
        InodeId after = InodeId.None;
        do
        {
            InodeId from = after;
            (long count, after) = await ChangeAsync(
                w => AttachmentChanges.RemoveUnseen(w, attachmentId, refreshStartNanoseconds, from),
                    cancellationToken).ConfigureAwait(false);
            removed += count;
        }
        while (after != InodeId.None);
        return removed;
    }

    /// <summary>
    /// Removes the names of one file whose object was found to be gone, if it is still that content and has no local
    /// changes.
    /// </summary>
    /// <returns>Whether it was removed; it is an orphan then, to be released.</returns>
    public ValueTask<bool> RemoveVanishedAsync(ContentId content, CancellationToken cancellationToken) =>
        ChangeAsync(w => AttachmentChanges.RemoveVanishedFile(w, content), cancellationToken);
}
