namespace DataLayer.TestSupport.Service;

/// <summary>What a <see cref="ServiceProcess"/> is started with; written as the service's own configuration file.</summary>
public sealed record ServiceSettings
{
    /// <summary>Holds the metadata and the configuration file, and the targets where none are named.</summary>
    public required string StateFolder { get; init; }

    /// <summary>A Unix socket for the API beside its port, the same after every start; null for none.</summary>
    public string? UnixSocketPath { get; init; }

    /// <summary>The API's port on loopback; 0 for a free one, another after each start.</summary>
    public int Port { get; init; }

    /// <summary>The folders of the default pool's targets; null for two below the state folder.</summary>
    public IReadOnlyList<string>? TargetFolders { get; init; }

    /// <summary>Stripe width, a count.</summary>
    public int Width { get; init; } = 2;

    /// <summary>Stripe unit, bytes: small, so that small test files have many.</summary>
    public int UnitBytes { get; init; } = 1 << 20;

    /// <summary>Copies of each content, a count.</summary>
    public int CopyCount { get; init; } = 1;

    /// <summary>Contents up to this size go to segments; 0 for none.</summary>
    public int SegmentLimitBytes { get; init; } = 64 << 10;

    /// <summary>Space a target keeps free, bytes.</summary>
    public long ReserveBytes { get; init; }

    /// <summary>Budget of the memory tier, bytes; null to take what the process's budget leaves.</summary>
    public long? MemoryBytes { get; init; } = 64L << 20;

    /// <summary>The memory tier's policy.</summary>
    public string MemoryPolicy { get; init; } = "guard";

    /// <summary>Budget of the whole process, bytes; null to leave it to the service.</summary>
    public long? ProcessBytes { get; init; }

    /// <summary>Folder for blocks evicted from memory; null for none.</summary>
    public string? SpillFolder { get; init; }

    /// <summary>Bytes the spill may use.</summary>
    public long SpillBytes { get; init; } = 256L << 20;

    /// <summary>More lines of the configuration file: whole sections that nothing above writes.</summary>
    public string More { get; init; } = "";

    /// <summary>The S3 endpoints. (A directory store for <c>file:///</c> sources, named <c>files</c>, is always there.)</summary>
    public IReadOnlyList<StoreSettings> Stores { get; init; } = [];

    /// <summary>An injection that holds from the first instruction on, as of <see cref="Processes.StraceInjector.Wrap"/>; null for none.</summary>
    public string? Injection { get; init; }

    /// <summary>The targets' folders.</summary>
    public IReadOnlyList<string> Targets => TargetFolders ?? [Path.Combine(StateFolder, "t0"), Path.Combine(StateFolder, "t1")];
}
