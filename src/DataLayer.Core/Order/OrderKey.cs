using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Core.Order;

/// <summary>
/// The key of one permutation or draw: 256 bits that depend on everything an order depends on, and on what the key is
/// used for. docs/FORMATS/order.md gives the bytes that are hashed.
/// </summary>
/// <param name="A">Bits 0 to 63.</param>
/// <param name="B">Bits 64 to 127.</param>
/// <param name="C">Bits 128 to 191.</param>
/// <param name="D">Bits 192 to 255.</param>
public readonly record struct OrderKey(ulong A, ulong B, ulong C, ulong D)
{
    /// <summary>How many bytes an index hash has, a count.</summary>
    public const int HashBytes = 32;

    private const string Domain = "datalayer-order-1";

    /// <summary>Derives a key: SHA-256 over the domain, the use and the numbers. About half a microsecond.</summary>
    /// <param name="use">What it is for, ASCII.</param>
    /// <param name="indexHash">The hash of the sample index, <see cref="HashBytes"/> bytes.</param>
    /// <param name="seed">The feed's seed.</param>
    /// <param name="pass">The pass, from 0.</param>
    /// <exception cref="ArgumentException">The hash has another length.</exception>
    public static OrderKey Derive(string use, ReadOnlySpan<byte> indexHash, long seed, long pass)
    {
        ArgumentNullException.ThrowIfNull(use);
        if (indexHash.Length != HashBytes)
        {
            throw new ArgumentException(
                $"An index hash has {HashBytes} bytes, not {indexHash.Length}.", nameof(indexHash));
        }

        byte[] text = Encoding.ASCII.GetBytes($"{Domain}\0{use}\0");
        byte[] input = new byte[text.Length + HashBytes + 16];
        text.CopyTo(input, 0);
        indexHash.CopyTo(input.AsSpan(text.Length));
        BinaryPrimitives.WriteInt64LittleEndian(input.AsSpan(text.Length + HashBytes), seed);
        BinaryPrimitives.WriteInt64LittleEndian(input.AsSpan(text.Length + HashBytes + 8), pass);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, hash);
        return new OrderKey(
            BinaryPrimitives.ReadUInt64LittleEndian(hash), BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(hash[16..]), BinaryPrimitives.ReadUInt64LittleEndian(hash[24..]));
    }

    /// <summary>A number of 64 bits that looks random, for one position under this key.</summary>
    public ulong Draw(long position) =>
        OrderMix.Mix(A ^ OrderMix.Mix(B + ((ulong)position * OrderMix.Golden)));
}
