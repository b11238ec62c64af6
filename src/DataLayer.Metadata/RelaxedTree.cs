using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <summary>
/// The changes of <see cref="TreeStore"/> as a mount makes them: each is one transaction, acknowledged when it stands
/// in
/// the database's log without waiting for the disk.
/// </summary>
/// <remarks>
/// An acknowledged change survives the end of the process, not of the machine, until
/// <see cref="TreeStore.FlushAsync"/>.
/// After a power cut the tree is as after one of the changes, in their order: never with a later one without an
/// earlier. Errors are those of the method of the same name. A change that nobody stands in the way of is done on the
/// caller's thread, so these mostly complete at once.
/// </remarks>
public sealed class RelaxedTree
{
    private readonly TreeStore _tree;

    internal RelaxedTree(TreeStore tree) => _tree = tree;

    /// <summary>Makes an empty file, a folder or a special file.</summary>
    /// <exception cref="DataLayerException">
    /// AlreadyExists, NotFound, NotADirectory, ReadOnly, NameTooLong; InvalidArgument: also a symbolic link, which
    /// <see cref="MakeSymbolicLinkAsync"/> makes.
    /// </exception>
    public ValueTask<InodeAttributes> CreateAsync(
        InodeId folder, string name, FileKind kind, NewInode attributes, CancellationToken cancellationToken) =>
        kind == FileKind.SymbolicLink
            ? throw new DataLayerException(ErrorCode.InvalidArgument, "A symbolic link needs a target.")
            : _tree.ChangeAsync(
                w => NameChanges.Create(w, folder, name, kind, attributes, target: null), cancellationToken, true);

    /// <summary>
    /// Makes an empty file without a name (O_TMPFILE). It goes like any inode without names
    /// (<see cref="ReleaseOrphanAsync"/>), unless <see cref="LinkAsync"/> gives it one.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, ReadOnly; InvalidArgument: the mode.</exception>
    public ValueTask<InodeAttributes> CreateTemporaryAsync(
        InodeId folder, NewInode attributes, CancellationToken cancellationToken) =>
        _tree.ChangeAsync(w => NameChanges.CreateTemporary(w, folder, attributes), cancellationToken, true);

    /// <summary>As <see cref="TreeStore.MakeSymbolicLinkAsync"/>.</summary>
    public ValueTask<InodeAttributes> MakeSymbolicLinkAsync(
        InodeId folder, string name, string target, NewInode attributes, CancellationToken cancellationToken)
    {
        TreeStore.CheckLinkTarget(target);
        return _tree.ChangeAsync(
            w => NameChanges.Create(w, folder, name, FileKind.SymbolicLink, attributes, target),
            cancellationToken,
            true);
    }

    /// <summary>As <see cref="TreeStore.LinkAsync"/>.</summary>
    public ValueTask<InodeAttributes> LinkAsync(
        InodeId inode, InodeId folder, string name, CancellationToken cancellationToken) =>
        _tree.ChangeAsync(w => NameChanges.Link(w, inode, folder, name), cancellationToken, true);

    /// <summary>As <see cref="TreeStore.UnlinkAsync"/>.</summary>
    public ValueTask<InodeAttributes> UnlinkAsync(InodeId folder, string name, CancellationToken cancellationToken) =>
        _tree.ChangeAsync(w => NameChanges.Unlink(w, folder, name), cancellationToken, true);

    /// <summary>As <see cref="TreeStore.RemoveDirectoryAsync"/>.</summary>
    public async ValueTask RemoveDirectoryAsync(InodeId folder, string name, CancellationToken cancellationToken) =>
        await _tree.ChangeAsync(w => NameChanges.RemoveDirectory(w, folder, name), cancellationToken, true)
            .ConfigureAwait(false);

    /// <summary>As <see cref="TreeStore.RenameAsync"/>.</summary>
    public ValueTask<RenameResult> RenameAsync(
        InodeId fromFolder, string fromName, InodeId toFolder, string toName, RenameFlags flags,
        CancellationToken cancellationToken) =>
        _tree.ChangeAsync(
            w => RenameChange.Run(w, (fromFolder, fromName), (toFolder, toName), flags), cancellationToken, true);

    /// <summary>As <see cref="TreeStore.SetAttributesAsync"/>.</summary>
    public ValueTask<InodeAttributes> SetAttributesAsync(
        InodeId inode, AttributeChanges changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        return _tree.ChangeAsync(w => NameChanges.SetAttributes(w, inode, changes), cancellationToken, true);
    }

    /// <summary>As <see cref="TreeStore.ReleaseOrphanAsync"/>.</summary>
    public async ValueTask ReleaseOrphanAsync(InodeId inode, CancellationToken cancellationToken) =>
        await _tree.ChangeAsync(w => NameChanges.ReleaseOrphan(w, inode), cancellationToken, true)
            .ConfigureAwait(false);

    /// <summary>As <see cref="TreeStore.SetXattrAsync"/>.</summary>
    public async ValueTask SetXattrAsync(
        InodeId inode, string name, ReadOnlyMemory<byte> value, XattrCondition condition,
        CancellationToken cancellationToken)
    {
        byte[] copy = value.ToArray();
        await _tree.ChangeAsync(w => XattrChanges.Set(w, inode, name, copy, condition), cancellationToken, true)
            .ConfigureAwait(false);
    }

    /// <summary>As <see cref="TreeStore.RemoveXattrAsync"/>.</summary>
    public async ValueTask RemoveXattrAsync(InodeId inode, string name, CancellationToken cancellationToken) =>
        await _tree.ChangeAsync(w => XattrChanges.Remove(w, inode, name), cancellationToken, true)
            .ConfigureAwait(false);

    /// <summary>As <see cref="TreeStore.UpdateContentAsync"/>.</summary>
    public ValueTask<FileContent> UpdateContentAsync(ContentUpdate update, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(update);
        return _tree.ChangeAsync(w => ContentChanges.Update(w, update), cancellationToken, true);
    }

    /// <summary>As <see cref="TreeStore.AddJournalAsync"/>.</summary>
    public ValueTask<long> AddJournalAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return _tree.ChangeAsync(w => JournalChanges.Add(w, entry), cancellationToken, true);
    }
}
