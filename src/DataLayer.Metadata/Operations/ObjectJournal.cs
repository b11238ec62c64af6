using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// What the tree owes the buckets, and in which order. Two orders hold over the journal's uploads and deletes:
/// entries of one key, and entries of one inode, are done oldest first. So a moved file's old object is deleted after
/// its new one was verified (same inode), and a name that is used again is uploaded after the old object went (same
/// key).
/// </summary>
/// <remarks>
/// A file is <em>at</em> the key of its last pending upload, or else of its object. Where the file's bytes are hot
/// and current (<see cref="InodeRow.DependsOnObject"/> is false) pending uploads of old names are simply dropped.
/// Where they are only in the bucket, each pending upload is a copy the next one reads from, and the chain stays. A
/// delete that a newer upload to the same key makes needless is folded into it, so a bucket's readers see the key
/// replaced, not gone and back.
/// </remarks>
internal static class ObjectJournal
{
    /// <summary>
    /// Makes sure the file's content ends at a key. Adds nothing where the upload is pending that does it.
    /// </summary>
    public static void ScheduleUpload(TreeWriter writer, InodeRow row, Attachment attachment, string key, long dueTime)
    {
        JournalTable journal = writer.Tables.Journal;
        if (FindFinalUpload(journal, row.Inode, attachment.Id, key) is { } pending)
        {
            if (!pending.Started && dueTime < pending.Entry.DueTimeNanoseconds)
            {
                journal.SetDue(pending.Entry.Id, dueTime);
            }

            return;
        }

        string? etag = null;
        List<JournalRow> atKey = journal.ListOfKey(attachment.Id, key);
        bool replaces = atKey.Count > 0;
        if (atKey.Count == 0 && row.Object is { } own && own.AttachmentId == attachment.Id && own.Key == key)
        {
            etag = own.ETag;
            replaces = true;
        }
        else if (atKey is [{ Started: false, Entry.Kind: JournalKind.DeleteObject } delete]
            && !HasOlderUpload(journal, delete))
        {
            journal.Remove(delete.Entry.Id);
            etag = delete.Entry.ETag;
        }

        JournalEntry upload = new()
        {
            Kind = JournalKind.UploadObject,
            Content = new ContentId(row.Inode, row.Generation),
            AttachmentId = attachment.Id,
            Key = key,
            ETag = etag,
            DueTimeNanoseconds = dueTime,
        };
        writer.AddJournal(upload, replaces);
    }

    /// <summary>
    /// Records that a file left a key, and the object there is to go. Whether it really goes is decided when the
    /// entry is taken (<see cref="IsNeedless"/>): the key may have a new owner by then.
    /// </summary>
    /// <param name="writer">The change that runs.</param>
    /// <param name="row">The file whose object it was.</param>
    /// <param name="attachmentId">The attachment whose store holds the object.</param>
    /// <param name="key">The object's key.</param>
    /// <param name="etag">The ETag it must still have; null where an upload of ours may have changed it.</param>
    public static void ScheduleDelete(TreeWriter writer, InodeRow row, long attachmentId, string key, string? etag)
    {
        List<JournalRow> atKey = writer.Tables.Journal.ListOfKey(attachmentId, key);
        foreach (JournalRow entry in atKey)
        {
            MarkReplaces(writer.Tables.Journal, entry);
        }

        if (atKey.Count > 0 && atKey[^1].Entry is { Kind: JournalKind.DeleteObject } last
            && last.Content.Inode == row.Inode && (last.ETag is null || last.ETag == etag)
            && PendingUploads(writer.Tables.Journal, row.Inode).TrueForAll(upload => upload.Entry.Id < last.Id))
        {
            return;
        }

        writer.AddJournal(new JournalEntry
        {
            Kind = JournalKind.DeleteObject,
            Content = new ContentId(row.Inode, row.Generation),
            AttachmentId = attachmentId,
            Key = key,
            // With other work on the key before it, nobody knows which object of ours it will find.
            ETag = atKey.Count == 0 ? etag : null,
            DueTimeNanoseconds = writer.Now,
        });
    }

    /// <summary>
    /// Whether a delete that is next in its order has nothing to do: a younger entry of its key replaces or deletes the
    /// object, or the object is that of the file which has the name now. Younger uploads learn that something may be
    /// there.
    /// </summary>
    public static bool IsNeedless(TreeWriter writer, JournalEntry delete)
    {
        JournalTable journal = writer.Tables.Journal;
        List<JournalRow> younger = journal.ListOfKey(delete.AttachmentId, delete.Key);
        younger.RemoveAll(entry => entry.Entry.Id <= delete.Id);
        foreach (JournalRow entry in younger)
        {
            MarkReplaces(journal, entry);
        }

        if (younger.Count > 0)
        {
            return true;
        }

        Attachment? attachment = writer.FindAttachment(delete.AttachmentId);
        InodeId owner = attachment is null ? InodeId.None : ObjectKeys.FindByKey(writer.Tables, attachment, delete.Key);
        return owner != InodeId.None && writer.Tables.Inodes.Find(owner)?.Object is { } current
            && current.Key == delete.Key && current.AttachmentId == delete.AttachmentId;
    }

    /// <summary>
    /// The file lost its last name: nothing of it is uploaded any more, and its object goes once no reader needs it.
    /// </summary>
    public static void FileVanished(TreeWriter writer, InodeRow row)
    {
        CancelUploads(writer, row);
        if (row.Object is { IsPacked: true } packed)
        {
            PackChanges.MemberLeft(writer, row.Inode, packed);
        }
        else if (row.Object is { } old && writer.FindAttachment(old.AttachmentId)?.Mode == AttachmentMode.ReadWrite)
        {
            ScheduleDelete(writer, row, old.AttachmentId, old.Key, old.ETag);
        }
    }

    /// <summary>
    /// The file's name changed (or its object's name was removed and another stayed): its object follows.
    /// </summary>
    public static void FileMoved(TreeWriter writer, InodeRow row, Attachment target, string newKey)
    {
        List<JournalRow> uploads = PendingUploads(writer.Tables.Journal, row.Inode);
        if (row.Object is { IsPacked: true } packed)
        {
            PackedFileMoved(writer, row, packed, uploads.Count > 0, target, newKey);
            return;
        }

        if (!row.DependsOnObject)
        {
            CancelUploads(writer, row, except: FindFinalUpload(writer.Tables.Journal, row.Inode, target.Id, newKey));
            ScheduleUpload(writer, row, target, newKey, writer.Now);
            if (row.Object is { } old && (old.Key != newKey || old.AttachmentId != target.Id))
            {
                ScheduleDelete(writer, row, old.AttachmentId, old.Key, old.ETag);
                ForgetObject(writer, row);
            }

            return;
        }

        ObjectReference source = row.Object!;
        if (source.Key == newKey && source.AttachmentId == target.Id && TryUndoMove(writer, row, uploads))
        {
            return;
        }

        (long oldAttachment, string oldKey, string? oldETag) = uploads.Count > 0
            ? (uploads[^1].Entry.AttachmentId, uploads[^1].Entry.Key, null)
            : (source.AttachmentId, source.Key, (string?)source.ETag);
        if (oldKey == newKey && oldAttachment == target.Id)
        {
            return;
        }

        ScheduleUpload(writer, row, target, newKey, writer.Now);
        ScheduleDelete(writer, row, oldAttachment, oldKey, oldETag);
    }

    /// <summary>
    /// Drops a file's pending uploads. What a worker may already have written to the bucket is deleted, and so is what
    /// the upload would have replaced.
    /// </summary>
    public static void CancelUploads(TreeWriter writer, InodeRow row, JournalRow? except = null)
    {
        foreach (JournalRow upload in PendingUploads(writer.Tables.Journal, row.Inode))
        {
            if (upload.Entry.Id != except?.Entry.Id)
            {
                CancelUpload(writer, row, upload);
            }
        }
    }

    /// <summary>
    /// A file's content was verified at a key: drops its next upload while that leads to the same key, as the end of a
    /// chain of renames does that came back.
    /// </summary>
    public static void DropRepeatedUploads(TreeWriter writer, InodeId inode, ObjectReference uploaded)
    {
        foreach (JournalRow upload in PendingUploads(writer.Tables.Journal, inode))
        {
            if (upload.Entry.Key != uploaded.Key || upload.Entry.AttachmentId != uploaded.AttachmentId)
            {
                return;
            }

            writer.Tables.Journal.Remove(upload.Entry.Id);
        }
    }

    /// <summary>Has a hot copy deleted, if there is one.</summary>
    public static void ScheduleHotCopyDelete(TreeWriter writer, ContentId content, string? placement)
    {
        if (placement is not null)
        {
            writer.AddJournal(new JournalEntry
            {
                Kind = JournalKind.DeleteHotCopy,
                Content = content,
                Placement = placement,
                DueTimeNanoseconds = writer.Now,
            });
        }
    }

    /// <summary>Drops pending deletes of a hot copy that is in use again: the same content at the same place.</summary>
    public static void KeepHotCopy(TreeWriter writer, ContentId content, string placement)
    {
        foreach (JournalRow entry in writer.Tables.Journal.ListOfInode(content.Inode))
        {
            if (entry.Entry.Kind == JournalKind.DeleteHotCopy && entry.Entry.Content == content
                && entry.Entry.Placement == placement)
            {
                writer.Tables.Journal.Remove(entry.Entry.Id);
            }
        }
    }

    /// <summary>
    /// Records that an upload may find an object of ours whose ETag nobody knows: it replaces it, and leaves its
    /// deletion if it is cancelled. No effect on a delete, or on an upload under way.
    /// </summary>
    public static void MarkReplaces(JournalTable journal, JournalRow upload)
    {
        if (upload is { Started: false, Entry.Kind: JournalKind.UploadObject })
        {
            journal.SetReplaces(upload, etag: null);
        }
    }

    /// <summary>A file's pending uploads, oldest first.</summary>
    public static List<JournalRow> PendingUploads(JournalTable journal, InodeId inode)
    {
        List<JournalRow> uploads = journal.ListOfInode(inode);
        uploads.RemoveAll(static entry => entry.Entry.Kind != JournalKind.UploadObject);
        return uploads;
    }

    // Inside its attachment a member of a pack moves without its bytes: only the tree says what it is called. Elsewhere
    // it is uploaded to, and on its way out of the pack, it becomes a file with an object of its own at the new key.
    private static void PackedFileMoved(
        TreeWriter writer, InodeRow row, ObjectReference packed, bool isOnItsWay, Attachment target, string newKey)
    {
        if (!isOnItsWay && row.State != TierState.Hot && packed.AttachmentId == target.Id)
        {
            PackChanges.MemberRenamed(writer, row.Inode, packed);
            return;
        }

        CancelUploads(writer, row, except: FindFinalUpload(writer.Tables.Journal, row.Inode, target.Id, newKey));
        ScheduleUpload(writer, row, target, newKey, writer.Now);
        if (row.State == TierState.Hot && !row.DependsOnObject)
        {
            ForgetObject(writer, row);
            PackChanges.MemberLeft(writer, row.Inode, packed);
        }
    }

    // The object is going to be deleted, and the file does not need it: from now on it is as if there had been none.
    private static void ForgetObject(TreeWriter writer, InodeRow row)
    {
        row.Object = null;
        row.State = TierState.Hot;
        row.CheckedTime = 0;
        writer.Tables.Inodes.Save(row);
    }

    // The upload that leaves the file at a key: its last one, with nothing after it for that key.
    private static JournalRow? FindFinalUpload(JournalTable journal, InodeId inode, long attachmentId, string key)
    {
        List<JournalRow> uploads = PendingUploads(journal, inode);
        if (uploads.Count == 0 || uploads[^1].Entry.AttachmentId != attachmentId || uploads[^1].Entry.Key != key)
        {
            return null;
        }

        return journal.ListOfKey(attachmentId, key)[^1].Entry.Id == uploads[^1].Entry.Id ? uploads[^1] : null;
    }

    private static void CancelUpload(TreeWriter writer, InodeRow row, JournalRow upload)
    {
        JournalEntry entry = upload.Entry;
        writer.Tables.Journal.Remove(entry.Id);
        if (upload.Started || upload.Replaces)
        {
            string? etag = upload.Started ? null : entry.ETag;
            ScheduleDelete(writer, row, entry.AttachmentId, entry.Key, etag);
        }
    }

    // A Released file that is renamed back before anything was copied: its object is where it belongs.
    private static bool TryUndoMove(TreeWriter writer, InodeRow row, List<JournalRow> uploads)
    {
        if (uploads.Count == 0)
        {
            return true;
        }

        ObjectReference source = row.Object!;
        List<JournalRow> deletes = writer.Tables.Journal.ListOfInode(row.Inode);
        deletes.RemoveAll(e => e.Entry.Kind != JournalKind.DeleteObject || !IsOfMove(source, uploads, e.Entry));
        bool isStarted = deletes.Exists(static entry => entry.Started) || uploads.Exists(static entry => entry.Started);
        bool isAlone = writer.Tables.Journal.ListOfKey(source.AttachmentId, source.Key)
            .TrueForAll(entry => entry.Entry.Content.Inode == row.Inode);
        if (isStarted || !isAlone)
        {
            return false;
        }

        foreach (JournalRow delete in deletes)
        {
            writer.Tables.Journal.Remove(delete.Entry.Id);
        }

        foreach (JournalRow upload in uploads)
        {
            CancelUpload(writer, row, upload);
        }

        return true;
    }

    // Whether a delete belongs to a chain of moves: of the object it started from, or of a copy on the way.
    private static bool IsOfMove(ObjectReference source, List<JournalRow> uploads, JournalEntry delete) =>
        (delete.AttachmentId == source.AttachmentId && delete.Key == source.Key)
        || uploads.Exists(u => u.Entry.AttachmentId == delete.AttachmentId && u.Entry.Key == delete.Key);

    private static bool HasOlderUpload(JournalTable journal, JournalRow delete)
    {
        foreach (JournalRow entry in journal.ListOfInode(delete.Entry.Content.Inode))
        {
            if (entry.Entry.Kind == JournalKind.UploadObject && entry.Entry.Id < delete.Entry.Id)
            {
                return true;
            }
        }

        return false;
    }
}
