using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tiering.Automation;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Keeper.Mounts;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.Server.Configuration;
using DataLayer.Server.Peers;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Hosting;

/// <summary>
/// One node's parts, opened in order (lock, tree, hot tier, memory tier, stores, engine) and closed in the reverse
/// one. The service
/// holds one; so does an offline fsck.
/// </summary>
internal sealed partial class StorageNode : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _opened = new();
    private StateLock? _lock;

    private StorageNode() { }

    /// <summary>The tree's engine.</summary>
    public FileEngine Engine { get; private set; } = null!;

    /// <summary>The hot tier.</summary>
    public HotTier Hot { get; private set; } = null!;

    /// <summary>The memory tier.</summary>
    public BlockCache Cache { get; private set; } = null!;

    /// <summary>The cold tier's stores.</summary>
    public ObjectStoreRegistry Stores { get; private set; } = null!;

    /// <summary>The versions of the tiering policy.</summary>
    public PolicyVersions Policies { get; private set; } = null!;

    /// <summary>
    /// The records of the mounts that outlived the service before: files without names are kept for them.
    /// </summary>
    public IReadOnlyList<string> KeptMounts { get; private set; } = [];

    /// <summary>The tree's store.</summary>
    public TreeStore Tree { get; private set; } = null!;

    /// <summary>The nodes of the tree that are alive, and this one among them.</summary>
    public INodeDirectory Nodes { get; private set; } = null!;

    /// <summary>The jobs; null until <see cref="OpenJobsAsync"/>.</summary>
    public JobService? Jobs { get; private set; }

    /// <summary>Moves files between the tiers; null until <see cref="OpenJobsAsync"/>.</summary>
    public Mover? Mover { get; private set; }

    /// <summary>Moves files by itself, where that is on; null until <see cref="OpenJobsAsync"/>.</summary>
    public AutoTiering? Auto { get; private set; }

    /// <summary>Shares that are reserved in windows; null until <see cref="OpenJobsAsync"/>.</summary>
    public HeadroomService? Headrooms { get; private set; }

    /// <summary>Makes warm-ups before recurring uses; null where that is off.</summary>
    public LearnedWarmer? Learned { get; private set; }

    /// <summary>The lists that jobs were given.</summary>
    public JobInputs JobInputs { get; private set; } = null!;

    /// <summary>Stores added while a service ran.</summary>
    public DefinedStores DefinedStores { get; private set; } = null!;

    /// <summary>Tiering plans.</summary>
    public PlanStore Plans { get; private set; } = null!;

    /// <summary>What the node costs; a service starts it.</summary>
    public CostMeter Costs { get; private set; } = null!;

    /// <summary>Other nodes over the same object stores; null for none.</summary>
    public PeerParts? Peers { get; private set; }

    /// <summary>How they are asked; null for none.</summary>
    public HttpPeerLink? PeerLink { get; private set; }

    /// <summary>What the whole process may use, bytes.</summary>
    public long MemoryBudgetBytes { get; private set; }

    /// <summary>
    /// Opens everything; on a fault what was open is closed again. Other nodes are those of
    /// <paramref name="directory"/> instead of those that the configuration names.
    /// </summary>
    public static async Task<StorageNode> OpenAsync(
        ServerConfiguration configuration,
        TimeProvider time,
        ILoggerFactory logs,
        CancellationToken cancellationToken,
        IPeerDirectory? directory = null
    )
    {
        StorageNode node = new();
        try
        {
            node._lock = StateLock.Acquire(configuration.StateDirectory);
            node.MemoryBudgetBytes = configuration.MemoryBudgetBytes;
            TreeStore tree = node.Tree = node.Keep(
                await TreeStore.OpenAsync(configuration.Tree, time, logs.CreateLogger<TreeStore>(), cancellationToken));
            node.Nodes = await NodeRegistry.JoinAsync(
                tree, NodeSection.Identify(configuration.Node, configuration.StateDirectory), time,
                logs.CreateLogger<NodeRegistry>(), cancellationToken);
            if (node.Nodes is IAsyncDisposable registry)
            {
                node.Keep(registry);
            }

            bool isReader = configuration.Tree.IsReader;
            TreeFollower? follower = isReader
                ? node.Keep(await TreeFollower.OpenAsync(
                    tree, time, logs.CreateLogger<TreeFollower>(), cancellationToken))
                : null;
            node.Policies = new PolicyVersions(tree);
            node.Hot = node.Keep(
                await HotTier.OpenAsync(configuration.Hot, time, logs.CreateLogger<HotTier>(), cancellationToken));
            node.Cache = node.Keep(new BlockCache(configuration.Cache, time));
            node.Stores = node.Keep(new ObjectStoreRegistry(configuration.ObjectStores, time, logs));
            CredentialSeal seal = new(configuration.Auth.CredentialKeyFile);
            DatasetKeys keys = new(seal);
            await ResealAsync(
                tree, keys, isReader, logs.CreateLogger<DatasetKeys>(), cancellationToken);
            node.LoadStores(configuration, seal);
            SpendGate gate = new(time, configuration.Costs.ThrottledRequestsPerSecond);
            node.Costs = node.Keep(
                new CostMeter(
                    new CostMeterParts(tree, node.Stores, node.Hot, gate), PlanDesk.PricingOf(configuration),
                    configuration.Costs, time, logs.CreateLogger<CostMeter>()));
            FileEngineParts parts = new(tree, node.Hot, node.Cache, node.Stores, time)
            {
                Gate = gate,
                DatasetKeys = keys,
                Nodes = node.Nodes,
                Follower = follower,
                Peers = node.OpenPeers(configuration, directory, logs),
            };
            node.KeptMounts = MountRecord.ListAlive(configuration.StateDirectory);
            FileEngineOptions engine = configuration.Engine with { KeepOrphans = node.KeptMounts.Count > 0 };
            node.Engine = node.Keep(await FileEngine.OpenAsync(parts, engine, logs, cancellationToken));
            node.Engine.FollowPolicy(node.Policies);
            node.Plans = new PlanStore(
                tree,
                new PlanStoreOptions
                {
                    Folder = Path.Combine(configuration.StateDirectory, "plans"),
                    MaxPlanCount = configuration.Tiering.MaxPlanCount,
                    MaxBytes = configuration.Tiering.MaxPlanBytes,
                });
            if (!isReader)
            {
                await node.Plans.CleanAsync(cancellationToken);
            }

            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes up the jobs. A service does; an offline check does not.</summary>
    public async Task OpenJobsAsync(
        ServerConfiguration configuration, TimeProvider time, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        JobInputs = new JobInputs(
            Path.Combine(configuration.StateDirectory, "jobs"), configuration.Jobs.MaxListBytes);
        HashSet<string> named = new(StringComparer.Ordinal);
        for (long before = long.MaxValue; ;)
        {
            IReadOnlyList<JobRecord> page = await Tree.ListJobsAsync(before, 1000, cancellationToken);
            foreach (JobRecord job in page)
            {
                _ = WarmRunner.InputOf(job) is { } input && named.Add(input);
                before = job.Id;
            }

            if (page.Count == 0)
            {
                break;
            }
        }

        JobInputs.RemoveAllBut(named);
        WarmRunner warm = new(Engine, JobInputs);
        TierPricing pricing = PlanDesk.PricingOf(configuration);
        Packer packer = Keep(new Packer(Engine, configuration.Tiering.Packs));
        Mover = Keep(new Mover(Engine, pricing, packer));
        ApplyRunner apply = new(
            Mover, Plans,
            async (plan, token) => PlanStaleness.Find(
                plan, (await Policies.GetActiveAsync(token))?.Policy.Hash, pricing.Table.ComputeHash(),
                time.GetUtcNow()));
        IReadOnlyList<JobRecord> open = await Tree.ListOpenJobsAsync(cancellationToken);
        await Mover.SettleAsync(
            id => open.Any(j => j.Id == id && j.State != JobState.Cancelling), cancellationToken);
        Jobs = Keep(
            await JobService.OpenAsync(
                Tree,
                [warm, apply, new UndoRunner(Mover), new PackRunner(packer), new IndexRunner(Engine.Datasets)],
                configuration.Jobs.Service, time, logs.CreateLogger<JobService>(), cancellationToken));
        Headrooms = Keep(new HeadroomService(
            new HeadroomParts(Engine, Jobs, JobInputs, Policies), logs.CreateLogger<HeadroomService>()));
        await Headrooms.StartAsync(cancellationToken);
        Auto = Keep(new AutoTiering(
            new AutoTieringParts(Engine, Policies, Plans, Jobs, pricing),
            (active, token) => PlanDesk.FrameAsync(
                configuration, Engine, "/", active.Policy.Hash, active.Version, token),
            configuration.Tiering.Auto, logs.CreateLogger<AutoTiering>()));
        Auto.Start();
        if (configuration.Tiering.Learned.IsEnabled)
        {
            Learned = Keep(new LearnedWarmer(
                Engine, Jobs, Policies, configuration.Tiering.Learned, logs.CreateLogger<LearnedWarmer>()));
            Learned.Start();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_opened.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        _lock?.Dispose();
        _lock = null;
    }

    /// <summary>Takes up the stores that were added while a service ran.</summary>
    private void LoadStores(ServerConfiguration configuration, CredentialSeal seal)
    {
        DefinedStores = new DefinedStores(
            Path.Combine(configuration.StateDirectory, DefinedStores.FolderName), seal);
        foreach (ObjectStoreOptions store in DefinedStores.Load())
        {
            Stores.Define(store);
        }
    }

    /// <summary>
    /// Seals the keys of encrypted attachments under the newest key of the key file, and forgets the keys they were
    /// under; who only reads the tree does not. Where that cannot be now, what is there stays.
    /// </summary>
    private static async ValueTask ResealAsync(
        TreeStore tree, DatasetKeys keys, bool isReader, ILogger log, CancellationToken cancellationToken)
    {
        if (isReader)
        {
            return;
        }

        try
        {
            foreach (Attachment attachment in await tree.ListAttachmentsAsync(cancellationToken))
            {
                if (attachment.IsEncrypted && keys.Reseal(attachment) is { } anew)
                {
                    await tree.ResealAttachmentAsync(attachment.Id, anew, cancellationToken);
                }
            }

            keys.DropOldKeys();
        }
        catch (DataLayerException fault)
        {
            LogNotResealed(log, fault.Message);
        }
    }

    [LoggerMessage(
        14, LogLevel.Warning, "The keys of encrypted attachments could not be sealed under the newest key: {Cause}")]
    private static partial void LogNotResealed(ILogger log, string cause);

    private PeerParts? OpenPeers(
        ServerConfiguration configuration, IPeerDirectory? directory, ILoggerFactory logs)
    {
        if (configuration.Peers is not { } peers)
        {
            return null;
        }

        PeerLink = Keep(new HttpPeerLink(peers, logs.CreateLogger<HttpPeerLink>()));
        return Peers = new PeerParts(
            directory
                ?? (peers.FromTree
                    ? new TreePeers(Nodes, peers.Insecure)
                    : new NamedPeers(peers.Self, peers.Nodes)),
            PeerLink, peers.Options);
    }

    private T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _opened.Push(part);
        return part;
    }
}
