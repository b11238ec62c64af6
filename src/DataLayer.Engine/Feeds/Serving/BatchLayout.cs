using DataLayer.Core.Batches;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>Where the parts of one batch lie, as docs/FORMATS/feed.md says.</summary>
internal readonly record struct BatchLayout
{
    /// <summary>The longest batch, bytes: the longest slab of whole pages.</summary>
    public const int MaxBytes = int.MaxValue & ~4095;

    public int TableOffset { get; private init; }

    public int ClassesOffset { get; private init; }

    public int NumbersOffset { get; private init; }

    public int KeysOffset { get; private init; }

    public int DataOffset { get; private init; }

    /// <summary>The end of the arrays; zeros from there to the data.</summary>
    public int ArraysEnd { get; private init; }

    public long DataBytes { get; init; }

    public long RowBytes { get; init; }

    public long TotalBytes => DataOffset + DataBytes;

    /// <summary>Lays out the arrays of a batch.</summary>
    /// <param name="count">Samples, a count.</param>
    /// <param name="hasClasses">Whether they have labels.</param>
    /// <param name="keyBytes">Length of all keys, bytes; −1 for none.</param>
    public static BatchLayout Of(int count, bool hasClasses, long keyBytes)
    {
        long table = BatchHeader.SizeBytes;
        long end = table + ((long)count * BatchHeader.TableEntryBytes);
        long classes = hasClasses ? Next(ref end, (long)count * sizeof(int)) : 0;
        long numbers = Next(ref end, (long)count * sizeof(long));
        long keys = keyBytes >= 0 ? Next(ref end, (((long)count + 1) * sizeof(uint)) + keyBytes) : 0;
        long data = (end + BatchHeader.DataAlignmentBytes - 1) & -BatchHeader.DataAlignmentBytes;
        return data <= MaxBytes
            ? new BatchLayout
            {
                TableOffset = (int)table,
                ClassesOffset = (int)classes,
                NumbersOffset = (int)numbers,
                KeysOffset = (int)keys,
                ArraysEnd = (int)end,
                DataOffset = (int)data,
            }
            : throw TooLong(data);
    }

    /// <summary>The error of a batch that no slab holds.</summary>
    public static Core.Errors.DataLayerException TooLong(long bytes) => FeedSetup.Refuse(
        $"A batch would have {bytes} bytes; the most are {MaxBytes}. Take fewer samples in a batch.");

    private static long Next(ref long end, long length)
    {
        long start = (end + BatchHeader.ArrayAlignmentBytes - 1) & -BatchHeader.ArrayAlignmentBytes;
        end = start + length;
        return start;
    }
}
