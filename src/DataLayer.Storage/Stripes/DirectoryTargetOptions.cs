namespace DataLayer.Storage.Stripes;

/// <summary>Settings of one directory target, taken from <see cref="HotTierOptions"/> and <see
/// cref="PoolOptions"/>.</summary>
internal sealed record DirectoryTargetOptions
{
    /// <summary>File calls at a time, a count.</summary>
    public int ConcurrencyCount { get; init; } = 16;

    /// <summary>How long a call waits for its turn.</summary>
    public TimeSpan WaitLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Open column files, a count; each has two descriptors.</summary>
    public int OpenColumnCount { get; init; } = 128;

    /// <summary>Bytes of the file system that stay free.</summary>
    public long ReserveBytes { get; init; }

    /// <summary>How long a fence holds at least before a probe may end it.</summary>
    public TimeSpan FenceTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For tests: told of each step between changes of a column's files.</summary>
    public Action<string>? Step { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
