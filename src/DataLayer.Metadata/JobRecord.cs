namespace DataLayer.Metadata;

/// <summary>Where a job is in its life; docs/API.md has the picture.</summary>
public enum JobState
{
    /// <summary>It waits for its turn.</summary>
    Queued = 0,

    /// <summary>It runs.</summary>
    Running = 1,

    /// <summary>Somebody paused it; it goes on where it was.</summary>
    Paused = 2,

    /// <summary>Somebody cancelled it and its last step ends.</summary>
    Cancelling = 3,

    /// <summary>It did all it was asked for.</summary>
    Done = 4,

    /// <summary>It ended with a gap or a fault; the result tells.</summary>
    Failed = 5,

    /// <summary>It was cancelled; what it did stays.</summary>
    Cancelled = 6,

    /// <summary>A budget of its own was used up before it was through; the result says what remains.</summary>
    Exhausted = 7,
}

/// <summary>How far a job is. Totals are what is known so far; 0 for not known.</summary>
/// <param name="DoneObjects">Files done, a count.</param>
/// <param name="TotalObjects">Files to do, a count.</param>
/// <param name="DoneBytes">Bytes done.</param>
/// <param name="TotalBytes">Bytes to do.</param>
/// <param name="FailedObjects">Files it could not do, a count; they are among the done ones.</param>
public readonly record struct JobProgress(
    long DoneObjects, long TotalObjects, long DoneBytes, long TotalBytes, long FailedObjects);

/// <summary>A job as it is stored. Immutable.</summary>
public sealed record JobRecord
{
    /// <summary>Its number; numbers grow.</summary>
    public long Id { get; init; }

    /// <summary>Which runner it is for.</summary>
    public required string Kind { get; init; }

    /// <summary>Where it is in its life.</summary>
    public JobState State { get; init; }

    /// <summary>What it shall do, in its runner's words (JSON).</summary>
    public required string Spec { get; init; }

    /// <summary>Who asked for it, for lists.</summary>
    public required string Owner { get; init; }

    /// <summary>The folders it is confined to; empty for none.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>Where its runner goes on, in the runner's words; null at the start.</summary>
    public string? Cursor { get; init; }

    /// <summary>How far it is.</summary>
    public JobProgress Progress { get; init; }

    /// <summary>What it is at and what came out so far, in its runner's words (JSON); or null.</summary>
    public string? Detail { get; init; }

    /// <summary>What came out of it, in its runner's words (JSON); null before.</summary>
    public string? Result { get; init; }

    /// <summary>Why it failed; null where it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>Grows with each change, over restarts too.</summary>
    public long Sequence { get; init; }

    /// <summary>When it was made, nanoseconds since 1970 UTC.</summary>
    public long CreatedTime { get; init; }

    /// <summary>When it first ran; 0 before.</summary>
    public long StartedTime { get; init; }

    /// <summary>When it ended; 0 before.</summary>
    public long EndedTime { get; init; }

    /// <summary>Whether it ended, one way or another.</summary>
    public bool HasEnded => State is JobState.Done or JobState.Failed or JobState.Cancelled or JobState.Exhausted;
}

/// <summary>A schedule: a job that is made again and again.</summary>
public sealed record JobSchedule
{
    /// <summary>Its number.</summary>
    public long Id { get; init; }

    /// <summary>When, as five fields of cron.</summary>
    public required string Cron { get; init; }

    /// <summary>The time zone the fields are in (IANA).</summary>
    public required string Zone { get; init; }

    /// <summary>The kind of the jobs it makes.</summary>
    public required string Kind { get; init; }

    /// <summary>The spec of the jobs it makes.</summary>
    public required string Spec { get; init; }

    /// <summary>Who asked for it.</summary>
    public required string Owner { get; init; }

    /// <summary>The folders its jobs are confined to; empty for none.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>When it was made, nanoseconds since 1970 UTC.</summary>
    public long CreatedTime { get; init; }

    /// <summary>The time it was last due and taken care of, nanoseconds since 1970 UTC; 0 for never.</summary>
    public long LastTime { get; init; }

    /// <summary>The job it made last; 0 for none.</summary>
    public long LastJob { get; init; }
}

/// <summary>What a caller gives so that asking twice makes one.</summary>
/// <param name="Key">The caller's key, unique per caller.</param>
/// <param name="Fingerprint">Says what was asked for; another one under the same key is refused.</param>
public sealed record IdempotencyKey(string Key, string Fingerprint);
