using DataLayer.Core.Identity;

namespace DataLayer.Engine.Files;

/// <content>What a mount's extended attributes show.</content>
public sealed partial class FileEngine
{
    /// <summary>As <see cref="DescribeAsync(string, CancellationToken)"/>, by inode; null if it has no name.</summary>
    public async ValueTask<FileDescription?> DescribeAsync(InodeId inode, CancellationToken cancellationToken) =>
        await Context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false) is { } path
            ? await DescribeAsync(path, cancellationToken).ConfigureAwait(false)
            : null;
}
