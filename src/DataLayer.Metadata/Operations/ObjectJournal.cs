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
    /// <summary>Makes sure the file's content goes to a key. Adds nothing where such an upload is pending.</summary>
    public static void ScheduleUpload(TreeWriter writer, InodeRow row, Attachment attachment, string key, long dueTime)
    {
        JournalTable journal = writer.Tables.Journal;
        foreach (JournalRow mine in journal.ListOfInode(row.Inode))
        {
            if (mine.Entry.Kind == JournalKind.UploadObject && mine.Entry.AttachmentId == attachment.Id
                && mine.Entry.Key == key)
            {
                if (!mine.Started && dueTime < mine.Entry.DueTimeNanoseconds)
                {
                    journal.SetDue(mine.Entry.Id, dueTime);
                }

                return;
            }
        }

        string? etag = row.Object is { } own && own.AttachmentId == attachment.Id && own.Key == key ? own.ETag : null;
        InodeId waitsFor = default;
        List<JournalRow> atKey = journal.ListOfKey(attachment.Id, key);
        if (atKey.Count > 0 && atKey[^1] is { Started: false, Entry.Kind: JournalKind.DeleteObject } delete
            && !HasOlderUpload(journal, delete))
        {
            journal.Remove(delete.Entry.Id);
            etag = delete.Entry.ETag;
            waitsFor = delete.WaitsFor;
        }

        writer.AddJournal(
            new JournalEntry
            {
                Kind = JournalKind.UploadObject,
                Content = new ContentId(row.Inode, row.Generation),
                AttachmentId = attachment.Id,
                Key = key,
                ETag = etag,
                DueTimeNanoseconds = dueTime,
            },
            waitsFor);
    }

    /// <summary>
    /// Has an object deleted, unless another file is on its way to the key: its upload replaces the object.
    /// </summary>
    /// <param name="writer">The change that runs.</param>
    /// <param name="row">The file whose object it was.</param>
    /// <param name="attachmentId">The attachment whose store holds the object.</param>
    /// <param name="key">The object's key.</param>
    /// <param name="etag">The ETag it must still have; null where an upload of ours may have changed it.</param>
    /// <param name="waitsFor">An orphan whose readers still need the object, or none.</param>
    public static void ScheduleDelete(
        TreeWriter writer, InodeRow row, long attachmentId, string key, string? etag, InodeId waitsFor)
    {
        JournalTable journal = writer.Tables.Journal;
        foreach (JournalRow other in journal.ListOfKey(attachmentId, key))
        {
            bool mine = other.Entry.Content.Inode == row.Inode;
            if (!mine && other.Entry.Kind == JournalKind.UploadObject)
            {
                if (waitsFor != InodeId.None && !other.Started)
                {
                    journal.SetWaitsFor(other, waitsFor);
                }

                return;
            }

            if (mine && other.Entry.Kind == JournalKind.DeleteObject && !HasLaterUpload(journal, other))
            {
                if (waitsFor != InodeId.None)
                {
                    journal.SetWaitsFor(other, waitsFor);
                }

                return;
            }
        }

        writer.AddJournal(
            new JournalEntry
            {
                Kind = JournalKind.DeleteObject,
                Content = new ContentId(row.Inode, row.Generation),
                AttachmentId = attachmentId,
                Key = key,
                ETag = etag,
                DueTimeNanoseconds = writer.Now,
            },
            waitsFor);
    }

    /// <summary>
    /// The file lost its last name: nothing of it is uploaded any more, and its object goes once no reader needs it.
    /// </summary>
    public static void FileVanished(TreeWriter writer, InodeRow row)
    {
        CancelUploads(writer, row);
        if (row.Object is { } old && writer.FindAttachment(old.AttachmentId)?.Mode == AttachmentMode.ReadWrite)
        {
            InodeId waitsFor = row.DependsOnObject ? row.Inode : InodeId.None;
            ScheduleDelete(writer, row, old.AttachmentId, old.Key, old.ETag, waitsFor);
        }
    }

    /// <summary>
    /// The file's name changed (or its object's name was removed and another stayed): its object follows.
    /// </summary>
    public static void FileMoved(TreeWriter writer, InodeRow row, Attachment target, string newKey)
    {
        List<JournalRow> uploads = PendingUploads(writer.Tables.Journal, row.Inode);
        if (!row.DependsOnObject)
        {
            CancelUploads(writer, row, except: (target.Id, newKey));
            ScheduleUpload(writer, row, target, newKey, writer.Now);
            if (row.Object is { } old && (old.Key != newKey || old.AttachmentId != target.Id))
            {
                ScheduleDelete(writer, row, old.AttachmentId, old.Key, old.ETag, InodeId.None);
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
        ScheduleDelete(writer, row, oldAttachment, oldKey, oldETag, InodeId.None);
    }

    /// <summary>
    /// Drops a file's pending uploads. What a worker may already have written to the bucket is deleted.
    /// </summary>
    public static void CancelUploads(TreeWriter writer, InodeRow row, (long AttachmentId, string Key)? except = null)
    {
        foreach (JournalRow upload in PendingUploads(writer.Tables.Journal, row.Inode))
        {
            if (except == (upload.Entry.AttachmentId, upload.Entry.Key))
            {
                continue;
            }

            writer.Tables.Journal.Remove(upload.Entry.Id);
            if (upload.Started)
            {
                ScheduleDelete(writer, row, upload.Entry.AttachmentId, upload.Entry.Key, etag: null, InodeId.None);
            }
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

    /// <summary>A file's pending uploads, oldest first.</summary>
    public static List<JournalRow> PendingUploads(JournalTable journal, InodeId inode)
    {
        List<JournalRow> uploads = journal.ListOfInode(inode);
        uploads.RemoveAll(static entry => entry.Entry.Kind != JournalKind.UploadObject);
        return uploads;
    }

    // A Released file that is renamed back before anything was copied: its object is where it belongs.
    private static bool TryUndoMove(TreeWriter writer, InodeRow row, List<JournalRow> uploads)
    {
        List<JournalRow> mine = writer.Tables.Journal.ListOfInode(row.Inode);
        mine.RemoveAll(static entry => entry.Entry.Kind is not (JournalKind.UploadObject or JournalKind.DeleteObject));
        if (uploads.Count == 0 || mine.Exists(static entry => entry.Started))
        {
            return uploads.Count == 0;
        }

        foreach (JournalRow entry in mine)
        {
            writer.Tables.Journal.Remove(entry.Entry.Id);
        }

        return true;
    }

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

    private static bool HasLaterUpload(JournalTable journal, JournalRow delete)
    {
        foreach (JournalRow entry in journal.ListOfKey(delete.Entry.AttachmentId, delete.Entry.Key))
        {
            if (entry.Entry.Kind == JournalKind.UploadObject && entry.Entry.Id > delete.Entry.Id)
            {
                return true;
            }
        }

        return false;
    }
}
