using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Nodes;

/// <summary>
/// The tree as a mount sees it: everything by inode number and name, POSIX results, no paths. Permissions are the
/// kernel's to check.
/// </summary>
/// <remarks>
/// Changes are relaxed: when a call returns, its change survives the end of the process, and a power cut may take it
/// back, together with later ones, until <see cref="FsyncDirectoryAsync"/>, <see cref="SyncAsync"/>, an fsync of any
/// file, or any change through the API makes all earlier ones durable. Names are 1 to 255 bytes of UTF-8. All members
/// are safe for concurrent use, mostly complete at once, and fail with <see cref="DataLayerException"/>; besides what
/// each says, changes may fail with ReadOnly (below a read-only attachment), NoSpace, TargetFailed, Corrupt.
/// </remarks>
public sealed partial class NodeOperations
{
    private readonly FileEngine _engine;
    private readonly EngineContext _context;

    internal NodeOperations(FileEngine engine)
    {
        _engine = engine;
        _context = engine.Context;
    }

    private RelaxedTree Tree => _context.Tree.Relaxed;

    /// <summary>What a name in a folder leads to, checked for freshness as an open is; null if there is none.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, NameTooLong; what a store says that is asked.</exception>
    public async ValueTask<InodeAttributes?> LookupAsync(
        InodeId parent, string name, CancellationToken cancellationToken)
    {
        await _context.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            InodeAttributes? found = await _context.View.LookupAsync(parent, name, cancellationToken)
                .ConfigureAwait(false);
            if (found is null || found.Kind != FileKind.Regular)
            {
                return found;
            }

            try
            {
                if (!await _engine.Freshness.CheckAsync(found, cancellationToken).ConfigureAwait(false))
                {
                    return _engine.Overlay(found);
                }
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return null;
            }
        }
    }

    /// <summary>An inode's attributes with what is not flushed yet; null if it is gone and not held.</summary>
    public async ValueTask<InodeAttributes?> GetAsync(InodeId inode, CancellationToken cancellationToken)
    {
        InodeAttributes? found = await _context.View.GetAsync(inode, cancellationToken).ConfigureAwait(false);
        return found is null ? _context.Holds.FindForgotten(inode) : _engine.Overlay(found);
    }

    /// <summary>
    /// On a node that only reads: returns once all is known that other nodes had committed when it was called.
    /// Elsewhere at once.
    /// </summary>
    /// <exception cref="DataLayerException">Overloaded: the database does not answer.</exception>
    public ValueTask ConfirmAsync(CancellationToken cancellationToken) => _context.ConfirmAsync(cancellationToken);

    /// <summary>The folder that holds a folder (".."); the root's is itself.</summary>
    /// <exception cref="DataLayerException">NotFound: it was removed.</exception>
    public async ValueTask<InodeAttributes> GetParentAsync(InodeId folder, CancellationToken cancellationToken)
    {
        InodeId parent = await _context.Tree.GetParentAsync(folder, cancellationToken).ConfigureAwait(false);
        return await _context.View.GetAsync(parent, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no folder with inode {folder}.");
    }

    /// <summary>
    /// Entries of a folder after a name, in the order of their bytes, with attributes. An entry that stays is given
    /// exactly once to a caller that goes on from the last name, whatever comes and goes meanwhile.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public async ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(
        InodeId folder, string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        IReadOnlyList<DirectoryEntry> entries = await _context.View.ListAsync(folder, after, limit, cancellationToken)
            .ConfigureAwait(false);
        return _engine.Overlay(entries);
    }

    /// <summary>Makes an empty file.</summary>
    /// <exception cref="DataLayerException">AlreadyExists, NotFound, NotADirectory, NameTooLong.</exception>
    public ValueTask<InodeAttributes> CreateAsync(
        InodeId parent, string name, NodeOwner owner, CancellationToken cancellationToken) =>
        MakeAsync(parent, name, owner, FileKind.Regular, 0, cancellationToken);

    /// <summary>Makes an empty file and opens it, which costs no more than making it.</summary>
    /// <exception cref="DataLayerException">As <see cref="CreateAsync"/>.</exception>
    public async ValueTask<(InodeAttributes Attributes, OpenFile File)> CreateAndOpenAsync(
        InodeId parent, string name, NodeOwner owner, CancellationToken cancellationToken)
    {
        InodeAttributes made = await CreateAsync(parent, name, owner, cancellationToken).ConfigureAwait(false);
        return (made, _engine.Open(_context.AcquireNew(made), write: true, this));
    }

    /// <summary>
    /// Makes an empty file without a name, held and open (O_TMPFILE): it goes with its last release, unless
    /// <see cref="LinkAsync"/> gives it a name before.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public async ValueTask<(InodeAttributes Attributes, OpenFile File)> CreateTemporaryAsync(
        InodeId parent, NodeOwner owner, CancellationToken cancellationToken)
    {
        NewInode attributes = new(owner.Mode, owner.UserId, owner.GroupId);
        InodeAttributes made = await Tree.CreateTemporaryAsync(parent, attributes, cancellationToken)
            .ConfigureAwait(false);
        _context.Holds.Add(made.Inode);
        _context.Holds.MarkOrphan(made.Inode);
        ContentState content = _context.AcquireNew(made);
        _context.Contents.MarkOrphan(made.Inode);
        return (made, _engine.Open(content, write: true, this));
    }

    /// <summary>Makes a folder.</summary>
    /// <exception cref="DataLayerException">As <see cref="CreateAsync"/>.</exception>
    public ValueTask<InodeAttributes> MakeDirectoryAsync(
        InodeId parent, string name, NodeOwner owner, CancellationToken cancellationToken) =>
        MakeAsync(parent, name, owner, FileKind.Directory, 0, cancellationToken);

    /// <summary>Makes a special file: pipe, socket, character or block device; also a regular file.</summary>
    /// <exception cref="DataLayerException">As <see cref="CreateAsync"/>; InvalidArgument: another kind.</exception>
    public ValueTask<InodeAttributes> MakeNodeAsync(
        InodeId parent, string name, NodeOwner owner, FileKind kind, uint device, CancellationToken cancellationToken)
    {
        if (kind is FileKind.Directory or FileKind.SymbolicLink || !Enum.IsDefined(kind))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"{kind} is not made by mknod.");
        }

        uint kept = kind is FileKind.CharacterDevice or FileKind.BlockDevice ? device : 0;
        return MakeAsync(parent, name, owner, kind, kept, cancellationToken);
    }

    /// <summary>Makes a symbolic link; its target is 1 to 4,095 bytes.</summary>
    /// <exception cref="DataLayerException">As <see cref="CreateAsync"/>; InvalidArgument: the target.</exception>
    public async ValueTask<InodeAttributes> MakeSymbolicLinkAsync(
        InodeId parent, string name, string target, NodeOwner owner, CancellationToken cancellationToken)
    {
        using ChangeScope change = Change().Name(parent, name);
        NewInode attributes = new(0x1FF, owner.UserId, owner.GroupId);
        return await Tree.MakeSymbolicLinkAsync(parent, name, target, attributes, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Gives an inode, not a folder, one more name.</summary>
    /// <exception cref="DataLayerException">
    /// AlreadyExists, NotFound, NotADirectory, NameTooLong; PermissionDenied: a folder; CrossAttachment.
    /// </exception>
    public async ValueTask<InodeAttributes> LinkAsync(
        InodeId inode, InodeId newParent, string newName, CancellationToken cancellationToken)
    {
        InodeAttributes linked;
        using (Change().Name(newParent, newName).Inode(inode))
        {
            linked = await Tree.LinkAsync(inode, newParent, newName, cancellationToken).ConfigureAwait(false);
        }

        if (linked.LinkCount == 1)
        {
            _context.Holds.UnmarkOrphan(inode);
            _context.Contents.UnmarkOrphan(inode);
            _context.JournalSignal?.Invoke();
        }

        await ReloadAsync(linked).ConfigureAwait(false);
        return _engine.Overlay(linked);
    }

    /// <summary>
    /// Removes a name that is not a folder's. The inode goes with its last name, unless it is open or held.
    /// </summary>
    /// <returns>The inode as it is now.</returns>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, IsADirectory, NameTooLong.</exception>
    public async ValueTask<InodeAttributes> UnlinkAsync(
        InodeId parent, string name, CancellationToken cancellationToken)
    {
        InodeAttributes? found = await _context.View.LookupAsync(parent, name, cancellationToken).ConfigureAwait(false);
        InodeAttributes removed;
        ChangeScope change = Change().Name(parent, name);
        using (found is null ? change : change.Inode(found.Inode))
        {
            removed = await Tree.UnlinkAsync(parent, name, cancellationToken).ConfigureAwait(false);
        }

        await AfterRemovalAsync(removed).ConfigureAwait(false);
        return removed;
    }

    /// <summary>Removes an empty folder.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, NotEmpty, NameTooLong; InvalidArgument: something is attached there.
    /// </exception>
    public async ValueTask RemoveDirectoryAsync(InodeId parent, string name, CancellationToken cancellationToken)
    {
        InodeAttributes? found = await _context.View.LookupAsync(parent, name, cancellationToken).ConfigureAwait(false);
        ChangeScope change = Change().Name(parent, name);
        using (found is null ? change : change.Inode(found.Inode))
        {
            await Tree.RemoveDirectoryAsync(parent, name, cancellationToken).ConfigureAwait(false);
        }

        if (found is not null)
        {
            _context.Holds.Remember(found);
        }

        _context.JournalSignal?.Invoke();
    }

    /// <summary>
    /// Renames as renameat2(2), in one transaction. A file with unflushed writes that takes another's name has its data
    /// made durable first, so that a power cut leaves the old content or the new one.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, IsADirectory, NotEmpty, AlreadyExists (NoReplace), InvalidArgument (into itself,
    /// flags),
    /// CrossAttachment, NameTooLong.
    /// </exception>
    public async ValueTask<NodeRename> RenameAsync(
        InodeId parent, string name, InodeId newParent, string newName, RenameFlags flags,
        CancellationToken cancellationToken)
    {
        InodeAttributes moved = await _context.View.LookupAsync(parent, name, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no '{name}' in folder {parent}.");
        InodeAttributes? target = await _context.View.LookupAsync(newParent, newName, cancellationToken)
            .ConfigureAwait(false);
        if (target is not null && moved.Kind == FileKind.Regular && flags != RenameFlags.NoReplace
            && _context.Contents.Peek(moved.Content) is { IsDirty: true } unflushed)
        {
            await _engine.Writer.FlushAsync(unflushed, relaxed: true, cancellationToken).ConfigureAwait(false);
        }

        // Under an attachment objects and states below a moved folder may change, so everything is looked at again.
        bool countsElsewhere = !_context.Tree.Quotas.IsEmpty && parent != newParent
            && (moved.Kind == FileKind.Directory || target is { Kind: FileKind.Directory });
        bool all = countsElsewhere
            || (moved.Kind == FileKind.Directory && (moved.AttachmentId != 0 || target is { AttachmentId: not 0 }));
        ChangeScope change = Change(all).Name(parent, name).Name(newParent, newName).Inode(moved.Inode);
        if (target is not null)
        {
            change.Inode(target.Inode);
        }

        RenameResult result;
        using (change)
        {
            result = await Tree.RenameAsync(parent, name, newParent, newName, flags, cancellationToken)
                .ConfigureAwait(false);
        }

        await ReloadForQuotaAsync(countsElsewhere).ConfigureAwait(false);
        await ReloadAsync(result.Moved).ConfigureAwait(false);
        if (result.Replaced is { } replaced)
        {
            await AfterRemovalAsync(replaced).ConfigureAwait(false);
        }

        return new NodeRename(_engine.Overlay(result.Moved), result.Replaced);
    }

    /// <summary>Changes length, mode, owner or times; the length first.</summary>
    /// <returns>The attributes as they are now.</returns>
    /// <exception cref="DataLayerException">
    /// NotFound, InvalidArgument (mode, a length below 0), FileTooLarge, IsADirectory (a length of what is no file).
    /// </exception>
    public async ValueTask<InodeAttributes> SetAttributesAsync(
        InodeId inode, NodeChanges changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        if (changes.SizeBytes is { } size)
        {
            OpenFile file = await OpenAsync(inode, write: true, cancellationToken).ConfigureAwait(false);
            await using (file.ConfigureAwait(false))
            {
                await file.TruncateAsync(size, cancellationToken).ConfigureAwait(false);
            }
        }

        if (changes is { Mode: null, UserId: null, GroupId: null, AccessTime: null, ModifyTime: null })
        {
            return await GetAsync(inode, cancellationToken).ConfigureAwait(false)
                ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {inode}.");
        }

        AttributeChanges update = new()
        {
            Mode = changes.Mode,
            UserId = changes.UserId,
            GroupId = changes.GroupId,
            AccessTimeNanoseconds = changes.AccessTime is { IsNow: false } access ? access.Nanoseconds : null,
            ModifyTimeNanoseconds = changes.ModifyTime is { IsNow: false } modify ? modify.Nanoseconds : null,
            AccessTimeIsNow = changes.AccessTime is { IsNow: true },
            ModifyTimeIsNow = changes.ModifyTime is { IsNow: true },
        };
        InodeAttributes changed;
        using (Change().Inode(inode))
        {
            changed = await Tree.SetAttributesAsync(inode, update, cancellationToken).ConfigureAwait(false);
        }

        if (changes.ModifyTime is not null && changed.Kind == FileKind.Regular
            && _context.Contents.Peek(changed.Content) is { IsDirty: true } open)
        {
            open.ModifyTimeNanoseconds = changed.ModifyTimeNanoseconds;
        }

        await ReloadAsync(changed).ConfigureAwait(false);
        return _engine.Overlay(changed);
    }

    /// <summary>
    /// Opens a file as a mount does: what is written is relaxed (see the type), and closing does not wait for the disk.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, IsADirectory (not a file).</exception>
    public ValueTask<OpenFile> OpenAsync(InodeId inode, bool write, CancellationToken cancellationToken) =>
        _engine.OpenFileAsync(inode, write, this, cancellationToken);

    private async ValueTask<InodeAttributes> MakeAsync(
        InodeId parent, string name, NodeOwner owner, FileKind kind, uint device, CancellationToken cancellationToken)
    {
        using ChangeScope change = Change().Name(parent, name);
        NewInode attributes = new(owner.Mode, owner.UserId, owner.GroupId, device);
        return await Tree.CreateAsync(parent, name, kind, attributes, cancellationToken).ConfigureAwait(false);
    }

    private ChangeScope Change(bool all = false) => new(_context.Stamps, all, this);

    /// <summary>What the engine knows of a content in use follows its inode.</summary>
    private async ValueTask ReloadAsync(InodeAttributes changed)
    {
        if (changed.Kind == FileKind.Regular && _context.Contents.Peek(changed.Content) is { } state)
        {
            await _context.ReloadAsync(state, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask AfterRemovalAsync(InodeAttributes removed)
    {
        if (removed.LinkCount > 0)
        {
            await ReloadAsync(removed).ConfigureAwait(false);
        }
        else if (removed.Kind == FileKind.Regular)
        {
            await _context.ReleaseOrphanAsync(removed.Inode).ConfigureAwait(false);
            _context.DropMemory(removed);
        }
        else
        {
            _context.Holds.Remember(removed);
        }

        _context.JournalSignal?.Invoke();
    }
}
