using System.Buffers;
using System.Runtime.InteropServices;

namespace DataLayer.Core.Memory;

/// <summary>
/// One page-aligned piece of native memory that a <see cref="NativeBufferPool"/> owns for its whole life. Users hold it
/// through a
/// <see cref="BufferLease"/>; nobody else keeps a reference.
/// </summary>
internal sealed unsafe class NativeBuffer : MemoryManager<byte>
{
    private const int AlignmentBytes = 4096;
    private byte* _address;
    private int _token;

    internal NativeBuffer(int sizeBytes)
    {
        SizeBytes = sizeBytes;
        _address = (byte*)NativeMemory.AlignedAlloc((nuint)sizeBytes, AlignmentBytes);
    }

    internal int SizeBytes { get; }

    /// <summary>
    /// Odd while rented. A lease remembers the value it was given, so a late second return is recognised.
    /// </summary>
    internal int Token => Volatile.Read(ref _token);

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => new(_address, SizeBytes);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(_address + elementIndex);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // Native memory never moves.
    }

    internal int MarkRented() => Interlocked.Increment(ref _token);

    internal bool TryMarkReturned(int token) => Interlocked.CompareExchange(ref _token, token + 1, token) == token;

    internal void Free()
    {
        if (_address is not null)
        {
            NativeMemory.AlignedFree(_address);
            _address = null;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => Free();
}
