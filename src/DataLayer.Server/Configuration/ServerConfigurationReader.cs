using System.Collections;
using System.Net;

namespace DataLayer.Server.Configuration;

/// <summary>The outcome of reading a configuration.</summary>
/// <param name="Configuration">The configuration; null where anything is wrong.</param>
/// <param name="Reading">Problems, settings and effective values.</param>
internal sealed record ConfigurationResult(ServerConfiguration? Configuration, ConfigurationReading Reading);

/// <summary>
/// States every setting once and reads them from a file and the environment (which wins). All that is wrong is
/// reported at once.
/// </summary>
internal static class ServerConfigurationReader
{
    private const long KiB = 1L << 10;
    private const long MiB = 1L << 20;
    private const long GiB = 1L << 30;
    private const long PiB = 1L << 50;

    /// <summary>Reads a file (null for none) under the environment's values.</summary>
    public static ConfigurationResult Read(string? file, IDictionary environment)
    {
        ConfigurationReading reading = new();
        MapNode root = file is null
            ? new MapNode(ConfigurationOrigin.Default)
            : ConfigurationSource.ReadFile(file, reading.Problems);
        return Bind(root, environment, reading);
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
        string state = Path.GetFullPath(
            root.Text(
                "stateDirectory", DefaultStateDirectory(environment),
                "Folder with the tree's database and the lock; one service at a time uses it.", "a folder")!);
        ListenConfiguration listen = ReadListen(root.Section("listen"));
        SettingReader memory = root.Section("memory");
        long? budget = memory.SizeOrAuto(
            "budget",
            null,
            64 * MiB,
            PiB,
            "Memory the whole process may use. 'auto' takes it from the control group's limit, else from the machine."
        );
        memory.Done();
        CacheConfiguration cache = ReadCache(root.Section("cache"), budget);
        IReadOnlyList<PoolConfiguration> pools = root.Items("pools", ReadPool, () => [DefaultPool(state)]);
        string defaultPool = root.Text(
            "defaultPool", pools.Count > 0 ? pools[0].Name : "default",
            "The pool of new contents. Default: the first.", "a pool's name")!;
        CheckPools(root, pools, defaultPool);
        IReadOnlyList<StoreConfiguration> stores = root.Items(
            "objectStores", s => ReadStore(s, environment), () => [DefaultStore()]);
        CheckUnique(root, "objectStores", stores.Select(s => s.Name));
        SettingReader engine = root.Section("engine");
        int seed = engine.Count(
            "seed", 1, 0, int.MaxValue,
            "Seed of every random choice (retry jitter, scrub sampling), so a run can be replayed.");
        engine.Done();
        LogConfiguration logging = ReadLogging(root.Section("logging"));
        root.Done();
        ServerConfiguration configuration = new()
        {
            StateDirectory = state,
            Listen = listen,
            MemoryBudgetBytes = budget,
            Cache = cache,
            Pools = pools,
            DefaultPool = defaultPool,
            ObjectStores = stores,
            Engine = new EngineConfiguration { Seed = seed },
            Logging = logging,
        };
        return new ConfigurationResult(reading.Problems.Count == 0 ? configuration : null, reading);
    }

    private static LogConfiguration ReadLogging(SettingReader logging)
    {
        string level = logging.Choice(
            "level", "information", "The lowest level that is written.", "trace", "debug", "information", "warning",
            "error");
        string format = logging.Choice(
            "format", "simple", "'json' writes one object a line, for collectors.", "simple", "json");
        logging.Done();
        return new LogConfiguration
        {
            Level = Enum.Parse<LogLevel>(level, ignoreCase: true),
            Json = format == "json",
        };
    }

    private static ListenConfiguration ReadListen(SettingReader section)
    {
        string? socket = section.Text(
            "unixSocket", null,
            "Path of a Unix socket (mode 0600) that serves the same API at a lower cost a request.",
            "a path of at most 100 bytes");
        IPEndPoint? endPoint = ReadEndPoint(section, socket);
        if (socket is not null && System.Text.Encoding.UTF8.GetByteCount(socket) > 100)
        {
            section.Report(
                "unixSocket", $"The path has more than 100 bytes: '{socket}'.",
                "The system takes 107; choose a shorter folder.");
        }

        ListenConfiguration listen = new()
        {
            EndPoint = endPoint,
            UnixSocketPath = socket is null ? null : Path.GetFullPath(socket),
            MaxConnections = section.Count(
                "maxConnections", 4096, 1, 1_000_000, "Connections at once; more are closed."),
            MaxRequests = section.Count(
                "maxRequests", 1024, 1, 1_000_000, "Requests at once; more get 503 with Retry-After."),
            MinUploadRateBytes = section.Size(
                "minUploadRate", 240, 0, GiB,
                "Slowest upload, bytes a second, that is not cut off after 5 s of grace. 0 allows any."),
            ShutdownTimeout = section.Duration(
                "shutdownTimeout", TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeSpan.FromHours(1),
                "How long requests in flight may take when the service stops."),
        };
        section.Done();
        return listen;
    }

    private static IPEndPoint? ReadEndPoint(SettingReader section, string? socket)
    {
        const string Expected = "IP:PORT, [IPv6]:PORT or none";
        string address = section.Text(
            "address",
            "127.0.0.1:7070",
            "Address and port of the API; port 0 takes a free one; 'none' listens on the Unix socket only.",
            Expected
        )!;
        bool insecure = section.Flag(
            "insecure", false, "Allow anonymous access from other machines: the API has no authentication yet.");
        IPEndPoint? endPoint = null;
        if (address == "none")
        {
            if (socket is null)
            {
                section.Report(
                    "address", "With 'none' and no 'unixSocket' the service would listen nowhere.",
                    "Give one of them.");
            }
        }
        else if (!TryParseEndPoint(address, out endPoint))
        {
            section.Report("address", $"'{address}' is not an address with a port.", $"Accepted: {Expected}.");
        }
        else if (!IPAddress.IsLoopback(endPoint!.Address) && !insecure)
        {
            section.Report(
                "address", $"'{address}' is reachable from other machines and the API has no authentication yet.",
                "Listen on 127.0.0.1, or write 'insecure: true' if the network is trusted.");
        }

        return endPoint;
    }

    private static CacheConfiguration ReadCache(SettingReader section, long? budget)
    {
        CacheConfiguration cache = new()
        {
            CapacityBytes = section.SizeOrAuto(
                "capacity", null, 16 * MiB, PiB,
                "Memory of the block cache, index included. 'auto' takes what the budget leaves."),
            Policy = section.Choice(
                "policy", "guard", "How blocks are admitted and evicted.", "guard", "s3fifo", "lru"),
            SpillDirectory = section.Text(
                "spillDirectory", null, "Folder on a local SSD for evicted blocks; none by default.", "a folder"),
            SpillCapacityBytes = section.Size("spillCapacity", 0, 0, PiB, "Bytes the spill may use."),
        };
        if (cache.CapacityBytes > budget)
        {
            section.Report("capacity", "It is larger than memory.budget.", "Lower it, or write 'auto'.");
        }

        if (cache.SpillDirectory is not null && cache.SpillCapacityBytes == 0)
        {
            section.Report("spillDirectory", "It is given but spillCapacity is 0.", "Give spillCapacity, as 100GiB.");
        }

        section.Done();
        return cache;
    }

    private static PoolConfiguration ReadPool(SettingReader section)
    {
        PoolConfiguration pool = new()
        {
            Name = section.Text("name", "default", "The pool's name: letters, digits, '-' and '_'.", "a name")!,
            Directories = section.TextList(
                "directories", [], "The targets: folders, each best on its own disk. At least one."),
            Width = section.Count(
                "width",
                1,
                1,
                64,
                "How many targets a large file is spread over; at most the number of directories."
            ),
            UnitBytes = (int)
                section.Size(
                    "unit", MiB, 64 * KiB, 64 * MiB,
                    "Stripe unit: bytes in a row on one target; a multiple of 64 KiB."),
            CopyCount = section.Count("copies", 1, 1, 2, "Copies of each unit on different targets."),
            SegmentLimitBytes = (int)
                section.Size(
                    "segmentLimit", MiB, 0, 16 * MiB,
                    "Files up to this size are packed into segments. 0 turns it off."),
            ReserveBytes = section.Size("reserve", 256 * MiB, 0, PiB, "Bytes kept free on each target."),
        };
        if (!IsName(pool.Name))
        {
            section.Report(
                "name", $"'{pool.Name}' is not a pool's name.", "Use 1 to 64 letters, digits, '-' and '_'.");
        }

        if (pool.Directories.Count == 0)
        {
            section.Report("directories", "The pool has no targets.", "Give at least one folder.");
        }
        else if (pool.Width * pool.CopyCount > pool.Directories.Count)
        {
            section.Report(
                "width",
                $"Width {pool.Width} with {pool.CopyCount} copies needs {pool.Width * pool.CopyCount} directories; "
                + $"there are {pool.Directories.Count}.",
                "Lower it or add directories.");
        }

        if (pool.UnitBytes % (64 * KiB) != 0)
        {
            section.Report(
                "unit",
                $"{UnitText.FormatSize(pool.UnitBytes)} is not a multiple of 64 KiB, the size of a checksum's chunk.",
                "Round it.");
        }

        section.Done();
        return pool with { Directories = [.. pool.Directories.Select(Path.GetFullPath)] };
    }

    private static StoreConfiguration ReadStore(SettingReader section, IDictionary environment)
    {
        StoreConfiguration store = new()
        {
            Name = section.Text("name", "default", "The name attachments refer to.", "a name")!,
            Kind = section.Choice(
                "kind", "s3", "'s3' for any S3-compatible endpoint, 'directory' for folders (file:///…).", "s3",
                "directory"),
            Endpoint = section.Text(
                "endpoint", null,
                "s3: the endpoint's URL, none for AWS. directory: a folder all sources must be below; none: no bound.",
                "http(s)://host:port, or an absolute folder"),
            Region = section.Text("region", "us-east-1", "The region.")!,
            PathStyle = section.Flag(
                "pathStyle", true, "Bucket in the path (most own servers) rather than in the host name (AWS)."),
            AccessKeyEnvironment = section.Text("accessKeyEnv", null, "Environment variable with the access key."),
            AccessKeyFile = section.Text("accessKeyFile", null, "File with the access key."),
            SecretKeyEnvironment = section.Text("secretKeyEnv", null, "Environment variable with the secret key."),
            SecretKeyFile = section.Text("secretKeyFile", null, "File with the secret key."),
        };
        if (section.Has("accessKey") || section.Has("secretKey"))
        {
            string key = section.Has("secretKey") ? "secretKey" : "accessKey";
            section.Report(
                key, "Secrets do not stand in the configuration.",
                $"Give {key}File or {key}Env, the place of the secret.");
        }

        if (!IsName(store.Name))
        {
            section.Report(
                "name", $"'{store.Name}' is not a store's name.", "Use 1 to 64 letters, digits, '-' and '_'.");
        }

        CheckEndpoint(section, store);
        CheckSecret(section, "accessKey", store.AccessKeyEnvironment, store.AccessKeyFile, environment);
        CheckSecret(section, "secretKey", store.SecretKeyEnvironment, store.SecretKeyFile, environment);
        section.Done();
        return store;
    }

    private static void CheckEndpoint(SettingReader section, StoreConfiguration store)
    {
        if (store is { Kind: "directory", Endpoint: { } folder } && !Path.IsPathFullyQualified(folder))
        {
            section.Report(
                "endpoint", $"'{folder}' is not an absolute folder.",
                "With kind 'directory' give the folder that all sources lie below.");
        }

        if (
            store is { Kind: "s3", Endpoint: { } endpoint }
            && !(
                Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? uri)
                && uri.Scheme is "http" or "https"
                && uri.Host.Length > 0))
        {
            section.Report("endpoint", $"'{endpoint}' is not a URL.", "Write http://host:port or https://host.");
        }
    }

    private static void CheckSecret(
        SettingReader section, string key, string? variable, string? file, IDictionary environment)
    {
        if (variable is not null && file is not null)
        {
            section.Report(key + "File", $"Both {key}Env and {key}File are given.", "Keep one of them.");
        }

        if (variable is not null && string.IsNullOrEmpty(environment[variable] as string))
        {
            section.Report(
                key + "Env", $"The environment variable '{variable}' is not set.",
                "Set it for the service, or name another.");
        }

        if (file is not null && !File.Exists(file))
        {
            section.Report(
                key + "File", $"The file '{file}' is not there.",
                "Make it readable by the service's user only (mode 0600).");
        }
    }

    private static void CheckPools(SettingReader root, IReadOnlyList<PoolConfiguration> pools, string defaultPool)
    {
        if (pools.Count == 0)
        {
            root.Report("pools", "There is no pool.", "Give at least one, or leave the section out for the default.");
            return;
        }

        CheckUnique(root, "pools", pools.Select(p => p.Name));
        foreach (
            IGrouping<string, string> same in pools
                .SelectMany(p => p.Directories)
                .GroupBy(d => d, StringComparer.Ordinal)
                .Where(g => g.Count() > 1))
        {
            root.Report(
                "pools", $"The directory '{same.Key}' is given {same.Count()} times.",
                "Each target is one directory of one pool.");
        }

        if (!pools.Any(p => p.Name == defaultPool))
        {
            root.Report(
                "defaultPool", $"There is no pool '{defaultPool}'.",
                $"Known are: {string.Join(", ", pools.Select(p => p.Name))}.");
        }
    }

    private static void CheckUnique(SettingReader root, string list, IEnumerable<string> names)
    {
        foreach (
            IGrouping<string, string> same in names.GroupBy(n => n, StringComparer.Ordinal).Where(g => g.Count() > 1))
        {
            root.Report(list, $"The name '{same.Key}' is given {same.Count()} times.", "Give each its own name.");
        }
    }

    private static PoolConfiguration DefaultPool(string stateDirectory) =>
        new()
        {
            Name = "default",
            Directories = [Path.Combine(stateDirectory, "targets", "0")],
            Width = 1,
            UnitBytes = (int)MiB,
            CopyCount = 1,
            SegmentLimitBytes = (int)MiB,
            ReserveBytes = 256 * MiB,
        };

    private static StoreConfiguration DefaultStore() =>
        new()
        {
            Name = "default",
            Kind = "directory",
            Region = "us-east-1",
            PathStyle = true,
        };

    private static string DefaultStateDirectory(IDictionary environment)
    {
        string? state = environment["XDG_STATE_HOME"] as string;
        string? home = environment["HOME"] as string;
        return !string.IsNullOrEmpty(state) ? Path.Combine(state, "datalayer")
            : !string.IsNullOrEmpty(home) ? Path.Combine(home, ".local", "state", "datalayer")
            : "/var/lib/datalayer";
    }

    private static bool TryParseEndPoint(string text, out IPEndPoint? endPoint)
    {
        endPoint = null;
        string numeric = text.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase)
            ? "127.0.0.1" + text["localhost".Length..]
            : text;
        int colon = numeric.LastIndexOf(':');
        return colon > 0
            && char.IsAsciiDigit(numeric[^1])
            && (numeric[0] != '[' || numeric[colon - 1] == ']')
            && (numeric[0] == '[' || numeric.IndexOf(':', StringComparison.Ordinal) == colon)
            && IPEndPoint.TryParse(numeric, out endPoint);
    }

    private static bool IsName(string text) =>
        text.Length is >= 1 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
