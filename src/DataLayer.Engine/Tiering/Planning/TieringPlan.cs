namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What a policy would do now: the moves by rule, and what they cost and save. The moves themselves stand in a
/// file beside it (<see cref="MoveSpool"/>).</summary>
public sealed record TieringPlan
{
    /// <summary>Its number in the store; 0 before it is stored.</summary>
    public long Id { get; init; }

    /// <summary>The folder (or file) it was made for.</summary>
    public required string Path { get; init; }

    /// <summary>When the facts were read.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it is stale whatever else.</summary>
    public required DateTimeOffset ValidUntil { get; init; }

    /// <summary>Hash of the policy.</summary>
    public required string PolicyHash { get; init; }

    /// <summary>The stored version of the policy; null for one that is not stored.</summary>
    public long? PolicyVersion { get; init; }

    /// <summary>Hash of the prices.</summary>
    public required string PriceHash { get; init; }

    /// <summary>The price table's name.</summary>
    public required string PriceTable { get; init; }

    /// <summary>Currency of all amounts.</summary>
    public required string Currency { get; init; }

    /// <summary>How far ahead use was forecast.</summary>
    public required TimeSpan Horizon { get; init; }

    /// <summary>All files.</summary>
    public required MoveTotals Totals { get; init; }

    /// <summary>By rule, in the policy's order; files that no rule matches have the index -1.</summary>
    public required IReadOnlyList<RulePlan> Rules { get; init; }

    /// <summary>What the reader should know before applying it.</summary>
    public required IReadOnlyList<PlanWarning> Warnings { get; init; }

    /// <summary>Part of the bytes read by the heat seen that find themselves hot now, 0 to 1.</summary>
    public double HitRatioBefore { get; init; }

    /// <summary>The same after the moves.</summary>
    public double HitRatioAfter { get; init; }

    /// <summary>Bytes of the file of moves; 0 where there is none.</summary>
    public long SpoolBytes { get; init; }
}

/// <summary>One rule's part of a plan.</summary>
/// <param name="RuleIndex">Its place in the policy; -1 for the files no rule matches.</param>
/// <param name="RuleName">Its name.</param>
/// <param name="Matched">All files it matches, moving or not.</param>
/// <param name="Moved">The files that move.</param>
public sealed record RulePlan(int RuleIndex, string RuleName, MoveTotals Matched, MoveTotals Moved);

/// <summary>Something that keeps files from being where their rule wants them.</summary>
/// <param name="Obstacle">What it is.</param>
/// <param name="Files">Files it holds up, a count.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Example">One of them.</param>
/// <param name="Message">What it means and what to do.</param>
public sealed record PlanWarning(MoveObstacle Obstacle, long Files, long Bytes, string Example, string Message);
