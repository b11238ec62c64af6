using System.Numerics;
using DataLayer.Core.Identity;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds;

/// <content>From bytes back to samples, and from samples back to ordinals: for those who ask when bytes come.</content>
public sealed unsafe partial class SampleIndex
{
    /// <summary>Whether each file is one sample, of the same number.</summary>
    internal bool IsSampleAFile => !_columns[(int)IndexColumn.FirstSample].IsThere;

    /// <summary>The content of a file that the index is of.</summary>
    internal ContentId ContentOf(long file) =>
        new(new InodeId(Read(IndexColumn.Inode, file)), (uint)Read(IndexColumn.Generation, file));

    /// <summary>How long a file is, bytes.</summary>
    internal long FileBytesOf(long file) => Read(IndexColumn.FileSize, file);

    /// <summary>The number of the file that a sample lies in.</summary>
    internal long FileOf(long sample) =>
        IsSampleAFile ? sample : FindFile(_columns[(int)IndexColumn.FirstSample], sample);

    /// <summary>The samples of a file that have bytes in a range of it: the first, and how many.</summary>
    internal (long First, long Count) FindSamples(long file, long fromBytes, long endBytes)
    {
        if (IsSampleAFile)
        {
            return (file, 1);
        }

        (long first, long count) = SamplesOf(file);
        if (RecordBytes > 0)
        {
            long start = Read(IndexColumn.DataOffset, file);
            long from = Math.Clamp((fromBytes - start) / RecordBytes, 0, count);
            long end = Math.Clamp((endBytes - start + RecordBytes - 1) / RecordBytes, 0, count);
            return (first + from, Math.Max(0, end - from));
        }

        long low = LowerBound(first, count, fromBytes + 1, ends: true);
        return (low, LowerBound(first, count, endBytes, ends: false) - low);
    }

    /// <summary>The ordinal of a sample (the inverse of <see cref="Select"/>); −1 if the part lacks it.</summary>
    internal long OrdinalOf(DatasetPart part, OrdinalSorting sorting, long sample)
    {
        CheckSample(sample);
        bool wanted = part == DatasetPart.Validation;
        bool isWhole = part == DatasetPart.All || ValidationCount == 0;
        if (isWhole ? wanted : IsValidation(sample) != wanted)
        {
            return -1;
        }

        if (sorting == OrdinalSorting.Length)
        {
            return FindByLength(part, sample);
        }

        if (sorting == OrdinalSorting.Class)
        {
            Column sorted = _columns[(int)(isWhole ? IndexColumn.ByClass
                : wanted ? IndexColumn.ValidationByClass : IndexColumn.TrainByClass)];
            if (sorted.IsThere)
            {
                return FindByClass(sorted, StartsOf(part), sample);
            }
        }

        return isWhole ? sample : CountBefore(sample, wanted);
    }

    /// <summary>Samples are sorted by class and then by number: a binary search among those of the class.</summary>
    private long FindByClass(in Column sorted, long[] starts, long sample)
    {
        int number = (int)Read(IndexColumn.SampleLabel, sample);
        long low = starts[number];
        long high = starts[number + 1] - 1;
        while (low < high)
        {
            long middle = (low + high) / 2;
            (low, high) = Read(sorted, middle) < sample ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>How many samples before this one are held out, or are not.</summary>
    private long CountBefore(long sample, bool wanted)
    {
        long heldOut = Read(IndexColumn.ValidationRank, sample / IndexFormat.RankSamples);
        for (long word = sample / IndexFormat.RankSamples * (IndexFormat.RankSamples / 64); word < sample / 64; word++)
        {
            heldOut += BitOperations.PopCount(Word(word));
        }

        heldOut += BitOperations.PopCount(Word(sample / 64) & ((1UL << (int)(sample % 64)) - 1));
        GC.KeepAlive(this);
        return wanted ? heldOut : sample - heldOut;
    }

    /// <summary>The first of a file's samples that starts, or ends, at a byte or behind it.</summary>
    private long LowerBound(long first, long count, long bytes, bool ends)
    {
        long low = first;
        long high = first + count;
        while (low < high)
        {
            long middle = (low + high) / 2;
            long at = Read(IndexColumn.SampleOffset, middle) + (ends ? Read(IndexColumn.SampleLength, middle) : 0);
            (low, high) = at < bytes ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
