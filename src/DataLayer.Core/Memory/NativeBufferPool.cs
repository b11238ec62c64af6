using System.Numerics;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Memory;

/// <summary>
/// The process's pool of transfer buffers: page-aligned native memory in powers of two from 4 KiB to 16 MiB, with one
/// hard cap on the
/// bytes that exist at a time.
/// </summary>
/// <remarks>
/// A rent takes a free buffer of its class, else makes one if the cap allows, else frees idle buffers of other classes,
/// else waits in
/// turn. Waiters are served first come first served, so a large request is not starved by small ones. Renting and
/// returning allocate
/// nothing once the classes are warm. Debug builds fill returned buffers with 0xDB and throw on a second return.
/// Lock order: <c>_gate</c> is a leaf; it is held for list work only.
/// </remarks>
public sealed class NativeBufferPool : IDisposable
{
    /// <summary>The smallest class, bytes.</summary>
    public const int MinBufferBytes = 4096;

    /// <summary>The largest class, bytes: the largest transfer any part makes at once.</summary>
    public const int MaxBufferBytes = 16 << 20;

    private const int ClassCount = 13;
    private readonly Lock _gate = new();
    private readonly Stack<NativeBuffer>[] _free = new Stack<NativeBuffer>[ClassCount];
    private readonly Queue<Waiter> _waiters = new();
    private readonly int _waiterLimit;
    private long _existingBytes;
    private long _rentedBytes;
    private long _doubleReturns;
    private bool _disposed;

    /// <summary>Makes a pool.</summary>
    /// <param name="capacityBytes">Cap on the bytes of all buffers, rented or idle; at least 16 MiB.</param>
    /// <param name="waiterLimit">How many rents may wait at a time, a count; past it a rent fails with
    /// Overloaded.</param>
    public NativeBufferPool(long capacityBytes, int waiterLimit = 4096)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityBytes, MaxBufferBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(waiterLimit, 1);
        CapacityBytes = capacityBytes;
        _waiterLimit = waiterLimit;
        for (int i = 0; i < ClassCount; i++)
        {
            _free[i] = new Stack<NativeBuffer>();
        }
    }

    /// <summary>The cap, bytes.</summary>
    public long CapacityBytes { get; }

    /// <summary>Bytes of buffers now rented.</summary>
    public long RentedBytes => Interlocked.Read(ref _rentedBytes);

    /// <summary>Bytes of buffers that exist, rented or idle.</summary>
    public long ExistingBytes => Interlocked.Read(ref _existingBytes);

    /// <summary>How often a buffer was returned twice, a count: each one is a fault of the caller.</summary>
    public long DoubleReturnCount => Interlocked.Read(ref _doubleReturns);

    /// <summary>
    /// Rents a buffer of at least <paramref name="lengthBytes"/> bytes, or reports that none is free now.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is not in 1 … 16 MiB.</exception>
    public bool TryRent(int lengthBytes, out BufferLease lease)
    {
        int sizeClass = ClassOf(lengthBytes);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            NativeBuffer? buffer = _waiters.Count == 0 ? TakeLocked(sizeClass) : null;
            lease = buffer is null ? default : new BufferLease(this, buffer, buffer.MarkRented(), lengthBytes);
            return buffer is not null;
        }
    }

    /// <summary>
    /// Rents a buffer of at least <paramref name="lengthBytes"/> bytes; waits its turn while the cap is reached.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is not in 1 … 16 MiB.</exception>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.Overloaded"/>: too many rents wait
    /// already.</exception>
    public ValueTask<BufferLease> RentAsync(int lengthBytes, CancellationToken cancellationToken)
    {
        return TryRent(lengthBytes, out BufferLease lease)
            ? new ValueTask<BufferLease>(lease)
            : RentSlowAsync(lengthBytes, cancellationToken);
    }

    /// <summary>Frees idle buffers; rented ones are freed when they return.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_waiters.TryDequeue(out Waiter? waiter))
            {
                waiter.TrySetException(new ObjectDisposedException(nameof(NativeBufferPool)));
            }

            FreeIdleLocked(long.MaxValue);
        }
    }

    internal void Return(NativeBuffer buffer, int token)
    {
        if (buffer.Token != token)
        {
            RejectSecondReturn();
            return;
        }

#if DEBUG
        buffer.GetSpan().Fill(0xDB);
#endif
        if (!buffer.TryMarkReturned(token))
        {
            RejectSecondReturn();
            return;
        }

        lock (_gate)
        {
            _rentedBytes -= buffer.SizeBytes;
            if (_disposed)
            {
                _existingBytes -= buffer.SizeBytes;
                buffer.Free();
                return;
            }

            _free[ClassOf(buffer.SizeBytes)].Push(buffer);
            ServeWaitersLocked();
        }
    }

    private static int ClassOf(int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, MaxBufferBytes);
        return lengthBytes <= MinBufferBytes ? 0 : BitOperations.Log2((uint)(lengthBytes - 1)) - 11;
    }

    private void RejectSecondReturn()
    {
        Interlocked.Increment(ref _doubleReturns);
#if DEBUG
        throw new InvalidOperationException("A pooled buffer was returned twice.");
#endif
    }

    private async ValueTask<BufferLease> RentSlowAsync(int lengthBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Waiter waiter = new(lengthBytes);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_waiters.Count >= _waiterLimit)
            {
                throw new DataLayerException(ErrorCode.Overloaded,
                    $"{_waiters.Count} transfers wait for buffers already. "
                    + $"Lower the load or raise the transfer memory ({CapacityBytes} bytes).");
            }

            _waiters.Enqueue(waiter);
            ServeWaitersLocked();
        }

        CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((Waiter)state!).TrySetCanceled(token), waiter);
        await using (registration.ConfigureAwait(false))
        {
            return await waiter.Task.ConfigureAwait(false);
        }
    }

    private void ServeWaitersLocked()
    {
        while (_waiters.TryPeek(out Waiter? waiter))
        {
            if (waiter.Task.IsCompleted)
            {
                _waiters.Dequeue();
                continue;
            }

            NativeBuffer? buffer = TakeLocked(ClassOf(waiter.LengthBytes));
            if (buffer is null)
            {
                return;
            }

            _waiters.Dequeue();
            int token = buffer.MarkRented();
            if (!waiter.TrySetResult(new BufferLease(this, buffer, token, waiter.LengthBytes)))
            {
                // Cancelled in between: the buffer goes back as if never rented.
                buffer.TryMarkReturned(token);
                _rentedBytes -= buffer.SizeBytes;
                _free[ClassOf(buffer.SizeBytes)].Push(buffer);
            }
        }
    }

    private NativeBuffer? TakeLocked(int sizeClass)
    {
        int sizeBytes = MinBufferBytes << sizeClass;
        if (!_free[sizeClass].TryPop(out NativeBuffer? buffer))
        {
            if (_existingBytes + sizeBytes > CapacityBytes)
            {
                FreeIdleLocked(_existingBytes + sizeBytes - CapacityBytes);
            }

            if (_existingBytes + sizeBytes > CapacityBytes)
            {
                return null;
            }

            buffer = new NativeBuffer(sizeBytes);
            _existingBytes += sizeBytes;
        }

        _rentedBytes += sizeBytes;
        return buffer;
    }

    private void FreeIdleLocked(long wantedBytes)
    {
        for (int sizeClass = ClassCount - 1; sizeClass >= 0 && wantedBytes > 0; sizeClass--)
        {
            while (wantedBytes > 0 && _free[sizeClass].TryPop(out NativeBuffer? idle))
            {
                wantedBytes -= idle.SizeBytes;
                _existingBytes -= idle.SizeBytes;
                idle.Free();
            }
        }
    }

    private sealed class Waiter(int lengthBytes)
        : TaskCompletionSource<BufferLease>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public int LengthBytes { get; } = lengthBytes;
    }
}
