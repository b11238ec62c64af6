using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>A warm-up by paths or by a profile, as a job.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record WarmJobCommand
{
    /// <summary>Files and folders of the tree, at most 1,000; each with all that is below.</summary>
    public IReadOnlyList<string> Paths { get; set; } = [];

    /// <summary>A kept profile, instead of paths: exactly its blocks, in its order.</summary>
    public string? Profile { get; init; }

    /// <summary>Of the paths, only what their last uses read and what was written since.</summary>
    public bool Learned { get; init; }

    /// <summary>What to do: <c>warm</c>, <c>check</c> (only look) or <c>evict</c>.</summary>
    public string Mode { get; set; } = "warm";

    /// <summary>Fill memory as well.</summary>
    public bool IntoMemory { get; init; }

    /// <summary>Read each hot copy at the end and compare it with its checksums.</summary>
    public bool Verify { get; set; } = true;
}

/// <summary>A warm-up that is done again and again.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ScheduleCommand
{
    /// <summary>When: minute, hour, day of the month, month, weekday, as <c>30 6 * * mon-fri</c>.</summary>
    public required string Cron { get; init; }

    /// <summary>The time zone of these, as <c>Europe/Berlin</c>. Default UTC.</summary>
    public string Zone { get; set; } = "UTC";

    /// <summary>What to do then.</summary>
    public required WarmJobCommand Warm { get; init; }
}

/// <summary>A schedule.</summary>
public sealed record ScheduleStatus
{
    /// <summary>Its number.</summary>
    public required long Id { get; init; }

    /// <summary>When.</summary>
    public required string Cron { get; init; }

    /// <summary>The time zone of these.</summary>
    public required string Zone { get; init; }

    /// <summary>The kind of the jobs it makes.</summary>
    public required string Kind { get; init; }

    /// <summary>What its jobs do.</summary>
    public required JsonElement Spec { get; init; }

    /// <summary>Who made it.</summary>
    public required string Owner { get; init; }

    /// <summary>When it is due next, nanoseconds since 1970 UTC; 0 for never.</summary>
    public long NextTimeNanoseconds { get; init; }

    /// <summary>When it was due last, nanoseconds since 1970 UTC; 0 for never yet.</summary>
    public long LastTimeNanoseconds { get; init; }

    /// <summary>The job it made last; 0 for none.</summary>
    public long LastJob { get; init; }
}

/// <summary>A job.</summary>
public sealed record JobStatus
{
    /// <summary>Its number.</summary>
    public required long Id { get; init; }

    /// <summary>What kind of work it is: <c>warm</c>, ….</summary>
    public required string Kind { get; init; }

    /// <summary><c>queued</c>, <c>running</c>, <c>paused</c>, <c>cancelling</c>, <c>done</c>, <c>failed</c>,
    /// <c>cancelled</c> or <c>exhausted</c> (a budget of its own was used up).</summary>
    public required string State { get; init; }

    /// <summary>Who asked for it.</summary>
    public required string Owner { get; init; }

    /// <summary>What it does.</summary>
    public required JsonElement Spec { get; init; }

    /// <summary>Files done, a count.</summary>
    public long DoneObjects { get; init; }

    /// <summary>Files to do, a count; 0 while not known.</summary>
    public long TotalObjects { get; init; }

    /// <summary>Bytes done.</summary>
    public long DoneBytes { get; init; }

    /// <summary>Bytes to do; 0 while not known.</summary>
    public long TotalBytes { get; init; }

    /// <summary>Files it could not do, a count.</summary>
    public long FailedObjects { get; init; }

    /// <summary>Seconds it still takes at its mean pace; null where that is not known.</summary>
    public double? EtaSeconds { get; init; }

    /// <summary>What it is at and what came out so far; null where it does not say.</summary>
    public JsonElement? Detail { get; init; }

    /// <summary>What came out of it; null before.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why it failed; null where it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>Grows with each change; the entity tag and the events' ids are made of it.</summary>
    public required long Sequence { get; init; }

    /// <summary>When it was made, nanoseconds since 1970 UTC.</summary>
    public long CreatedTimeNanoseconds { get; init; }

    /// <summary>When it first ran; 0 before.</summary>
    public long StartedTimeNanoseconds { get; init; }

    /// <summary>When it ended; 0 before.</summary>
    public long EndedTimeNanoseconds { get; init; }

    /// <summary>Whether it ended.</summary>
    [JsonIgnore]
    public bool HasEnded => State is "done" or "failed" or "cancelled" or "exhausted";
}

/// <summary>A page of jobs, newest first.</summary>
public sealed record JobPage
{
    /// <summary>The jobs.</summary>
    public required IReadOnlyList<JobStatus> Jobs { get; init; }

    /// <summary>Go on with <c>cursor=</c> this; null after the last.</summary>
    public string? Next { get; init; }
}
