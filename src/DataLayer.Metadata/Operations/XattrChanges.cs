using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Sets and removes extended attributes (xattr(7)).</summary>
internal static class XattrChanges
{
    private const int MaxNameBytes = 255;
    private const int MaxValueBytes = 64 << 10;
    private const int MaxInodeBytes = 1 << 20;

    /// <summary>Sets one.</summary>
    public static bool Set(TreeWriter writer, InodeId inode, string name, byte[] value, XattrCondition condition)
    {
        CheckName(name);
        if (value.Length > MaxValueBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"The value of '{name}' has {value.Length} bytes, {MaxValueBytes} are "
                    + "allowed.");
        }

        InodeRow row = Get(writer, inode);
        byte[]? old = writer.Tables.Xattrs.Find(inode, name);
        if (condition == XattrCondition.Create && old is not null)
        {
            throw new DataLayerException(ErrorCode.AlreadyExists, $"Inode {inode} has '{name}' already.");
        }

        if (condition == XattrCondition.Replace && old is null)
        {
            throw Missing(inode, name);
        }

        writer.Tables.Xattrs.ListNames(inode, out long total);
        if (total - (old?.Length ?? -name.Length) + value.Length > MaxInodeBytes)
        {
            throw new DataLayerException(
                ErrorCode.NoSpace, $"The extended attributes of inode {inode} would take more than {MaxInodeBytes} "
                    + "bytes.");
        }

        writer.Tables.Xattrs.Set(inode, name, value);
        Touch(writer, row);
        FollowQuota(writer, inode, name);
        return true;
    }

    /// <summary>Removes one.</summary>
    public static bool Remove(TreeWriter writer, InodeId inode, string name)
    {
        CheckName(name);
        InodeRow row = Get(writer, inode);
        if (!writer.Tables.Xattrs.Remove(inode, name))
        {
            throw Missing(inode, name);
        }

        Touch(writer, row);
        FollowQuota(writer, inode, name);
        return true;
    }

    private static void FollowQuota(TreeWriter writer, InodeId inode, string name)
    {
        if (QuotaChanges.IsQuota(name))
        {
            QuotaChanges.Follow(writer, inode);
        }
    }

    private static InodeRow Get(TreeWriter writer, InodeId inode)
    {
        InodeRow row = writer.Tables.Inodes.FindAttributes(inode)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {inode}.");
        Folders.CheckWritable(writer, row.AttachmentId);
        return row;
    }

    private static void Touch(TreeWriter writer, InodeRow row)
    {
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.SaveAttributes(row);
    }

    private static DataLayerException Missing(InodeId inode, string name) =>
        new(ErrorCode.NotFound, $"Inode {inode} has no extended attribute '{name}'.");

    private static void CheckName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        string space = dot < 0 ? string.Empty : name[..dot];
        if (space is not ("user" or "trusted" or "security")
            || dot == name.Length - 1 || name.Contains('\0', StringComparison.Ordinal))
        {
            throw new DataLayerException(
                ErrorCode.NotSupported, $"Extended attribute '{name}' is in none of the namespaces user., trusted. "
                    + "and security.");
        }

        if (TreeName.TryEncode(name) is not { Length: <= MaxNameBytes })
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"An extended attribute's name has more than {MaxNameBytes} bytes, or is not "
                    + "valid Unicode.");
        }
    }
}
