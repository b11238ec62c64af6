using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>One day of a simulation. Amounts are in the price table's currency.</summary>
public sealed record SimulatedDay
{
    /// <summary>Days since the start, from 0.</summary>
    public required int Day { get; init; }

    /// <summary>Storage of the hot tier, by the bytes it held each moment.</summary>
    public double HotCost { get; init; }

    /// <summary>Storage of the objects.</summary>
    public double ColdCost { get; init; }

    /// <summary>Requests, retrieval, egress, early deletion.</summary>
    public MoveCost Once { get; init; }

    /// <summary>What the same files would have cost all in the hot tier and without objects.</summary>
    public double AllHotCost { get; init; }

    /// <summary>Bytes read that were hot.</summary>
    public long ServedBytes { get; init; }

    /// <summary>Bytes read that waited for a recall.</summary>
    public long WaitedBytes { get; init; }

    /// <summary>Bytes that recalls and promotions brought into the hot tier.</summary>
    public long RecalledBytes { get; init; }

    /// <summary>Bytes dropped from the hot tier.</summary>
    public long ReleasedBytes { get; init; }

    /// <summary>Bytes uploaded.</summary>
    public long UploadedBytes { get; init; }

    /// <summary>Hot bytes at the end of the day.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes of all files at the end of the day.</summary>
    public long Bytes { get; init; }

    /// <summary>The most the hot tier held above its capacity, bytes.</summary>
    public long OverflowBytes { get; init; }

    /// <summary>All that was billed.</summary>
    public double Billed => HotCost + ColdCost + Once.Total;
}

/// <summary>A plan made during a simulation, with what it foretold for the time until the next one and what was billed
/// then.</summary>
/// <param name="At">When, from the start.</param>
/// <param name="Predicted">Storage after its moves, the moves, expected recalls.</param>
/// <param name="Billed">What was billed from this plan to the next.</param>
/// <param name="Moves">Files moved, a count.</param>
/// <param name="MovedBytes">Bytes brought in and dropped.</param>
/// <param name="Deferred">Files left for a later plan, a count.</param>
public sealed record SimulatedPlan(
    TimeSpan At, double Predicted, double Billed, long Moves, long MovedBytes, long Deferred);
