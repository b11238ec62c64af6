using DataLayer.Core.Cluster;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Files;

/// <summary>The parts an engine works over; the caller owns and disposes them after the engine.</summary>
/// <param name="Tree">The tree and its journal.</param>
/// <param name="Hot">The hot tier.</param>
/// <param name="Cache">The memory tier.</param>
/// <param name="Stores">The cold tier's stores.</param>
/// <param name="Time">The clock of every wait and time stamp.</param>
public sealed record FileEngineParts(
    TreeStore Tree, HotTier Hot, BlockCache Cache, ObjectStoreRegistry Stores, TimeProvider Time)
{
    /// <summary>What spent budgets keep from being fetched ahead; open where nobody closes it.</summary>
    public SpendGate Gate { get; init; } = new(Time, 1);

    /// <summary>The nodes of the tree; null where it is this one's alone.</summary>
    public INodeDirectory? Nodes { get; init; }

    /// <summary>
    /// What the node that writes changes: given, the engine only reads, and the tree was opened so. Null by default.
    /// </summary>
    public TreeFollower? Follower { get; init; }

    /// <summary>Other nodes that read the same objects; null for none.</summary>
    public PeerParts? Peers { get; init; }
}
