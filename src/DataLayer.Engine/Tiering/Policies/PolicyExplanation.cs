namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Why a policy decides as it does about one file.</summary>
/// <param name="Decision">The decision.</param>
/// <param name="Rules">The rules looked at, in order; the last one matches unless none does.</param>
public sealed record PolicyExplanation(PlacementDecision Decision, IReadOnlyList<RuleTrace> Rules);

/// <summary>What became of one rule when it was looked at for a file.</summary>
/// <param name="RuleIndex">Its place in the document, from 0.</param>
/// <param name="RuleName">Its name.</param>
/// <param name="Line">Where it starts in the document, from 1.</param>
/// <param name="FailedCondition">The first condition that fails, as a key: <c>match.size</c>; null where the rule
/// matches.</param>
/// <param name="Reason">What the file has and what the rule asks for.</param>
public sealed record RuleTrace(int RuleIndex, string RuleName, int Line, string? FailedCondition, string Reason)
{
    /// <summary>Whether the rule matches.</summary>
    public bool IsMatch => FailedCondition is null;
}
