namespace DataLayer.Core.Cluster;

/// <summary>
/// The directory of a tree that one service has to itself: it knows that node, which is never fenced.
/// </summary>
public sealed class SoleNode : INodeDirectory
{
    /// <summary>A directory of one node.</summary>
    public SoleNode(ClusterNode self)
    {
        ArgumentNullException.ThrowIfNull(self);
        Self = self;
        Live = [self];
    }

    /// <inheritdoc/>
    public event EventHandler? Changed
    {
        add { } // Nothing ever changes.
        remove { }
    }

    /// <inheritdoc/>
    public ClusterNode Self { get; }

    /// <inheritdoc/>
    public IReadOnlyList<ClusterNode> Live { get; }

    /// <inheritdoc/>
    public bool IsFenced => false;
}
