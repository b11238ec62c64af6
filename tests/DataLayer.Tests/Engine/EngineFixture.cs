using System.Text;
using DataLayer.Core.Cluster;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Engine;

/// <summary>
/// An engine over real parts in a temporary folder: a tree on SQLite, two targets, a cache, a bucket that is a folder. It can be
/// closed and opened again, cleanly or as after a crash.
/// </summary>
internal sealed class EngineFixture : IAsyncDisposable
{
    private readonly TempFolder _folder = new("engine");
    private TreeStore? _tree;
    private HotTier? _hot;
    private ObjectStoreRegistry? _stores;

    public int Width { get; init; } = 2;

    public int SegmentLimitBytes { get; init; } = 64 << 10;

    public long CacheBytes { get; init; } = 64L << 20;

    public string CachePolicy { get; init; } = "lru";

    public long ReserveBytes { get; init; }

    /// <summary>Whether there is a second pool, <c>fast</c>, over targets 2 and 3.</summary>
    public bool HasFastPool { get; init; }

    public Action<string>? StepHook { get; set; }

    public Func<FileEngineOptions>? Options { get; set; }

    public long RecallQueueBytes { get; set; } = 128L << 20;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The nodes of the tree; null where the engine is alone.</summary>
    public INodeDirectory? Nodes { get; init; }

    public FileEngine Engine { get; private set; } = null!;

    public BlockCache Cache { get; private set; } = null!;

    public TreeStore Tree => _tree!;

    public HotTier Hot => _hot!;

    public string Bucket => _folder.Combine("bucket");

    /// <summary>Where the targets lie, or null for the fixture's own folder.</summary>
    public string? TargetRoot { get; init; }

    /// <summary>What stands in front of the targets, such as a faulty one.</summary>
    public Func<ITarget, ITarget> DecorateTarget { get; init; } = static target => target;

    public string Target(int index) => Path.Combine(TargetRoot ?? _folder.Path, $"t{index}");

    /// <summary>What stands in front of the bucket: counts, holds, breaks.</summary>
    public StoreProbe Probe { get; } = new();

    public static async Task<EngineFixture> OpenAsync() => await new EngineFixture().StartAsync();

    public async Task<EngineFixture> StartAsync()
    {
        Directory.CreateDirectory(Bucket);
        for (int i = 0; i < (HasFastPool ? 4 : 2); i++)
        {
            Directory.CreateDirectory(Target(i));
        }

        PoolOptions pool = new()
        {
            Name = "default",
            Directories = [Target(0), Target(1)],
            Width = Width,
            UnitBytes = 256 << 10,
            SegmentLimitBytes = SegmentLimitBytes,
            ReserveBytes = ReserveBytes,
        };
        _tree = await TreeStore.OpenAsync(
            new TreeStoreOptions { DatabasePath = _folder.Combine("tree.db"), UploadDelay = TimeSpan.Zero },
            Time,
            NullLogger<TreeStore>.Instance,
            CancellationToken.None);
        _hot = await HotTier.OpenAsync(
            new HotTierOptions
            {
                Pools = HasFastPool ? [pool, Fast(Target(2), Target(3))] : [pool],
                StateDirectory = _folder.MakeFolder("hot"),
                OpenFileCount = 64,
                SegmentBytes = 1 << 20,
                FenceTime = TimeSpan.Zero,
                CheckInterval = TimeSpan.FromHours(1),
            },
            Time,
            NullLogger<HotTier>.Instance,
            DecorateTarget,
            CancellationToken.None);
        Cache = new BlockCache(new BlockCacheOptions { CapacityBytes = CacheBytes, Policy = CachePolicy }, Time);
        _stores = new ObjectStoreRegistry(
            [new ObjectStoreOptions { Name = "default", Kind = "directory" }], Time, NullLoggerFactory.Instance);
        FileEngineOptions basis = Options?.Invoke() ?? new FileEngineOptions();
        FileEngineOptions options = new()
        {
            FirstBackoff = TimeSpan.FromMilliseconds(1),
            MaxBackoff = TimeSpan.FromMilliseconds(20),
            JournalInterval = TimeSpan.FromMilliseconds(50),
            CompactionInterval = TimeSpan.Zero,
            OpenReaderGrace = basis.OpenReaderGrace,
            KeepOrphans = basis.KeepOrphans,
            StateDirectory = _folder.MakeFolder("state"),
            UnflushedBytes = basis.UnflushedBytes,
            WritebackDelay = basis.WritebackDelay,
            RoomPatience = basis.RoomPatience,
            RecallPatience = basis.RecallPatience,
            YieldPatience = basis.YieldPatience,
            RecallQueueBytes = RecallQueueBytes,
            ListParallelism = basis.ListParallelism,
            ReadaheadBytes = basis.ReadaheadBytes,
            Heat = basis.Heat,
            GroupRecall = basis.GroupRecall,
            GroupRecallBytes = basis.GroupRecallBytes,
            ReadaheadMemoryBytes = basis.ReadaheadMemoryBytes,
            Prefetch = basis.Prefetch,
            MaxRequests = basis.MaxRequests,
            ContendedBytes = basis.ContendedBytes,
            Tenants = basis.Tenants,
            DecorateStore = Probe.Over,
            StepHook = StepHook is null ? null : name => StepHook?.Invoke(name),
        };
        Engine = await FileEngine.OpenAsync(
            new FileEngineParts(_tree, _hot, Cache, _stores, Time) { Nodes = Nodes }, options, NullLoggerFactory.Instance, CancellationToken.None);
        return this;
    }

    private PoolOptions Fast(params string[] directories) => new()
    {
        Name = "fast",
        Directories = directories,
        Width = Width,
        UnitBytes = 256 << 10,
        SegmentLimitBytes = SegmentLimitBytes,
        ReserveBytes = ReserveBytes,
    };

    /// <summary>Closes everything and opens it again; the cache starts empty.</summary>
    public async Task ReopenAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public async Task StopAsync()
    {
        await Engine.DisposeAsync();
        await _tree!.DisposeAsync();
        await _hot!.DisposeAsync();
        await Cache.DisposeAsync();
        await _stores!.DisposeAsync();
    }

    /// <summary>Writes an object into the bucket as somebody else would.</summary>
    public async Task PutObjectAsync(string key, byte[] bytes) => await Store().PutAsync(key, bytes);

    public async Task<byte[]?> GetObjectAsync(string key)
    {
        IObjectStore store = Store();
        ObjectProperties? found = await store.HeadAsync(key, CancellationToken.None);
        return found is null ? null : await store.GetAsync(key, (int)found.Value.SizeBytes + 1);
    }

    public Task<List<string>> ObjectKeysAsync() => Store().ListKeysAsync();

    public ValueTask<Attachment> AttachAsync(
        AttachmentMode mode = AttachmentMode.ReadWrite,
        FreshnessMode freshness = FreshnessMode.Immutable,
        FlushMode flush = FlushMode.WriteBack,
        string path = "/data",
        TimeSpan? maxAge = null,
        IProgress<AttachProgress>? progress = null) =>
        Engine.AttachAsync(
            new AttachRequest
            {
                Source = $"file://{Bucket}",
                Path = path,
                Mode = mode,
                Freshness = freshness,
                Flush = flush,
                MaxAge = maxAge ?? TimeSpan.FromMinutes(1),
            },
            progress,
            CancellationToken.None);

    /// <summary>Everything that runs behind the readers' backs has ended: fetches and recalls.</summary>
    public Task SettleAsync() => Engine.Context.Fetches.WhenIdleAsync();

    /// <summary>The journal owes nothing any more.</summary>
    public async Task JournalDoneAsync(CancellationToken cancellationToken = default)
    {
        while (await Tree.ListJournalAsync(null, 0, 1, CancellationToken.None) is { Count: > 0 })
        {
            cancellationToken.ThrowIfCancellationRequested();
            Engine.Context.JournalSignal?.Invoke();
            await Task.Yield();
        }
    }

    /// <summary>Whether the tree forgets an inode without names, once those who work on it have ended; false after a minute.</summary>
    public async Task<bool> IsForgottenAsync(InodeId inode)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (await Tree.GetAsync(inode, CancellationToken.None) is not null)
        {
            if (limit.IsCancellationRequested)
            {
                return false;
            }

            await Task.Yield();
        }

        return true;
    }

    public async Task<byte[]> ReadAllAsync(string path)
    {
        await using OpenFile file = await Engine.OpenFileAsync(path, write: false, CancellationToken.None);
        return await ReadAllAsync(file);
    }

    public static async Task<byte[]> ReadAllAsync(OpenFile file)
    {
        byte[] bytes = new byte[file.Attributes.SizeBytes];
        int read = await file.ReadAsync(0, bytes, CancellationToken.None);
        Assert.Equal(bytes.Length, read);
        return bytes;
    }

    public async Task<byte[]> ReadAsync(string path, long offset, int length)
    {
        await using OpenFile file = await Engine.OpenFileAsync(path, write: false, CancellationToken.None);
        byte[] bytes = new byte[length];
        int read = await file.ReadAsync(offset, bytes, CancellationToken.None);
        return bytes[..read];
    }

    public async Task<InodeAttributes> WriteFileAsync(string path, byte[] bytes, ReplaceOptions? options = null)
    {
        await using FileReplacement replacement = await Engine.ReplaceFileAsync(path, options ?? new ReplaceOptions(), CancellationToken.None);
        await replacement.WriteAsync(bytes, CancellationToken.None);
        return await replacement.CommitAsync(CancellationToken.None);
    }

    public async Task<string> TextAsync(string path) => Encoding.UTF8.GetString(await ReadAllAsync(path));

    /// <summary>Closes, changes the database behind the tree's back, and opens again.</summary>
    public async Task DamageTreeAsync(string sql)
    {
        await StopAsync();
        await using (SqliteConnection connection = new($"Data Source={_folder.Combine("tree.db")};Pooling=False;Foreign Keys=False"))
        {
            await connection.OpenAsync();
            await using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            Assert.NotEqual(0, await command.ExecuteNonQueryAsync());
        }

        await StartAsync();
    }

    /// <summary>The tree and the targets agree, and no work is left over.</summary>
    public async Task AssertCleanAsync()
    {
        CheckReport report = await Engine.FsckAsync(repair: false, CancellationToken.None);
        Assert.Empty(report.Problems);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            _folder.Dispose();
        }
    }

    private IObjectStore Store() => _stores!.Open("default", ObjectSource.Parse($"file://{Bucket}"), "test");
}
