namespace DataLayer.Engine.Tiering.Automation;

/// <summary>What automatic tiering may do, and how often it looks.</summary>
public sealed record AutoTieringOptions
{
    /// <summary>The file whose presence says that it is on: survives restarts. Null to begin off each time.</summary>
    public string? SwitchFile { get; init; }

    /// <summary>How often all files are held against the policy, 1 minute to 1 day. Default 15 minutes.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// How often the pools' fill is looked at, 1 s to 1 h. Default 5 s: a passed high mark begins a pass at once.
    /// </summary>
    public TimeSpan FillInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For how long a file that was moved is left alone, 1 minute to 1 year. Default 1 day.</summary>
    public TimeSpan CoolDown { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Files that one pass moves at most, a count, 1 to 1 million. Default 10,000.</summary>
    public int MaxMoves { get; init; } = 10_000;

    /// <summary>What moves may cost in 24 h, in the price table's currency; null for no bound.</summary>
    public double? MaxCostPerDay { get; init; }

    /// <summary>
    /// From which share of dead bytes on packs are written anew, 0.05 to 1; null to leave that to people. Default 0.5.
    /// </summary>
    public double? RepackShare { get; init; } = 0.5;

    /// <summary>
    /// Reads from objects a minute from which on it may be a storm of recalls, a count, at least 1. Default 1,000.
    /// </summary>
    public long StormReads { get; init; } = 1000;

    /// <summary>How many times the usual number it has to be as well, at least 1. Default 10.</summary>
    public double StormFactor { get; init; } = 10;
}
