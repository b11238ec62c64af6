using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Which object a name stands for: the attachment's key prefix and the path below its folder.</summary>
internal static class ObjectKeys
{
    /// <summary>The longest key a store holds, bytes (S3).</summary>
    public const int MaxKeyBytes = 1024;

    /// <summary>The key of a name.</summary>
    /// <exception cref="DataLayerException">Internal: the folder does not lie below the attachment's.</exception>
    public static string Of(TreeTables tables, Attachment attachment, InodeId folder, byte[] name)
    {
        StringBuilder key = new(TreeName.Decode(name));
        while (folder != attachment.Folder)
        {
            DentryRow above = tables.Dentries.FirstOf(folder) ?? throw new DataLayerException(
                ErrorCode.Internal, $"Folder {folder} does not lie below attachment {attachment.Id}. Run 'datalayer "
                    + "fsck'.");
            key.Insert(0, '/').Insert(0, TreeName.Decode(above.Name));
            folder = above.Parent;
        }

        return key.Insert(0, attachment.KeyPrefix).ToString();
    }

    /// <summary>The key of a name that is about to be used for an upload.</summary>
    /// <exception cref="DataLayerException">NameTooLong: no store could hold the key. InvalidArgument: it lies where
    /// packs lie.</exception>
    public static string ForUpload(TreeTables tables, Attachment attachment, InodeId folder, byte[] name)
    {
        string key = Of(tables, attachment, folder, name);
        if (key.AsSpan(attachment.KeyPrefix!.Length).StartsWith(PackKeys.Folder, StringComparison.Ordinal))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{PackKeys.Folder}' below an attachment is where packs lie in the bucket. "
                    + "Choose another name.");
        }

        int bytes = Encoding.UTF8.GetByteCount(key);
        return bytes <= MaxKeyBytes ? key : throw new DataLayerException(
            ErrorCode.NameTooLong, $"The object's key would be {bytes} bytes long, {MaxKeyBytes} are allowed: "
                + $"'{key[..64]}…'.");
    }

    /// <summary>
    /// The key a file's object has or will have: that of the last pending upload, else of the object, else (also for
    /// a member of a pack) of the file's first name. Null for an orphan, a folder, and where nothing is attached.
    /// </summary>
    public static string? OfFile(TreeTables tables, InodeRow row)
    {
        if (row.Kind != FileKind.Regular || row.AttachmentId == 0 || row.LinkCount == 0)
        {
            return null;
        }

        string? pending = null;
        foreach (JournalRow entry in tables.Journal.ListOfInode(row.Inode))
        {
            pending = entry.Entry.Kind == JournalKind.UploadObject ? entry.Entry.Key : pending;
        }

        if (pending is not null)
        {
            return pending;
        }

        if (row.Object is { IsPacked: false } own && own.AttachmentId == row.AttachmentId)
        {
            return own.Key;
        }

        foreach (Attachment attachment in tables.Attachments.List(removing: false))
        {
            if (attachment.Id == row.AttachmentId && tables.Dentries.FirstOf(row.Inode) is { } name)
            {
                return Of(tables, attachment, name.Parent, name.Name);
            }
        }

        return null;
    }

    /// <summary>The prefix that stands for an attachment's source where none is given.</summary>
    public static string DerivePrefix(Attachment attachment)
    {
        if (attachment.KeyPrefix is { } given)
        {
            return given;
        }

        const string Scheme = "s3://";
        if (!attachment.Source.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return string.Empty;
        }

        int slash = attachment.Source.IndexOf('/', Scheme.Length);
        string prefix = slash < 0 ? string.Empty : attachment.Source[(slash + 1)..];
        return prefix.Length == 0 || prefix.EndsWith('/') ? prefix : prefix + "/";
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
