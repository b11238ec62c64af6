using System.Buffers;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// One page-aligned piece of native memory for one request or one reply. Owned by a <see cref="FuseBufferPool"/>;
/// used by one request at a time.
/// </summary>
/// <remarks>
/// A request is read in so that the bytes of a WRITE start on a page: the headers end where the second page begins. So
/// the engine and direct I/O below it get aligned bytes without a copy.
/// <para>All of its pages exist from the start. A reader that is killed while the kernel copies a request into a page
/// that has to be made first gets none, and then the kernel fails the request with EIO instead of keeping it for the
/// next service (decision 0083). They are shared, because the out-of-memory killer takes private pages away while the
/// threads of its victim still run.</para>
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
        nint address = FuseLibc.Map(
            0, (nuint)MappedBytes, FuseLibc.MapReadWrite,
            FuseLibc.MapShared | FuseLibc.MapAnonymous | FuseLibc.MapPopulate, file: -1, offsetBytes: 0);
        if (address == -1)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"No memory for a request buffer of {MappedBytes} bytes (errno {Marshal.GetLastPInvokeError()}). Give "
                + "the service more memory, or mount less.");
        }

        _address = (byte*)address;
    }

    /// <summary>Bytes from the second page on.</summary>
    internal int PayloadBytes { get; }

    /// <summary>Where a request is read to.</summary>
    internal byte* Request => _address + PageBytes - WriteHeaderBytes;

    /// <summary>How large a request may be, bytes.</summary>
    internal int RequestBytes => PayloadBytes + WriteHeaderBytes;

    /// <summary>Bytes of memory it takes.</summary>
    internal int MappedBytes => PayloadBytes + PageBytes;

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
            _ = FuseLibc.Unmap((nint)_address, (nuint)MappedBytes);
            _address = null;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => Free();
}
