using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Makes and removes names.</summary>
internal static class NameChanges
{
    private const int SetGroupId = 0x400;

    /// <summary>
    /// Makes a folder, an empty file, a symbolic link or a special file. Below a folder with the setgid bit it gets the
    /// folder's group, and a folder the bit too.
    /// </summary>
    public static InodeAttributes Create(
        TreeWriter writer, InodeId folder, string name, FileKind kind, NewInode attributes, string? target)
    {
        byte[] bytes = TreeName.Encode(name);
        CheckMode(attributes.Mode);
        InodeRow parent = Folders.GetWritable(writer, folder);
        if ((parent.Mode & SetGroupId) != 0)
        {
            int inherited = kind == FileKind.Directory ? SetGroupId : 0;
            attributes = attributes with { GroupId = parent.GroupId, Mode = attributes.Mode | inherited };
        }

        InodeRow row = NewRow(writer, writer.NextInode(), kind, attributes, parent.AttachmentId, target);
        row.QuotaFolder = writer.Quotas.Below(parent);
        writer.Tables.Inodes.Add(row);
        if (!writer.Tables.Dentries.TryAdd(new DentryRow(folder, bytes, row.Inode, kind)))
        {
            throw Folders.Taken(folder, name);
        }

        Folders.Touch(writer, parent, kind == FileKind.Directory ? 1 : 0);
        writer.Quotas.Enforce();
        if (kind == FileKind.Regular && writer.FindAttachment(parent.AttachmentId) is { } attachment)
        {
            string key = ObjectKeys.ForUpload(writer.Tables, attachment, folder, bytes);
            ObjectJournal.ScheduleUpload(writer, row, attachment, key, writer.Now + DelayNanoseconds(writer));
        }

        return row.ToAttributes();
    }

    /// <summary>A row as a new inode has it.</summary>
    public static InodeRow NewRow(
        TreeWriter writer, InodeId inode, FileKind kind, NewInode attributes, long attachmentId, string? target)
    {
        return new InodeRow
        {
            Inode = inode,
            Kind = kind,
            Mode = attributes.Mode,
            UserId = attributes.UserId,
            GroupId = attributes.GroupId,
            LinkCount = kind == FileKind.Directory ? 2 : 1,
            SizeBytes = target is null ? 0 : Encoding.UTF8.GetByteCount(target),
            AttachmentId = attachmentId,
            BirthTime = writer.Now,
            AccessTime = writer.Now,
            ModifyTime = writer.Now,
            ChangeTime = writer.Now,
            LinkTarget = target,
            Device = attributes.Device,
            HasContent = true,
        };
    }

    /// <summary>Gives a file, link or special file another name.</summary>
    public static InodeAttributes Link(TreeWriter writer, InodeId inode, InodeId folder, string name)
    {
        byte[] bytes = TreeName.Encode(name);
        InodeRow row = FindLinkable(writer, inode);
        if (row.Kind == FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.PermissionDenied, "A folder cannot have a second name.");
        }

        InodeRow parent = Folders.GetWritable(writer, folder);
        if (row.AttachmentId != parent.AttachmentId)
        {
            throw new DataLayerException(ErrorCode.CrossAttachment, "A hard link cannot reach into another "
                + "attachment. Copy the file.");
        }

        if (!writer.Tables.Dentries.TryAdd(new DentryRow(folder, bytes, inode, row.Kind)))
        {
            throw Folders.Taken(folder, name);
        }

        QuotaChanges.Link(row, writer.Quotas.Below(parent));
        row.LinkCount++;
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(row);
        Folders.Touch(writer, parent, 0);
        writer.Quotas.Enforce();
        if (row.LinkCount == 1)
        {
            ContentChanges.ScheduleUploadOf(writer, row, writer.Now + DelayNanoseconds(writer));
        }

        return row.ToAttributes();
    }

    /// <summary>
    /// Makes an empty file without a name, as O_TMPFILE does: an orphan that <see cref="Link"/> may give its first.
    /// </summary>
    public static InodeAttributes CreateTemporary(TreeWriter writer, InodeId folder, NewInode attributes)
    {
        CheckMode(attributes.Mode);
        InodeRow parent = Folders.GetWritable(writer, folder);
        if ((parent.Mode & SetGroupId) != 0)
        {
            attributes = attributes with { GroupId = parent.GroupId };
        }

        InodeRow row = NewRow(
            writer, writer.NextInode(), FileKind.Regular, attributes, parent.AttachmentId, target: null);
        row.LinkCount = 0;
        row.QuotaFolder = writer.Quotas.Below(parent);
        writer.Tables.Inodes.Add(row);
        writer.Quotas.Enforce();
        return row.ToAttributes();
    }

    /// <summary>
    /// An inode that may get a name: one that has one, or one that never had. Of a file whose last name went the object
    /// is given up too, so it cannot come back; without an object nothing tells the two apart, and nothing has to.
    /// </summary>
    private static InodeRow FindLinkable(TreeWriter writer, InodeId inode) =>
        writer.Tables.Inodes.Find(inode) is { } found
            && (found.LinkCount > 0 || (found.Kind == FileKind.Regular && found.Object is null))
            ? found
            : throw new DataLayerException(
                ErrorCode.NotFound, $"There is no file with inode {inode}, or it has no name left.");

    /// <summary>Removes a name of a file or symbolic link.</summary>
    public static InodeAttributes Unlink(TreeWriter writer, InodeId folder, string name)
    {
        byte[] bytes = TreeName.Encode(name);
        InodeRow parent = Folders.GetWritable(writer, folder);
        DentryRow dentry = writer.Tables.Dentries.Find(folder, bytes) ?? throw Folders.Missing(folder, name);
        if (dentry.Kind == FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"'{name}' is a folder. Remove it as one.");
        }

        InodeRow row = writer.Tables.Inodes.Find(dentry.Inode) ?? throw Folders.Dangling(dentry.Inode);
        RemoveName(writer, row, dentry);
        Folders.Touch(writer, parent, 0);
        return row.ToAttributes();
    }

    /// <summary>
    /// Takes one name from a file or symbolic link and records what the bucket owes it. The folder's times are the
    /// caller's.
    /// </summary>
    public static void RemoveName(TreeWriter writer, InodeRow row, DentryRow dentry)
    {
        string? keyOfName = row.Kind == FileKind.Regular && writer.FindAttachment(row.AttachmentId) is { } attachment
            ? ObjectKeys.Of(writer.Tables, attachment, dentry.Parent, dentry.Name)
            : null;
        writer.Tables.Dentries.Remove(dentry.Parent, dentry.Name);
        DropLink(writer, row, keyOfName);
    }

    /// <summary>
    /// Counts a link less, after its name went or leads elsewhere. <paramref name="keyOfName"/>: the key the name
    /// stood for, or null.
    /// </summary>
    public static void DropLink(TreeWriter writer, InodeRow row, string? keyOfName)
    {
        row.LinkCount--;
        row.ChangeTime = writer.Now;
        if (row.Kind != FileKind.Regular && row.LinkCount == 0)
        {
            writer.Tables.Inodes.Remove(row);
            return;
        }

        writer.Tables.Inodes.SaveAttributes(row);
        if (row.LinkCount == 0)
        {
            ObjectJournal.FileVanished(writer, row);
        }
        else if (keyOfName is not null && ObjectKeys.OfFile(writer.Tables, row) == keyOfName
            && writer.FindAttachment(row.AttachmentId) is { Mode: AttachmentMode.ReadWrite } attachment
            && writer.Tables.Dentries.FirstOf(row.Inode) is { } other)
        {
            string newKey = ObjectKeys.ForUpload(writer.Tables, attachment, other.Parent, other.Name);
            ObjectJournal.FileMoved(writer, row, attachment, newKey);
        }
    }

    /// <summary>Removes an empty folder.</summary>
    public static bool RemoveDirectory(TreeWriter writer, InodeId folder, string name)
    {
        byte[] bytes = TreeName.Encode(name);
        InodeRow parent = Folders.GetWritable(writer, folder);
        DentryRow dentry = writer.Tables.Dentries.Find(folder, bytes) ?? throw Folders.Missing(folder, name);
        if (dentry.Kind != FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.NotADirectory, $"'{name}' is not a folder.");
        }

        InodeRow row = writer.Tables.Inodes.Find(dentry.Inode) ?? throw Folders.Dangling(dentry.Inode);
        Folders.CheckNotAttached(writer, row);
        writer.Tables.Dentries.Remove(folder, bytes);
        RemoveEmptyFolder(writer, row, name);
        Folders.Touch(writer, parent, -1);
        return true;
    }

    /// <summary>Forgets a folder that must be empty and whose name is gone already.</summary>
    public static void RemoveEmptyFolder(TreeWriter writer, InodeRow row, string name)
    {
        if (writer.Tables.Dentries.Any(row.Inode))
        {
            throw new DataLayerException(ErrorCode.NotEmpty, $"Folder '{name}' is not empty.");
        }

        if (row.Object is { } marker && writer.FindAttachment(marker.AttachmentId)?.Mode == AttachmentMode.ReadWrite)
        {
            ObjectJournal.ScheduleDelete(writer, row, marker.AttachmentId, marker.Key, marker.ETag);
        }

        writer.Tables.Inodes.Remove(row);
        writer.Quotas.FolderGone(row.Inode);
    }

    /// <summary>Changes mode, owner or times.</summary>
    public static InodeAttributes SetAttributes(TreeWriter writer, InodeId inode, AttributeChanges changes)
    {
        InodeRow row = writer.Tables.Inodes.FindAttributes(inode)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {inode}.");
        Folders.CheckWritable(writer, row.AttachmentId);
        CheckMode(changes.Mode ?? 0);
        row.Mode = changes.Mode ?? row.Mode;
        row.UserId = changes.UserId ?? row.UserId;
        row.GroupId = changes.GroupId ?? row.GroupId;
        row.AccessTime = changes.AccessTimeNanoseconds ?? row.AccessTime;
        row.ModifyTime = changes.ModifyTimeNanoseconds ?? row.ModifyTime;
        row.AccessTime = changes.AccessTimeIsNow ? writer.Now : row.AccessTime;
        row.ModifyTime = changes.ModifyTimeIsNow ? writer.Now : row.ModifyTime;
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(row);
        return row.ToAttributes();
    }

    /// <summary>Forgets an inode without names; its hot copy is deleted by the journal.</summary>
    /// <returns>False if there is no such orphan.</returns>
    public static bool ReleaseOrphan(TreeWriter writer, InodeId inode)
    {
        if (writer.Tables.Inodes.Find(inode) is not { LinkCount: 0 } row)
        {
            return false;
        }

        ObjectJournal.ScheduleHotCopyDelete(writer, new ContentId(row.Inode, row.Generation), row.Placement);
        writer.Tables.Inodes.Remove(row);
        return true;
    }

    /// <summary>The delay of an upload that is not urgent, nanoseconds.</summary>
    public static long DelayNanoseconds(TreeWriter writer) => writer.Options.UploadDelay.Ticks * 100;

    private static void CheckMode(int mode)
    {
        if ((mode & ~0xFFF) != 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"Mode 0{Convert.ToString(mode, 8)} has bits "
                + "beyond 07777.");
        }
    }
}
