using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>A headroom as it is now.</summary>
/// <param name="Record">As it is stored.</param>
/// <param name="Spec">What it reserves.</param>
/// <param name="State">What became of its last window; null before the first.</param>
public sealed record HeadroomStatus(HeadroomRecord Record, HeadroomSpec Spec, HeadroomState? State)
{
    /// <summary>Whether its share is reserved now.</summary>
    public bool IsInForce { get; init; }

    /// <summary>When its window opens, or opened where it is in force; null for never.</summary>
    public DateTimeOffset? WindowStart { get; init; }

    /// <summary>When that one closes.</summary>
    public DateTimeOffset? WindowEnd { get; init; }

    /// <summary>What the share has in the hot tier by the last measurement, bytes; 0 while nothing is
    /// reserved.</summary>
    public long HotBytes { get; init; }

    /// <summary>What it has in memory, bytes; 0 while nothing is reserved.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Why its window cannot be told, in words; null where it can.</summary>
    public string? Obstacle { get; init; }
}

/// <summary>What headrooms work with.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Jobs">Where their jobs go; they warm.</param>
/// <param name="Inputs">Where their lists go.</param>
/// <param name="Policies">Know the calendars, and what is not to be released.</param>
public sealed record HeadroomParts(FileEngine Engine, JobService Jobs, JobInputs Inputs, PolicyVersions Policies);
