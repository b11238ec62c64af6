using System.Buffers.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Gives folders quotas and takes them, and moves what counts in them.</summary>
/// <remarks>
/// A folder's quota is its extended attributes <see cref="BytesAttribute"/> and <see cref="InodesAttribute"/>; the
/// table of quotas follows them in the same transaction. Every inode names the nearest quota above it, so a change of
/// one knows where it counts without a walk; a quota set on a folder that is not empty, or a folder moved from one
/// quota to another, walks over what is below, once.
/// </remarks>
internal static class QuotaChanges
{
    /// <summary>The attribute of the limit of bytes: decimal; 0 or absent is none.</summary>
    public const string BytesAttribute = "trusted.datalayer.quota";

    /// <summary>The attribute of the limit of inodes: decimal, a count; 0 or absent is none.</summary>
    public const string InodesAttribute = "trusted.datalayer.quota.inodes";

    /// <summary>
    /// How many inodes a rename takes from one quota to another in one transaction, a count: some 100 ms of the writer.
    /// A larger folder is moved by copying, as between file systems.
    /// </summary>
    public const int MoveLimit = 10_000;

    private const string AdoptedSetting = "quotas";
    private const int PageLength = 256;

    /// <summary>Makes quotas of the attributes that stand in a tree of before there was a table of quotas.</summary>
    public static void Adopt(TreeWriter writer)
    {
        if (writer.Tables.FindSetting(AdoptedSetting) is null)
        {
            foreach (long inode in writer.Tables.Quotas.ListMarked(BytesAttribute))
            {
                if (writer.Tables.Inodes.FindAttributes(new InodeId(inode)) is { Kind: FileKind.Directory })
                {
                    Follow(writer, new InodeId(inode));
                }
            }

            writer.Tables.SetSetting(AdoptedSetting, "1");
        }
    }

    /// <summary>
    /// Makes all accounts anew: the limits stand in attributes of the folders, where a quota lies in the folder's own
    /// row, and the use is counted.
    /// </summary>
    public static void Rebuild(TreeWriter writer)
    {
        writer.Quotas.Reset();
        foreach (long number in (HashSet<long>)
            [.. writer.Tables.Quotas.ListMarked(BytesAttribute), .. writer.Tables.Quotas.ListMarked(InodesAttribute)])
        {
            InodeId folder = new(number);
            if (writer.Tables.Inodes.FindAttributes(folder) is { Kind: FileKind.Directory } row
                && (Read(writer, folder, BytesAttribute), Read(writer, folder, InodesAttribute)) is var (bytes, inodes)
                && (bytes != 0 || inodes != 0))
            {
                writer.Quotas.Add(new QuotaRow
                {
                    Folder = number,
                    Parent = row.QuotaFolder,
                    LimitBytes = bytes,
                    LimitInodes = inodes,
                });
            }
        }

        writer.Quotas.Recount();
    }

    /// <summary>Whether an extended attribute is one that <see cref="Follow"/> looks at.</summary>
    public static bool IsQuota(string xattr) => xattr is BytesAttribute or InodesAttribute;

    /// <summary>Makes an inode's quota what its attributes say, after one of them changed.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: no number, or no folder.</exception>
    public static void Follow(TreeWriter writer, InodeId inode)
    {
        InodeRow folder = writer.Tables.Inodes.FindAttributes(inode) ?? throw Folders.Dangling(inode);
        if (folder.Kind != FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"Inode {inode} is no folder: only folders have "
                + "quotas.");
        }

        long bytes = Read(writer, inode, BytesAttribute);
        long inodes = Read(writer, inode, InodesAttribute);
        QuotaRow? known = writer.Quotas.Find(inode.Value);
        if (known is null && (bytes != 0 || inodes != 0))
        {
            QuotaRow row = new()
            {
                Folder = inode.Value,
                Parent = folder.QuotaFolder,
                LimitBytes = bytes,
                LimitInodes = inodes,
            };
            writer.Quotas.Add(row);
            Recharge(writer, inode, inode.Value, int.MaxValue);
        }
        else if (known is not null && bytes == 0 && inodes == 0)
        {
            Recharge(writer, inode, known.Parent, int.MaxValue);
            writer.Quotas.FolderGone(inode);
        }
        else if (known is not null)
        {
            (known.LimitBytes, known.LimitInodes) = (bytes, inodes);
            writer.Quotas.Touch(known);
        }
    }

    /// <summary>
    /// Has an inode, and what is below it, count in another quota; the inode's own row is the caller's to save.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// CrossAttachment: it has other names that stay, or is a folder with more than <see cref="MoveLimit"/> inodes.
    /// </exception>
    public static void Move(TreeWriter writer, InodeRow row, long quota)
    {
        if (row.QuotaFolder == quota)
        {
            return;
        }

        if (row.Kind == FileKind.Directory)
        {
            if (writer.Quotas.Find(row.Inode.Value) is { } own)
            {
                writer.Quotas.Reparent(own, quota);
            }
            else
            {
                Recharge(writer, row.Inode, quota, MoveLimit);
            }
        }
        else if (row.LinkCount > 1)
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment, "A file with several names does not move from one quota to another. Copy "
                    + "it, then delete.");
        }

        row.QuotaFolder = quota;
    }

    /// <summary>An inode gets one more name: its first one says where it counts, and others must agree.</summary>
    /// <exception cref="DataLayerException">CrossAttachment.</exception>
    public static void Link(InodeRow row, long quota)
    {
        if (row.LinkCount > 0 && row.QuotaFolder != quota)
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment, "A hard link cannot reach from one quota into another. Copy the file.");
        }

        row.QuotaFolder = quota;
    }

    /// <summary>Counts what is used anew and mends the inodes that count in a wrong quota.</summary>
    /// <returns>Whether anything was wrong.</returns>
    public static bool Repair(TreeWriter writer, InodeId inode)
    {
        if (inode != InodeId.None && writer.Tables.Inodes.FindAttributes(inode) is { } row
            && writer.Tables.Dentries.FirstOf(inode) is { } name)
        {
            long right = writer.Quotas.Below(Folders.Get(writer.Tables, name.Parent));
            bool wasWrong = row.QuotaFolder != right;
            row.QuotaFolder = right;
            writer.Tables.Inodes.SaveAttributes(row);
            return wasWrong;
        }

        return writer.Quotas.Recount();
    }

    private static long Read(TreeWriter writer, InodeId inode, string name)
    {
        byte[]? text = writer.Tables.Xattrs.Find(inode, name);
        return text is null
            ? 0
            : Utf8Parser.TryParse(text, out long value, out int length) && length == text.Length && value >= 0
                ? value
                : throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' is a decimal number, 0 for none.");
    }

    /// <summary>Has everything below a folder count in a quota; quotas below it come to lie in that.</summary>
    private static void Recharge(TreeWriter writer, InodeId top, long quota, int limit)
    {
        Stack<InodeId> folders = new([top]);
        int count = 0;
        while (folders.TryPop(out InodeId folder))
        {
            byte[] after = [];
            while (writer.Tables.Dentries.ListPage(folder, after, PageLength) is { Count: > 0 } page)
            {
                after = page[^1].Name;
                foreach (DentryRow name in page)
                {
                    if (++count > limit)
                    {
                        throw TooMuch(limit);
                    }

                    if (RechargeOne(writer, name.Inode, quota, limit))
                    {
                        folders.Push(name.Inode);
                    }
                }
            }
        }
    }

    /// <summary>Has one inode count in a quota; true where what is below it is to follow.</summary>
    private static bool RechargeOne(TreeWriter writer, InodeId inode, long quota, int limit)
    {
        InodeRow row = writer.Tables.Inodes.FindAttributes(inode) ?? throw Folders.Dangling(inode);
        if (limit != int.MaxValue && row.Kind != FileKind.Directory && row.LinkCount > 1)
        {
            throw TooMuch(limit);
        }

        row.QuotaFolder = quota;
        writer.Tables.Inodes.SaveAttributes(row);
        if (row.Kind == FileKind.Directory && writer.Quotas.Find(inode.Value) is { } own)
        {
            writer.Quotas.Reparent(own, quota);
            return false;
        }

        return row.Kind == FileKind.Directory;
    }

    private static DataLayerException TooMuch(int limit) =>
        new(
            ErrorCode.CrossAttachment,
            $"The folder holds more than {limit} inodes, or a file with several names: it does not move from one "
                + "quota to another. Copy it, then delete.");
}
