using System.Net;

namespace DataLayer.Server.Configuration;

/// <summary>The service's whole configuration, validated. Immutable.</summary>
internal sealed record ServerConfiguration
{
    /// <summary>The folder with the tree's database, the lock file and the defaults' folders.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Where the service listens and what it bounds there.</summary>
    public required ListenConfiguration Listen { get; init; }

    /// <summary>The process's memory budget, bytes; null for a share of the control group's limit.</summary>
    public long? MemoryBudgetBytes { get; init; }

    /// <summary>The memory tier.</summary>
    public required CacheConfiguration Cache { get; init; }

    /// <summary>The pools of the hot tier, at least one.</summary>
    public required IReadOnlyList<PoolConfiguration> Pools { get; init; }

    /// <summary>The pool of new contents.</summary>
    public required string DefaultPool { get; init; }

    /// <summary>The object stores of the cold tier.</summary>
    public required IReadOnlyList<StoreConfiguration> ObjectStores { get; init; }

    /// <summary>The read and write paths.</summary>
    public required EngineConfiguration Engine { get; init; }

    /// <summary>The log.</summary>
    public required LogConfiguration Logging { get; init; }
}

/// <summary>Section <c>listen</c>.</summary>
internal sealed record ListenConfiguration
{
    /// <summary>Address and port; null for no TCP.</summary>
    public IPEndPoint? EndPoint { get; init; }

    /// <summary>A Unix socket's path, or null.</summary>
    public string? UnixSocketPath { get; init; }

    /// <summary>Connections at once, a count.</summary>
    public int MaxConnections { get; init; }

    /// <summary>Requests at once, a count; more get 503.</summary>
    public int MaxRequests { get; init; }

    /// <summary>Slowest upload that is not cut off, bytes a second; 0 for any.</summary>
    public long MinUploadRateBytes { get; init; }

    /// <summary>How long requests in flight may take when the service stops.</summary>
    public TimeSpan ShutdownTimeout { get; init; }
}

/// <summary>Section <c>cache</c>.</summary>
internal sealed record CacheConfiguration
{
    /// <summary>Bytes; null for a share of the memory budget.</summary>
    public long? CapacityBytes { get; init; }

    /// <summary>The eviction policy.</summary>
    public required string Policy { get; init; }

    /// <summary>A folder for evicted blocks, or null.</summary>
    public string? SpillDirectory { get; init; }

    /// <summary>Bytes the spill may use.</summary>
    public long SpillCapacityBytes { get; init; }
}

/// <summary>One pool of section <c>pools</c>.</summary>
internal sealed record PoolConfiguration
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its targets' directories.</summary>
    public required IReadOnlyList<string> Directories { get; init; }

    /// <summary>Stripe width, a count.</summary>
    public int Width { get; init; }

    /// <summary>Stripe unit, bytes.</summary>
    public int UnitBytes { get; init; }

    /// <summary>Copies of each stripe unit, a count.</summary>
    public int CopyCount { get; init; }

    /// <summary>Files up to this size go to segments, bytes; 0 for none.</summary>
    public int SegmentLimitBytes { get; init; }

    /// <summary>Bytes kept free on each target.</summary>
    public long ReserveBytes { get; init; }
}

/// <summary>One store of section <c>objectStores</c>. Holds names of places with secrets, never a secret.</summary>
internal sealed record StoreConfiguration
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary><c>s3</c> or <c>directory</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The endpoint's URL, or null for AWS.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The region.</summary>
    public required string Region { get; init; }

    /// <summary>Bucket in the path rather than in the host name.</summary>
    public bool PathStyle { get; init; }

    /// <summary>Environment variable with the access key, or null.</summary>
    public string? AccessKeyEnvironment { get; init; }

    /// <summary>File with the access key, or null.</summary>
    public string? AccessKeyFile { get; init; }

    /// <summary>Environment variable with the secret key, or null.</summary>
    public string? SecretKeyEnvironment { get; init; }

    /// <summary>File with the secret key, or null.</summary>
    public string? SecretKeyFile { get; init; }
}

/// <summary>Section <c>engine</c>.</summary>
internal sealed record EngineConfiguration
{
    /// <summary>Seed of every random choice.</summary>
    public int Seed { get; init; }
}

/// <summary>Section <c>logging</c>.</summary>
internal sealed record LogConfiguration
{
    /// <summary>The lowest level that is written.</summary>
    public LogLevel Level { get; init; }

    /// <summary>One JSON object a line instead of text.</summary>
    public bool Json { get; init; }
}
