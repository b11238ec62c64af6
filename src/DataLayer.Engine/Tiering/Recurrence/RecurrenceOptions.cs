namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>What a detector takes for recurring.</summary>
public sealed record RecurrenceOptions
{
    /// <summary>The time zone that jobs keep time in. Default UTC.</summary>
    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;

    /// <summary>Days that are no trading days though they are weekdays. Default none.</summary>
    public IReadOnlySet<DateOnly> Holidays { get; init; } = new HashSet<DateOnly>();

    /// <summary>How far from its usual time a start may be. Default 10 minutes.</summary>
    public TimeSpan Tolerance { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// The chance that uses at any time would meet within the tolerance on two days, below which two are enough, 0 to
    /// 1. Default 0.1; 0 for never.
    /// </summary>
    public double MaxChance { get; init; } = 0.1;

    /// <summary>How often something must have been seen, a count from 2. Default 3.</summary>
    public int MinSupport { get; init; } = 3;

    /// <summary>Below this confidence nothing is predicted, 0 to 1. Default 0.6.</summary>
    public double MinConfidence { get; init; } = 0.6;

    /// <summary>How many of the last expected days the confidence is taken from, a count. Default 20.</summary>
    public int RecentCount { get; init; } = 20;
}
