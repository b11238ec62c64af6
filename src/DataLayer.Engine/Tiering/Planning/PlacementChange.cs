using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// How a file gets from where it is to where its rule wants it. The one place that turns a decision into work: planner,
/// simulator and mover all call <see cref="Resolve"/>.
/// </summary>
public readonly record struct PlacementChange
{
    /// <summary>The work.</summary>
    public MoveKinds Kinds { get; init; }

    /// <summary>What keeps it from being all that the rule wants.</summary>
    public MoveObstacle Obstacle { get; init; }

    /// <summary>Hot bytes afterwards, one copy counted.</summary>
    public long HotBytes { get; init; }

    /// <summary>Hot copies afterwards, a count.</summary>
    public int CopyCount { get; init; }

    /// <summary>Whether there is an object afterwards.</summary>
    public bool HasObject { get; init; }

    /// <summary>The object's class afterwards; null for the price table's first, or where there is none.</summary>
    public string? StorageClass { get; init; }

    /// <summary>Compares a file with its decision.</summary>
    /// <param name="file">The file now.</param>
    /// <param name="decision">What its rule wants.</param>
    /// <param name="table">The classes there are.</param>
    /// <param name="isReadOnly">Whether nothing may be written into the file's bucket.</param>
    public static PlacementChange Resolve(
        in FileFacts file, PlacementDecision decision, PriceTable table, bool isReadOnly)
    {
        ArgumentNullException.ThrowIfNull(decision);
        ArgumentNullException.ThrowIfNull(table);
        PlacementChange change = new()
        {
            HotBytes = file.HotBytes,
            CopyCount = Math.Max(1, file.CopyCount),
            HasObject = file.HasObject,
            StorageClass = file.StorageClass,
        };
        if (decision.RuleIndex < 0 || decision.Exclude)
        {
            return change;
        }

        if (decision.StorageClass is { } wanted && table.Find(wanted) is null)
        {
            return change with { Obstacle = MoveObstacle.UnknownClass };
        }

        change = decision.Place switch
        {
            PlacementTier.Hot => Recall(file, change),
            PlacementTier.Cold => Store(file, decision, change, table, isReadOnly),
            PlacementTier.Release => Release(file, decision, Store(file, decision, change, table, isReadOnly)),
            _ => change,
        };
        if (decision.Place is null or PlacementTier.Hot)
        {
            change = Reclass(file, decision, change, table, isReadOnly);
        }
        else if ((change.Kinds & (MoveKinds.Upload | MoveKinds.Pack)) == MoveKinds.None)
        {
            change = Reclass(file, decision, change, table, isReadOnly);
        }

        return decision.CopyCount is { } copies && change.HotBytes > 0 && copies != change.CopyCount
            ? change with { Kinds = change.Kinds | MoveKinds.Copies, CopyCount = copies }
            : change;
    }

    private static PlacementChange Recall(in FileFacts file, PlacementChange change) =>
        file.HotBytes >= file.SizeBytes || !file.HasObject
            ? change
            : file.State == TierState.Recalling
                ? change with { Obstacle = MoveObstacle.Recalling }
                : change with { Kinds = MoveKinds.Recall, HotBytes = file.SizeBytes };

    private static PlacementChange Store(
        in FileFacts file, PlacementDecision decision, PlacementChange change, PriceTable table, bool isReadOnly)
    {
        if (file.HasObject)
        {
            return decision.Pack && !file.IsPacked && !isReadOnly
                ? change with
                {
                    Kinds = MoveKinds.Pack,
                    StorageClass = decision.StorageClass ?? table.DefaultClass.Name,
                }
                : change;
        }

        if (file.AttachmentId == 0)
        {
            return change with { Obstacle = MoveObstacle.NoAttachment };
        }

        return isReadOnly
            ? change with { Obstacle = MoveObstacle.ReadOnlyBucket }
            : change with
            {
                Kinds = MoveKinds.Upload | (decision.Pack ? MoveKinds.Pack : MoveKinds.None),
                HasObject = true,
                StorageClass = decision.StorageClass,
            };
    }

    private static PlacementChange Release(in FileFacts file, PlacementDecision decision, PlacementChange change)
    {
        if (!change.HasObject || change.HotBytes == 0)
        {
            return change;
        }

        if (file.IsPinned || decision.Pin)
        {
            return change with { Obstacle = MoveObstacle.Pinned };
        }

        return file.State == TierState.Recalling
            ? change with { Obstacle = MoveObstacle.Recalling }
            : change with { Kinds = change.Kinds | MoveKinds.Release, HotBytes = 0 };
    }

    // A pack keeps the class it was written in: its other members may want another one.
    private static PlacementChange Reclass(
        in FileFacts file, PlacementDecision decision, PlacementChange change, PriceTable table, bool isReadOnly)
    {
        if (
            !file.HasObject
            || file.IsPacked
            || decision.StorageClass is not { } wanted
            || wanted == (file.StorageClass ?? table.DefaultClass.Name))
        {
            return change;
        }

        return isReadOnly
            ? change with { Obstacle = MoveObstacle.ReadOnlyBucket }
            : change with { Kinds = change.Kinds | MoveKinds.Reclass, StorageClass = wanted };
    }
}
