using DataLayer.Engine.Files;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;

namespace DataLayer.Workloads.Cold;

/// <summary>An engine with its default options over one target, 512 MiB of cache and one bucket attached at <c>/data</c>.</summary>
internal sealed class ColdEngine : IAsyncDisposable
{
    private readonly BareEngine _bare;

    private ColdEngine(BareEngine bare) => _bare = bare;

    public FileEngine Engine => _bare.Engine;

    public static async Task<ColdEngine> OpenAsync(ObjectStoreOptions store, string source, CancellationToken stop)
    {
        ColdEngine it = new(await BareEngine.OpenAsync(
            "bench-cold", new BlockCacheOptions { CapacityBytes = 512L << 20 }, [store], stop));
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

    public ValueTask DisposeAsync() => _bare.DisposeAsync();
}
