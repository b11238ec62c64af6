namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>A profile in brief, kept or being recorded.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Path">The path below which it was recorded.</param>
/// <param name="RecordedAt">When the (last) run began.</param>
/// <param name="Duration">How long the (longest) run was, or is by now.</param>
/// <param name="RunCount">Runs it is of, a count.</param>
/// <param name="FileCount">Files, a count.</param>
/// <param name="BlockCount">Blocks, a count.</param>
/// <param name="SizeBytes">The blocks' bytes; 0 while it is recorded.</param>
/// <param name="MissedCount">Accesses that are missing in it.</param>
/// <param name="IsRecording">Whether it is being recorded.</param>
/// <param name="EndsAt">When the recording ends by itself, or null.</param>
/// <param name="Fault">Why a kept profile cannot be used, or null.</param>
public sealed record ProfileSummary(
    string Name, string Path, DateTimeOffset RecordedAt, TimeSpan Duration, int RunCount, long FileCount,
    long BlockCount, long SizeBytes, long MissedCount, bool IsRecording = false, DateTimeOffset? EndsAt = null,
    string? Fault = null);

/// <summary>What a replay did, so far or in the end.</summary>
public sealed record ProfileReplayResult
{
    /// <summary>Whether it only looked.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>Files of the profile, a count.</summary>
    public long FileCount { get; init; }

    /// <summary>Blocks of the profile that files have today, a count.</summary>
    public long BlockCount { get; init; }

    /// <summary>Their bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Blocks that were hot already.</summary>
    public long AlreadyHotBlocks { get; init; }

    /// <summary>Blocks that are hot now (in a dry run: that would be fetched are those that are not).</summary>
    public long HotBlocks { get; init; }

    /// <summary>Bytes fetched from objects, or in a dry run to be fetched.</summary>
    public long FetchedBytes { get; init; }

    /// <summary>Files found by their inode under another name, a count.</summary>
    public long MovedFiles { get; init; }

    /// <summary>Files of the profile that are not there any more, a count.</summary>
    public long VanishedFiles { get; init; }

    /// <summary>Paths of them, at most a hundred.</summary>
    public IReadOnlyList<string> Vanished { get; init; } = [];

    /// <summary>Blocks that lie past the end that their file has today, a count.</summary>
    public long VanishedBlocks { get; init; }

    /// <summary>Blocks that could not be made hot, a count.</summary>
    public long FailedBlocks { get; init; }

    /// <summary>Why, the first time; or null.</summary>
    public string? FirstError { get; init; }
}
