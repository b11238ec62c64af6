using System.Collections;
using DataLayer.Core.Cluster;
using DataLayer.Engine.Tenants;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Configuration;

/// <summary>The outcome of reading a configuration.</summary>
/// <param name="Configuration">The configuration; null where anything is wrong.</param>
/// <param name="Reading">Problems, settings and effective values.</param>
internal sealed record ConfigurationResult(ServerConfiguration? Configuration, ConfigurationReading Reading);

/// <summary>
/// States every setting once and reads them from a file and the environment (which wins). All that is wrong is reported
/// at once.
/// </summary>
internal static class ServerConfigurationReader
{
    // Resident before any data: runtime, code and libraries; measured 150 MB, of which 60 MB are shared file pages.
    private const long ProgramBytes = 128L << 20;

    private const long MiB = 1L << 20;
    private const long GiB = 1L << 30;
    private const long PiB = 1L << 50;

    /// <summary>Reads a file (null for none) under the environment's values.</summary>
    public static ConfigurationResult Read(string? file, IDictionary environment)
    {
        string? path = file is null ? null : Path.GetFullPath(file);
        ConfigurationReading reading = new();
        MapNode root = file is null
            ? new MapNode(ConfigurationOrigin.Default)
            : ConfigurationSource.ReadFile(file, reading.Problems);
        ConfigurationResult result = Bind(root, environment, reading);
        return result with
        {
            Configuration = result.Configuration is { } read
                ? read with { ReadAgain = () => Read(path, environment) } : null,
        };
    }

    /// <summary>Reads YAML text under the environment's values.</summary>
    public static ConfigurationResult ReadText(string text, string source, IDictionary environment)
    {
        ConfigurationReading reading = new();
        return Bind(ConfigurationSource.Parse(text, source, reading.Problems), environment, reading);
    }

    private static ConfigurationResult Bind(MapNode node, IDictionary environment, ConfigurationReading reading)
    {
        ConfigurationSource.Overlay(node, environment, reading.Problems);
        SettingReader root = new(reading, node, string.Empty, string.Empty);
        string state = Path.GetFullPath(root.Text(
            "stateDirectory", DefaultStateDirectory(environment),
            "Folder with the tree's database and the lock; one service at a time uses it.", "a folder")!);
        SettingReader listening = root.Section("listen");
        AuthConfiguration auth = AuthSection.Read(root.Section("auth"), state);
        ListenConfiguration listen = ListenSection.Read(listening, auth, environment);
        SettingReader memory = root.Section("memory");
        long budget = memory.SizeOrAuto(
            "budget", null, 64 * MiB, PiB,
            "Memory of the whole process. 'auto': the tightest limit of its control groups, else the machine's memory.")
            ?? MemoryBudget.Read().LimitBytes;
        memory.Done();
        BlockCacheOptions cache = ReadCache(root.Section("cache"), budget);
        IReadOnlyList<PoolOptions> pools = root.Items("pools", PoolSection.Read, () => [PoolSection.Default(state)]);
        string defaultPool = root.Text(
            "defaultPool", pools.Count > 0 ? pools[0].Name : "default",
            "The pool of new contents. Default: the first.", "a pool's name")!;
        PoolSection.Check(root, pools, defaultPool);
        HotTierOptions hot = PoolSection.ReadTier(root.Section("hotTier"), pools, defaultPool, state);
        IReadOnlyList<ObjectStoreOptions> stores = root.Items(
            "objectStores", s => StoreSection.Read(s, environment), () => [StoreSection.Default()]);
        StoreSection.Check(root, stores);
        TreeStoreOptions tree = ReadTree(root.Section("metadata"), state, environment);
        NodeOptions self = NodeSection.Read(root.Section("node"), tree);
        IReadOnlyList<TenantOptions> tenants = root.Items("tenants", TenantSection.Read, () => []);
        TenantSection.Check(root, tenants);
        ServerConfiguration configuration = new()
        {
            StateDirectory = state,
            Listen = listen,
            Auth = auth,
            MemoryBudgetBytes = budget,
            Cache = cache,
            Hot = hot,
            ObjectStores = stores,
            Tree = self.Role == NodeRole.Reader ? tree.ToReader() : tree,
            Node = self,
            Engine = EngineSection.Read(root.Section("engine"), budget, state) with { Tenants = tenants },
            Jobs = JobsSection.Read(root.Section("jobs")),
            Feeds = FeedsSection.Read(root.Section("feeds"), budget),
            Tiering = TieringSection.Read(root.Section("tiering"), reading, state),
            Tracing = TracingSection.Read(root.Section("tracing"), environment),
            Costs = CostSection.Read(
                root.Section("costs"), pools.FirstOrDefault(p => p.Name == defaultPool)?.CopyCount ?? 1),
            Peers = PeersSection.Read(root.Section("peers"), self, tree.Postgres is not null, environment),
            Logging = ReadLogging(root.Section("logging")),
        };
        root.Done();
        reading.SortProblems();
        return new ConfigurationResult(reading.Problems.Count == 0 ? configuration : null, reading);
    }

    private static LogConfiguration ReadLogging(SettingReader section)
    {
        string level = section.Choice(
            "level", "information", "The lowest level that is written.",
            "trace", "debug", "information", "warning", "error");
        string format = section.Choice(
            "format", "simple", "'json' writes one object a line, for collectors.", "simple", "json");
        section.Done();
        return new LogConfiguration { Level = Enum.Parse<LogLevel>(level, ignoreCase: true), Json = format == "json" };
    }

    private static BlockCacheOptions ReadCache(SettingReader section, long budget)
    {
        long? capacity = section.SizeOrAuto(
            "capacity", null, MiB, PiB,
            "Memory of the block cache, index included. 'auto': 60 % of the budget less 128 MiB for the program (at "
            + "most a third of the budget); buffers need the rest.");
        BlockCacheOptions cache = new()
        {
            CapacityBytes = capacity
                ?? (long)((budget - Math.Min(budget / 3, ProgramBytes)) * MemoryBudget.DefaultCacheShare),
            Policy = section.Choice(
                "policy", "guard", "How blocks are admitted and evicted.", "guard", "s3fifo", "lru"),
            PinShare = section.Number("pinShare", 0.5, 0, 0.9, "The most that may be pinned, as a part of capacity."),
            ScrubBytesPerSecond = section.Size(
                "scrubRate", 16 * MiB, 0, 64 * GiB, "Bytes a second compared with their checksums; 0 turns it off."),
            SpillDirectory = section.Text(
                "spillDirectory", null, "Folder on a local SSD for evicted blocks; none by default.", "a folder"),
            SpillCapacityBytes = section.Size(
                "spillCapacity", 0, 0, PiB, "Bytes the spill may use on disk, from 64MiB."),
        };
        if (capacity > budget)
        {
            section.Report("capacity", "It is larger than memory.budget.", "Lower it, or write 'auto'.");
        }

        if (cache.SpillDirectory is not null && cache.SpillCapacityBytes < 64 * MiB)
        {
            section.Report(
                "spillDirectory", "It is given but spillCapacity is under 64MiB.", "Give spillCapacity, as 100GiB.");
        }

        section.Done();
        return cache;
    }

    private static TreeStoreOptions ReadTree(SettingReader section, string state, IDictionary environment)
    {
        string kind = section.Choice(
            "kind", "sqlite", "Where the tree lies: 'sqlite', a file in the state directory, or 'postgres'.", "sqlite",
            "postgres");
        TreeStoreOptions tree = new()
        {
            DatabasePath = Path.Combine(state, "tree.db"),
            Postgres = PostgresSection.Read(section.Section("postgres"), kind == "postgres", environment),
            GroupCommitLimit = section.Count(
                "groupCommit", 256, 1, 10_000, "Changes that one commit may gather."),
            QueueLimit = section.Count("queue", 4096, 1, 100_000, "Changes that may wait for the writer."),
            ReadConnectionCount = section.Count("readConnections", 4, 1, 64, "Connections that serve reads."),
            FolderRenameLimit = section.Count(
                "folderRenameLimit", 50_000, 1, 10_000_000,
                "Files a folder under a read-write attachment may hold to be renamed as one change."),
            UploadDelay = section.Duration(
                "uploadDelay", TimeSpan.FromSeconds(5), TimeSpan.Zero, TimeSpan.FromHours(1),
                "How long a file written in place waits before its upload is due."),
            CheckAfterUncleanStop = section.Flag(
                "checkAfterUncleanStop", true, "Check the database's pages after a crash; about 1 s per GB."),
        };
        if (kind == "sqlite" && section.Has("postgres"))
        {
            section.Report(
                "postgres", "It is given, but metadata.kind is sqlite.", "Write kind: postgres, or remove it.");
        }

        section.Done();
        return tree;
    }

    private static string DefaultStateDirectory(IDictionary environment)
    {
        string? state = environment["XDG_STATE_HOME"] as string;
        string? home = environment["HOME"] as string;
        return !string.IsNullOrEmpty(state) ? Path.Combine(state, "datalayer")
            : !string.IsNullOrEmpty(home) ? Path.Combine(home, ".local", "state", "datalayer")
            : "/var/lib/datalayer";
    }
}
