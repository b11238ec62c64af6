using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <content>Names: look-up, making, removing, renaming.</content>
internal sealed partial class FileSystem
{
    private const int SetGroupId = 0x400; // 02000
    private const int SetUserId = 0x800; // 04000

    /// <summary>What a name leads to, counted as known to the kernel; null if there is nothing.</summary>
    internal async ValueTask<NodeEntry?> LookupAsync(ulong parent, string name, CancellationToken cancellationToken)
    {
        InodeAttributes? found = await _nodes.LookupAsync(InodeOf(parent), name, cancellationToken)
            .ConfigureAwait(false);
        return found is null ? null : await KnownAsync(found, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How long the kernel may believe that a name in this folder is absent.</summary>
    internal async ValueTask<TimeSpan> AbsenceTimeoutAsync(ulong parent, CancellationToken cancellationToken)
    {
        InodeAttributes? folder = await _nodes.GetAsync(InodeOf(parent), cancellationToken).ConfigureAwait(false);
        return folder is null ? TimeSpan.Zero : TimeoutsOf(folder).Entry;
    }

    /// <summary>The parent of a folder, for "..": the root's is itself.</summary>
    internal async ValueTask<InodeId> ParentOfAsync(ulong node, CancellationToken cancellationToken) =>
        node == 1
            ? _options.Root
            : (await _nodes.GetParentAsync(InodeOf(node), cancellationToken).ConfigureAwait(false)).Inode;

    /// <summary>Makes a regular file.</summary>
    internal async ValueTask<NodeEntry> CreateAsync(
        ulong parent, string name, int mode, Caller caller, CancellationToken cancellationToken)
    {
        NodeOwner owner = await BeginCreateAsync(parent, mode, caller, cancellationToken).ConfigureAwait(false);
        InodeAttributes made;
        try
        {
            made = await _nodes.CreateAsync(InodeOf(parent), name, owner, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            made = await DoneBeforeAsync(parent, name, FileKind.Regular, error, cancellationToken)
                .ConfigureAwait(false);
        }

        NoteChange();
        return await KnownAsync(made, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a regular file and opens it for reading and writing.</summary>
    internal async ValueTask<NodeEntry> CreateAndOpenAsync(
        ulong parent, string name, int mode, Caller caller, CancellationToken cancellationToken)
    {
        NodeOwner owner = await BeginCreateAsync(parent, mode, caller, cancellationToken).ConfigureAwait(false);
        InodeAttributes made;
        OpenFile? file = null;
        try
        {
            (made, file) = await _nodes.CreateAndOpenAsync(InodeOf(parent), name, owner, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            made = await DoneBeforeAsync(parent, name, FileKind.Regular, error, cancellationToken)
                .ConfigureAwait(false);
        }

        NoteChange();
        NodeEntry entry = await KnownAsync(made, cancellationToken).ConfigureAwait(false);
        await AdoptNewAsync(Table.GetOrAdd(made.Inode), made, file).ConfigureAwait(false);
        return entry;
    }

    /// <summary>Makes a folder.</summary>
    internal async ValueTask<NodeEntry> MakeDirectoryAsync(
        ulong parent, string name, int mode, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        NodeOwner owner = await OwnerAsync(parent, mode, caller, isFolder: true, cancellationToken)
            .ConfigureAwait(false);
        InodeAttributes made;
        try
        {
            made = await _nodes.MakeDirectoryAsync(InodeOf(parent), name, owner, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            made = await DoneBeforeAsync(parent, name, FileKind.Directory, error, cancellationToken)
                .ConfigureAwait(false);
        }

        NoteChange();
        return await KnownAsync(made, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a regular file, a fifo, a socket or a device.</summary>
    internal async ValueTask<NodeEntry> MakeNodeAsync(
        ulong parent, string name, FileKind kind, int mode, uint device, Caller caller,
        CancellationToken cancellationToken)
    {
        if (kind == FileKind.Regular)
        {
            return await CreateAsync(parent, name, mode, caller, cancellationToken).ConfigureAwait(false);
        }

        CheckWritable();
        NodeOwner owner = await OwnerAsync(parent, mode, caller, isFolder: false, cancellationToken)
            .ConfigureAwait(false);
        InodeAttributes made;
        try
        {
            made = await _nodes.MakeNodeAsync(InodeOf(parent), name, owner, kind, device, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            made = await DoneBeforeAsync(parent, name, kind, error, cancellationToken).ConfigureAwait(false);
        }

        NoteChange();
        return await KnownAsync(made, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a symbolic link.</summary>
    internal async ValueTask<NodeEntry> MakeSymbolicLinkAsync(
        ulong parent, string name, string target, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        NodeOwner owner = await OwnerAsync(parent, 0x1FF, caller, isFolder: false, cancellationToken)
            .ConfigureAwait(false);
        InodeAttributes made;
        try
        {
            made = await _nodes.MakeSymbolicLinkAsync(InodeOf(parent), name, target, owner, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            made = await DoneBeforeAsync(parent, name, FileKind.SymbolicLink, error, cancellationToken)
                .ConfigureAwait(false);
        }

        NoteChange();
        return await KnownAsync(made, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The target of a symbolic link.</summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: no symbolic link.</exception>
    internal async ValueTask<string> ReadLinkAsync(ulong node, CancellationToken cancellationToken)
    {
        InodeAttributes found = await GetAsync(node, cancellationToken).ConfigureAwait(false);
        return found.LinkTarget
            ?? throw new DataLayerException(ErrorCode.InvalidArgument, $"Inode {found.Inode} is no symbolic link.");
    }

    /// <summary>Gives an inode one more name.</summary>
    internal async ValueTask<NodeEntry> LinkAsync(
        ulong node, ulong newParent, string newName, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        InodeAttributes linked;
        try
        {
            linked = await _nodes.LinkAsync(InodeOf(node), InodeOf(newParent), newName, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            linked = await _nodes.LookupAsync(InodeOf(newParent), newName, cancellationToken).ConfigureAwait(false)
                is { } found && found.Inode == InodeOf(node)
                ? found
                : throw new DataLayerException(error.Code, error.Message, error);
        }

        NoteChange();
        return await KnownAsync(linked, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Removes a name of anything but a folder. An inode that the kernel knows stays until the kernel forgets it.
    /// </summary>
    internal async ValueTask UnlinkAsync(
        ulong parent, string name, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        InodeAttributes? found = await _nodes.LookupAsync(InodeOf(parent), name, cancellationToken)
            .ConfigureAwait(false);
        if (found is null)
        {
            ThrowUnlessResent(caller, name);
            return;
        }

        if (found.Kind != FileKind.Directory && found.LinkCount <= 1)
        {
            Hold(found.Inode);
        }

        await _nodes.UnlinkAsync(InodeOf(parent), name, cancellationToken).ConfigureAwait(false);
        NoteChange();
    }

    /// <summary>
    /// Removes an empty folder. Where the kernel knows it, its attributes stay until it is forgotten.
    /// </summary>
    internal async ValueTask RemoveDirectoryAsync(
        ulong parent, string name, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        InodeAttributes? found = await _nodes.LookupAsync(InodeOf(parent), name, cancellationToken)
            .ConfigureAwait(false);
        if (found is { Kind: FileKind.Directory })
        {
            Hold(found.Inode);
        }

        try
        {
            await _nodes.RemoveDirectoryAsync(InodeOf(parent), name, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.NotFound)
        {
            // Done before.
        }

        NoteChange();
    }

    /// <summary>Renames; what a taken name led to stays until the kernel forgets it.</summary>
    internal async ValueTask RenameAsync(
        ulong parent, string name, ulong newParent, string newName, RenameFlags flags, Caller caller,
        CancellationToken cancellationToken)
    {
        CheckWritable();
        InodeId from = InodeOf(parent);
        InodeId to = InodeOf(newParent);
        InodeAttributes? replaced = await _nodes.LookupAsync(to, newName, cancellationToken).ConfigureAwait(false);
        if (caller.IsResent && !flags.HasFlag(RenameFlags.Exchange) && replaced is not null
            && await _nodes.LookupAsync(from, name, cancellationToken).ConfigureAwait(false) is null)
        {
            return; // Done before: the old name is gone and the new one is there.
        }

        if (flags.HasFlag(RenameFlags.Exchange)
            && await IsExchangedAsync((from, name), (to, newName), caller, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        if (flags == RenameFlags.None && replaced is { LinkCount: <= 1 } && replaced.Kind != FileKind.Directory)
        {
            Hold(replaced.Inode);
        }

        await _nodes.RenameAsync(from, name, to, newName, flags, cancellationToken).ConfigureAwait(false);
        NoteChange();
    }

    /// <summary>Attributes, with what is written and not flushed.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    internal async ValueTask<InodeAttributes> GetAsync(ulong node, CancellationToken cancellationToken) =>
        await _nodes.GetAsync(InodeOf(node), cancellationToken).ConfigureAwait(false)
        ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {InodeOf(node)} any more.");

    private static void ThrowUnlessResent(Caller caller, string name)
    {
        if (!caller.IsResent)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"There is no '{name}'.");
        }
    }

    private async ValueTask<NodeEntry> KnownAsync(InodeAttributes attributes, CancellationToken cancellationToken)
    {
        NodeEntry entry = await EntryAsync(attributes, cancellationToken).ConfigureAwait(false);
        Table.AddLookup(attributes.Inode);
        return entry;
    }

    private ValueTask<NodeOwner> BeginCreateAsync(
        ulong parent, int mode, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        return OwnerAsync(parent, mode, caller, isFolder: false, cancellationToken);
    }

    /// <summary>Owner and mode of a new inode: a folder with the set-group-id bit hands down its group.</summary>
    private async ValueTask<NodeOwner> OwnerAsync(
        ulong parent, int mode, Caller caller, bool isFolder, CancellationToken cancellationToken)
    {
        InodeAttributes folder = await GetAsync(parent, cancellationToken).ConfigureAwait(false);
        mode &= 0xFFF;
        return (folder.Mode & SetGroupId) == 0
            ? new NodeOwner(mode, caller.UserId, caller.GroupId)
            : new NodeOwner(isFolder ? mode | SetGroupId : mode, caller.UserId, folder.GroupId);
    }

    private async ValueTask<InodeAttributes> DoneBeforeAsync(
        ulong parent, string name, FileKind kind, DataLayerException error, CancellationToken cancellationToken) =>
        await _nodes.LookupAsync(InodeOf(parent), name, cancellationToken).ConfigureAwait(false) is { } found
            && found.Kind == kind
            ? found
            : throw new DataLayerException(error.Code, error.Message, error);

    private void Hold(InodeId inode)
    {
        if (!Table.Knows(inode) && !_options.IsTakeover)
        {
            return;
        }

        NodeState state = Table.GetOrAdd(inode);
        lock (state)
        {
            if (state.IsHeld)
            {
                return;
            }

            state.IsHeld = true;
        }

        _nodes.Hold(inode);
    }
}
