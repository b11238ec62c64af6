using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestSupport.Nodes;

/// <summary>An engine over one folder as a mount uses it: small bounds, so that every path is taken soon.</summary>
public sealed class NodesEngine : IAsyncDisposable
{
    private readonly TreeStore _tree;
    private readonly HotTier _hot;
    private readonly BlockCache _cache;
    private readonly ObjectStoreRegistry _stores;

    private NodesEngine(TreeStore tree, HotTier hot, BlockCache cache, ObjectStoreRegistry stores, FileEngine engine)
    {
        _tree = tree;
        _hot = hot;
        _cache = cache;
        _stores = stores;
        Engine = engine;
    }

    /// <summary>The engine.</summary>
    public FileEngine Engine { get; }

    /// <summary>The targets' folders of a shape of the tests that kill.</summary>
    public static IReadOnlyList<string> TargetsOf(int shape) => shape switch
    {
        0 => ["target"],
        3 => ["t0", "t1", "t2"],
        _ => ["t0", "t1"],
    };

    /// <summary>Opens it, and makes what is missing.</summary>
    public static Task<NodesEngine> OpenAsync(string folder, bool keepOrphans, TimeSpan writebackDelay) =>
        OpenAsync(folder, keepOrphans, writebackDelay, ["target"], copyCount: 1, step: null);

    /// <summary>As the other, over several targets, each a folder in it; <paramref name="step"/> is told of each step.</summary>
    public static async Task<NodesEngine> OpenAsync(
        string folder, bool keepOrphans, TimeSpan writebackDelay, IReadOnlyList<string> targets, int copyCount, Action<string>? step)
    {
        foreach (string target in targets)
        {
            Directory.CreateDirectory(Path.Combine(folder, target));
        }

        Directory.CreateDirectory(Path.Combine(folder, "hot"));
        TimeProvider time = TimeProvider.System;
        TreeStoreOptions options = new() { DatabasePath = Path.Combine(folder, "tree.db") };
        TreeStore tree = await TreeStore.OpenAsync(options, time, NullLogger<TreeStore>.Instance, CancellationToken.None);
        PoolOptions pool = new()
        {
            Name = "default",
            Directories = [.. targets.Select(target => Path.Combine(folder, target))],
            Width = targets.Count / copyCount,
            CopyCount = copyCount,
            UnitBytes = targets.Count > 1 ? 64 << 10 : 1 << 20,
            SegmentLimitBytes = 64 << 10,
            ReserveBytes = 0,
        };
        HotTierOptions tier = new() { Pools = [pool], StateDirectory = Path.Combine(folder, "hot"), StepHook = step };
        HotTier hot = await HotTier.OpenAsync(tier, time, NullLogger<HotTier>.Instance, CancellationToken.None);
        BlockCache cache = new(new BlockCacheOptions { CapacityBytes = 16L << 20 }, time);
        ObjectStoreRegistry stores = new(
            [new ObjectStoreOptions { Name = "default", Kind = "directory" }], time, NullLoggerFactory.Instance);
        FileEngineOptions engine = new()
        {
            StateDirectory = folder,
            UnflushedBytes = 4L << 20,
            WritebackDelay = writebackDelay,
            KeepOrphans = keepOrphans,
            StepHook = step,
        };
        FileEngineParts parts = new(tree, hot, cache, stores, time);
        FileEngine opened = await FileEngine.OpenAsync(parts, engine, NullLoggerFactory.Instance, CancellationToken.None);
        return new NodesEngine(tree, hot, cache, stores, opened);
    }

    /// <summary>Closes every part, also where one fails because its disk is gone; then the first error is thrown.</summary>
    public async ValueTask DisposeAsync()
    {
        Exception? first = null;
        foreach (IAsyncDisposable part in (IAsyncDisposable[])[Engine, _tree, _hot, _cache, _stores])
        {
            try
            {
                await part.DisposeAsync();
            }
            catch (Exception error)
            {
                first ??= error;
            }
        }

        if (first is not null)
        {
            throw new IOException("A part could not be closed: " + first.Message, first);
        }
    }
}
