namespace DataLayer.Storage.Stripes.Rados;

/// <summary>Settings of one RADOS target, taken from <see cref="HotTierOptions"/> and <see
/// cref="PoolOptions"/>.</summary>
internal sealed record RadosTargetOptions
{
    /// <summary>Operations on objects under way at a time, a count; each moves up to 4 MiB.</summary>
    public int ConcurrencyCount { get; init; } = 16;

    /// <summary>How long a call waits for its turn, and then for the cluster's answer.</summary>
    public TimeSpan WaitLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Columns whose heads are kept in memory, a count; about 1 KiB each, 4 KiB while they are
    /// written.</summary>
    public int ColumnCount { get; init; } = 4096;

    /// <summary>Bytes of the pool that stay free.</summary>
    public long ReserveBytes { get; init; }

    /// <summary>How long a fence holds at least before a probe may end it.</summary>
    public TimeSpan FenceTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For tests: told of each step between changes of a column's objects.</summary>
    public Action<string>? Step { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
