using System.Buffers;

namespace DataLayer.Client.Feeds.Devices;

/// <summary>Native memory that somebody else owns, as a Memory for a read. Nothing outlives the read.</summary>
internal sealed unsafe class NativePiece(nint address, int lengthBytes) : MemoryManager<byte>, IDisposable
{
    /// <inheritdoc/>
    public override Span<byte> GetSpan() => new((void*)address, lengthBytes);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)address + elementIndex);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // Native memory never moves.
    }

    /// <summary>Ends the view; the memory stays its owner's.</summary>
    public void Dispose() => Dispose(disposing: true);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        // The memory is its owner's.
    }
}
