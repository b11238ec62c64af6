namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Sums over files that a plan looked at or moves. Amounts are in the plan's currency.</summary>
public sealed record MoveTotals
{
    /// <summary>Files looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>Files that move, a count.</summary>
    public long Moves { get; init; }

    /// <summary>Bytes of the files that move.</summary>
    public long MovedBytes { get; init; }

    /// <summary>Files uploaded, a count.</summary>
    public long Uploads { get; init; }

    /// <summary>Bytes uploaded.</summary>
    public long UploadBytes { get; init; }

    /// <summary>Files whose hot copy is dropped, a count.</summary>
    public long Releases { get; init; }

    /// <summary>Hot bytes freed, one copy counted.</summary>
    public long ReleaseBytes { get; init; }

    /// <summary>Files read back, a count.</summary>
    public long Recalls { get; init; }

    /// <summary>Bytes read back.</summary>
    public long RecallBytes { get; init; }

    /// <summary>Objects that change their class, a count.</summary>
    public long Reclasses { get; init; }

    /// <summary>Requests that the moves take, a count.</summary>
    public double Requests { get; init; }

    /// <summary>A month of the hot tier as it is.</summary>
    public double HotMonthlyBefore { get; init; }

    /// <summary>A month of the objects as they are.</summary>
    public double ColdMonthlyBefore { get; init; }

    /// <summary>A month of the hot tier after the moves.</summary>
    public double HotMonthlyAfter { get; init; }

    /// <summary>A month of the objects after the moves.</summary>
    public double ColdMonthlyAfter { get; init; }

    /// <summary>What the moves cost once.</summary>
    public MoveCost Once { get; init; }

    /// <summary>Reading back everything that is cold afterwards, once.</summary>
    public double RecallCost { get; init; }

    /// <summary>The same, each file by its probability of being read within the plan's horizon.</summary>
    public double ExpectedRecallCost { get; init; }

    /// <summary>A month as it is.</summary>
    public double MonthlyBefore => HotMonthlyBefore + ColdMonthlyBefore;

    /// <summary>A month after the moves, without what is read back.</summary>
    public double MonthlyAfter => HotMonthlyAfter + ColdMonthlyAfter;
}
