using DataLayer.Core.Layout;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// How a residency bitmap is stored: NULL for no hot block, the one byte 1 for all hot, else the byte 2 and the
/// bitmap without its zero bytes at the end. So the common cases, all or nothing, cost a byte whatever the file's
/// size.
/// </summary>
internal static class ResidencyColumn
{
    private const byte Full = 1;
    private const byte Bits = 2;

    /// <summary>The stored form of <paramref name="bitmap"/>.</summary>
    public static byte[]? Encode(ResidencyBitmap bitmap)
    {
        uint resident = bitmap.ResidentCount;
        if (resident == 0)
        {
            return null;
        }

        if (resident == bitmap.BlockCount)
        {
            return [Full];
        }

        byte[] bits = bitmap.ToBytes();
        int length = bits.Length;
        while (bits[length - 1] == 0)
        {
            length--;
        }

        byte[] stored = new byte[length + 1];
        stored[0] = Bits;
        bits.AsSpan(0, length).CopyTo(stored.AsSpan(1));
        return stored;
    }

    /// <summary>Reads the stored form for a file of <paramref name="sizeBytes"/> bytes.</summary>
    public static ResidencyBitmap Decode(byte[]? stored, long sizeBytes)
    {
        uint blocks = BlockLayout.BlockCount(sizeBytes);
        return stored switch
        {
            null or [] => new ResidencyBitmap(blocks),
            [Full] => ResidencyBitmap.Full(blocks),
            _ => new ResidencyBitmap(blocks, stored.AsSpan(1)),
        };
    }

    /// <summary>How many bytes of a file of <paramref name="sizeBytes"/> bytes are hot.</summary>
    public static long CountBytes(ResidencyBitmap bitmap, long sizeBytes)
    {
        uint resident = bitmap.ResidentCount;
        if (resident == 0)
        {
            return 0;
        }

        uint last = bitmap.BlockCount - 1;
        long bytes = (long)resident * BlockLayout.BlockBytes;
        return bitmap[last] ? bytes - BlockLayout.BlockBytes + BlockLayout.BlockLength(last, sizeBytes) : bytes;
    }
}
