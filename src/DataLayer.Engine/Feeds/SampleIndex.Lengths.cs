using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds;

/// <content>
/// The samples sorted by length, for the order of that name: made when the first feed asks, four bytes a sample of the
/// part, and kept as long as the index is.
/// </content>
public sealed unsafe partial class SampleIndex
{
    private readonly int[]?[] _byLength = new int[]?[3];

    /// <summary>How long a sample is, bytes.</summary>
    internal long LengthOf(long sample)
    {
        Column lengths = _columns[(int)IndexColumn.SampleLength];
        return lengths.IsThere ? Read(lengths, sample)
            : RecordBytes > 0 ? RecordBytes : Read(IndexColumn.FileSize, sample);
    }

    /// <summary>The numbers of a part's samples by length, then by number.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: there are more than 2^31 − 1.</exception>
    private int[] ByLength(DatasetPart part)
    {
        DatasetPart which = ValidationCount == 0 && part == DatasetPart.Train ? DatasetPart.All : part;
        int[]? known = Volatile.Read(ref _byLength[(int)which]);
        return known ?? SortByLength(which);
    }

    private int[] SortByLength(DatasetPart part)
    {
        if (Count > Array.MaxLength)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The order 'lengths' sorts at most {Array.MaxLength} samples, and the dataset has {Count}: take "
                    + "'shuffle' or 'blocks', or split the dataset.");
        }

        (long Length, int Number)[] samples = new (long, int)[CountOf(part)];
        int next = 0;
        for (int sample = 0; sample < Count; sample++)
        {
            if (part == DatasetPart.All || IsValidation(sample) == (part == DatasetPart.Validation))
            {
                samples[next++] = (LengthOf(sample), sample);
            }
        }

        Array.Sort(samples);
        int[] sorted = Array.ConvertAll(samples, static sample => sample.Number);
        return Interlocked.CompareExchange(ref _byLength[(int)part], sorted, null) ?? sorted;
    }

    /// <summary>The place of one of a part's samples among those, by a binary search.</summary>
    private long FindByLength(DatasetPart part, long sample)
    {
        int[] sorted = ByLength(part);
        long length = LengthOf(sample);
        int low = 0;
        int high = sorted.Length - 1;
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            long other = LengthOf(sorted[middle]);
            bool isBefore = other < length || (other == length && sorted[middle] < sample);
            (low, high) = isBefore ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
