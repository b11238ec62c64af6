using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <summary>The part of a byte range that falls to one column: always one piece of the column's backing file.</summary>
/// <param name="Column">The column.</param>
/// <param name="OffsetBytes">Where the piece starts in the column.</param>
/// <param name="LengthBytes">Its length, bytes; 0 if the range does not touch the column.</param>
internal readonly record struct ColumnRange(int Column, long OffsetBytes, int LengthBytes)
{
    /// <summary>The piece of [offset, offset + length) in a column.</summary>
    internal static ColumnRange Of(StripedPlacement placement, int column, long offsetBytes, long lengthBytes)
    {
        long start = placement.ColumnLength(column, offsetBytes);
        long end = placement.ColumnLength(column, offsetBytes + lengthBytes);
        return new ColumnRange(column, start, checked((int)(end - start)));
    }

    /// <summary>Whether a range lies in one column, and which.</summary>
    internal static bool IsOneColumn(StripedPlacement placement, long offsetBytes, long lengthBytes, out int column)
    {
        column = placement.ColumnOf(offsetBytes);
        return placement.Width == 1 || offsetBytes / placement.UnitBytes == (offsetBytes
            + lengthBytes - 1) / placement.UnitBytes;
    }

    /// <summary>The file offset of a column offset.</summary>
    internal static long ToFileOffset(StripedPlacement placement, int column, long columnOffsetBytes)
    {
        (long unit, long inUnit) = Math.DivRem(columnOffsetBytes, placement.UnitBytes);
        return (((unit * placement.Width) + column) * placement.UnitBytes) + inUnit;
    }
}
