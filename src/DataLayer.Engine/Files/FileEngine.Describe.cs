using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Tenants;

namespace DataLayer.Engine.Files;

/// <content>What a mount's extended attributes show, and reports.</content>
public sealed partial class FileEngine
{
    /// <summary>As <see cref="DescribeAsync(string, CancellationToken)"/>, by inode; null if it has no name.</summary>
    public async ValueTask<FileDescription?> DescribeAsync(InodeId inode, CancellationToken cancellationToken) =>
        await Context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false) is { } path
            ? await DescribeAsync(path, cancellationToken).ConfigureAwait(false)
            : null;

    /// <summary>The tenants, what each holds and what it got.</summary>
    public IReadOnlyList<TenantStatus> DescribeTenants() => Context.Tenants.Report();

    /// <summary>
    /// How much of a folder (or one file) memory and hot tier have, of the first <paramref name="maxFiles"/> files.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, and what a walk of a path says.</exception>
    public ValueTask<LocalityCount> CountLocalityAsync(
        string path, int maxFiles, CancellationToken cancellationToken) =>
        LocalityCount.OfAsync(Context, path, maxFiles, cancellationToken);
}
