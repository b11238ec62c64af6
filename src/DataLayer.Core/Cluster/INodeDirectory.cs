namespace DataLayer.Core.Cluster;

/// <summary>
/// The nodes of a tree that are alive. Members are safe for concurrent use and answer at once, from memory.
/// </summary>
public interface INodeDirectory
{
    /// <summary>This node.</summary>
    ClusterNode Self { get; }

    /// <summary>
    /// The nodes whose heartbeats have not expired, this one included, in the order of their ids; the same list
    /// object until something changes. A node that is cut off knows nobody but itself. It may be late by a heartbeat:
    /// who is in it may be gone.
    /// </summary>
    IReadOnlyList<ClusterNode> Live { get; }

    /// <summary>
    /// Whether this node must change nothing any more: its heartbeats were lost for so long that others may take
    /// over what it held.
    /// </summary>
    bool IsFenced { get; }

    /// <summary>Raised after <see cref="Live"/> changed, on a thread of the directory: handlers return soon.</summary>
    event EventHandler? Changed;
}
