using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Files.Nodes;

/// <content>Durability, holds, extended attributes, space, observers.</content>
public sealed partial class NodeOperations
{
    private const long InodeLimit = 1L << 40;

    /// <summary>fsync of a folder: all earlier changes of the tree are durable.</summary>
    public ValueTask FsyncDirectoryAsync(InodeId folder, CancellationToken cancellationToken)
    {
        _ = folder; // The log has one order, so the folder's changes are not told apart.
        return _context.Tree.FlushAsync(cancellationToken);
    }

    /// <summary>syncfs(2): all contents and changes of the tree are durable.</summary>
    /// <exception cref="Core.Errors.DataLayerException">The first flush that failed, after all were tried.</exception>
    public ValueTask SyncAsync(CancellationToken cancellationToken) =>
        _context.Unflushed.FlushAllAsync(cancellationToken);

    /// <summary>The kernel knows the inode once more: without names it is kept until each hold is given back.</summary>
    public void Hold(InodeId inode) => _context.Holds.Add(inode);

    /// <summary>
    /// Gives holds back (FORGET). More than were taken is no error: the kernel's count outlives a service.
    /// </summary>
    public ValueTask ReleaseHoldAsync(InodeId inode, long count = 1) =>
        _context.Holds.Release(inode, count) ? _context.ReleaseOrphanAsync(inode) : ValueTask.CompletedTask;

    /// <summary>Gives all holds of an inode back.</summary>
    public ValueTask ForgetAsync(InodeId inode) => ReleaseHoldAsync(inode, long.MaxValue);

    /// <summary>
    /// The mount of an earlier process has ended: files without names that were kept for it
    /// (<see cref="FileEngineOptions.KeepOrphans"/>) go, unless they are held or open anew.
    /// </summary>
    public async ValueTask ReleaseKeptOrphansAsync()
    {
        foreach (InodeId orphan in _context.Holds.ListKept())
        {
            await ReleaseHoldAsync(orphan).ConfigureAwait(false);
        }
    }

    /// <summary>An extended attribute's value, or null.</summary>
    public ValueTask<byte[]?> GetXattrAsync(InodeId inode, string name, CancellationToken cancellationToken) =>
        _context.Tree.GetXattrAsync(inode, name, cancellationToken);

    /// <summary>The names of an inode's extended attributes.</summary>
    public ValueTask<IReadOnlyList<string>> ListXattrsAsync(InodeId inode, CancellationToken cancellationToken) =>
        _engine.ListXattrsAsync(inode, cancellationToken);

    /// <summary>
    /// Sets an extended attribute; see <see cref="TreeStore.SetXattrAsync"/> for its bounds and errors.
    /// </summary>
    public async ValueTask SetXattrAsync(
        InodeId inode, string name, ReadOnlyMemory<byte> value, XattrCondition condition,
        CancellationToken cancellationToken)
    {
        using ChangeScope change = Change().Inode(inode);
        await Tree.SetXattrAsync(inode, name, value, condition, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes an extended attribute.</summary>
    /// <exception cref="Core.Errors.DataLayerException">NotFound: no such inode or attribute.</exception>
    public async ValueTask RemoveXattrAsync(InodeId inode, string name, CancellationToken cancellationToken)
    {
        using ChangeScope change = Change().Inode(inode);
        await Tree.RemoveXattrAsync(inode, name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Space and inodes, as statfs(2) tells them: of all targets, or of the folder's quota where it has one.
    /// </summary>
    public ValueTask<NodeSpace> GetSpaceAsync(InodeId inode, CancellationToken cancellationToken) =>
        _quotas.ApplyAsync(inode, GetSpace(), cancellationToken);

    /// <summary>
    /// Tells an observer of all changes but those made through these operations, until it is disposed.
    /// </summary>
    public IDisposable Subscribe(INodeObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        return _context.Stamps.Feed.Add(observer, this);
    }

    internal NodeSpace GetSpace()
    {
        long total = 0;
        long available = 0;
        foreach (TargetStatus target in _context.Hot.GetTargets())
        {
            total += target.CapacityBytes;
            available += target.State == "ok" ? target.FreeBytes : 0;
        }

        return new NodeSpace(total, available, available, InodeLimit, InodeLimit);
    }
}
