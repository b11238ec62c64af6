using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// Repairs what <see cref="TreeCheck"/> finds where the tree itself says what is right: names that lead nowhere go,
/// inodes without a name come into <c>/lost+found</c>, counts are counted again, uploads scheduled, void journal
/// entries removed. Rows that fail their checksum are left: nothing here knows what they said.
/// </summary>
internal static class TreeRepair
{
    private const string LostAndFound = "lost+found";

    /// <summary>Repairs one problem.</summary>
    /// <returns>Whether there was something to do.</returns>
    public static bool Run(TreeWriter writer, TreeProblem problem)
    {
        switch (problem.Kind)
        {
            case TreeCheck.DanglingName:
                return RemoveDangling(writer, problem.Inode);
            case TreeCheck.Unreachable:
                return Rescue(writer, problem.Inode);
            case TreeCheck.LinkCount:
                return CountLinks(writer, problem.Inode);
            case TreeCheck.Journal:
                return RemoveVoidEntries(writer, problem.Inode);
            case TreeCheck.UploadMissing:
                return ScheduleUpload(writer, problem.Inode);
            case TreeCheck.Quota:
                return QuotaChanges.Repair(writer, problem.Inode);
            case TreeCheck.Counter:
                return MoveCounters(writer);
            default:
                return false;
        }
    }

    private static bool RemoveDangling(TreeWriter writer, InodeId inode)
    {
        bool removed = false;
        InodeRow? row = writer.Tables.Inodes.FindAttributes(inode);
        foreach (DentryRow name in writer.Tables.Dentries.ListOf(inode))
        {
            bool sound = row is { LinkCount: > 0 } && row.Kind == name.Kind
                && writer.Tables.Inodes.FindAttributes(name.Parent) is { Kind: FileKind.Directory };
            if (!sound)
            {
                writer.Tables.Dentries.Remove(name.Parent, name.Name);
                removed = true;
            }
        }

        return removed;
    }

    private static bool Rescue(TreeWriter writer, InodeId inode)
    {
        if (inode == InodeId.Root || writer.Tables.Inodes.FindAttributes(inode) is not { LinkCount: > 0 } row)
        {
            return false;
        }

        List<DentryRow> names = writer.Tables.Dentries.ListOf(inode);
        bool reached = names.Count == 1 && row.Kind == FileKind.Directory && IsReached(writer.Tables, names[0].Parent);
        if (reached || (row.Kind != FileKind.Directory && names.Count > 0))
        {
            return false;
        }

        InodeRow lost = GetLostAndFound(writer);
        foreach (DentryRow name in names)
        {
            writer.Tables.Dentries.Remove(name.Parent, name.Name);
            CountLinks(writer, name.Parent);
        }

        byte[] newName = TreeName.Encode("#" + inode);
        if (writer.Tables.Dentries.TryAdd(new DentryRow(lost.Inode, newName, inode, row.Kind)))
        {
            CountLinks(writer, inode);
            CountLinks(writer, lost.Inode);
            LeaveAttachment(writer, inode);
        }

        return true;
    }

    // What lies in lost+found belongs to no attachment; bytes that are only in a bucket are read through their object.
    private static void LeaveAttachment(TreeWriter writer, InodeId inode)
    {
        if (writer.Tables.Inodes.FindAttributes(inode) is not { AttachmentId: not 0 } row)
        {
            return;
        }

        row.AttachmentId = 0;
        writer.Tables.Inodes.SaveAttributes(row);
        ObjectJournal.CancelUploads(writer, row);
        byte[] after = [];
        while (row.Kind == FileKind.Directory
            && writer.Tables.Dentries.ListPage(inode, after, 256) is { Count: > 0 } page)
        {
            foreach (DentryRow name in page)
            {
                LeaveAttachment(writer, name.Inode);
            }

            after = page[^1].Name;
        }
    }

    private static bool IsReached(TreeTables tables, InodeId folder)
    {
        HashSet<InodeId> seen = [];
        while (folder != InodeId.Root)
        {
            if (!seen.Add(folder) || tables.Dentries.FirstOf(folder) is not { } above)
            {
                return false;
            }

            folder = above.Parent;
        }

        return true;
    }

    private static InodeRow GetLostAndFound(TreeWriter writer)
    {
        byte[] name = TreeName.Encode(LostAndFound);
        if (writer.Tables.Dentries.Find(InodeId.Root, name) is { Kind: FileKind.Directory } found)
        {
            return Folders.Get(writer.Tables, found.Inode);
        }

        InodeRow row = NameChanges.NewRow(
            writer, writer.NextInode(), FileKind.Directory, new NewInode(0x1C0), attachmentId: 0, target: null);
        writer.Tables.Inodes.Add(row);
        if (!writer.Tables.Dentries.TryAdd(new DentryRow(InodeId.Root, name, row.Inode, FileKind.Directory)))
        {
            throw Folders.Taken(InodeId.Root, LostAndFound);
        }

        CountLinks(writer, InodeId.Root);
        return row;
    }

    private static bool CountLinks(TreeWriter writer, InodeId inode)
    {
        if (writer.Tables.Inodes.FindAttributes(inode) is not { } row)
        {
            return false;
        }

        int links = row.Kind == FileKind.Directory
            ? 2 + writer.Tables.Dentries.CountFolders(inode)
            : writer.Tables.Dentries.ListOf(inode).Count;
        if (links == row.LinkCount)
        {
            return false;
        }

        row.LinkCount = links;
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(row);
        return true;
    }

    private static bool RemoveVoidEntries(TreeWriter writer, InodeId inode)
    {
        bool removed = false;
        InodeRow? row = writer.Tables.Inodes.Find(inode);
        foreach (JournalRow entry in writer.Tables.Journal.ListOfInode(inode))
        {
            bool isVoid = entry.Entry.Kind switch
            {
                JournalKind.UploadObject => row is null || row.LinkCount == 0
                    || writer.FindAttachment(entry.Entry.AttachmentId) is null,
                JournalKind.DeleteObject or JournalKind.WritePackNames =>
                    writer.FindAttachment(entry.Entry.AttachmentId) is null,
                JournalKind.DeleteHotCopy => row is not null && row.Generation == entry.Entry.Content.Generation
                    && row.Placement == entry.Entry.Placement,
                _ => false,
            };
            removed |= isVoid && writer.Tables.Journal.Remove(entry.Entry.Id);
        }

        return removed;
    }

    private static bool ScheduleUpload(TreeWriter writer, InodeId inode)
    {
        if (writer.Tables.Inodes.Find(inode) is not { Kind: FileKind.Regular, LinkCount: > 0 } row)
        {
            return false;
        }

        ContentChanges.ScheduleUploadOf(writer, row, writer.Now);
        return true;
    }

    private static bool MoveCounters(TreeWriter writer)
    {
        const string Raise =
            """
            UPDATE counters SET next = CASE name
                WHEN 'inode' THEN (SELECT COALESCE(MAX(inode), 0) + 1 FROM inodes)
                WHEN 'journal' THEN (SELECT COALESCE(MAX(id), 0) + 1 FROM journal)
                ELSE (SELECT COALESCE(MAX(id), 0) + 1 FROM attachments) END
            WHERE next <= CASE name
                WHEN 'inode' THEN (SELECT COALESCE(MAX(inode), 0) FROM inodes)
                WHEN 'journal' THEN (SELECT COALESCE(MAX(id), 0) FROM journal)
                ELSE (SELECT COALESCE(MAX(id), 0) FROM attachments) END
            """;
        return writer.Tables.Session.Get(Raise).Execute() > 0;
    }
}
