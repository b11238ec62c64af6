using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
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

    /// <summary>Regular files whose bytes or names changed since a time, a page by inode.</summary>
    /// <param name="after">The inode to go on after.</param>
    /// <param name="sinceNanoseconds">Nanoseconds since 1970 UTC, by the writing node's clock.</param>
    /// <param name="limit">How many at most, a count from 1.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<IReadOnlyList<InodeAttributes>> ListChangedAsync(
        InodeId after, long sinceNanoseconds, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<InodeAttributes>>(
            t => t.Inodes.ListChanged(after, sinceNanoseconds, limit).ConvertAll(static row => row.ToAttributes()),
            cancellationToken);
    }

    internal ValueTask<ChangePosition> FindChangePositionAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync(static t => ChangeRows.FindPosition(t.Session), cancellationToken);

    internal ValueTask<(long Commits, List<(long Number, long Epoch, byte[] Body)> Rows)> ListChangesAsync(
        long fromRow, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => ChangeRows.ListFrom(t.Session, fromRow), cancellationToken);

    /// <summary>What a node may know of a content whose hot copy is another node's.</summary>
    private static FileContent? WithoutHotCopy(FileContent? content) =>
        content is null ? null : content with { Placement = null, Residency = new ResidencyBitmap(0) };
}
