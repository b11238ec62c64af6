using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DataLayer.EndToEndTests.Load;

/// <summary>
/// Bytes that can be made again from two numbers, so that a model of a thousand files keeps none of them. Every 8 bytes tell seed and
/// place apart (SplitMix64 of both), so content of another file, version or offset never passes as the right one.
/// </summary>
/// <param name="Seed">Which bytes.</param>
/// <param name="Length">How many.</param>
internal readonly record struct Content(ulong Seed, int Length)
{
    /// <summary>The bytes.</summary>
    internal byte[] ToBytes() => Slice(0, Length);

    /// <summary>A part of the bytes.</summary>
    internal byte[] Slice(int offset, int length)
    {
        var words = new ulong[(length / 8) + 2];
        var first = offset / 8;
        for (var i = 0; i < words.Length; i++)
        {
            var word = Mix(Seed + ((ulong)(first + i + 1) * 0x9E3779B97F4A7C15));
            words[i] = BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
        }

        return MemoryMarshal.AsBytes<ulong>(words).Slice(offset % 8, length).ToArray();
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
