namespace DataLayer.Engine.Tiering.Costs;

/// <summary>Bounds and tuning of the cost meter, and the budgets.</summary>
public sealed record CostOptions
{
    /// <summary>
    /// How often counts are priced, budgets weighed and both written, 100 ms to 10 min. Default 10 s. A killed service
    /// loses the requests of one interval at most.
    /// </summary>
    public TimeSpan FlushInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often it is looked at what is stored, 1 s to 24 h. Default 10 min; less often where a look takes more than a
    /// hundredth of that.
    /// </summary>
    public TimeSpan StorageInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long costs and fills are kept by the hour. Default 14 days.</summary>
    public TimeSpan HourRetention { get; init; } = TimeSpan.FromDays(14);

    /// <summary>How long costs and fills are kept by the day, and those of jobs. Default 400 days.</summary>
    public TimeSpan DayRetention { get; init; } = TimeSpan.FromDays(400);

    /// <summary>How long costs are kept by the month. Default ten years.</summary>
    public TimeSpan MonthRetention { get; init; } = TimeSpan.FromDays(3650);

    /// <summary>Requests a second that background work may make where a budget throttles it, 1 to 10,000.
    /// Default 5.</summary>
    public int ThrottledRequestsPerSecond { get; init; } = 5;

    /// <summary>Copies of a hot byte in the default pool, a count: what all-hot is compared by.</summary>
    public int CopyCount { get; init; } = 1;

    /// <summary>The budgets; names apart.</summary>
    public IReadOnlyList<CostBudget> Budgets { get; init; } = [];
}
