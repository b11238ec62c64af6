using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <content>Checks.</content>
public sealed partial class TreeStore
{
    /// <summary>
    /// Checks the tree against itself: database integrity, checksums of all rows, link counts, dangling dentries,
    /// unreachable inodes, bad placements, journal without inode. Changes nothing.
    /// </summary>
    public ValueTask<IReadOnlyList<TreeProblem>> CheckAsync(CancellationToken cancellationToken) =>
        new(Task.Run(async () => await _reads.RunAsync(TreeCheck.Run, cancellationToken)
            .ConfigureAwait(false), cancellationToken));
}
