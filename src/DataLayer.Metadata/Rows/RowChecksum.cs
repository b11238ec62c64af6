using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using DataLayer.Core.Integrity;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// CRC-32C over the columns of one row, in a fixed order: numbers as 8 bytes little-endian, text (UTF-8) and bytes
/// behind their length, NULL as length -1. SQLite does not checksum its pages; this finds a flipped bit in a row
/// before anyone acts on it.
/// </summary>
internal ref struct RowChecksum
{
    private uint _crc;

    /// <summary>The checksum so far.</summary>
    public readonly uint Value => _crc;

    /// <summary>Adds a number.</summary>
    public void Add(long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _crc = Crc32C.Append(_crc, bytes);
    }

    /// <summary>Adds a text or NULL.</summary>
    public void Add(string? text)
    {
        if (text is null)
        {
            Add(-1L);
            return;
        }

        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        byte[]? rented = most > 512 ? ArrayPool<byte>.Shared.Rent(most) : null;
        Span<byte> bytes = rented ?? stackalloc byte[512];
        int length = Encoding.UTF8.GetBytes(text, bytes);
        Add((long)length);
        _crc = Crc32C.Append(_crc, bytes[..length]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Adds bytes or NULL.</summary>
    public void Add(byte[]? bytes)
    {
        Add(bytes is null ? -1L : bytes.Length);
        _crc = Crc32C.Append(_crc, bytes);
    }
}
