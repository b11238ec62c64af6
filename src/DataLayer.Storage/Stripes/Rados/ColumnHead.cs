using System.Buffers.Binary;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// The attribute <c>column</c> of a column's first object (docs/FORMATS/stripes.md): which units there are. Immutable;
/// each change has the next sequence number and demands that the one before is what the cluster has.
/// </summary>
internal sealed class ColumnHead
{
    internal const string Attribute = "column";
    private const uint Magic = 0x31_43_4C_44; // "DLC1"
    private const int FixedBytes = 56;

    private ColumnHead(byte[] text, UnitSet units)
    {
        Text = text;
        Units = units;
    }

    /// <summary>The bytes in the cluster.</summary>
    internal byte[] Text { get; }

    /// <summary>The units that a flush vouched for: one that is gone is damage.</summary>
    internal UnitSet Units { get; }

    internal long Sequence => BinaryPrimitives.ReadInt64LittleEndian(Text.AsSpan(8));

    /// <summary>Whether no flush ever ended.</summary>
    internal bool IsFresh => (Flags & 1) != 0;

    /// <summary>Whether it is being put together out of another column: it is not there yet.</summary>
    internal bool IsBuilding => (Flags & 2) != 0;

    /// <summary>Units from here on, before <see cref="To"/>, may be there although no flush vouched for them.</summary>
    internal int From => BinaryPrimitives.ReadInt32LittleEndian(Text.AsSpan(36));

    /// <summary>See <see cref="From"/>; not above it where there are none.</summary>
    internal int To => BinaryPrimitives.ReadInt32LittleEndian(Text.AsSpan(40));

    /// <summary>The length a truncation under way cuts to, bytes; −1 for none.</summary>
    internal long CutBytes => BinaryPrimitives.ReadInt64LittleEndian(Text.AsSpan(48));

    private uint Flags => BinaryPrimitives.ReadUInt32LittleEndian(Text.AsSpan(32));

    /// <summary>Makes one.</summary>
    internal static ColumnHead Make(
        in ColumnId column, long sequence, bool isFresh, bool isBuilding, int from, int to, long cutBytes,
        UnitSet units)
    {
        byte[] text = new byte[FixedBytes + units.EncodedBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(text, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(text.AsSpan(8), sequence);
        BinaryPrimitives.WriteInt64LittleEndian(text.AsSpan(16), column.Content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(text.AsSpan(24), column.Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(28), column.Column);
        BinaryPrimitives.WriteUInt32LittleEndian(text.AsSpan(32), (isFresh ? 1u : 0) | (isBuilding ? 2u : 0));
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(36), from);
        BinaryPrimitives.WriteInt32LittleEndian(text.AsSpan(40), to);
        BinaryPrimitives.WriteInt64LittleEndian(text.AsSpan(48), cutBytes);
        units.Encode(text.AsSpan(FixedBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(text.AsSpan(4), Crc32C.Compute(text.AsSpan(8)));
        return new ColumnHead(text, units);
    }

    /// <summary>Reads one; null if it is damaged or of another column.</summary>
    internal static ColumnHead? TryDecode(byte[] text, in ColumnId column) =>
        text.Length >= FixedBytes && (text.Length - FixedBytes) % 8 == 0
            && BinaryPrimitives.ReadUInt32LittleEndian(text) == Magic
            && BinaryPrimitives.ReadUInt32LittleEndian(text.AsSpan(4)) == Crc32C.Compute(text.AsSpan(8))
            && BinaryPrimitives.ReadInt64LittleEndian(text.AsSpan(16)) == column.Content.Inode.Value
            && BinaryPrimitives.ReadUInt32LittleEndian(text.AsSpan(24)) == column.Content.Generation
            && BinaryPrimitives.ReadInt32LittleEndian(text.AsSpan(28)) == column.Column
            ? new ColumnHead(text, UnitSet.Decode(text.AsSpan(FixedBytes))) : null;

    /// <summary>The next one.</summary>
    internal ColumnHead Next(
        in ColumnId column, UnitSet units, int from, int to, long cutBytes = -1, bool isBuilding = false,
        bool isFresh = false) =>
        Make(column, Sequence + 1, isFresh, isBuilding, from, to, cutBytes, units);
}
