using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Automation;

/// <summary>What automatic tiering works with.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Policies">The policies.</param>
/// <param name="Plans">Where its plans go.</param>
/// <param name="Jobs">Where its jobs go; they apply plans.</param>
/// <param name="Pricing">The prices.</param>
public sealed record AutoTieringParts(
    FileEngine Engine, PolicyVersions Policies, PlanStore Plans, JobService Jobs, TierPricing Pricing);
