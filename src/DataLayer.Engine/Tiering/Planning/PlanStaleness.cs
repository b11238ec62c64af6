using System.Globalization;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Says why a plan no longer tells what would happen. Checked before a plan is applied, and for each file again when
/// its turn comes.
/// </summary>
public static class PlanStaleness
{
    /// <summary>Why the plan as a whole may not be applied, all reasons; empty where it may.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="policyHash">Hash of the policy that is active now; null where there is none.</param>
    /// <param name="priceHash">Hash of the prices in force.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<string> Find(
        TieringPlan plan, string? policyHash, string priceHash, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(plan);
        List<string> reasons = [];
        if (now > plan.ValidUntil)
        {
            reasons.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"it was valid until {plan.ValidUntil.UtcDateTime:yyyy-MM-dd HH:mm}Z"));
        }

        if (policyHash is null)
        {
            reasons.Add("no policy is active");
        }
        else if (plan.PolicyHash != policyHash)
        {
            reasons.Add("another policy is active than the one it was made from");
        }

        if (plan.PriceHash != priceHash)
        {
            reasons.Add($"the prices of table '{plan.PriceTable}' are not those in force");
        }

        return reasons;
    }

    /// <summary>Whether a file is still as its move assumes: the same content, not pinned since, and as hot or cold as
    /// it was.</summary>
    public static bool StillHolds(PlannedMove move, in FileFacts now)
    {
        ArgumentNullException.ThrowIfNull(move);
        bool hasUpload = (move.Kinds & MoveKinds.Upload) != MoveKinds.None;
        bool needsObject =
            !hasUpload && (move.Kinds & (MoveKinds.Release | MoveKinds.Recall | MoveKinds.Reclass)) != MoveKinds.None;
        return now.Inode == move.Inode
            && now.Version == move.Version
            && !(now.IsPinned && (move.Kinds & MoveKinds.Release) != MoveKinds.None)
            && !(hasUpload && now.HasObject)
            && !(needsObject && (!now.HasObject || now.StorageClass != move.FromClass));
    }
}
