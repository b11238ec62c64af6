using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Server.Configuration;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Hosting;

/// <summary>The configuration, turned into each part's own options.</summary>
internal sealed record PartOptions
{
    /// <summary>
    /// What the cache gets of the budget where it is not set: the rest is for buffers, attributes, the runtime.
    /// </summary>
    private const double CacheShare = 0.6;

    /// <summary>The tree.</summary>
    public required TreeStoreOptions Tree { get; init; }

    /// <summary>The hot tier.</summary>
    public required HotTierOptions Hot { get; init; }

    /// <summary>The memory tier.</summary>
    public required BlockCacheOptions Cache { get; init; }

    /// <summary>The cold tier.</summary>
    public required IReadOnlyList<ObjectStoreOptions> Stores { get; init; }

    /// <summary>The engine.</summary>
    public required FileEngineOptions Engine { get; init; }

    /// <summary>What the whole process may use, bytes.</summary>
    public required long MemoryBudgetBytes { get; init; }

    /// <summary>Makes the options.</summary>
    public static PartOptions From(ServerConfiguration configuration)
    {
        long budget = configuration.MemoryBudgetBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        return new PartOptions
        {
            MemoryBudgetBytes = budget,
            Tree = new TreeStoreOptions { DatabasePath = Path.Combine(configuration.StateDirectory, "tree.db") },
            Hot = new HotTierOptions
            {
                DefaultPool = configuration.DefaultPool,
                Pools = [.. configuration.Pools.Select(ToOptions)],
            },
            Cache = new BlockCacheOptions
            {
                CapacityBytes = configuration.Cache.CapacityBytes ?? (long)(budget * CacheShare),
                Policy = configuration.Cache.Policy,
                SpillDirectory = configuration.Cache.SpillDirectory,
                SpillCapacityBytes = configuration.Cache.SpillCapacityBytes,
            },
            Stores = [.. configuration.ObjectStores.Select(ToOptions)],
            Engine = new FileEngineOptions { Seed = configuration.Engine.Seed },
        };
    }

    private static PoolOptions ToOptions(PoolConfiguration pool) =>
        new()
        {
            Name = pool.Name,
            Directories = pool.Directories,
            Width = pool.Width,
            UnitBytes = pool.UnitBytes,
            CopyCount = pool.CopyCount,
            SegmentLimitBytes = pool.SegmentLimitBytes,
            ReserveBytes = pool.ReserveBytes,
        };

    private static ObjectStoreOptions ToOptions(StoreConfiguration store) =>
        new()
        {
            Name = store.Name,
            Kind = store.Kind,
            Endpoint = store.Endpoint,
            Region = store.Region,
            PathStyle = store.PathStyle,
            AccessKey = Secret(store.AccessKeyEnvironment, store.AccessKeyFile),
            SecretKey = Secret(store.SecretKeyEnvironment, store.SecretKeyFile),
        };

    private static string? Secret(string? variable, string? file) =>
        variable is not null ? "env:" + variable
        : file is not null ? "file:" + Path.GetFullPath(file)
        : null;
}
