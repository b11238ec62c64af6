using System.Buffers;
using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// One page-aligned piece of native memory for one request or one reply. Owned by a <see cref="FuseBufferPool"/>;
/// used by one request at a time.
/// </summary>
/// <remarks>
/// A request is read in so that the bytes of a WRITE start on a page: the headers end where the second page begins. So
/// the engine and direct I/O below it get aligned bytes without a copy.
/// </remarks>
internal sealed unsafe class FuseBuffer : MemoryManager<byte>
{
    /// <summary>Headers of a WRITE: fuse_in_header and fuse_write_in.</summary>
    internal const int WriteHeaderBytes = 80;

    private const int PageBytes = 4096;
    private byte* _address;

    internal FuseBuffer(int payloadBytes)
    {
        PayloadBytes = payloadBytes;
        _address = (byte*)NativeMemory.AlignedAlloc((nuint)(payloadBytes + PageBytes), PageBytes);
        GC.AddMemoryPressure(PageBytes);
    }

    /// <summary>Bytes from the second page on.</summary>
    internal int PayloadBytes { get; }

    /// <summary>Where a request is read to.</summary>
    internal byte* Request => _address + PageBytes - WriteHeaderBytes;

    /// <summary>How large a request may be, bytes.</summary>
    internal int RequestBytes => PayloadBytes + WriteHeaderBytes;

    /// <summary>The page-aligned part: the bytes of a WRITE, or a reply's payload.</summary>
    internal byte* Payload => _address + PageBytes;

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => new(Payload, PayloadBytes);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(Payload + elementIndex);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // Native memory never moves.
    }

    internal void Free()
    {
        if (_address is not null)
        {
            NativeMemory.AlignedFree(_address);
            _address = null;
            GC.RemoveMemoryPressure(PageBytes);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => Free();
}
