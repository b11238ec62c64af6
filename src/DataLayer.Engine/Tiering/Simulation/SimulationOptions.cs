using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>How a simulated service is set up.</summary>
public sealed record SimulationOptions
{
    /// <summary>Bytes the hot tier holds.</summary>
    public required long HotCapacityBytes { get; init; }

    /// <summary>Hot copies of each content, a count. Default 1.</summary>
    public int CopyCount { get; init; } = 1;

    /// <summary>How often the policy is evaluated and its plan applied. Default each day.</summary>
    public TimeSpan PlanInterval { get; init; } = TimeSpan.FromDays(1);

    /// <summary>The first plan, from the trace's start. Default 03:00.</summary>
    public TimeSpan FirstPlan { get; init; } = TimeSpan.FromHours(3);

    /// <summary>
    /// The most bytes one plan's moves may bring in and drop, heaviest first (at least one file); the rest waits for
    /// the next plan.
    /// Default:
    /// no bound.
    /// </summary>
    public long MoveBytesPerPlan { get; init; } = long.MaxValue;

    /// <summary>What the link to the object store carries for promotions, bytes a second. Default 500 MB/s.</summary>
    public long RecallBytesPerSecond { get; init; } = 500_000_000;

    /// <summary>Half-life of heat. Default 24 h, as in the service.</summary>
    public TimeSpan HeatHalfLife { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Fill above which the policy is evaluated each hour, 0 to 1. Default 0.9.</summary>
    public double HighFill { get; init; } = 0.9;

    /// <summary>When recalls of single files bring in the rest of their dataset; null for never.</summary>
    public GroupRecallOptions? GroupRecall { get; init; } = new();

    /// <summary>Hash of the policy, for the plans.</summary>
    public string PolicyHash { get; init; } = "simulated";
}

/// <summary>The policy at one time and fill.</summary>
/// <param name="now">The time.</param>
/// <param name="poolFill">Fill of the hot tier by pool, 0 to 1.</param>
public delegate PlacementRule PolicyAt(DateTimeOffset now, IReadOnlyDictionary<string, double> poolFill);
