using DataLayer.Engine.Files;
using DataLayer.Fuse;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>
/// DataLayer with its default options, 1 GiB of memory and one target, the bucket attached read-only. Cold, its memory and its target
/// hold nothing; the tree knows the names since the attach.
/// </summary>
internal sealed class OwnMount : IBucketMount
{
    private const string Folder = "data";
    private readonly MountedTree _tree;

    private OwnMount(MountedTree tree) => _tree = tree;

    /// <inheritdoc/>
    public string Name => "datalayer";

    /// <inheritdoc/>
    public string Path => System.IO.Path.Combine(_tree.Path, Folder);

    /// <summary>Attaches the bucket and mounts.</summary>
    public static async Task<OwnMount> StartAsync(ObjectStoreOptions store, string bucket, CancellationToken stop)
    {
        MountedTree tree = await MountedTree.StartAsync(new MountedTreeOptions { CacheBytes = 1L << 30, Stores = [store] });
        try
        {
            await tree.Engine.AttachAsync(
                new AttachRequest { Source = $"s3://{bucket}", Path = "/" + Folder, StoreName = store.Name }, progress: null, stop);
            KernelReadahead.Raise(tree.Path);
            return new OwnMount(tree);
        }
        catch
        {
            await tree.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task MakeColdAsync(CancellationToken cancellationToken)
    {
        await SettleAsync();
        await _tree.Engine.EvictAsync("/" + Folder, hotToo: true, cancellationToken);
    }

    /// <inheritdoc/>
    public Task SettleAsync() => _tree.Engine.Context.Fetches.WhenIdleAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _tree.DisposeAsync();
}
