using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>What bounds a job of moves (apply, undo). All bounds are optional.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record MoveCommand
{
    /// <summary>Bytes a second that may pass between the tiers, at least 1,024; null for no bound.</summary>
    public long? BytesPerSecond { get; init; }

    /// <summary>The part of each day in which moves may begin, as <c>22:00-06:00</c>; null for always.</summary>
    public string? Window { get; init; }

    /// <summary>The time zone of the window, as <c>Europe/Berlin</c>. Default UTC.</summary>
    public string Zone { get; set; } = "UTC";

    /// <summary>Requests that may be billed, a count; null for no bound.</summary>
    public long? MaxRequests { get; init; }

    /// <summary>What may be spent, in the price table's currency; null for no bound.</summary>
    public double? MaxCost { get; init; }

    /// <summary>Moves side by side, a count, 1 to 64.</summary>
    public int Parallelism { get; set; } = 4;

    /// <summary>
    /// How an object is looked at before the hot copy goes: <c>checksum</c> (its ETag and length), or <c>content</c>
    /// (all its bytes as well).
    /// </summary>
    public string Verify { get; set; } = "checksum";
}

/// <summary>One move of a job, as the journal of moves has it.</summary>
public sealed record MoveReport
{
    /// <summary>Its place within the job, from 0.</summary>
    public required long Number { get; init; }

    /// <summary>The plan it is of; 0 for none.</summary>
    public long Plan { get; init; }

    /// <summary>The stored version of the policy that wants it; 0 for none.</summary>
    public long PolicyVersion { get; init; }

    /// <summary>The rule, by its place in the policy.</summary>
    public int Rule { get; init; }

    /// <summary>The file, when the move was planned.</summary>
    public required string Path { get; init; }

    /// <summary>What was to be done: <c>upload</c>, <c>reclass</c>, <c>release</c>, <c>recall</c>.</summary>
    public required IReadOnlyList<string> Kinds { get; init; }

    /// <summary>What was done of it.</summary>
    public required IReadOnlyList<string> Done { get; init; }

    /// <summary><c>started</c>, <c>done</c>, <c>skipped</c> or <c>failed</c>.</summary>
    public required string State { get; init; }

    /// <summary>Why it was skipped or failed; null where it was not.</summary>
    public string? Reason { get; init; }

    /// <summary>Length of the content, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Hot bytes before, one copy counted.</summary>
    public long FromHotBytes { get; init; }

    /// <summary>The object's class before; null where there was none.</summary>
    public string? FromClass { get; init; }

    /// <summary>The class it was to have; null for the store's default.</summary>
    public string? ToClass { get; init; }

    /// <summary>Bytes that passed between the tiers.</summary>
    public long MovedBytes { get; init; }

    /// <summary>Requests billed, a count.</summary>
    public long Requests { get; init; }

    /// <summary>What it cost, in the price table's currency.</summary>
    public double Cost { get; init; }

    /// <summary>When it was begun, nanoseconds since 1970 UTC.</summary>
    public long StartedTimeNanoseconds { get; init; }

    /// <summary>When it ended, nanoseconds since 1970 UTC; 0 before.</summary>
    public long EndedTimeNanoseconds { get; init; }
}

/// <summary>A page of a job's moves.</summary>
public sealed record MovePage
{
    /// <summary>The moves, by number.</summary>
    public required IReadOnlyList<MoveReport> Moves { get; init; }

    /// <summary>Go on with <c>from=</c> this; null after the last.</summary>
    public long? Next { get; init; }
}
