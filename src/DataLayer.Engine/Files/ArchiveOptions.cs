namespace DataLayer.Engine.Files;

/// <summary>What a read of an object does that lies in an archive.</summary>
public enum ArchiveReads
{
    /// <summary>It fails with a temporary error, and a restore is asked for: a later read succeeds.</summary>
    Restore = 0,

    /// <summary>A restore is asked for, and the read waits for it.</summary>
    Wait = 1,

    /// <summary>It fails with a temporary error; only moves and warm-ups by an admin restore.</summary>
    Refuse = 2,
}

/// <summary>How objects come out of archives (S3: GLACIER and its kin).</summary>
public sealed record ArchiveOptions
{
    /// <summary>What reads do. Default: ask for a restore and fail until it is done.</summary>
    public ArchiveReads Reads { get; init; }

    /// <summary>How long a restored object stays readable, days, 1 to 365. Default 3: a recall needs minutes.</summary>
    public int RestoreDays { get; init; } = 3;

    /// <summary>How fast, in the store's words: <c>Standard</c> (default), <c>Bulk</c>, <c>Expedited</c>.</summary>
    public string RestoreSpeed { get; init; } = "Standard";

    /// <summary>How long a read waits at most, 1 s to 7 d. Default 12 h: what a usual restore takes at most.</summary>
    public TimeSpan WaitLimit { get; init; } = TimeSpan.FromHours(12);

    /// <summary>How often a restore is looked after, 10 ms to 1 h. Default 1 min: they take hours.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromMinutes(1);

    internal void Check(List<string> errors)
    {
        if (RestoreDays is < 1 or > 365 || string.IsNullOrWhiteSpace(RestoreSpeed))
        {
            errors.Add($"{nameof(RestoreDays)} {RestoreDays} is not in 1 to 365, or {nameof(RestoreSpeed)} is empty");
        }

        if (WaitLimit < TimeSpan.FromSeconds(1) || WaitLimit > TimeSpan.FromDays(7)
            || LookEvery < TimeSpan.FromMilliseconds(10) || LookEvery > TimeSpan.FromHours(1))
        {
            errors.Add($"{nameof(WaitLimit)} {WaitLimit} is not in 1 s to 7 d, or {nameof(LookEvery)} {LookEvery} not "
                + "in 10 ms to 1 h");
        }
    }
}
