using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads.Cold;

/// <summary>An engine with its default options over one target, 512 MiB of cache and one bucket attached at <c>/data</c>.</summary>
internal sealed class ColdEngine : IAsyncDisposable
{
    private readonly TempFolder _folder = new("bench-cold");
    private TreeStore _tree = null!;
    private HotTier _hot = null!;
    private BlockCache _cache = null!;
    private ObjectStoreRegistry _stores = null!;

    public FileEngine Engine { get; private set; } = null!;

    public static async Task<ColdEngine> OpenAsync(ObjectStoreOptions store, string source, CancellationToken stop)
    {
        ColdEngine it = new();
        string target = Directory.CreateDirectory(it._folder.Combine("target")).FullName;
        it._tree = await TreeStore.OpenAsync(
            new TreeStoreOptions { DatabasePath = it._folder.Combine("tree.db") }, TimeProvider.System,
            NullLogger<TreeStore>.Instance, stop);
        it._hot = await HotTier.OpenAsync(
            new HotTierOptions { Pools = [new PoolOptions { Name = "default", Directories = [target] }] }, TimeProvider.System,
            NullLogger<HotTier>.Instance, stop);
        it._cache = new BlockCache(new BlockCacheOptions { CapacityBytes = 512L << 20 }, TimeProvider.System);
        it._stores = new ObjectStoreRegistry([store], TimeProvider.System, NullLoggerFactory.Instance);
        it.Engine = await FileEngine.OpenAsync(
            new FileEngineParts(it._tree, it._hot, it._cache, it._stores, TimeProvider.System), new FileEngineOptions(),
            NullLoggerFactory.Instance, stop);
        await it.Engine.AttachAsync(
            new AttachRequest { Source = source, Path = "/data", StoreName = store.Name }, progress: null, stop);
        return it;
    }

    /// <summary>Forgets all content, in memory and in the hot tier: the next read is cold.</summary>
    public async Task MakeColdAsync(CancellationToken stop)
    {
        await Engine.Context.Fetches.WhenIdleAsync();
        await Engine.EvictAsync("/data", hotToo: true, stop);
    }

    /// <summary>Reads a file front to back, 1 MiB a call; the bytes read.</summary>
    public async Task<long> ReadAsync(string path, byte[] buffer, CancellationToken stop)
    {
        await using OpenFile file = await Engine.OpenFileAsync(path, write: false, stop);
        long done = 0;
        while (await file.ReadAsync(done, buffer, stop) is > 0 and int count)
        {
            done += count;
        }

        return done;
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await _stores.DisposeAsync();
        await _cache.DisposeAsync();
        await _hot.DisposeAsync();
        await _tree.DisposeAsync();
        _folder.Dispose();
    }
}
