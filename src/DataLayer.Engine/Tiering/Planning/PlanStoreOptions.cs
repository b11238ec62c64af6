namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Where plans are kept and how many.</summary>
public sealed record PlanStoreOptions
{
    /// <summary>The folder of their files of moves; made where it is missing.</summary>
    public required string Folder { get; init; }

    /// <summary>Plans kept, a count, 1 to 10,000; the oldest go. Default 50.</summary>
    public int MaxPlanCount { get; init; } = 50;

    /// <summary>Bytes of their moves at most, at least 1 MiB; the oldest go. Default 4 GiB.</summary>
    public long MaxBytes { get; init; } = 4L << 30;
}
