namespace DataLayer.Engine.Tiering.Moving;

/// <summary>On whose behalf files are moved; named in each move's row of the journal.</summary>
/// <param name="JobId">The job.</param>
/// <param name="PlanId">The stored plan; 0 for none.</param>
/// <param name="PolicyVersion">The stored version of the policy; 0 for none.</param>
/// <param name="PolicyHash">The policy's hash; empty where no policy wants the moves.</param>
public sealed record MoveOrigin(long JobId, long PlanId, long PolicyVersion, string PolicyHash);
