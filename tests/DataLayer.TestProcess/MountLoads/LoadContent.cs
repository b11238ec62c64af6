using System.Buffers.Binary;
using System.Globalization;

namespace DataLayer.TestProcess.MountLoads;

/// <summary>
/// Contents that say who wrote them and where they belong: each aligned word of eight bytes holds the client (1 byte), the number of its
/// write (3 bytes) and the word's index in the file (4 bytes), all little-endian. Neither client nor write is ever 0.
/// </summary>
internal static class LoadContent
{
    /// <summary>Fills a buffer with what a write of a client puts at an offset.</summary>
    internal static void Fill(Span<byte> buffer, int client, int write, long offset)
    {
        Span<byte> word = stackalloc byte[8];
        for (var i = 0; i < buffer.Length;)
        {
            var at = offset + i;
            BinaryPrimitives.WriteUInt32LittleEndian(word, (uint)(client + 1) | ((uint)write << 8));
            BinaryPrimitives.WriteUInt32LittleEndian(word[4..], (uint)(at >> 3));
            var skip = (int)(at & 7);
            var count = Math.Min(8 - skip, buffer.Length - i);
            word.Slice(skip, count).CopyTo(buffer[i..]);
            i += count;
        }
    }

    /// <summary>What is wrong with bytes found at an offset, or null where they are the wanted ones.</summary>
    internal static string? Difference(ReadOnlySpan<byte> found, ReadOnlySpan<byte> wanted, long offset)
    {
        var common = found.CommonPrefixLength(wanted);
        if (common == wanted.Length && common == found.Length)
        {
            return null;
        }

        if (common == Math.Min(found.Length, wanted.Length))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{found.Length} bytes instead of {wanted.Length} at {offset}");
        }

        var wrong = 0;
        for (var i = common; i < Math.Min(found.Length, wanted.Length); i++)
        {
            wrong += found[i] == wanted[i] ? 0 : 1;
        }

        return string.Create(
            CultureInfo.InvariantCulture,
            $"{wrong} wrong bytes from {offset + common} on: {Describe(found, common, offset)} instead of {Describe(wanted, common, offset)}");
    }

    private static string Describe(ReadOnlySpan<byte> bytes, int at, long offset)
    {
        var start = Math.Max(0, at - (int)((offset + at) & 7));
        if (bytes.Length - start < 8)
        {
            return Convert.ToHexString(bytes[start..]);
        }

        var head = BinaryPrimitives.ReadUInt32LittleEndian(bytes[start..]);
        var index = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(start + 4)..]);
        return head == 0 && index == 0
            ? "zeros"
            : string.Create(CultureInfo.InvariantCulture, $"client {(int)(head & 0xff) - 1} write {head >> 8} for {(long)index << 3}");
    }
}
