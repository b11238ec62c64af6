using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// The attribute <c>unit</c> of an object with 4 MiB of a column (docs/FORMATS/stripes.md): what is known of its 64
/// chunks. It changes together with the bytes, in one operation, so it always fits them. Immutable.
/// </summary>
internal sealed class UnitHead
{
    internal const string Attribute = "unit";

    /// <summary>Bytes of a column in one object.</summary>
    internal const int UnitBytes = 4 << 20;

    internal const int ChunkCount = UnitBytes / ChunkEntry.ChunkBytes;

    /// <summary>The length of a chunk of which nothing is known: it was lost.</summary>
    internal const int Lost = -1;

    private const uint Magic = 0x31_55_4C_44; // "DLU1"
    private const int FixedBytes = 40;
    private const int EntryBytes = 8;
    private readonly Entry[] _entries;

    private UnitHead(byte[] text, Entry[] entries)
    {
        Text = text;
        _entries = entries;
    }

    /// <summary>The bytes in the cluster.</summary>
    internal byte[] Text { get; }

    /// <summary>What is known of a chunk of the unit.</summary>
    internal Entry this[int chunk] => chunk < _entries.Length ? _entries[chunk] : default;

    /// <summary>How many chunks there are up to the last that is no hole.</summary>
    internal int SpanCount => _entries.Length;

    /// <summary>The bytes of an object that its chunks cover.</summary>
    internal long EndBytes => _entries.Length == 0 ? 0
        : ((_entries.Length - 1) * (long)ChunkEntry.ChunkBytes)
            + (_entries[^1].LengthBytes < 0 ? ChunkEntry.ChunkBytes : _entries[^1].LengthBytes);

    /// <summary>All entries, for a change.</summary>
    internal static Entry[] EntriesOf(UnitHead? head, bool isLost)
    {
        Entry[] entries = new Entry[ChunkCount];
        if (head is null && isLost)
        {
            Array.Fill(entries, new Entry(0, Lost));
        }

        head?._entries.CopyTo(entries, 0);
        return entries;
    }

    /// <summary>The head that follows another, or the first.</summary>
    internal static UnitHead After(UnitHead? before, in ColumnId column, int unit, ReadOnlySpan<Entry> entries)
    {
        int count = entries.Length;
        while (count > 0 && entries[count - 1].LengthBytes == 0)
        {
            count--;
        }

        long sequence = before is null ? 1 : BinaryPrimitives.ReadInt64LittleEndian(before.Text.AsSpan(8)) + 1;
        byte[] text = new byte[FixedBytes + (count * EntryBytes)];
        BinaryPrimitives.WriteUInt32LittleEndian(text, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(text.AsSpan(8), sequence);
        BinaryPrimitives.WriteInt64LittleEndian(text.AsSpan(16), column.Content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(text.AsSpan(24), column.Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(28), column.Column);
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(32), unit);
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(36), count);
        for (int i = 0; i < count; i++)
        {
            Span<byte> at = text.AsSpan(FixedBytes + (i * EntryBytes));
            BinaryPrimitives.WriteUInt32LittleEndian(at, entries[i].Crc);
            BinaryPrimitives.WriteInt32LittleEndian(at[4..], entries[i].LengthBytes);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(text.AsSpan(4), Crc32C.Compute(text.AsSpan(8)));
        return new UnitHead(text, entries[..count].ToArray());
    }

    /// <summary>Reads one; null if it is damaged or of another unit.</summary>
    internal static UnitHead? TryDecode(byte[]? text, in ColumnId column, int unit)
    {
        if (text is null || text.Length < FixedBytes || BinaryPrimitives.ReadUInt32LittleEndian(text) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(text.AsSpan(4)) != Crc32C.Compute(text.AsSpan(8))
            || BinaryPrimitives.ReadInt64LittleEndian(text.AsSpan(16)) != column.Content.Inode.Value
            || BinaryPrimitives.ReadUInt32LittleEndian(text.AsSpan(24)) != column.Content.Generation
            || BinaryPrimitives.ReadInt32LittleEndian(text.AsSpan(28)) != column.Column
            || BinaryPrimitives.ReadInt32LittleEndian(text.AsSpan(32)) != unit
            || (text.Length - FixedBytes) % EntryBytes != 0
            || (text.Length - FixedBytes) / EntryBytes is int count && (count > ChunkCount
                || BinaryPrimitives.ReadInt32LittleEndian(text.AsSpan(36)) != count))
        {
            return null;
        }

        Entry[] entries = new Entry[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> at = text.AsSpan(FixedBytes + (i * EntryBytes));
            entries[i] = new Entry(
                BinaryPrimitives.ReadUInt32LittleEndian(at), BinaryPrimitives.ReadInt32LittleEndian(at[4..]));
            if (entries[i].LengthBytes is < Lost or > ChunkEntry.ChunkBytes)
            {
                return null;
            }
        }

        return new UnitHead(text, entries);
    }

    /// <summary>What is known of a chunk.</summary>
    /// <param name="Crc">The checksum of its first bytes, bound to who it is (<see cref="ColumnId.Bind"/>).</param>
    /// <param name="LengthBytes">How many bytes that is; 0 for a hole, <see cref="Lost"/> for a lost one.</param>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Entry(uint Crc, int LengthBytes);
}
