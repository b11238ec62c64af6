namespace DataLayer.Fuse.Interop;

/// <summary>
/// The buffers of one session: all of one size, at most so many. Made on demand, kept until the pool is disposed.
/// </summary>
/// <remarks>
/// A reader thread that finds none free waits: it reads no further request, so the kernel queues, and callers of the
/// mount wait. That is the bound on requests in flight. Lock order: the gate is a leaf.
/// </remarks>
internal sealed class FuseBufferPool(int payloadBytes, int limit) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Stack<FuseBuffer> _free = new();
    private readonly SemaphoreSlim _available = new(limit, limit);
    private int _existing;
    private bool _disposed;

    /// <summary>Payload of each buffer, bytes.</summary>
    internal int PayloadBytes { get; } = payloadBytes;

    /// <summary>How many buffers exist, a count.</summary>
    internal int ExistingCount => Volatile.Read(ref _existing);

    /// <summary>Takes a buffer; the calling thread waits while all are in use.</summary>
    internal FuseBuffer Rent()
    {
        _available.Wait();
        lock (_gate)
        {
            if (_free.TryPop(out FuseBuffer? buffer))
            {
                return buffer;
            }

            _existing++;
        }

        return new FuseBuffer(PayloadBytes);
    }

    /// <summary>Gives a buffer back; nothing may use it any more.</summary>
    internal void Return(FuseBuffer buffer)
    {
        bool free;
        lock (_gate)
        {
            free = _disposed;
            if (!free)
            {
                _free.Push(buffer);
            }
        }

        if (free)
        {
            buffer.Free();
            return;
        }

        _available.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_free.TryPop(out FuseBuffer? buffer))
            {
                buffer.Free();
            }
        }

        _available.Dispose();
    }
}
