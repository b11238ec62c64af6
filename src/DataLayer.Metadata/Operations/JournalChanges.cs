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
    /// Hands out entries that are due, for a time; a crash in between makes them due again at the next start. Deletes
    /// that became needless are dropped instead.
    /// </summary>
    public static List<JournalEntry> Take(TreeWriter writer, JournalKind kind, long leaseNanoseconds, int limit)
    {
        List<JournalEntry> taken = [];
        bool dropped;
        do
        {
            dropped = false;
            foreach (JournalRow row in writer.Tables.Journal.ListDue(kind, writer.Now, limit - taken.Count))
            {
                if (kind == JournalKind.DeleteObject && ObjectJournal.IsNeedless(writer, row.Entry))
                {
                    writer.Tables.Journal.Remove(row.Entry.Id);
                    writer.AnnounceJournal(JournalKind.UploadObject);
                    writer.AnnounceJournal(JournalKind.DeleteObject);
                    dropped = true;
                    continue;
                }

                writer.Tables.Journal.Start(row.Entry.Id, writer.Now + leaseNanoseconds);
                taken.Add(row.Entry with
                {
                    DueTimeNanoseconds = writer.Now + leaseNanoseconds,
                    MayReplace = row.Replaces,
                });
            }
        }
        while (dropped && taken.Count < limit);
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
            ObjectReference? before = row.Object;
            row.Object = uploaded;
            row.CheckedTime = writer.Now;
            if (row.State == TierState.Hot)
            {
                row.State = row.ResidentBytes >= row.SizeBytes ? TierState.Premigrated : TierState.Released;
            }

            writer.Tables.Inodes.Save(row);
            ObjectJournal.DropRepeatedUploads(writer, row.Inode, uploaded);
            PackChanges.MemberLeft(writer, row.Inode, before);
            return true;
        }

        if (row.State == TierState.Hot)
        {
            row.Object = uploaded;
            writer.Tables.Inodes.Save(row);
            ScheduleAgain(writer, row, entry.Entry);
        }

        return false;
    }

    /// <summary>Adds an entry of the caller's.</summary>
    public static long Add(TreeWriter writer, JournalEntry entry) => entry.Id == 0
        ? writer.AddJournal(entry)
        : throw new DataLayerException(ErrorCode.InvalidArgument, "A new journal entry has no number yet.");

    private static void ScheduleAgain(TreeWriter writer, InodeRow row, JournalEntry done)
    {
        if (ObjectJournal.PendingUploads(writer.Tables.Journal, row.Inode).Count == 0
            && writer.FindAttachment(done.AttachmentId) is { } attachment)
        {
            ObjectJournal.ScheduleUpload(writer, row, attachment, done.Key, writer.Now);
        }
    }

    private static void DiscardUploaded(TreeWriter writer, ContentId content, ObjectReference uploaded)
    {
        Attachment? attachment = writer.FindAttachment(uploaded.AttachmentId);
        if (attachment?.Mode != AttachmentMode.ReadWrite)
        {
            return;
        }

        List<JournalRow> atKey = writer.Tables.Journal.ListOfKey(attachment.Id, uploaded.Key);
        foreach (JournalRow entry in atKey)
        {
            ObjectJournal.MarkReplaces(writer.Tables.Journal, entry);
        }

        InodeId owner = ObjectKeys.FindByKey(writer.Tables, attachment, uploaded.Key);
        if (atKey.Count == 0 && owner != InodeId.None
            && writer.Tables.Inodes.Find(owner) is { Kind: FileKind.Regular } row
            && row.Object?.Key == uploaded.Key)
        {
            // It took the place of the owner's object: that is uploaded again, from the hot copy.
            row.State = row.ResidentBytes >= row.SizeBytes ? TierState.Hot : row.State;
            writer.Tables.Inodes.SaveAttributes(row);
            ObjectJournal.ScheduleUpload(writer, row, attachment, uploaded.Key, writer.Now);
            return;
        }

        InodeRow nobody = new() { Inode = content.Inode, Kind = FileKind.Regular, Generation = content.Generation };
        ObjectJournal.ScheduleDelete(writer, nobody, attachment.Id, uploaded.Key, uploaded.ETag);
    }
}
