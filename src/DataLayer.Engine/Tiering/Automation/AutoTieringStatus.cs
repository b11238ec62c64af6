namespace DataLayer.Engine.Tiering.Automation;

/// <summary>Something that somebody should look at.</summary>
/// <param name="At">When.</param>
/// <param name="Kind"><c>cost</c> or <c>storm</c>.</param>
/// <param name="Message">What, in words.</param>
public sealed record TieringAlert(DateTimeOffset At, string Kind, string Message);

/// <summary>What automatic tiering is at.</summary>
public sealed record AutoTieringStatus
{
    /// <summary>Whether it is on.</summary>
    public bool IsOn { get; init; }

    /// <summary>What keeps it from moving files, in words; null for nothing.</summary>
    public string? Obstacle { get; init; }

    /// <summary>The version of the policy that the last pass took; 0 for none.</summary>
    public long PolicyVersion { get; init; }

    /// <summary>The rules whose marks of fill are passed, by name.</summary>
    public IReadOnlyList<string> PassedMarks { get; init; } = [];

    /// <summary>When the last pass began; null for none yet.</summary>
    public DateTimeOffset? LastPassAt { get; init; }

    /// <summary>Files that the last pass looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Files that it found in the wrong place and has moved, a count.</summary>
    public long Moves { get; init; }

    /// <summary>Files that it left alone since they were moved a short while ago, or are in their class for less than
    /// its
    /// minimum of days, a count.</summary>
    public long CoolingDown { get; init; }

    /// <summary>Recalls that it put off because of a storm, a count.</summary>
    public long PutOff { get; init; }

    /// <summary>Files that a headroom keeps from being released, a count.</summary>
    public long Reserved { get; init; }

    /// <summary>Files that wait until there are enough for a pack, a count.</summary>
    public long Gathering { get; init; }

    /// <summary>Packs that are mostly dead, a count; of the last look at them.</summary>
    public int DeadPacks { get; init; }

    /// <summary>The last job that wrote packs anew; 0 for none.</summary>
    public long RepackJob { get; init; }

    /// <summary>The job of the last pass that moved files; 0 for none.</summary>
    public long LastJob { get; init; }

    /// <summary>What moves cost in the last 24 h.</summary>
    public double CostOfDay { get; init; }

    /// <summary>Whether so much is recalled that nothing is added to it.</summary>
    public bool IsStorm { get; init; }

    /// <summary>The last alerts, newest first, at most 100.</summary>
    public IReadOnlyList<TieringAlert> Alerts { get; init; } = [];
}
