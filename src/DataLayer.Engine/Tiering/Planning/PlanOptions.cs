namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What a plan is made of besides facts and rules.</summary>
public sealed record PlanOptions
{
    /// <summary>The folder or file it is for.</summary>
    public string Path { get; init; } = "/";

    /// <summary>Hash of the policy.</summary>
    public required string PolicyHash { get; init; }

    /// <summary>The stored version of the policy; null for one that is not stored.</summary>
    public long? PolicyVersion { get; init; }

    /// <summary>How long the plan may be applied. Default 24 h: facts age.</summary>
    public TimeSpan Validity { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How far ahead use is forecast. Default 30 days, a billed month.</summary>
    public TimeSpan Horizon { get; init; } = TimeSpan.FromDays(PriceTable.DaysPerMonth);

    /// <summary>The half-life of <see cref="FileFacts.Heat"/>.</summary>
    public TimeSpan HeatHalfLife { get; init; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How much oftener than forecast released files were recalled lately (<see cref="RecallCalibration"/>). Default 1:
    /// nothing is known.
    /// </summary>
    public double RecallFactor { get; init; } = 1;

    /// <summary>The attachments whose buckets nothing may be written into.</summary>
    public IReadOnlySet<long> ReadOnlyAttachments { get; init; } = new HashSet<long>();

    /// <summary>The attachments whose stores know no storage classes.</summary>
    public IReadOnlySet<long> ClasslessAttachments { get; init; } = new HashSet<long>();
}
