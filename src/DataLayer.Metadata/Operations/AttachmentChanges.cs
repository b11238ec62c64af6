using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Binds folders to buckets and unbinds them.</summary>
internal static class AttachmentChanges
{
    /// <summary>
    /// How many names one transaction removes while an attachment goes, a count: a few milliseconds of the writer.
    /// </summary>
    public const int RemovalBatch = 500;

    /// <summary>Stores a new attachment.</summary>
    public static Attachment Add(TreeWriter writer, Attachment attachment)
    {
        InodeRow folder = Folders.Get(writer.Tables, attachment.Folder);
        if (folder.AttachmentId != 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{attachment.Path}' lies under another attachment. Attach it elsewhere.");
        }

        foreach (Attachment other in writer.Attachments().Values)
        {
            if (Folders.IsBelow(writer.Tables, other.Folder, attachment.Folder))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"'{attachment.Path}' holds the attachment '{other.Path}'. "
                        + "Attachments do not nest.");
            }
        }

        if (writer.Tables.Dentries.Any(attachment.Folder))
        {
            throw new DataLayerException(ErrorCode.NotEmpty, $"'{attachment.Path}' is not empty. Attach to an empty "
                + "folder.");
        }

        Attachment stored = attachment with
        {
            Id = writer.Tables.Reserve("attachment", 1),
            KeyPrefix = ObjectKeys.DerivePrefix(attachment),
        };
        writer.Tables.Attachments.Add(stored);
        folder.AttachmentId = stored.Id;
        folder.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(folder);
        writer.ForgetAttachments();
        return stored;
    }

    /// <summary>Writes an attachment's settings back.</summary>
    public static bool Update(TreeWriter writer, Attachment attachment)
    {
        Attachment stored = Get(writer, attachment.Id);
        if (stored.Folder != attachment.Folder)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "An attachment's folder cannot change. Detach "
                + "and attach.");
        }

        writer.Tables.Attachments.Save(attachment with { KeyPrefix = attachment.KeyPrefix ?? stored.KeyPrefix });
        writer.ForgetAttachments();
        return true;
    }

    /// <summary>Stores an attachment's key as it was sealed anew.</summary>
    public static bool Reseal(TreeWriter writer, long attachmentId, string sealedKey)
    {
        if (!Get(writer, attachmentId).IsEncrypted)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Attachment {attachmentId} is not encrypted: it has no key.");
        }

        writer.Tables.Attachments.SaveKey(attachmentId, sealedKey);
        writer.ForgetAttachments();
        return true;
    }

    /// <summary>
    /// Starts the removal and forgets the key of encrypted hot copies: from here on nothing below can be changed, and a
    /// restart goes on with it.
    /// </summary>
    public static bool BeginRemoval(TreeWriter writer, long attachmentId, bool force)
    {
        Attachment attachment = Get(writer, attachmentId);
        long pending = writer.Tables.Journal.CountPendingUploads(attachmentId);
        if (pending > 0 && !force)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{attachment.Path}' has {pending} uploads pending. Wait for them, or detach with force: what was "
                    + "not uploaded is lost.");
        }

        long unnamed = writer.Tables.Journal.CountPendingNames(attachmentId);
        if (unnamed > 0 && !force)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"Of {unnamed} packs of '{attachment.Path}' it is not written yet which of their files were removed or "
                    + "renamed. Wait for that, or detach with force: the next attach shows these as they were packed.");
        }

        writer.Tables.Journal.RemoveOfAttachment(attachmentId);
        writer.Tables.Attachments.MarkRemoving(attachmentId);
        writer.ForgetAttachments();
        return true;
    }

    /// <summary>Removes some of what lies below; ends with the attachment's row.</summary>
    /// <returns>True when nothing is left to do.</returns>
    public static bool ContinueRemoval(TreeWriter writer, long attachmentId)
    {
        Attachment? attachment = writer.Tables.Attachments.List(removing: true).Find(a => a.Id == attachmentId);
        if (attachment is null)
        {
            return true;
        }

        int left = RemovalBatch;
        if (!RemoveBelow(writer, attachment.Folder, ref left))
        {
            return false;
        }

        InodeRow folder = Folders.Get(writer.Tables, attachment.Folder);
        folder.AttachmentId = 0;
        folder.LinkCount = 2;
        Folders.Touch(writer, folder, 0);
        writer.Tables.Packs.RemoveOfAttachment(attachmentId);
        writer.Tables.Attachments.Remove(attachmentId);
        writer.ForgetAttachments();
        return true;
    }

    /// <summary>Removes names whose objects a complete refresh did not see.</summary>
    /// <returns>How many, and where to go on; none when done.</returns>
    public static (long Removed, InodeId Next) RemoveUnseen(
        TreeWriter writer, long attachmentId, long before, InodeId after)
    {
        Attachment attachment = Get(writer, attachmentId);
        List<InodeRow> unseen = writer.Tables.Inodes.ListUnseen(after, attachmentId, before, RemovalBatch);
        long removed = 0;
        long bytes = 0;
        foreach (InodeRow row in unseen)
        {
            if (ObjectJournal.PendingUploads(writer.Tables.Journal, row.Inode).Count > 0)
            {
                continue;
            }

            RemoveVanished(writer, row);
            removed++;
            bytes += row.SizeBytes;
        }

        if (removed > 0)
        {
            CountObjects(writer, attachment, -removed, -bytes);
        }

        return (removed, unseen.Count < RemovalBatch ? InodeId.None : unseen[^1].Inode);
    }

    /// <summary>Removes a file whose object was found to be gone, if it still is the object's content.</summary>
    public static bool RemoveVanishedFile(TreeWriter writer, ContentId content)
    {
        InodeRow? row = writer.Tables.Inodes.Find(content.Inode);
        if (row is null || row.Generation != content.Generation || row.LinkCount == 0
            || row.State == TierState.Hot || row.Object is null
            || ObjectJournal.PendingUploads(writer.Tables.Journal, row.Inode).Count > 0)
        {
            return false;
        }

        RemoveVanished(writer, row);
        if (writer.FindAttachment(row.AttachmentId) is { } attachment)
        {
            CountObjects(writer, attachment, -1, -row.SizeBytes);
        }

        return true;
    }

    /// <summary>An attachment.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public static Attachment Get(TreeWriter writer, long attachmentId) => writer.FindAttachment(attachmentId)
        ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no attachment {attachmentId}.");

    /// <summary>Keeps the counts of an attachment's objects.</summary>
    public static void CountObjects(TreeWriter writer, Attachment attachment, long objects, long bytes)
    {
        Attachment changed = attachment with
        {
            ObjectCount = Math.Max(0, attachment.ObjectCount + objects),
            ObjectBytes = Math.Max(0, attachment.ObjectBytes + bytes),
        };
        writer.Tables.Attachments.Save(changed);
        writer.Attachments()[attachment.Id] = changed;
    }

    // The object is gone already: nothing is journalled for the bucket. Folders that only it kept alive go with it.
    private static void RemoveVanished(TreeWriter writer, InodeRow row)
    {
        row.Object = null;
        row.LinkCount = 0;
        row.ChangeTime = writer.Now;
        foreach (DentryRow name in writer.Tables.Dentries.ListOf(row.Inode))
        {
            writer.Tables.Dentries.Remove(name.Parent, name.Name);
            RemoveIfEmptied(writer, name.Parent);
        }

        if (row.Placement is null)
        {
            row.SetResidency(new Core.Layout.ResidencyBitmap(0));
        }

        row.State = TierState.Hot;
        writer.Tables.Inodes.Save(row);
    }

    private static void RemoveIfEmptied(TreeWriter writer, InodeId folder)
    {
        InodeRow row = writer.Tables.Inodes.Find(folder) ?? throw Folders.Dangling(folder);
        Folders.Touch(writer, row, 0);
        Attachment? attachment = writer.FindAttachment(row.AttachmentId);
        if (folder == attachment?.Folder || row.Object is not null || row.CheckedTime == 0
            || writer.Tables.Dentries.Any(folder))
        {
            // A folder that has a marker object, or that a user made, stays.
            return;
        }

        DentryRow name = writer.Tables.Dentries.FirstOf(folder) ?? throw Folders.Dangling(folder);
        writer.Tables.Dentries.Remove(name.Parent, name.Name);
        writer.Tables.Inodes.Remove(row);
        writer.Quotas.FolderGone(folder);
        InodeRow above = Folders.Get(writer.Tables, name.Parent);
        Folders.Touch(writer, above, -1);
        RemoveIfEmptied(writer, name.Parent);
    }

    // Depth first, so that every transaction leaves a sound tree.
    private static bool RemoveBelow(TreeWriter writer, InodeId folder, ref int left)
    {
        while (left > 0)
        {
            List<DentryRow> names = writer.Tables.Dentries.ListPage(folder, [], Math.Min(left, 256));
            if (names.Count == 0)
            {
                return true;
            }

            int folders = 0;
            foreach (DentryRow name in names)
            {
                if (name.Kind == FileKind.Directory)
                {
                    if (!RemoveBelow(writer, name.Inode, ref left))
                    {
                        FixLinks(writer, folder, folders);
                        return false;
                    }

                    folders++;
                }

                RemoveForGood(writer, name);
                if (--left <= 0)
                {
                    FixLinks(writer, folder, folders);
                    return false;
                }
            }

            FixLinks(writer, folder, folders);
        }

        return false;
    }

    private static void FixLinks(TreeWriter writer, InodeId folder, int removedFolders)
    {
        InodeRow row = Folders.Get(writer.Tables, folder);
        Folders.Touch(writer, row, -removedFolders);
    }

    private static void RemoveForGood(TreeWriter writer, DentryRow name)
    {
        writer.Tables.Dentries.Remove(name.Parent, name.Name);
        InodeRow row = writer.Tables.Inodes.Find(name.Inode) ?? throw Folders.Dangling(name.Inode);
        if (name.Kind != FileKind.Regular)
        {
            writer.Tables.Inodes.Remove(row);
            writer.Quotas.FolderGone(row.Inode);
            return;
        }

        row.LinkCount--;
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(row);
    }
}
