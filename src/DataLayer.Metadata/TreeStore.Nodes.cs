using System.Data.Common;
using DataLayer.Metadata.Nodes;

namespace DataLayer.Metadata;

/// <content>The nodes that use the tree.</content>
public sealed partial class TreeStore
{
    /// <summary>
    /// The nodes that use the tree or did within the last day, by id; none where it lies in a file, which one service
    /// has to itself.
    /// </summary>
    public ValueTask<IReadOnlyList<NodeStatus>> ListNodesAsync(CancellationToken cancellationToken) =>
        _dialect.IsLocal ? ValueTask.FromResult<IReadOnlyList<NodeStatus>>([])
            : _reads.RunAsync<IReadOnlyList<NodeStatus>>(
                static t =>
                {
                    List<NodeStatus> nodes = [];
                    using DbDataReader reader = t.Session.Get(NodeTable.SelectAll).Query();
                    while (reader.Read())
                    {
                        nodes.Add(NodeTable.Read(reader));
                    }

                    return nodes;
                },
                cancellationToken);
}
