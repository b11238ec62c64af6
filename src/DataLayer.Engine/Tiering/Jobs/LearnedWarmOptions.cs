namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>What learned warm-ups take for recurring, and how far ahead they begin.</summary>
public sealed record LearnedWarmOptions
{
    /// <summary>Whether the service makes them. Default off: they read objects that nobody asked for yet.</summary>
    public bool IsEnabled { get; init; }

    /// <summary>The time zone that the jobs of users keep time in. Default UTC.</summary>
    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;

    /// <summary>Weekdays that are no trading days. Default none; those of a fixed date are learned in a year.</summary>
    public IReadOnlySet<DateOnly> Holidays { get; init; } = new HashSet<DateOnly>();

    /// <summary>A calendar of the active policy whose closed days are holidays as well; null for none.</summary>
    public string? Calendar { get; init; }

    /// <summary>How far from its usual time a start may be, 1 minute to 2 h. Default 10 minutes.</summary>
    public TimeSpan Tolerance { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Below this confidence nothing is warmed, 0 to 1. Default 0.6.</summary>
    public double MinConfidence { get; init; } = 0.6;

    /// <summary>The least time before the earliest start at which a warm-up begins. Default 5 minutes.</summary>
    public TimeSpan MinLead { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The most. Default 4 h: what takes longer is not whole at the start.</summary>
    public TimeSpan MaxLead { get; init; } = TimeSpan.FromHours(4);

    /// <summary>
    /// How full the fullest pool may become by them, 0 to 1. Default 0.9: what would not fit is not begun.
    /// </summary>
    public double MaxFill { get; init; } = 0.9;
}
