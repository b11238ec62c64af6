using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>Begins to record a profile.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RecordProfileCommand
{
    /// <summary>The folder or file that is recorded.</summary>
    public string Path { get; init; } = "/";

    /// <summary>For how long, seconds, at most a week; null until it is stopped.</summary>
    public double? Seconds { get; init; }
}

/// <summary>Merges profiles.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record MergeProfilesCommand
{
    /// <summary>The profiles, at least one; the result may be one of them.</summary>
    public required IReadOnlyList<string> From { get; init; }
}

/// <summary>Trims a profile.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record TrimProfileCommand
{
    /// <summary>Keep what was read in at least this share of the runs, 0 to 1.</summary>
    public double MinShare { get; init; }

    /// <summary>Keep what was first read within this time, seconds; null for all.</summary>
    public double? MaxSeconds { get; init; }

    /// <summary>Keep at most so many bytes, in order of time; null for all.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>The name the result gets; null for the same.</summary>
    public string? To { get; init; }
}

/// <summary>Replays a profile.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ReplayProfileCommand
{
    /// <summary>Only tell what would be fetched.</summary>
    public bool DryRun { get; init; }
}

/// <summary>A profile, kept or being recorded.</summary>
public sealed record ProfileStatus
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The path below which it was recorded.</summary>
    public required string Path { get; init; }

    /// <summary>When the (last) run began.</summary>
    public DateTimeOffset RecordedAt { get; init; }

    /// <summary>How long the (longest) run was, seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>Runs it is of, a count.</summary>
    public int Runs { get; init; }

    /// <summary>Files, a count.</summary>
    public long Files { get; init; }

    /// <summary>Blocks of 1 MiB, a count.</summary>
    public long Blocks { get; init; }

    /// <summary>The blocks' bytes; 0 while it is recorded.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Accesses that are missing in it.</summary>
    public long Missed { get; init; }

    /// <summary>Whether it is being recorded.</summary>
    public bool Recording { get; init; }

    /// <summary>When the recording ends by itself, or null.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    /// <summary>Why it cannot be used, or null.</summary>
    public string? Fault { get; init; }
}

/// <summary>One file of a profile.</summary>
public sealed record ProfileFileStatus
{
    /// <summary>Its path when it was recorded.</summary>
    public required string Path { get; init; }

    /// <summary>Its length then.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Its blocks in the profile, a count.</summary>
    public long Blocks { get; init; }

    /// <summary>When it was first read, seconds since the start.</summary>
    public double FirstSeconds { get; init; }
}

/// <summary>A profile with a page of its files.</summary>
public sealed record ProfileDetail
{
    /// <summary>The profile.</summary>
    public required ProfileStatus Profile { get; init; }

    /// <summary>Files in the order they were first read.</summary>
    public required IReadOnlyList<ProfileFileStatus> Files { get; init; }

    /// <summary>Where the next page begins, a count of files; null after the last.</summary>
    public int? Next { get; init; }
}

/// <summary>What a replay did.</summary>
public sealed record ReplayReport
{
    /// <summary>Whether it only looked.</summary>
    public bool DryRun { get; init; }

    /// <summary>Files of the profile, a count.</summary>
    public long Files { get; init; }

    /// <summary>Its blocks that are there today, a count.</summary>
    public long Blocks { get; init; }

    /// <summary>Their bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Blocks that were hot already.</summary>
    public long AlreadyHot { get; init; }

    /// <summary>Blocks that are hot now.</summary>
    public long Hot { get; init; }

    /// <summary>Bytes fetched, or in a dry run to be fetched.</summary>
    public long FetchedBytes { get; init; }

    /// <summary>Files found under another name, a count.</summary>
    public long MovedFiles { get; init; }

    /// <summary>Files that are gone, a count.</summary>
    public long VanishedFiles { get; init; }

    /// <summary>Paths of them, at most a hundred.</summary>
    public IReadOnlyList<string> Vanished { get; init; } = [];

    /// <summary>Blocks past the end that their file has today, a count.</summary>
    public long VanishedBlocks { get; init; }

    /// <summary>Blocks that could not be made hot, a count.</summary>
    public long Failed { get; init; }

    /// <summary>Why, the first time; or null.</summary>
    public string? FirstError { get; init; }
}

/// <summary>What was read in one minute, hour or day.</summary>
public sealed record HistoryRow
{
    /// <summary>Where it begins.</summary>
    public DateTimeOffset Start { get; init; }

    /// <summary>The first access in it.</summary>
    public DateTimeOffset First { get; init; }

    /// <summary>The last access in it.</summary>
    public DateTimeOffset Last { get; init; }

    /// <summary>Opens, a count.</summary>
    public long Opens { get; init; }

    /// <summary>Reads, a count.</summary>
    public long Reads { get; init; }

    /// <summary>Bytes that memory answered.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes that the hot tier answered.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes that the cold tier answered.</summary>
    public long ColdBytes { get; init; }

    /// <summary>Nanoseconds that reads without a cold byte waited.</summary>
    public long HotWaitNanoseconds { get; init; }

    /// <summary>Nanoseconds that reads with a cold byte waited.</summary>
    public long ColdWaitNanoseconds { get; init; }
}

/// <summary>A folder's access history.</summary>
public sealed record HistoryReport
{
    /// <summary>The folder.</summary>
    public required string Path { get; init; }

    /// <summary>minute, hour or day.</summary>
    public required string Level { get; init; }

    /// <summary>Rows in order of time; those in which nothing was read are left out.</summary>
    public required IReadOnlyList<HistoryRow> Rows { get; init; }

    /// <summary>Where the next page begins, or null after the last.</summary>
    public DateTimeOffset? Next { get; init; }
}
