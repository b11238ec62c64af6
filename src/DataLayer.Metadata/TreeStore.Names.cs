using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Operations;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata;

/// <content>Names, attributes, orphans, extended attributes.</content>
public sealed partial class TreeStore
{
    /// <summary>The extended attribute of a folder's quota of bytes: a decimal number.</summary>
    public const string QuotaBytesAttribute = QuotaChanges.BytesAttribute;

    /// <summary>The extended attribute of a folder's quota of inodes: a decimal number.</summary>
    public const string QuotaInodesAttribute = QuotaChanges.InodesAttribute;

    /// <summary>
    /// Whether an extended attribute of a folder is its quota: <c>trusted.datalayer.quota</c> (bytes) or
    /// <c>trusted.datalayer.quota.inodes</c>, decimal. Setting one counts everything below in it from then on.
    /// </summary>
    public static bool IsQuotaAttribute(string name) => QuotaChanges.IsQuota(name);

    /// <summary>Makes a folder.</summary>
    /// <exception cref="DataLayerException">AlreadyExists, NotFound, NotADirectory, ReadOnly, InvalidArgument,
    /// NameTooLong.</exception>
    public ValueTask<InodeAttributes> MakeDirectoryAsync(
        InodeId folder, string name, NewInode attributes, CancellationToken cancellationToken) =>
        ChangeAsync(w => NameChanges.Create(w, folder, name, FileKind.Directory, attributes, target: null),
            cancellationToken);

    /// <summary>Makes an empty file (state Hot, no placement).</summary>
    /// <exception cref="DataLayerException">AlreadyExists, NotFound, NotADirectory, ReadOnly, InvalidArgument,
    /// NameTooLong.</exception>
    public ValueTask<InodeAttributes> CreateFileAsync(
        InodeId folder, string name, NewInode attributes, CancellationToken cancellationToken) =>
        ChangeAsync(w => NameChanges.Create(w, folder, name, FileKind.Regular, attributes, target: null),
            cancellationToken);

    /// <summary>Makes a symbolic link; its target is 1 to 4,095 bytes of text and need not exist.</summary>
    /// <exception cref="DataLayerException">AlreadyExists, NotFound, NotADirectory, ReadOnly, InvalidArgument,
    /// NameTooLong.</exception>
    public ValueTask<InodeAttributes> MakeSymbolicLinkAsync(
        InodeId folder, string name, string target, NewInode attributes, CancellationToken cancellationToken)
    {
        CheckLinkTarget(target);
        return ChangeAsync(
            w => NameChanges.Create(w, folder, name, FileKind.SymbolicLink, attributes, target), cancellationToken);
    }

    /// <summary>Refuses what cannot be a symbolic link's target.</summary>
    internal static void CheckLinkTarget(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        int bytes = TreeName.TryEncode(target)?.Length ?? 0;
        if (bytes == 0 || target.Contains('\0', StringComparison.Ordinal))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "A symbolic link's target is empty, has NUL in "
                + "it, or is not valid Unicode.");
        }

        if (bytes >= TreeName.MaxPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"A symbolic link's target is {bytes} bytes long, "
                    + $"{TreeName.MaxPathBytes - 1} are allowed.");
        }
    }

    /// <summary>Gives a file, link or special file another name, in the same attachment.</summary>
    /// <exception cref="DataLayerException">
    /// AlreadyExists, NotFound, NotADirectory, PermissionDenied (a folder), CrossAttachment,
    /// ReadOnly, InvalidArgument, NameTooLong.
    /// </exception>
    public ValueTask<InodeAttributes> LinkAsync(
        InodeId inode, InodeId folder, string name, CancellationToken cancellationToken) =>
        ChangeAsync(w => NameChanges.Link(w, inode, folder, name), cancellationToken);

    /// <summary>
    /// Removes a file's or link's name. A file with no name left becomes an orphan: its content stays readable until
    /// <see cref="ReleaseOrphanAsync"/>, and its object, where bytes are only there, too. Under a read-write
    /// attachment its pending upload is cancelled and the deletion of its object journalled.
    /// </summary>
    /// <returns>The inode as it is now; LinkCount 0 means to release it once it is not open.</returns>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, IsADirectory, ReadOnly, InvalidArgument,
    /// NameTooLong.</exception>
    public ValueTask<InodeAttributes> UnlinkAsync(InodeId folder, string name, CancellationToken cancellationToken) =>
        ChangeAsync(w => NameChanges.Unlink(w, folder, name), cancellationToken);

    /// <summary>Removes an empty folder.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, NotEmpty, ReadOnly, InvalidArgument (also: something is attached there), NameTooLong.
    /// </exception>
    public ValueTask RemoveDirectoryAsync(InodeId folder, string name, CancellationToken cancellationToken) =>
        ChangeVoidAsync(w => NameChanges.RemoveDirectory(w, folder, name), cancellationToken);

    /// <summary>
    /// Renames as renameat2(2), in one transaction; a replaced file becomes an orphan like an unlinked one and is
    /// returned as Replaced (with Exchange: the other inode). Under a read-write attachment the objects follow
    /// through the journal: a file's, or those of all files below a folder (<see
    /// cref="TreeStoreOptions.FolderRenameLimit"/>). Between attachments a file moves where that is safe, a folder
    /// never.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, IsADirectory, NotEmpty, AlreadyExists (NoReplace), InvalidArgument (into itself,
    /// attached folder, flags), CrossAttachment, ReadOnly, NameTooLong.
    /// </exception>
    public ValueTask<RenameResult> RenameAsync(
        InodeId fromFolder, string fromName, InodeId toFolder, string toName, RenameFlags flags,
            CancellationToken cancellationToken) =>
        ChangeAsync(w => RenameChange.Run(w, (fromFolder, fromName), (toFolder, toName), flags), cancellationToken);

    /// <summary>Changes mode, owner or times.</summary>
    /// <exception cref="DataLayerException">NotFound, ReadOnly, InvalidArgument.</exception>
    public ValueTask<InodeAttributes> SetAttributesAsync(
        InodeId inode, AttributeChanges changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        return ChangeAsync(w => NameChanges.SetAttributes(w, inode, changes), cancellationToken);
    }

    /// <summary>
    /// Forgets an inode without names and journals the deletion of its hot copy. No effect if it has a name.
    /// </summary>
    public ValueTask ReleaseOrphanAsync(InodeId inode, CancellationToken cancellationToken) =>
        ChangeVoidAsync(w => NameChanges.ReleaseOrphan(w, inode), cancellationToken);

    /// <summary>
    /// Sets an extended attribute: name of 1 to 255 bytes in user., trusted. or security.; value up to 64 KiB; 1 MiB
    /// an inode.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound (no inode; with Replace no attribute), AlreadyExists (with Create), NotSupported (namespace),
    /// NameTooLong, FileTooLarge (value), NoSpace (all values of the inode), ReadOnly.
    /// </exception>
    public ValueTask SetXattrAsync(
        InodeId inode, string name, ReadOnlyMemory<byte> value, XattrCondition condition,
            CancellationToken cancellationToken)
    {
        byte[] copy = value.ToArray();
        return ChangeVoidAsync(w => XattrChanges.Set(w, inode, name, copy, condition), cancellationToken);
    }

    /// <summary>Removes an extended attribute.</summary>
    /// <exception cref="DataLayerException">NotFound, ReadOnly, NotSupported, NameTooLong.</exception>
    public ValueTask RemoveXattrAsync(InodeId inode, string name, CancellationToken cancellationToken) =>
        ChangeVoidAsync(w => XattrChanges.Remove(w, inode, name), cancellationToken);

    /// <summary>Sets one setting of the service that lives with the tree.</summary>
    public ValueTask SetSettingAsync(string key, string value, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        return ChangeVoidAsync(
            w =>
            {
                w.Tables.SetSetting(key, value);
                return true;
            },
            cancellationToken);
    }
}
