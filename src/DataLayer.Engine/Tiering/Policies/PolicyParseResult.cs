namespace DataLayer.Engine.Tiering.Policies;

/// <summary>What reading a policy document gave: the policy, or everything that is wrong with it.</summary>
/// <param name="Policy">The policy; null where there is an error.</param>
/// <param name="Errors">All errors, by line and column; empty where there is a policy.</param>
/// <param name="Warnings">What is allowed and most likely not meant, by line and column: rules that no file can reach,
/// windows that no rule uses.</param>
public sealed record PolicyParseResult(
    PolicyDocument? Policy, IReadOnlyList<PolicyError> Errors, IReadOnlyList<PolicyError> Warnings);
