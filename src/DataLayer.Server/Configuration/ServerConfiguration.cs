using System.Net;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.Server.Tls;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Configuration;

/// <summary>The service's whole configuration, validated. Immutable.</summary>
internal sealed record ServerConfiguration
{
    /// <summary>The folder with the tree's database, the lock file and the defaults' folders.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Where the service listens and what it bounds there.</summary>
    public required ListenConfiguration Listen { get; init; }

    /// <summary>Who may call.</summary>
    public required AuthConfiguration Auth { get; init; }

    /// <summary>What the whole process may use, bytes.</summary>
    public required long MemoryBudgetBytes { get; init; }

    /// <summary>The tree.</summary>
    public required TreeStoreOptions Tree { get; init; }

    /// <summary>Who this node is; its id is in the state directory.</summary>
    public required NodeOptions Node { get; init; }

    /// <summary>The hot tier.</summary>
    public required HotTierOptions Hot { get; init; }

    /// <summary>The memory tier.</summary>
    public required BlockCacheOptions Cache { get; init; }

    /// <summary>The cold tier's stores. They name the places of secrets, never a secret.</summary>
    public required IReadOnlyList<ObjectStoreOptions> ObjectStores { get; init; }

    /// <summary>The read and write paths.</summary>
    public required FileEngineOptions Engine { get; init; }

    /// <summary>Jobs.</summary>
    public required JobsConfiguration Jobs { get; init; }

    /// <summary>Feeds.</summary>
    public required FeedOptions Feeds { get; init; }

    /// <summary>Prices and plans.</summary>
    public required TieringConfiguration Tiering { get; init; }

    /// <summary>Spans of slow reads.</summary>
    public required TracingConfiguration Tracing { get; init; }

    /// <summary>The cost meter and the budgets.</summary>
    public required CostOptions Costs { get; init; }

    /// <summary>Other nodes over the same object stores; null for none.</summary>
    public PeersConfiguration? Peers { get; init; }

    /// <summary>The log.</summary>
    public required LogConfiguration Logging { get; init; }
}

/// <summary>Section <c>listen</c>.</summary>
internal sealed record ListenConfiguration
{
    /// <summary>Address and port; null for no TCP.</summary>
    public IPEndPoint? EndPoint { get; init; }

    /// <summary>TLS on the TCP port; null for clear text.</summary>
    public TlsConfiguration? Tls { get; init; }

    /// <summary>A Unix socket's path, or null.</summary>
    public string? UnixSocketPath { get; init; }

    /// <summary>Connections at once, a count.</summary>
    public int MaxConnections { get; init; }

    /// <summary>Requests at once, a count; more get 503.</summary>
    public int MaxRequests { get; init; }

    /// <summary>How long a client may take for a request's head.</summary>
    public TimeSpan HeaderTimeout { get; init; }

    /// <summary>Requests a second of one token or address; 0 for any.</summary>
    public int RateLimit { get; init; }

    /// <summary>Slowest upload that is not cut off, bytes a second; 0 for any.</summary>
    public long MinUploadRateBytes { get; init; }

    /// <summary>How long requests in flight may take when the service stops.</summary>
    public TimeSpan ShutdownTimeout { get; init; }
}

/// <summary>Section <c>auth</c>.</summary>
internal sealed record AuthConfiguration
{
    /// <summary>The file with the tokens; it need not exist.</summary>
    public required string TokenFile { get; init; }

    /// <summary>The file with the keys that credentials are sealed with; it need not exist.</summary>
    public required string CredentialKeyFile { get; init; }

    /// <summary>Whether processes of this machine need no token.</summary>
    public bool AnonymousLoopback { get; init; }

    /// <summary>Whether nobody needs one (auth.anonymousAnywhere).</summary>
    public bool AnonymousAnywhere { get; init; }

    /// <summary>How many tokens the file held when the configuration was read, a count.</summary>
    public int TokenCount { get; init; }
}

/// <summary>Section <c>jobs</c>.</summary>
internal sealed record JobsConfiguration
{
    /// <summary>Bounds of the jobs.</summary>
    public required JobServiceOptions Service { get; init; }

    /// <summary>The longest list of files, bytes.</summary>
    public long MaxListBytes { get; init; }
}

/// <summary>Section <c>logging</c>.</summary>
internal sealed record LogConfiguration
{
    /// <summary>The lowest level that is written.</summary>
    public LogLevel Level { get; init; }

    /// <summary>One JSON object a line instead of text.</summary>
    public bool Json { get; init; }
}
