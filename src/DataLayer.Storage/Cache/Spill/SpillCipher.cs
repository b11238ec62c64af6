using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DataLayer.Storage.Cache.Spill;

/// <summary>
/// AES-256-GCM of a block in the spill, in place, its tag behind it. Keys live as long as the process; the nonce is the
/// record's address in the log, which only grows.
/// </summary>
internal static class SpillCipher
{
    public const int KeyBytes = 32;

    public const int TagBytes = 16;

    private const int NonceBytes = 12;

    /// <summary>Encrypts.</summary>
    /// <param name="key">The dataset's.</param>
    /// <param name="address">The record's, used once with the key.</param>
    /// <param name="bytes">The block, and room for the tag.</param>
    public static void Seal(byte[] key, long address, Span<byte> bytes)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(nonce, address);
        using AesGcm cipher = new(key, TagBytes);
        Span<byte> block = bytes[..^TagBytes];
        cipher.Encrypt(nonce, block, block, bytes[^TagBytes..]);
    }

    /// <summary>Decrypts; false if it is not what was sealed.</summary>
    public static bool TryOpen(byte[] key, long address, Span<byte> bytes)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        nonce.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(nonce, address);
        using AesGcm cipher = new(key, TagBytes);
        Span<byte> block = bytes[..^TagBytes];
        try
        {
            cipher.Decrypt(nonce, block, bytes[^TagBytes..], block);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}
