using System.Runtime.InteropServices;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// A caller's buffer seen from one column: maps an offset in the column's backing file to the buffer's bytes. A chunk
/// never crosses a stripe unit, so it is always contiguous in the buffer.
/// </summary>
internal readonly struct StripeView
{
    private readonly Memory<byte> _buffer;
    private readonly long _fileOffset;
    private readonly int _unitBytes;
    private readonly int _width;
    private readonly int _column;

    /// <summary>A view for reading into <paramref name="buffer"/>, which holds the file from <paramref
    /// name="fileOffset"/>.</summary>
    internal StripeView(Memory<byte> buffer, long fileOffset, StripedPlacement placement, int column)
    {
        _buffer = buffer;
        _fileOffset = fileOffset;
        _unitBytes = placement.UnitBytes;
        _width = placement.Width;
        _column = column;
    }

    /// <summary>A view of bytes to write; whoever gets it only reads the buffer.</summary>
    internal StripeView(ReadOnlyMemory<byte> buffer, long fileOffset, StripedPlacement placement, int column)
        : this(MemoryMarshal.AsMemory(buffer), fileOffset, placement, column)
    {
    }

    /// <summary>A view of a buffer that lies in the column in one piece, starting at <paramref
    /// name="columnOffset"/>.</summary>
    internal StripeView(Memory<byte> buffer, long columnOffset)
    {
        _buffer = buffer;
        _fileOffset = columnOffset;
        _unitBytes = 1 << 30;
        _width = 1;
        _column = 0;
    }

    /// <summary>Keeps the buffer in place while the kernel works on it.</summary>
    internal System.Buffers.MemoryHandle Pin() => _buffer.Pin();

    /// <summary>The buffer's bytes for column bytes from <paramref name="columnOffset"/>: up to the unit's end, at most
    /// <paramref name="maxBytes"/>.</summary>
    internal Span<byte> Slice(long columnOffset, int maxBytes)
    {
        if (_width == 1)
        {
            return _buffer.Span.Slice((int)(columnOffset - _fileOffset), maxBytes);
        }

        (long unit, long inUnit) = Math.DivRem(columnOffset, _unitBytes);
        long offset = (((unit * _width) + _column) * _unitBytes) + inUnit;
        return _buffer.Span.Slice((int)(offset - _fileOffset), (int)Math.Min(maxBytes, _unitBytes - inUnit));
    }
}
