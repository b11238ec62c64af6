namespace DataLayer.Core.Order;

/// <summary>The positions one rank takes in one step.</summary>
/// <param name="Pass">The pass, from 0.</param>
/// <param name="First">The first position in it; past its end where the step is only padding.</param>
/// <param name="Stride">How far its positions lie apart.</param>
/// <param name="Count">How many there are, padding included.</param>
/// <param name="PaddingCount">How many of the last ones are padding: 0 or 1.</param>
/// <param name="PassLength">Positions a pass has.</param>
/// <param name="NextCursor">The cursor after the step, the same for all ranks.</param>
public readonly record struct FeedStep(
    long Pass, long First, int Stride, int Count, int PaddingCount, long PassLength, long NextCursor)
{
    /// <summary>The position of the step's sample at <paramref name="index"/>.</summary>
    public long this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return (First + ((long)index * Stride)) % PassLength;
        }
    }

    /// <summary>Whether the sample at <paramref name="index"/> is there only to fill the step.</summary>
    public bool IsPadding(int index) => index >= Count - PaddingCount;
}
