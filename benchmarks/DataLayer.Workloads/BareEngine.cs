using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads;

/// <summary>An engine with its default options over one target in a temporary folder: no service, no network.</summary>
internal sealed class BareEngine : IAsyncDisposable
{
    private readonly TempFolder _folder;
    private HotTier _hot = null!;
    private ObjectStoreRegistry _stores = null!;

    private BareEngine(string name) => _folder = new TempFolder(name);

    /// <summary>The engine.</summary>
    public FileEngine Engine { get; private set; } = null!;

    /// <summary>Its metadata.</summary>
    public TreeStore Tree { get; private set; } = null!;

    /// <summary>Its memory tier.</summary>
    public BlockCache Cache { get; private set; } = null!;

    /// <summary>Opens one.</summary>
    /// <param name="name">The folder's name.</param>
    /// <param name="cache">The memory tier.</param>
    /// <param name="stores">The stores it knows.</param>
    /// <param name="stop">Gives up.</param>
    /// <param name="engine">The engine's options; its state directory is this one's.</param>
    /// <param name="clock">The time; null for the machine's.</param>
    /// <param name="tree">The tree; null for an empty one that goes with the engine.</param>
    public static async Task<BareEngine> OpenAsync(
        string name, BlockCacheOptions cache, ObjectStoreOptions[] stores, CancellationToken stop, FileEngineOptions? engine = null,
        TimeProvider? clock = null, TreeStoreOptions? tree = null)
    {
        BareEngine it = new(name);
        TimeProvider time = clock ?? TimeProvider.System;
        it.Tree = await TreeStore.OpenAsync(
            tree ?? new TreeStoreOptions { DatabasePath = it._folder.Combine("tree.db") }, time, NullLogger<TreeStore>.Instance, stop);
        PoolOptions pool = new() { Name = "default", Directories = [it._folder.MakeFolder("t0")] };
        it._hot = await HotTier.OpenAsync(
            new HotTierOptions { Pools = [pool], StateDirectory = it._folder.MakeFolder("state") }, time,
            NullLogger<HotTier>.Instance, stop);
        it.Cache = new BlockCache(cache, time);
        it._stores = new ObjectStoreRegistry(stores, time, NullLoggerFactory.Instance);
        it.Engine = await FileEngine.OpenAsync(
            new FileEngineParts(it.Tree, it._hot, it.Cache, it._stores, time),
            (engine ?? new FileEngineOptions()) with { StateDirectory = it._folder.MakeFolder("engine") }, NullLoggerFactory.Instance, stop);
        return it;
    }

    /// <summary>A folder beside the engine's.</summary>
    public string MakeFolder(string name) => _folder.MakeFolder(name);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await _stores.DisposeAsync();
        await Cache.DisposeAsync();
        await _hot.DisposeAsync();
        await Tree.DisposeAsync();
        _folder.Dispose();
    }
}
