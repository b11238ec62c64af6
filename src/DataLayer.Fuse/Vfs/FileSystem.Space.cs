using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <content>Space, and quotas as a mount shows them.</content>
internal sealed partial class FileSystem
{
    /// <summary>statfs: of the whole mount, wherever in it it is asked, so that a quota of its root shows.</summary>
    internal ValueTask<NodeSpace> GetSpaceAsync(CancellationToken cancellationToken) =>
        _nodes.GetSpaceAsync(InodeOf(Interop.Abi.RootNode), cancellationToken);

    /// <summary>
    /// Whether a quota is one that <see cref="GetSpaceAsync"/> shows. Where it is used up the mount is full (ENOSPC);
    /// a quota of a folder further down leaves space elsewhere on it (EDQUOT).
    /// </summary>
    internal bool IsQuotaShown(long quotaFolder) => _nodes.IsQuotaShown(quotaFolder, _options.Root);
}
