using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>Turns automatic tiering on or off.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AutoTieringCommand
{
    /// <summary>Whether it shall be on.</summary>
    public required bool Enabled { get; init; }
}

/// <summary>What automatic tiering is at.</summary>
public sealed record AutoTieringReport
{
    /// <summary>Whether it is on.</summary>
    public required bool Enabled { get; init; }

    /// <summary>What keeps it from moving files, in words; null for nothing.</summary>
    public string? Obstacle { get; init; }

    /// <summary>The version of the policy that its last pass took; 0 for none.</summary>
    public long PolicyVersion { get; init; }

    /// <summary>The rules whose marks of fill are passed, by name.</summary>
    public required IReadOnlyList<string> PassedMarks { get; init; }

    /// <summary>When the last pass began, nanoseconds since 1970 UTC; 0 for none yet.</summary>
    public long LastPassTimeNanoseconds { get; init; }

    /// <summary>Files that it looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Files that it has moved, a count.</summary>
    public long Moves { get; init; }

    /// <summary>Files that it left alone since they were moved a short while ago, a count.</summary>
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

    /// <summary>What its moves cost in the last 24 h, in the price table's currency.</summary>
    public double CostOfDay { get; init; }

    /// <summary>Whether so much is recalled that nothing is added to it.</summary>
    public bool Storm { get; init; }

    /// <summary>The last alerts, newest first, at most 100.</summary>
    public required IReadOnlyList<TieringAlertReport> Alerts { get; init; }
}

/// <summary>Something that somebody should look at.</summary>
public sealed record TieringAlertReport
{
    /// <summary>When, nanoseconds since 1970 UTC.</summary>
    public required long TimeNanoseconds { get; init; }

    /// <summary><c>cost</c> or <c>storm</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What, in words.</summary>
    public required string Message { get; init; }
}
