using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataLayer.Core.Integrity;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of every block, stripe chunk and frame.
/// The value of the empty input is 0; the value of "123456789" is 0xE3069283.
/// </summary>
/// <remarks>
/// The processor's instruction takes 8 bytes in three cycles but can start one each cycle, so one chain uses a third of
/// it.
/// Long inputs are cut into three lanes of <see cref="LaneBytes"/> that run side by side. A lane's state is carried
/// over the
/// bytes of the next one by a table look-up: appending n zero bytes is a linear map of the state, and four tables of
/// 256
/// entries hold that map for n = <see cref="LaneBytes"/>.
/// </remarks>
public static class Crc32C
{
    private const int LaneBytes = 2048;
    private static readonly uint[] _shift = MakeShiftTables();

    /// <summary>The checksum of <paramref name="bytes"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="bytes"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        uint state = ~crc;
        while (bytes.Length >= 3 * LaneBytes)
        {
            state = ThreeLanes(state, bytes);
            bytes = bytes[(3 * LaneBytes)..];
        }

        while (bytes.Length >= 8)
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        foreach (byte b in bytes)
        {
            state = BitOperations.Crc32C(state, b);
        }

        return ~state;
    }

    private static uint ThreeLanes(uint state, ReadOnlySpan<byte> bytes)
    {
        ref byte first = ref MemoryMarshal.GetReference(bytes);
        uint a = state, b = 0, c = 0;
        for (int i = 0; i < LaneBytes; i += 8)
        {
            a = BitOperations.Crc32C(a, Load(ref first, i));
            b = BitOperations.Crc32C(b, Load(ref first, i + LaneBytes));
            c = BitOperations.Crc32C(c, Load(ref first, i + (2 * LaneBytes)));
        }

        return Shift(Shift(a) ^ b) ^ c;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Load(ref byte first, int offset)
    {
        ulong value = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, offset));
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    private static uint Shift(uint state) =>
        _shift[state & 0xFF] ^ _shift[256 + ((state >> 8) & 0xFF)] ^ _shift[512 + ((state >> 16) & 0xFF)]
            ^ _shift[768 + (state >> 24)];

    private static uint[] MakeShiftTables()
    {
        uint[] bits = new uint[32];
        for (int bit = 0; bit < 32; bit++)
        {
            uint state = 1u << bit;
            for (int i = 0; i < LaneBytes; i += 8)
            {
                state = BitOperations.Crc32C(state, 0ul);
            }

            bits[bit] = state;
        }

        uint[] tables = new uint[4 * 256];
        for (int i = 0; i < tables.Length; i++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                tables[i] ^= ((i >> bit) & 1) == 1 ? bits[((i >> 8) * 8) + bit] : 0;
            }
        }

        return tables;
    }
}
