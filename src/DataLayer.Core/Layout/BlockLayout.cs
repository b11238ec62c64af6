namespace DataLayer.Core.Layout;

/// <summary>
/// How a file's bytes fall into blocks. Blocks are aligned and of one size; only a file's last block is shorter.
/// </summary>
/// <remarks>
/// The size is a constant of the format, not an option: residency bitmaps and cache keys count in it. 1 MiB is where a
/// copy
/// from memory no longer feels the per-block cost (a hit reaches 0.85 × memcpy and more) while a ranged GET still
/// overlaps well.
/// </remarks>
public static class BlockLayout
{
    /// <summary>A block's size, bytes.</summary>
    public const int BlockBytes = 1 << 20;

    /// <summary>The largest file, bytes: block indexes are 32-bit.</summary>
    public const long MaxFileBytes = (long)BlockBytes * uint.MaxValue;

    /// <summary>How many blocks a file of <paramref name="sizeBytes"/> bytes has, a count.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative or over
    /// <see cref="MaxFileBytes"/>.</exception>
    public static uint BlockCount(long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, MaxFileBytes);
        return (uint)((sizeBytes + BlockBytes - 1) / BlockBytes);
    }

    /// <summary>The index of the block that holds byte <paramref name="offsetBytes"/>.</summary>
    public static uint BlockIndex(long offsetBytes) => (uint)(offsetBytes / BlockBytes);

    /// <summary>The first byte of block <paramref name="blockIndex"/>, an offset in the file.</summary>
    public static long BlockOffset(uint blockIndex) => (long)blockIndex * BlockBytes;

    /// <summary>
    /// The length of block <paramref name="blockIndex"/> in a file of <paramref name="sizeBytes"/> bytes; 0 past the
    /// end.
    /// </summary>
    public static int BlockLength(uint blockIndex, long sizeBytes) =>
        (int)Math.Clamp(sizeBytes - BlockOffset(blockIndex), 0, BlockBytes);
}
