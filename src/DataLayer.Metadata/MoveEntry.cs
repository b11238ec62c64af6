using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata;

/// <summary>Where one move is. The values are stored.</summary>
public enum MoveState
{
    /// <summary>It was begun; after a crash it is looked at again.</summary>
    Started = 1,

    /// <summary>The file is where the move wants it.</summary>
    Done = 2,

    /// <summary>It was left alone, for the reason given; the file is as it was.</summary>
    Skipped = 3,

    /// <summary>It failed, for the reason given; what was done of it stays.</summary>
    Failed = 4,
}

/// <summary>
/// One file's move as the journal of moves keeps it: what was asked for and by whom, how the file was before, and what
/// came of it. Immutable.
/// </summary>
public sealed record MoveEntry
{
    /// <summary>The job that moves.</summary>
    public required long JobId { get; init; }

    /// <summary>The move's place within the job, from 0.</summary>
    public required long Number { get; init; }

    /// <summary>The plan it is of; 0 where no plan was stored.</summary>
    public long PlanId { get; init; }

    /// <summary>The stored version of the policy that wants it; 0 where it is not stored.</summary>
    public long PolicyVersion { get; init; }

    /// <summary>Hash of that policy; empty where no policy wants it (undo).</summary>
    public string PolicyHash { get; init; } = string.Empty;

    /// <summary>The rule, by its place in the policy; -1 for none.</summary>
    public int RuleIndex { get; init; }

    /// <summary>The file.</summary>
    public required InodeId Inode { get; init; }

    /// <summary>The content that moves.</summary>
    public required long Version { get; init; }

    /// <summary>The file's path when the move was planned.</summary>
    public required string Path { get; init; }

    /// <summary>What is to be done, as the engine numbers it.</summary>
    public required long Kinds { get; init; }

    /// <summary>What was done of it.</summary>
    public long DoneKinds { get; init; }

    /// <summary>Length of the content, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>The state between the tiers before.</summary>
    public TierState FromState { get; init; }

    /// <summary>Hot bytes before, one copy counted.</summary>
    public long FromHotBytes { get; init; }

    /// <summary>The hot blocks before, where only some were hot; else null.</summary>
    public byte[]? FromResidency { get; init; }

    /// <summary>The object's class before; null where there was none, or it was not known.</summary>
    public string? FromClass { get; init; }

    /// <summary>The object's ETag before; null where there was no object.</summary>
    public string? FromETag { get; init; }

    /// <summary>The class that the object is to have; null for the store's default.</summary>
    public string? ToClass { get; init; }

    /// <summary>Where it is.</summary>
    public MoveState State { get; init; }

    /// <summary>Why it was skipped or failed; null where it was not.</summary>
    public string? Reason { get; init; }

    /// <summary>Requests billed, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Bytes that passed between the tiers.</summary>
    public long MovedBytes { get; init; }

    /// <summary>What it cost, billionths of the price table's currency.</summary>
    public long CostNano { get; init; }

    /// <summary>When it was begun, nanoseconds since 1970 UTC.</summary>
    public long StartedTime { get; init; }

    /// <summary>When it ended, nanoseconds since 1970 UTC; 0 before.</summary>
    public long EndedTime { get; init; }
}
