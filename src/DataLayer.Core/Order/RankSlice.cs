using DataLayer.Core.Errors;

namespace DataLayer.Core.Order;

/// <summary>
/// Which positions one rank of a world takes, step by step. The cursor is one integer: positions that all ranks
/// together have taken since the begin of pass 0, so it means the same at any world and batch size.
/// </summary>
/// <remarks>
/// In a step at cursor c, rank r of w takes c + r, c + r + w, …, as many as a batch has; the next cursor is c + w ×
/// batch, or the begin of the next pass. All ranks have the same cursor between steps, which is when state may be
/// taken.
/// </remarks>
public sealed record RankSlice
{
    /// <summary>Makes a slice.</summary>
    /// <param name="passLength">Positions a pass has (<see cref="SampleOrder.PassLength"/>).</param>
    /// <param name="world">How many ranks there are, from 1 on.</param>
    /// <param name="rank">Which one this is, from 0.</param>
    /// <param name="batch">Samples a rank takes in a step, from 1 on.</param>
    /// <param name="lastStep">What becomes of the rest of a pass.</param>
    /// <exception cref="DataLayerException">InvalidArgument, with what to change.</exception>
    public RankSlice(long passLength, int world, int rank, int batch, LastStep lastStep)
    {
        if (passLength < 1 || world < 1 || rank < 0 || rank >= world || batch < 1)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"Rank {rank} of {world} with batches of {batch}: a world has 1 rank or more, ranks count from 0 to "
                    + "one less, and a batch has 1 sample or more.");
        }

        if (lastStep == LastStep.Drop && passLength < (long)world * batch)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A pass has {passLength} positions, one step of {world} ranks takes {(long)world * batch}: every "
                    + "pass would be dropped. Take a smaller batch, or pad.");
        }

        (PassLength, World, Rank, Batch, LastStep) = (passLength, world, rank, batch, lastStep);
    }

    /// <summary>Positions a pass has.</summary>
    public long PassLength { get; }

    /// <summary>How many ranks there are.</summary>
    public int World { get; }

    /// <summary>Which one this is, from 0.</summary>
    public int Rank { get; }

    /// <summary>Samples a rank takes in a step, a count.</summary>
    public int Batch { get; }

    /// <summary>What becomes of the rest of a pass.</summary>
    public LastStep LastStep { get; }

    /// <summary>The step that begins at a cursor, whatever worlds and batches led there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The cursor is negative.</exception>
    public FeedStep StepAt(long cursor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(cursor);
        long unit = (long)World * Batch;
        long pass = cursor / PassLength;
        long position = cursor % PassLength;
        long rest = PassLength - position;
        if (rest < unit && LastStep == LastStep.Drop)
        {
            (pass, position, rest) = (pass + 1, 0, PassLength);
        }

        return rest >= unit
            ? new FeedStep(
                pass, position + Rank, World, Batch, 0, PassLength, (pass * PassLength) + position + unit)
            : ShortStep(pass, position, rest);
    }

    private FeedStep ShortStep(long pass, long position, long rest)
    {
        int count = (int)(((rest - 1) / World) + 1);
        bool isPadded = ((long)(count - 1) * World) + Rank >= rest;
        return new FeedStep(
            pass, position + Rank, World, count, isPadded ? 1 : 0, PassLength, (pass + 1) * PassLength);
    }
}
