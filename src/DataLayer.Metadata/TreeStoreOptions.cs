namespace DataLayer.Metadata;

/// <summary>How to open the tree.</summary>
public sealed class TreeStoreOptions
{
    /// <summary>The SQLite database file; made if absent. No default: the service's state directory decides.</summary>
    public required string DatabasePath { get; init; }

    /// <summary>How many changes one commit may gather, a count, 1 to 10,000. Default 256: one fsync then costs each under 10 µs.</summary>
    public int GroupCommitLimit { get; init; } = 256;

    /// <summary>How many changes may wait for the writer, a count, 1 to 100,000. Callers past it wait. Default 4,096.</summary>
    public int QueueLimit { get; init; } = 4096;

    /// <summary>How many connections serve reads, a count, 1 to 64. Default 4.</summary>
    public int ReadConnectionCount { get; init; } = 4;
}
