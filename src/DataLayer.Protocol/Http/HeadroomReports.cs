using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>When a headroom's window is open, with the keys and words of a policy's window.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record HeadroomWindowTimes
{
    /// <summary>Weekdays, as <c>mon-fri</c>; null for all.</summary>
    public string? Days { get; init; }

    /// <summary>Months, as <c>jan, apr</c>; null for all.</summary>
    public string? Months { get; init; }

    /// <summary>Days of the month, as <c>first 2</c> or <c>1, 15</c>; null for all.</summary>
    public string? MonthDays { get; init; }

    /// <summary>Time of day it opens, as <c>08:30</c>; null for midnight.</summary>
    public string? From { get; init; }

    /// <summary>Time of day it closes; null for midnight.</summary>
    public string? To { get; init; }

    /// <summary>The zone of the times (IANA); null for UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>A calendar of the active policy that lets days through, as trading days; null for none.</summary>
    public string? Calendar { get; init; }

    /// <summary><c>open</c> (default) or <c>closed</c> days of the calendar.</summary>
    public string? On { get; init; }

    /// <summary>Start times as five fields of cron, instead of days and hours.</summary>
    public string? Cron { get; init; }

    /// <summary>How long it is open after each of these, as <c>8h</c>.</summary>
    public string? For { get; init; }
}

/// <summary>What a headroom is to reserve, and when.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record HeadroomCommand
{
    /// <summary>Its name: letters, digits, '-', '_' and '.', unique.</summary>
    public required string Name { get; init; }

    /// <summary>The folder whose files the share is for.</summary>
    public required string Path { get; init; }

    /// <summary>Memory that others do not take, bytes. Default 0.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes of the hot tier that others do not take, copies counted. Default 0.</summary>
    public long HotBytes { get; init; }

    /// <summary>
    /// The pool of the hot tier that it is reserved in, and that takes what comes of the folder while it is in force.
    /// Default: the service's default pool.
    /// </summary>
    public string? Pool { get; init; }

    /// <summary>When it is reserved.</summary>
    public required HeadroomWindowTimes Window { get; init; }

    /// <summary>How long before each window room is made and the share refilled, seconds. Default 3,600.</summary>
    public double LeadSeconds { get; set; } = 3600;

    /// <summary>Files and folders that are brought before each window; null or empty for the whole folder.</summary>
    public IReadOnlyList<string>? Refill { get; init; }

    /// <summary>The kept profile whose blocks are brought instead; or null.</summary>
    public string? RefillProfile { get; init; }
}

/// <summary>A headroom.</summary>
public sealed record HeadroomReport
{
    /// <summary>Its number.</summary>
    public required long Id { get; init; }

    /// <summary>What it reserves, and when.</summary>
    public required HeadroomCommand Headroom { get; init; }

    /// <summary>Who made it.</summary>
    public required string Owner { get; init; }

    /// <summary>Whether its share is reserved now.</summary>
    public required bool InForce { get; init; }

    /// <summary>
    /// <c>waiting</c>, <c>makingRoom</c>, <c>refilling</c>, <c>ready</c>, <c>incomplete</c> or <c>ended</c>.
    /// </summary>
    public required string Phase { get; init; }

    /// <summary>When its window opens next, or opened where it is in force, nanoseconds since 1970 UTC; 0 for
    /// never.</summary>
    public long WindowStartTimeNanoseconds { get; init; }

    /// <summary>When that window closes, nanoseconds since 1970 UTC; 0 for never.</summary>
    public long WindowEndTimeNanoseconds { get; init; }

    /// <summary>What the share has in the hot tier, bytes with copies; 0 while it is not in force.</summary>
    public long PresentHotBytes { get; init; }

    /// <summary>What it has in memory, bytes; 0 while it is not in force.</summary>
    public long PresentMemoryBytes { get; init; }

    /// <summary>What is in the way, in words; null for nothing.</summary>
    public string? Message { get; init; }

    /// <summary>What became of the last window, or is at this moment; null before the first.</summary>
    public HeadroomCourseReport? Course { get; init; }
}

/// <summary>The course of a headroom's window.</summary>
public sealed record HeadroomCourseReport
{
    /// <summary>When the window opens or opened, nanoseconds since 1970 UTC.</summary>
    public required long WindowStartTimeNanoseconds { get; init; }

    /// <summary>Bytes of others that had to go to make room.</summary>
    public long RoomBytes { get; init; }

    /// <summary>The job that released them; 0 for none.</summary>
    public long RoomJob { get; init; }

    /// <summary>The job that refilled the share last; 0 for none yet.</summary>
    public long RefillJob { get; init; }

    /// <summary>How often it was refilled, a count.</summary>
    public int Refills { get; init; }

    /// <summary>Files that the refill looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Of these, whole in the hot tier, a count.</summary>
    public long Resident { get; init; }

    /// <summary>Of these, compared with their checksums, a count.</summary>
    public long Checksummed { get; init; }

    /// <summary>Of these, with a gap, a count.</summary>
    public long Missing { get; init; }

    /// <summary>When the share was whole and verified, nanoseconds since 1970 UTC; 0 where it was not.</summary>
    public long ReadyTimeNanoseconds { get; init; }

    /// <summary>Whether the window opened before that.</summary>
    public bool WasLate { get; init; }
}
