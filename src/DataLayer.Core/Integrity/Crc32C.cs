using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DataLayer.Core.Integrity;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of every block, stripe chunk and frame.
/// The value of the empty input is 0; the value of "123456789" is 0xE3069283.
/// </summary>
/// <remarks>
/// <para>Where the processor multiplies polynomials in 256 bits (x86-64 since about 2019), long inputs are folded:
/// appending n bytes multiplies what came before by x^8n, and modulo the checksum's polynomial that is a product with
/// two constants. Four registers, 128 bytes, are carried over the next 128 bytes at a time; the bytes of the registers
/// in the end have the checksum of everything. 47 GB/s from the processor's caches and 11.7 from memory where three
/// lanes had 17 and 6.8. The method is that of Gopal et al., "Fast CRC Computation for Generic Polynomials Using
/// PCLMULQDQ Instruction", Intel 2009.</para>
/// <para>Elsewhere: the processor's instruction takes 8 bytes in three cycles but can start one each cycle, so one
/// chain uses a third of it. Long inputs are cut into three lanes of <see cref="LaneBytes"/> that run side by side.
/// A lane's state is carried over the bytes of the next one by a table look-up: appending n zero bytes is a linear
/// map of the state, and four tables of 256 entries hold that map for n = <see cref="LaneBytes"/>.</para>
/// </remarks>
public static class Crc32C
{
    private const int LaneBytes = 2048;
    private const int FoldBytes = 4 * 32;
    private static readonly uint[] _shift = MakeShiftTables();

    /// <summary>For the first and the second half of each 16 bytes, over <see cref="FoldBytes"/>.</summary>
    private static readonly Vector256<ulong> _fold = Vector256.Create(
        Vector128.Create(Power((8 * FoldBytes) + 32), Power((8 * FoldBytes) - 32)),
        Vector128.Create(Power((8 * FoldBytes) + 32), Power((8 * FoldBytes) - 32)));

    /// <summary>The checksum of <paramref name="bytes"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="bytes"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 2 * FoldBytes || !Pclmulqdq.V256.IsSupported)
        {
            return AppendInLanes(crc, bytes);
        }

        int folded = bytes.Length / FoldBytes * FoldBytes;
        return AppendInLanes(~Fold(~crc, bytes[..folded]), bytes[folded..]);
    }

    /// <summary>As <see cref="Append"/>, on any processor.</summary>
    internal static uint AppendInLanes(uint crc, ReadOnlySpan<byte> bytes)
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

    /// <summary>Takes the state over a multiple of <see cref="FoldBytes"/>, one or more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // A process that sums much at its start pays at once.
    private static uint Fold(uint state, ReadOnlySpan<byte> bytes)
    {
        ref byte first = ref MemoryMarshal.GetReference(bytes);
        Vector256<ulong> by = _fold;
        Vector256<ulong> a = Load256(ref first, 0) ^ Vector256.CreateScalar((ulong)state);
        Vector256<ulong> b = Load256(ref first, 32);
        Vector256<ulong> c = Load256(ref first, 64);
        Vector256<ulong> d = Load256(ref first, 96);
        for (nuint i = FoldBytes; i < (nuint)bytes.Length; i += FoldBytes)
        {
            a = Multiply(a, by) ^ Load256(ref first, i);
            b = Multiply(b, by) ^ Load256(ref first, i + 32);
            c = Multiply(c, by) ^ Load256(ref first, i + 64);
            d = Multiply(d, by) ^ Load256(ref first, i + 96);
        }

        return Sum(Sum(Sum(Sum(0, a), b), c), d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Load256(ref byte first, nuint offset) =>
        Vector256.LoadUnsafe(ref first, offset).AsUInt64();

    /// <summary>Each 16 bytes as a polynomial, carried on: the halves' products with their constants.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Multiply(Vector256<ulong> value, Vector256<ulong> by) =>
        Pclmulqdq.V256.CarrylessMultiply(value, by, 0x00) ^ Pclmulqdq.V256.CarrylessMultiply(value, by, 0x11);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Sum(uint state, Vector256<ulong> bytes)
    {
        state = BitOperations.Crc32C(state, bytes.GetElement(0));
        state = BitOperations.Crc32C(state, bytes.GetElement(1));
        state = BitOperations.Crc32C(state, bytes.GetElement(2));
        return BitOperations.Crc32C(state, bytes.GetElement(3));
    }

    /// <summary>
    /// x^<paramref name="exponent"/> (a multiple of 8) modulo the polynomial, in the order of bits that checksums have,
    /// a bit to the left: the product of two such numbers comes out one bit to the right.
    /// </summary>
    private static ulong Power(int exponent)
    {
        uint state = 0x8000_0000; // x^0
        for (int i = 0; i < exponent; i += 8)
        {
            state = BitOperations.Crc32C(state, (byte)0);
        }

        return (ulong)state << 1;
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
