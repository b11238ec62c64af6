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
    /// Puts these tenants in the place of those there are, beside everything else. Those that stay keep their turns and
    /// counts; files of those that go are nobody's. Setting or lifting limits walks a folder once.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument, NotADirectory: tenants that cannot be; those there are
    /// stay.</exception>
    public ValueTask ChangeTenantsAsync(IReadOnlyList<TenantOptions> tenants, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tenants);
        List<string> errors = [];
        TenantOptions.CheckAll(errors, tenants);
        return errors.Count == 0
            ? Context.Tenants.ChangeAsync(this, tenants, cancellationToken)
            : throw new DataLayerException(ErrorCode.InvalidArgument, string.Join("; ", errors) + ".");
    }

    /// <summary>
    /// How much of a folder (or one file) memory and hot tier have, of the first <paramref name="maxFiles"/> files.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, and what a walk of a path says.</exception>
    public ValueTask<LocalityCount> CountLocalityAsync(
        string path, int maxFiles, CancellationToken cancellationToken) =>
        LocalityCount.OfAsync(Context, path, maxFiles, cancellationToken);
}
