using System.Buffers;
using System.Runtime.InteropServices;
using DataLayer.Core.Interop;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Native memory of one transfer, page-aligned, in huge pages where it is large. Rented from
/// <see cref="TransferBufferPool"/>; whoever rented it returns it once, after the last I/O into it ended.
/// </summary>
internal sealed unsafe class TransferBuffer : MemoryManager<byte>
{
    private byte* _pointer;
    private int _rented;

    public TransferBuffer(int capacityBytes)
    {
        CapacityBytes = capacityBytes;
        bool isLarge = capacityBytes >= HugePages.PageBytes;
        _pointer = (byte*)NativeMemory.AlignedAlloc((nuint)capacityBytes, isLarge ? HugePages.PageBytes : 4096u);
        if (isLarge)
        {
            HugePages.Ask((nint)_pointer, capacityBytes);
        }
    }

    public int CapacityBytes { get; }

    public override Span<byte> GetSpan() => new(_pointer, CapacityBytes);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_pointer + elementIndex, pinnable: this);

    public override void Unpin()
    {
    }

    internal void MarkRented()
    {
        if (Interlocked.Exchange(ref _rented, 1) != 0)
        {
            throw new InvalidOperationException("A transfer buffer was handed out twice.");
        }
    }

    internal void MarkReturned()
    {
        if (Interlocked.Exchange(ref _rented, 0) != 1)
        {
            throw new InvalidOperationException("A transfer buffer was returned twice.");
        }

#if DEBUG
        GetSpan()[..Math.Min(CapacityBytes, 4096)].Fill(0xDB);
#endif
    }

    internal void Free() => ((IDisposable)this).Dispose();

    protected override void Dispose(bool disposing)
    {
        byte* pointer = _pointer;
        _pointer = null;
        if (pointer != null)
        {
            NativeMemory.AlignedFree(pointer);
        }
    }
}

/// <summary>
/// Transfer buffers by size class (powers of two from 64 KiB). Free ones are kept up to a bound; how many are out is
/// bounded by their users: fetches by the request limits, readahead by its memory budget.
/// </summary>
internal sealed class TransferBufferPool(long retainBytes) : IDisposable
{
    private const int SmallestShift = 16;
    private readonly Stack<TransferBuffer>[] _free = NewClasses();
    private readonly Lock _lock = new();
    private long _retainedBytes;
    private long _outstandingBytes;
    private bool _disposed;

    public long OutstandingBytes => Volatile.Read(ref _outstandingBytes);

    public TransferBuffer Rent(int lengthBytes)
    {
        int sizeClass = SizeClass(lengthBytes);
        TransferBuffer? buffer;
        lock (_lock)
        {
            if (_free[sizeClass].TryPop(out buffer))
            {
                _retainedBytes -= buffer.CapacityBytes;
            }
        }

        buffer ??= new TransferBuffer(1 << (sizeClass + SmallestShift));
        buffer.MarkRented();
        Interlocked.Add(ref _outstandingBytes, buffer.CapacityBytes);
        return buffer;
    }

    public void Return(TransferBuffer buffer)
    {
        buffer.MarkReturned();
        Interlocked.Add(ref _outstandingBytes, -buffer.CapacityBytes);
        lock (_lock)
        {
            if (!_disposed && _retainedBytes + buffer.CapacityBytes <= retainBytes)
            {
                _retainedBytes += buffer.CapacityBytes;
                _free[SizeClass(buffer.CapacityBytes)].Push(buffer);
                return;
            }
        }

        buffer.Free();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (Stack<TransferBuffer> stack in _free)
            {
                while (stack.TryPop(out TransferBuffer? buffer))
                {
                    buffer.Free();
                }
            }
        }
    }

    private static int SizeClass(int lengthBytes)
    {
        uint rounded = System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(lengthBytes, 1 << SmallestShift));
        return System.Numerics.BitOperations.Log2(rounded) - SmallestShift;
    }

    private static Stack<TransferBuffer>[] NewClasses()
    {
        Stack<TransferBuffer>[] classes = new Stack<TransferBuffer>[16];
        for (int i = 0; i < classes.Length; i++)
        {
            classes[i] = new Stack<TransferBuffer>();
        }

        return classes;
    }
}
