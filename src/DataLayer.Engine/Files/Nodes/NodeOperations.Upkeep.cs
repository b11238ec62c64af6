using DataLayer.Core.Identity;
using DataLayer.Metadata;
using DataLayer.Metadata.Quotas;
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
        bool isQuota = TreeStore.IsQuotaAttribute(name);
        using (Change(all: isQuota).Inode(inode))
        {
            await Tree.SetXattrAsync(inode, name, value, condition, cancellationToken).ConfigureAwait(false);
        }

        await ReloadForQuotaAsync(isQuota).ConfigureAwait(false);
    }

    /// <summary>Removes an extended attribute.</summary>
    /// <exception cref="Core.Errors.DataLayerException">NotFound: no such inode or attribute.</exception>
    public async ValueTask RemoveXattrAsync(InodeId inode, string name, CancellationToken cancellationToken)
    {
        bool isQuota = TreeStore.IsQuotaAttribute(name);
        using (Change(all: isQuota).Inode(inode))
        {
            await Tree.RemoveXattrAsync(inode, name, cancellationToken).ConfigureAwait(false);
        }

        await ReloadForQuotaAsync(isQuota).ConfigureAwait(false);
    }

    private ValueTask ReloadForQuotaAsync(bool mayCountElsewhere) =>
        mayCountElsewhere ? _context.ReloadAllAsync() : ValueTask.CompletedTask;

    /// <summary>
    /// Space and inodes, as statfs(2) tells them: of all targets, or of the folder's quota where it has one.
    /// </summary>
    public async ValueTask<NodeSpace> GetSpaceAsync(InodeId inode, CancellationToken cancellationToken)
    {
        NodeSpace whole = GetSpace();
        QuotaBook quotas = _context.Tree.Quotas;
        if (quotas.IsEmpty)
        {
            return whole;
        }

        QuotaSpace? quota = quotas.Find(inode.Value)
            ?? quotas.Find((await GetAsync(inode, cancellationToken).ConfigureAwait(false))?.QuotaFolder ?? 0);
        if (quota is not { } space)
        {
            return whole;
        }

        if (space.LimitBytes > 0)
        {
            whole = whole with
            {
                TotalBytes = space.LimitBytes,
                FreeBytes = space.FreeBytes,
                AvailableBytes = Math.Min(space.FreeBytes, whole.AvailableBytes),
            };
        }

        return space.LimitInodes == 0
            ? whole
            : whole with { TotalInodes = space.LimitInodes, FreeInodes = space.FreeInodes };
    }

    /// <summary>
    /// Whether a quota is among those that <see cref="GetSpaceAsync"/> looks at for a folder: the folder's own, or one
    /// of a folder above it.
    /// </summary>
    public bool IsQuotaShown(long quotaFolder, InodeId folder) =>
        quotaFolder == folder.Value || _context.Tree.Quotas.LiesIn(folder.Value, quotaFolder)
        || (_context.View.Peek(folder) is { } known
            && (known.QuotaFolder == quotaFolder || _context.Tree.Quotas.LiesIn(known.QuotaFolder, quotaFolder)));

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
