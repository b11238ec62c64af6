using DataLayer.Core.Cluster;

namespace DataLayer.Metadata.Nodes;

/// <summary>A node as the database knows it.</summary>
/// <param name="Node">Who it is.</param>
/// <param name="IsLive">Whether its last heartbeat has not expired.</param>
/// <param name="HeartbeatAge">How long ago that was, by the database's clock.</param>
public sealed record NodeStatus(ClusterNode Node, bool IsLive, TimeSpan HeartbeatAge);
