using System.Collections.Concurrent;
using System.Security.Cryptography;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes.Sealing;

/// <summary>
/// The data keys that a process has opened, by number (an attachment's): hot copies are encrypted under them. Any
/// thread.
/// </summary>
/// <remarks>
/// A key lies here from <see cref="Put"/> to <see cref="Forget"/>. No content is encrypted under it directly: each
/// column has a key derived from it, so that random nonces have a column's bytes to spread over, not a dataset's.
/// docs/FORMATS/stripes.md.
/// </remarks>
public sealed class DataKeyRing
{
    /// <summary>The length of a data key, bytes.</summary>
    public const int KeyBytes = 32;

    private readonly ConcurrentDictionary<long, Entry> _entries = new();

    /// <summary>Takes a key; a copy is kept.</summary>
    /// <param name="keyId">Its number.</param>
    /// <param name="key">256 random bits.</param>
    public void Put(long keyId, ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keyId, 1);
        if (key.Length != KeyBytes)
        {
            throw new ArgumentException($"A key has {KeyBytes} bytes, this one {key.Length}.", nameof(key));
        }

        _entries[keyId] = new Entry(key.ToArray(), null);
    }

    /// <summary>Notes that a key cannot be opened: whoever wants its bytes is told why.</summary>
    /// <param name="keyId">Its number.</param>
    /// <param name="why">What is wrong, and the remedy.</param>
    public void PutMissing(long keyId, string why)
    {
        ArgumentException.ThrowIfNullOrEmpty(why);
        _entries[keyId] = new Entry(null, why);
    }

    /// <summary>Forgets a key: what is encrypted under it cannot be read any more.</summary>
    public void Forget(long keyId)
    {
        // Not wiped: a read under way may have it. It is garbage when that has ended.
        _entries.TryRemove(keyId, out _);
    }

    /// <summary>Whether a key is here and open.</summary>
    public bool Has(long keyId) => _entries.TryGetValue(keyId, out Entry? entry) && entry.Key is not null;

    /// <summary>The cipher of one column; the caller disposes it.</summary>
    /// <exception cref="DataLayerException">PermissionDenied: the key cannot be opened. NotFound: it was
    /// erased.</exception>
    internal AesGcm OpenCipher(long keyId, in ColumnId column)
    {
        if (!_entries.TryGetValue(keyId, out Entry? entry))
        {
            throw new DataLayerException(
                ErrorCode.NotFound,
                $"The key of encrypted content {column.Content} was erased when its attachment {keyId} was detached: "
                + "its hot copy cannot be read. Attach the bucket again.");
        }

        if (entry.Key is null)
        {
            throw new DataLayerException(ErrorCode.PermissionDenied, entry.Why!);
        }

        Span<byte> derived = stackalloc byte[KeyBytes];
        Span<byte> about = stackalloc byte[SealedPage.KeyLabelBytes];
        SealedPage.WriteKeyLabel(about, column);
        HMACSHA256.HashData(entry.Key, about, derived);
        AesGcm cipher = new(derived, SealedPage.TagBytes);
        CryptographicOperations.ZeroMemory(derived);
        return cipher;
    }

    private sealed record Entry(byte[]? Key, string? Why);
}
