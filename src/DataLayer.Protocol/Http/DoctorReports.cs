namespace DataLayer.Protocol.Http;

/// <summary>Why readers wait, and what to change: <c>datalayer doctor</c>, <c>GET /api/v1/doctor</c>.</summary>
public sealed record DoctorReport
{
    /// <summary>The length of the window that was looked at, seconds.</summary>
    public double WindowSeconds { get; init; }

    /// <summary>How many readers waited on average, a count.</summary>
    public double WaitingReaders { get; init; }

    /// <summary>Waits of all readers together in the window by cause, seconds, as the metric counts them.</summary>
    public required IReadOnlyDictionary<string, double> WaitSeconds { get; init; }

    /// <summary>Whether there is nothing to change.</summary>
    public bool Healthy { get; init; }

    /// <summary>One sentence.</summary>
    public required string Verdict { get; init; }

    /// <summary>The causes, the one that costs most first.</summary>
    public required IReadOnlyList<DoctorCause> Causes { get; init; }
}

/// <summary>One cause of waiting.</summary>
public sealed record DoctorCause
{
    /// <summary>Its name, as <c>origin-throttled</c>. docs/DOCTOR.md lists them.</summary>
    public required string Cause { get; init; }

    /// <summary>What it is, in a sentence.</summary>
    public required string Summary { get; init; }

    /// <summary>Its share of all that was lost in the window, 0 to 1.</summary>
    public double Share { get; init; }

    /// <summary>What it cost, seconds of all readers together.</summary>
    public double LostSeconds { get; init; }

    /// <summary>The figures that say so.</summary>
    public required IReadOnlyList<string> Evidence { get; init; }

    /// <summary>
    /// The one setting to change: a key of the configuration, an option of a command, or what lies outside DataLayer.
    /// </summary>
    public required string Setting { get; init; }

    /// <summary>What it is now; null where that is not known.</summary>
    public string? Now { get; init; }

    /// <summary>What to set it to, or to do.</summary>
    public required string Change { get; init; }

    /// <summary>What is to be expected of that.</summary>
    public required string Effect { get; init; }
}
