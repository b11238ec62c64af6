using DataLayer.Core.Cluster;
using DataLayer.Metadata.Nodes;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>The nodes of the tree.</summary>
internal sealed class NodeEndpoints(NodeHost host)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Nodes, "listNodes", "The nodes that use the tree or did within the last day.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "nodes",
            Answer = typeof(IReadOnlyList<NodeReport>),
        };
    }

    private async Task ListAsync(HttpContext context)
    {
        StorageNode node = host.Open;
        IReadOnlyList<NodeStatus> found = await node.Tree.ListNodesAsync(context.RequestAborted);
        if (found.Count == 0)
        {
            found = [new NodeStatus(node.Nodes.Self, IsLive: true, TimeSpan.Zero)];
        }

        IReadOnlyList<NodeReport> answer = [.. found.Select(n => ToReport(n, node.Nodes.Self))];
        await ApiJson.WriteAsync(context, answer, ProtocolJson.Default.IReadOnlyListNodeReport);
    }

    private static NodeReport ToReport(NodeStatus status, ClusterNode self) => new()
    {
        Id = status.Node.Id,
        Name = status.Node.Name,
        Endpoint = status.Node.PeerEndpoint?.ToString(),
        Zone = status.Node.Zone,
        Role = WireWord.Of(status.Node.Role),
        Epoch = status.Node.Epoch,
        StartedAt = status.Node.StartedAt,
        Live = status.IsLive,
        HeartbeatAgeSeconds = status.HeartbeatAge.TotalSeconds,
        Self = status.Node.Id == self.Id,
    };
}
