namespace DataLayer.Protocol.Http;

/// <summary>Asks for a plan.</summary>
public sealed record PlanCommand
{
    /// <summary>The folder or file to plan for.</summary>
    public string Path { get; set; } = "/";

    /// <summary>The policy's text; null for the active policy.</summary>
    public string? Policy { get; init; }
}

/// <summary>How far a plan is.</summary>
public sealed record PlanProgressReport
{
    /// <summary>Files looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Files that move, a count.</summary>
    public long Moves { get; init; }
}

/// <summary>A plan: what a policy would do, and what that costs and saves. Amounts are in its currency.</summary>
public sealed record PlanReport
{
    /// <summary>Its number.</summary>
    public long Id { get; init; }

    /// <summary>What it was made for.</summary>
    public required string Path { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it is refused.</summary>
    public DateTimeOffset ValidUntil { get; init; }

    /// <summary>Why it would be refused now; empty where it would not.</summary>
    public required IReadOnlyList<string> Stale { get; init; }

    /// <summary>Hash of the policy.</summary>
    public required string PolicyHash { get; init; }

    /// <summary>Stored version of the policy; null for a text that came with the command.</summary>
    public long? PolicyVersion { get; init; }

    /// <summary>The price table's name.</summary>
    public required string PriceTable { get; init; }

    /// <summary>Hash of the prices.</summary>
    public required string PriceHash { get; init; }

    /// <summary>Currency of all amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>How far ahead use was forecast, days.</summary>
    public double HorizonDays { get; init; }

    /// <summary>All files.</summary>
    public required PlanSums Totals { get; init; }

    /// <summary>By rule, in the policy's order; last, without a name, the files that no rule matches.</summary>
    public required IReadOnlyList<PlanRuleReport> Rules { get; init; }

    /// <summary>What the reader should know before applying it.</summary>
    public required IReadOnlyList<PlanWarningReport> Warnings { get; init; }

    /// <summary>Part of the bytes read lately that are hot now, 0 to 1.</summary>
    public double HitRatioBefore { get; init; }

    /// <summary>The same after the moves.</summary>
    public double HitRatioAfter { get; init; }
}

/// <summary>Sums over files. Amounts are in the plan's currency.</summary>
public sealed record PlanSums
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

    /// <summary>Objects that change their storage class, a count.</summary>
    public long Reclasses { get; init; }

    /// <summary>Requests of the moves, a count; fractions where files share a pack.</summary>
    public double Requests { get; init; }

    /// <summary>A month as it is.</summary>
    public double MonthlyBefore { get; init; }

    /// <summary>A month after the moves, without what is read back.</summary>
    public double MonthlyAfter { get; init; }

    /// <summary>What of that is the hot tier's.</summary>
    public double HotMonthlyAfter { get; init; }

    /// <summary>The moves, once.</summary>
    public double Once { get; init; }

    /// <summary>Of it: requests.</summary>
    public double OnceRequests { get; init; }

    /// <summary>Of it: bytes read out of classes that charge for it.</summary>
    public double OnceRetrieval { get; init; }

    /// <summary>Of it: bytes that leave the store.</summary>
    public double OnceEgress { get; init; }

    /// <summary>Of it: the rest of minimum storage durations.</summary>
    public double OnceEarlyDeletion { get; init; }

    /// <summary>Reading back all that is cold afterwards, once.</summary>
    public double RecallCost { get; init; }

    /// <summary>The same, each file by its probability of use within the horizon.</summary>
    public double ExpectedRecallCost { get; init; }
}

/// <summary>One rule's part of a plan.</summary>
public sealed record PlanRuleReport
{
    /// <summary>Its place in the policy, from 0; -1 for the files no rule matches.</summary>
    public int Index { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Files it matches, moving or not, a count.</summary>
    public long MatchedFiles { get; init; }

    /// <summary>Their bytes.</summary>
    public long MatchedBytes { get; init; }

    /// <summary>The files that move.</summary>
    public required PlanSums Moved { get; init; }
}

/// <summary>Something that keeps files from being where their rule wants them.</summary>
public sealed record PlanWarningReport
{
    /// <summary>What it is: <c>noAttachment</c>, <c>readOnlyBucket</c>, <c>pinned</c>, <c>recalling</c>,
    /// <c>unknownClass</c>, <c>noClasses</c>.</summary>
    public required string Obstacle { get; init; }

    /// <summary>Files it holds up, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>One of them.</summary>
    public required string Example { get; init; }

    /// <summary>What it means and what to do.</summary>
    public required string Message { get; init; }
}

/// <summary>A page of plans, newest first.</summary>
public sealed record PlanPage
{
    /// <summary>The plans.</summary>
    public required IReadOnlyList<PlanReport> Plans { get; init; }

    /// <summary>Give it as <c>before</c> to go on; null at the end.</summary>
    public long? Next { get; init; }
}

/// <summary>A page of a plan's moves, heaviest first.</summary>
public sealed record PlanMovePage
{
    /// <summary>The moves.</summary>
    public required IReadOnlyList<PlanMoveReport> Moves { get; init; }

    /// <summary>Give it as <c>after</c> to go on; null at the end.</summary>
    public long? Next { get; init; }
}

/// <summary>One file's move.</summary>
public sealed record PlanMoveReport
{
    /// <summary>The file's path when the plan was made.</summary>
    public required string Path { get; init; }

    /// <summary>The file's inode.</summary>
    public long Inode { get; init; }

    /// <summary>The content the move is for.</summary>
    public long Version { get; init; }

    /// <summary>The rule, by its place in the policy.</summary>
    public int Rule { get; init; }

    /// <summary>What is done: <c>upload</c>, <c>pack</c>, <c>reclass</c>, <c>release</c>, <c>recall</c>,
    /// <c>copies</c>.</summary>
    public required IReadOnlyList<string> Kinds { get; init; }

    /// <summary>Length, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>The object's class before; null where there is none or the store names none.</summary>
    public string? FromClass { get; init; }

    /// <summary>The object's class afterwards; null for the store's default.</summary>
    public string? ToClass { get; init; }

    /// <summary>Order: larger first.</summary>
    public double Weight { get; init; }

    /// <summary>What it costs once.</summary>
    public double Once { get; init; }

    /// <summary>Change of the monthly bill; negative where it saves.</summary>
    public double MonthlyChange { get; init; }
}
