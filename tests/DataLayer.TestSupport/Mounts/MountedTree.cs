using DataLayer.Engine.Files;
using DataLayer.Fuse;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestSupport.Mounts;

/// <summary>What a <see cref="MountedTree"/> is made of.</summary>
public sealed record MountedTreeOptions
{
    /// <summary>Bytes of the memory tier.</summary>
    public long CacheBytes { get; init; } = 64L << 20;

    /// <summary>How many targets there are.</summary>
    public int TargetCount { get; init; } = 1;

    /// <summary>The folder everything is kept in; null for a temporary one.</summary>
    public string? Folder { get; init; }

    /// <summary>Whether there is a kernel's mount; else only the engine.</summary>
    public bool IsMounted { get; init; } = true;

    /// <summary>Whether devices and set-user-id files are honoured.</summary>
    public bool IsPrivileged { get; init; }

    /// <summary>Files larger than this, in bytes, get a backing file of their own.</summary>
    public int SegmentLimitBytes { get; init; } = 1 << 20;

    /// <summary>The mount's settings, from the defaults.</summary>
    public Func<FuseMountOptions, FuseMountOptions>? Mount { get; init; }

    /// <summary>The object stores; null for one whose buckets are folders.</summary>
    public IReadOnlyList<ObjectStoreOptions>? Stores { get; init; }

    /// <summary>Where messages go.</summary>
    public ILoggerFactory Logs { get; init; } = NullLoggerFactory.Instance;
}

/// <summary>
/// An engine in this process with a real mount before it. The clients of the mount had better be other processes: a page fault of
/// this one on the mount could wait for a thread that the garbage collector has stopped.
/// </summary>
/// <remarks>The mount is gone after disposal, whatever failed.</remarks>
public sealed class MountedTree : IAsyncDisposable
{
    private readonly TempFolder _temporary = new("mount");
    private readonly MountedTreeOptions _options;
    private TreeStore? _tree;
    private HotTier? _hot;
    private BlockCache? _cache;
    private ObjectStoreRegistry? _stores;
    private FileEngine? _engine;
    private FusePoint? _point;
    private FuseMount? _mount;
    private ReadOnlyMemory<byte> _negotiated;

    private MountedTree(MountedTreeOptions options) => _options = options;

    /// <summary>Where it is mounted.</summary>
    public string Path => _temporary.Combine("mnt");

    /// <summary>What is served.</summary>
    public FileEngine Engine => _engine ?? throw new InvalidOperationException("The engine is stopped.");

    /// <summary>The service's end of the mount.</summary>
    public FuseMount Mount => _mount ?? throw new InvalidOperationException("Nothing is mounted.");

    /// <summary>A bucket that is a folder.</summary>
    public string Bucket => System.IO.Path.Combine(Root, "bucket");

    /// <summary>The files that the kernel reads by itself.</summary>
    public DeviceBacking Backing => field ??= new DeviceBacking(() => _point!.Device);

    private string Root => _options.Folder ?? _temporary.Combine("state");

    /// <summary>Opens the engine and mounts.</summary>
    public static async Task<MountedTree> StartAsync(MountedTreeOptions? options = null)
    {
        var made = new MountedTree(options ?? new MountedTreeOptions());
        try
        {
            await made.OpenEngineAsync(keepOrphans: false);
            if (made._options.IsMounted)
            {
                var readOnly = made.MountOptions().ReadOnly;
                made._point = new FusePoint(made.Path, readOnly, made._options.IsPrivileged);
                await made.ServeAsync(isTakeover: false);
            }

            return made;
        }
        catch
        {
            await made.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the kernel was told of every change that was made before.</summary>
    public Task WaitForInvalidationsAsync() => Mount.WhenKernelKnowsAsync();

    /// <summary>Ends the service's end as an upgrade does, and starts it anew over the same mount, which stays.</summary>
    public async Task RestartServiceAsync()
    {
        await StopServiceAsync();
        await StartServiceAsync();
    }

    /// <summary>Ends the service's end; the mount stays, and whoever uses it waits.</summary>
    public Task StopServiceAsync() => CloseEngineAsync();

    /// <summary>Starts a service over the mount that a stopped one left.</summary>
    public async Task StartServiceAsync()
    {
        await OpenEngineAsync(keepOrphans: true);
        await ServeAsync(isTakeover: true);
    }

    /// <summary>Unmounts and mounts anew, with an engine that has forgotten what memory held.</summary>
    public async Task RemountAsync()
    {
        _point!.Dispose();
        await CloseEngineAsync();
        await OpenEngineAsync(keepOrphans: false);
        _point = new FusePoint(Path, MountOptions().ReadOnly, _options.IsPrivileged);
        await ServeAsync(isTakeover: false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _point?.Dispose();
        try
        {
            await CloseEngineAsync();
        }
        finally
        {
            _temporary.Dispose();
        }
    }

    private FuseMountOptions MountOptions()
    {
        var options = new FuseMountOptions { MountId = "test", Backing = Backing };
        return _options.Mount?.Invoke(options) ?? options;
    }

    private async Task ServeAsync(bool isTakeover) =>
        _mount = await FuseMount.StartAsync(
            _point!.Device,
            Engine,
            MountOptions() with
            {
                IsTakeover = isTakeover,
                Negotiated = _negotiated,
                OnNegotiated = (bytes, _) =>
                {
                    _negotiated = bytes;
                    return ValueTask.CompletedTask;
                },
            },
            TimeProvider.System,
            _options.Logs,
            CancellationToken.None);

    private async Task OpenEngineAsync(bool keepOrphans)
    {
        Directory.CreateDirectory(Bucket);
        var targets = new List<string>();
        for (var i = 0; i < _options.TargetCount; i++)
        {
            targets.Add(Directory.CreateDirectory(System.IO.Path.Combine(Root, $"t{i}")).FullName);
        }

        _tree = await TreeStore.OpenAsync(
            new TreeStoreOptions { DatabasePath = System.IO.Path.Combine(Root, "tree.db") },
            TimeProvider.System, NullLogger<TreeStore>.Instance, CancellationToken.None);
        _hot = await HotTier.OpenAsync(
            new HotTierOptions
            {
                Pools = [new PoolOptions { Name = "default", Directories = targets, SegmentLimitBytes = _options.SegmentLimitBytes }],
                StateDirectory = Directory.CreateDirectory(System.IO.Path.Combine(Root, "hot")).FullName,
            },
            TimeProvider.System, NullLogger<HotTier>.Instance, CancellationToken.None);
        _cache = new BlockCache(new BlockCacheOptions { CapacityBytes = _options.CacheBytes }, TimeProvider.System);
        _stores = new ObjectStoreRegistry(
            _options.Stores ?? [new ObjectStoreOptions { Name = "default", Kind = "directory" }], TimeProvider.System,
            NullLoggerFactory.Instance);
        _engine = await FileEngine.OpenAsync(
            new FileEngineParts(_tree, _hot, _cache, _stores, TimeProvider.System),
            new FileEngineOptions { KeepOrphans = keepOrphans }, _options.Logs, CancellationToken.None);
    }

    private async Task CloseEngineAsync()
    {
        if (_mount is not null)
        {
            await _mount.DisposeAsync();
            _mount = null;
        }

        if (_engine is not null)
        {
            await _engine.DisposeAsync();
            _engine = null;
        }

        await DisposeAsync(_tree);
        await DisposeAsync(_hot);
        await DisposeAsync(_cache);
        await DisposeAsync(_stores);
        (_tree, _hot, _cache, _stores) = (null, null, null, null);
    }

    private static ValueTask DisposeAsync(IAsyncDisposable? part) => part?.DisposeAsync() ?? ValueTask.CompletedTask;
}
