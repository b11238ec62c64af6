using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Fixes a policy at one moment.</summary>
public static class PolicyAtMoment
{
    /// <summary>The policy's rule for files at one time and fill.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="now">The time.</param>
    /// <param name="poolFill">Fill of each pool by name, 0 to 1.</param>
    /// <param name="passedMarks">Rules whose marks were passed before (<see cref="PolicyMarks"/>).</param>
    public static PlacementRule Make(
        CompiledPolicy policy, DateTimeOffset now, IReadOnlyDictionary<string, double> poolFill,
        IReadOnlySet<int> passedMarks)
    {
        ArgumentNullException.ThrowIfNull(policy);
        PolicyMoment moment = new(now, poolFill, PolicyMarks.Next(policy, poolFill, passedMarks));
        return (in FileFacts file) => policy.Decide(file, moment);
    }
}
