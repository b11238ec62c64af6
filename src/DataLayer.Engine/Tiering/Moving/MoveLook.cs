using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>What is left to do of a move, when the file is looked at.</summary>
/// <param name="Needs">The steps that are to be taken.</param>
/// <param name="Before">The steps that an earlier run of this move took, by what its row says the file was.</param>
/// <param name="Reason">Why the file is left alone; null where it is not.</param>
internal readonly record struct MoveLook(MoveKinds Needs, MoveKinds Before, string? Reason)
{
    /// <summary>Compares a file with its move.</summary>
    /// <param name="task">The move.</param>
    /// <param name="now">The file now.</param>
    /// <param name="table">Names the class of objects that name none.</param>
    /// <param name="begun">The row of an earlier run that did not end; null for none.</param>
    public static MoveLook At(MoveTask task, in FileFacts now, PriceTable table, MoveEntry? begun)
    {
        PlannedMove move = task.Move;
        if (now.Version != move.Version)
        {
            return Skip(MoveReasons.Changed);
        }

        MoveKinds needs = FindNeeds(task, now, table);
        MoveKinds before = begun is null ? MoveKinds.None : FindDone(move, now, needs, begun);
        string? reason = FindObstacle(move, now, table, needs, begun);
        return new MoveLook(needs, before, reason);
    }

    /// <summary>The class an object is in.</summary>
    public static string ClassOf(string? name, PriceTable table) => name ?? table.DefaultClass.Name;

    private static MoveLook Skip(string reason) => new(MoveKinds.None, MoveKinds.None, reason);

    private static MoveKinds FindNeeds(MoveTask task, in FileFacts now, PriceTable table)
    {
        PlannedMove move = task.Move;
        MoveKinds needs = MoveKinds.None;
        if (Wants(move, MoveKinds.Upload) && !now.HasObject)
        {
            needs |= MoveKinds.Upload;
        }

        if (Wants(move, MoveKinds.Pack) && !now.IsPacked)
        {
            needs |= MoveKinds.Pack;
        }

        if (Wants(move, MoveKinds.Unpack) && now.IsPacked)
        {
            needs |= MoveKinds.Unpack;
        }

        // A pack is written in its class.
        bool wantsClass = !Wants(move, MoveKinds.Pack)
            && (Wants(move, MoveKinds.Reclass) || (Wants(move, MoveKinds.Upload) && move.ToClass is not null));
        // An upload goes into the store's own class.
        string? isIn = now.HasObject && !Has(needs, MoveKinds.Unpack) ? now.StorageClass : null;
        if (wantsClass && ClassOf(isIn, table) != ClassOf(move.ToClass, table))
        {
            needs |= MoveKinds.Reclass;
        }

        if (Wants(move, MoveKinds.Release) && now.HotBytes > 0)
        {
            needs |= MoveKinds.Release;
        }

        if (Wants(move, MoveKinds.Recall)
            && (now.HotBytes < now.SizeBytes || (needs & MoveKinds.Release) != MoveKinds.None))
        {
            needs |= MoveKinds.Recall;
        }

        if (Wants(move, MoveKinds.Copies) && move.CopyCount > 0
            && (now.HotBytes > 0 ? now.CopyCount != move.CopyCount : (needs & MoveKinds.Recall) != MoveKinds.None))
        {
            needs |= MoveKinds.Copies;
        }

        return needs;
    }

    private static MoveKinds FindDone(PlannedMove move, in FileFacts now, MoveKinds needs, MoveEntry begun)
    {
        MoveKinds done = (MoveKinds)begun.DoneKinds;
        if (Wants(move, MoveKinds.Upload) && begun.FromETag is null && now.HasObject)
        {
            done |= MoveKinds.Upload;
        }

        if (Wants(move, MoveKinds.Pack) && now.IsPacked)
        {
            done |= MoveKinds.Pack;
        }

        if (Wants(move, MoveKinds.Unpack) && now.HasObject && !now.IsPacked)
        {
            done |= MoveKinds.Unpack;
        }

        if (Wants(move, MoveKinds.Reclass) && begun.FromETag is not null && !Has(needs, MoveKinds.Reclass)
            && begun.FromClass != now.StorageClass)
        {
            done |= MoveKinds.Reclass;
        }

        if (Wants(move, MoveKinds.Release) && begun.FromHotBytes > 0 && now.HotBytes == 0)
        {
            done |= MoveKinds.Release;
        }

        if (Wants(move, MoveKinds.Recall) && begun.FromHotBytes < begun.SizeBytes && now.HotBytes >= now.SizeBytes)
        {
            done |= MoveKinds.Recall;
        }

        if (Wants(move, MoveKinds.Copies) && now.HotBytes > 0 && now.CopyCount == move.CopyCount
            && MoveTask.CopiesBefore(begun) != move.CopyCount)
        {
            done |= MoveKinds.Copies;
        }

        return done;
    }

    private static string? FindObstacle(
        PlannedMove move, in FileFacts now, PriceTable table, MoveKinds needs, MoveEntry? begun)
    {
        if (Has(needs, MoveKinds.Release) && now.IsPinned)
        {
            return MoveReasons.Pinned;
        }

        bool hasUpload = Wants(move, MoveKinds.Upload);
        MoveKinds onObject = MoveKinds.Release | MoveKinds.Recall | MoveKinds.Reclass | MoveKinds.Pack
            | MoveKinds.Unpack;
        if (!hasUpload && (needs & onObject) != MoveKinds.None && !now.HasObject)
        {
            return MoveReasons.NoObject;
        }

        if (Has(needs, MoveKinds.Reclass) && now.IsPacked && !Has(needs, MoveKinds.Unpack))
        {
            return MoveReasons.Packed;
        }

        // A class that neither the plan nor this move knows: somebody else moves the object.
        bool knowsClass = hasUpload || begun is not null || !now.HasObject
            || ClassOf(now.StorageClass, table) == ClassOf(move.FromClass, table)
            || ClassOf(now.StorageClass, table) == ClassOf(move.ToClass, table);
        if (needs != MoveKinds.None && !knowsClass)
        {
            return MoveReasons.Reclassed;
        }

        return null;
    }

    private static bool Wants(PlannedMove move, MoveKinds kind) => Has(move.Kinds, kind);

    private static bool Has(MoveKinds kinds, MoveKinds kind) => (kinds & kind) != MoveKinds.None;
}
