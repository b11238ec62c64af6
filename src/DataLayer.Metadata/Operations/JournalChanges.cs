using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>What the workers do to the journal.</summary>
internal static class JournalChanges
{
    /// <summary>
    /// Hands out entries that are due, for a time; a crash in between makes them due again at the next start.
    /// </summary>
    public static List<JournalEntry> Take(TreeWriter writer, JournalKind kind, long leaseNanoseconds, int limit)
    {
        List<JournalEntry> taken = [];
        foreach (JournalRow row in writer.Tables.Journal.ListDue(kind, writer.Now, limit))
        {
            writer.Tables.Journal.Start(row.Entry.Id, writer.Now + leaseNanoseconds);
            taken.Add(row.Entry with
            {
                DueTimeNanoseconds = writer.Now + leaseNanoseconds,
                MayReplace = row.Replaces,
            });
        }

        return taken;
    }

    /// <summary>Records a verified upload.</summary>
    /// <returns>Whether the uploaded content is the file's current one.</returns>
    public static bool CompleteUpload(
        TreeWriter writer, long entryId, ContentId content, long version, ObjectReference uploaded)
    {
        JournalRow? entry = writer.Tables.Journal.Find(entryId);
        InodeRow? row = writer.Tables.Inodes.Find(content.Inode);
        if (entry is not { Entry.Kind: JournalKind.UploadObject } || row is null || row.LinkCount == 0)
        {
            // The file or this upload of it was given up meanwhile. The object must not stay, unless the key has a
            // new owner.
            if (entry is not null)
            {
                writer.Tables.Journal.Remove(entryId);
            }

            DiscardUploaded(writer, content, uploaded);
            return false;
        }

        writer.Tables.Journal.Remove(entryId);
        if (row.Generation == content.Generation && row.Version == version)
        {
            row.Object = uploaded;
            row.CheckedTime = writer.Now;
            if (row.State == TierState.Hot)
            {
                row.State = row.ResidentBytes >= row.SizeBytes ? TierState.Premigrated : TierState.Released;
            }

            writer.Tables.Inodes.Save(row);
            return true;
        }

        if (row.State == TierState.Hot)
        {
            row.Object = uploaded;
            writer.Tables.Inodes.Save(row);
            ScheduleAgain(writer, row, entry.Entry, uploaded);
        }

        return false;
    }

    /// <summary>Adds an entry of the caller's.</summary>
    public static long Add(TreeWriter writer, JournalEntry entry) => entry.Id == 0
        ? writer.AddJournal(entry)
        : throw new DataLayerException(ErrorCode.InvalidArgument, "A new journal entry has no number yet.");

    private static void ScheduleAgain(TreeWriter writer, InodeRow row, JournalEntry done, ObjectReference uploaded)
    {
        if (ObjectJournal.PendingUploads(writer.Tables.Journal, row.Inode).Count > 0)
        {
            return;
        }

        writer.AddJournal(done with
        {
            Id = 0,
            Content = new ContentId(row.Inode, row.Generation),
            ETag = uploaded.ETag,
            FailureCount = 0,
            DueTimeNanoseconds = writer.Now,
        });
    }

    private static void DiscardUploaded(TreeWriter writer, ContentId content, ObjectReference uploaded)
    {
        Attachment? attachment = writer.FindAttachment(uploaded.AttachmentId);
        if (attachment?.Mode != AttachmentMode.ReadWrite)
        {
            return;
        }

        InodeId owner = FindByKey(writer.Tables, attachment, uploaded.Key);
        if (owner != InodeId.None && writer.Tables.Inodes.Find(owner) is { } row
            && ObjectKeys.OfFile(writer.Tables, row) == uploaded.Key)
        {
            // Its own upload replaces what was written; or this took its object's place: then it is uploaded again.
            JournalRow? next = ObjectJournal.PendingUploads(writer.Tables.Journal, owner)
                .FindLast(upload => upload.Entry.Key == uploaded.Key);
            if (next is not null)
            {
                ObjectJournal.MarkReplaces(writer.Tables.Journal, next, uploaded.ETag);
            }
            else if (row.Object?.Key == uploaded.Key && row.Object.ETag != uploaded.ETag)
            {
                ObjectJournal.ScheduleUpload(writer, row, attachment, uploaded.Key, writer.Now);
            }

            return;
        }

        InodeRow nobody = new() { Inode = content.Inode, Kind = FileKind.Regular, Generation = content.Generation };
        ObjectJournal.ScheduleDelete(writer, nobody, attachment.Id, uploaded.Key, uploaded.ETag);
    }

    /// <summary>The inode at the path that a key stands for, or none.</summary>
    public static InodeId FindByKey(TreeTables tables, Attachment attachment, string key)
    {
        if (!key.StartsWith(attachment.KeyPrefix!, StringComparison.Ordinal))
        {
            return InodeId.None;
        }

        InodeId inode = attachment.Folder;
        foreach (string part in key[attachment.KeyPrefix!.Length..].Split('/'))
        {
            if (TreeName.Check(part, out _, out _) is not { } name
                || tables.Dentries.Find(inode, name) is not { } dentry)
            {
                return InodeId.None;
            }

            inode = dentry.Inode;
        }

        return inode;
    }
}
