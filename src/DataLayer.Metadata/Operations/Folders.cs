using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>What every change of names begins and ends with.</summary>
internal static class Folders
{
    /// <summary>A folder's row.</summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public static InodeRow Get(TreeTables tables, InodeId folder)
    {
        InodeRow row = tables.Inodes.FindAttributes(folder)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no folder with inode {folder}.");
        return row.Kind == FileKind.Directory
            ? row
            : throw new DataLayerException(ErrorCode.NotADirectory, $"Inode {folder} is not a folder.");
    }

    /// <summary>A folder's row, for a change by a user.</summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, ReadOnly.</exception>
    public static InodeRow GetWritable(TreeWriter writer, InodeId folder)
    {
        InodeRow row = Get(writer.Tables, folder);
        CheckWritable(writer, row.AttachmentId);
        return row;
    }

    /// <summary>Refuses a user's change below a read-only attachment.</summary>
    public static void CheckWritable(TreeWriter writer, long attachmentId)
    {
        if (attachmentId == 0)
        {
            return;
        }

        Attachment? attachment = writer.FindAttachment(attachmentId);
        if (attachment?.Mode != AttachmentMode.ReadWrite)
        {
            throw new DataLayerException(
                ErrorCode.ReadOnly,
                attachment is null
                    ? "The attachment is being removed."
                    : $"'{attachment.Path}' is attached read-only from {attachment.Source}. Attach it read-write to "
                        + "change it.");
        }
    }

    /// <summary>The error for a name that is not there.</summary>
    public static DataLayerException Missing(InodeId folder, string name) =>
        new(ErrorCode.NotFound, $"There is no '{name}' in folder {folder}.");

    /// <summary>The error for a name that is taken.</summary>
    public static DataLayerException Taken(InodeId folder, string name) =>
        new(ErrorCode.AlreadyExists, $"'{name}' exists already in folder {folder}.");

    /// <summary>The error for a name whose inode is missing.</summary>
    public static DataLayerException Dangling(InodeId inode) => RowFault.Damaged($"inode {inode} is named, but "
        + "missing; the row");

    /// <summary>Records that a folder's names changed.</summary>
    public static void Touch(TreeWriter writer, InodeRow folder, int linkDifference)
    {
        folder.LinkCount += linkDifference;
        folder.ModifyTime = writer.Now;
        folder.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(folder);
    }

    /// <summary>Refuses to move or remove a folder that something is attached to.</summary>
    public static void CheckNotAttached(TreeWriter writer, InodeRow row)
    {
        if (row.Kind != FileKind.Directory)
        {
            return;
        }

        foreach (Attachment attachment in writer.Attachments().Values)
        {
            if (attachment.Folder == row.Inode)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"'{attachment.Path}' has {attachment.Source} attached. Detach it "
                        + "first.");
            }
        }
    }

    /// <summary>Whether <paramref name="folder"/> is <paramref name="ancestor"/> or lies below it.</summary>
    public static bool IsBelow(TreeTables tables, InodeId folder, InodeId ancestor)
    {
        // A sound tree is not deeper than a path can say; a damaged one may have a ring.
        for (int depth = 0; depth <= TreeName.MaxPathBytes; depth++)
        {
            if (folder == ancestor)
            {
                return true;
            }

            if (folder == InodeId.Root || tables.Dentries.FirstOf(folder) is not { } above)
            {
                return false;
            }

            folder = above.Parent;
        }

        throw RowFault.Damaged($"folder {folder} lies below itself; the row");
    }
}
