using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>A move with its place in a job.</summary>
/// <param name="Number">Its place, from 0: the row of the journal.</param>
/// <param name="Move">What is to be done.</param>
/// <param name="Blocks">Of a recall, the blocks to bring; null for all.</param>
internal sealed record MoveTask(long Number, PlannedMove Move, IReadOnlyList<uint>? Blocks = null)
{
    // A row's kinds have the copies in the bits above: those it is to have, and those it had.
    private const int CopiesToBit = 32;
    private const int CopiesFromBit = 40;
    private const long CopiesMask = 0xFF;

    /// <summary>The hot copies a file had before a move that changes them, a count; 0 where that is not
    /// known.</summary>
    public static int CopiesBefore(MoveEntry entry) => (int)((entry.Kinds >> CopiesFromBit) & CopiesMask);

    /// <summary>The move that a row of the journal tells of, to be taken up again.</summary>
    public static MoveTask Of(MoveEntry entry) => new(
        entry.Number,
        new PlannedMove
        {
            Inode = entry.Inode,
            Version = entry.Version,
            Path = entry.Path,
            RuleIndex = entry.RuleIndex,
            Kinds = (MoveKinds)entry.Kinds,
            SizeBytes = entry.SizeBytes,
            HotBytes = entry.FromHotBytes,
            CopyCount = (int)((entry.Kinds >> CopiesToBit) & CopiesMask),
            FromClass = entry.FromClass,
            ToClass = entry.ToClass,
        });

    /// <summary>The row of the journal, before the first step.</summary>
    public MoveEntry ToEntry(MoveOrigin origin, in FileFacts now, FileContent content) => Describe(origin) with
    {
        Kinds = KindsAndCopies | (Has(MoveKinds.Copies) ? (long)now.CopyCount << CopiesFromBit : 0),
        SizeBytes = now.SizeBytes,
        FromState = now.State,
        FromHotBytes = now.HotBytes,
        FromResidency = now.HotBytes > 0 && now.HotBytes < now.SizeBytes ? content.Residency.ToBytes() : null,
        FromClass = now.StorageClass,
        FromETag = now.HasObject ? content.Object?.ETag : null,
        State = MoveState.Started,
    };

    private long KindsAndCopies =>
        (long)Move.Kinds | (Has(MoveKinds.Copies) ? (long)Move.CopyCount << CopiesToBit : 0);

    private bool Has(MoveKinds kind) => (Move.Kinds & kind) != MoveKinds.None;

    /// <summary>The row of a move that is not begun.</summary>
    public MoveEntry Describe(MoveOrigin origin) => new()
    {
        JobId = origin.JobId,
        Number = Number,
        PlanId = origin.PlanId,
        PolicyVersion = origin.PolicyVersion,
        PolicyHash = origin.PolicyHash,
        RuleIndex = Move.RuleIndex,
        Inode = Move.Inode,
        Version = Move.Version,
        Path = Move.Path,
        Kinds = KindsAndCopies,
        SizeBytes = Move.SizeBytes,
        FromHotBytes = Move.HotBytes,
        FromClass = Move.FromClass,
        ToClass = Move.ToClass,
    };

    /// <summary>
    /// The move that brings a moved file back to where it was; one without a step where nothing of what was done can
    /// be undone. An upload cannot: under a read-write attachment a written file has its object.
    /// </summary>
    public static MoveTask Inverse(MoveEntry done, long number)
    {
        MoveKinds did = (MoveKinds)done.DoneKinds;
        MoveKinds back = MoveKinds.None;
        IReadOnlyList<uint>? blocks = null;
        if (did.HasFlag(MoveKinds.Release))
        {
            back |= MoveKinds.Recall;
            blocks = BlocksOf(done);
        }

        if (did.HasFlag(MoveKinds.Recall))
        {
            // Where some blocks were hot, all go and those come back.
            blocks = BlocksOf(done);
            back |= MoveKinds.Release | (blocks is null ? MoveKinds.None : MoveKinds.Recall);
        }

        if (did.HasFlag(MoveKinds.Reclass) && done.FromETag is not null)
        {
            back |= MoveKinds.Reclass;
        }

        if (did.HasFlag(MoveKinds.Pack))
        {
            // The object comes back in the store's own class; one that had another is put there.
            back |= MoveKinds.Unpack | (done.FromClass is not null && done.FromETag is not null
                ? MoveKinds.Reclass
                : MoveKinds.None);
        }

        if (did.HasFlag(MoveKinds.Copies) && CopiesBefore(done) > 0
            && (back & (MoveKinds.Release | MoveKinds.Recall)) != MoveKinds.Release)
        {
            back |= MoveKinds.Copies; // Where all of it goes, its copies go too.
        }

        return new MoveTask(
            number,
            new PlannedMove
            {
                Inode = done.Inode,
                Version = done.Version,
                Path = done.Path,
                RuleIndex = done.RuleIndex,
                Kinds = back,
                SizeBytes = done.SizeBytes,
                HotBytes = done.FromHotBytes,
                CopyCount = CopiesBefore(done),
                FromClass = (did & (MoveKinds.Reclass | MoveKinds.Pack)) != MoveKinds.None
                    ? done.ToClass
                    : done.FromClass,
                ToClass = done.FromClass,
            },
            blocks);
    }

    private static List<uint>? BlocksOf(MoveEntry entry)
    {
        if (entry.FromResidency is not { } bits)
        {
            return null;
        }

        ResidencyBitmap bitmap = new(BlockLayout.BlockCount(entry.SizeBytes), bits);
        List<uint> blocks = [];
        for (uint block = 0; block < bitmap.BlockCount; block++)
        {
            if (bitmap[block])
            {
                blocks.Add(block);
            }
        }

        return blocks;
    }
}
