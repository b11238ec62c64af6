using DataLayer.Client.Feeds.Cuda.Interop;
using DataLayer.Client.Feeds.Devices;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>
/// One GPU, or a part of one (MIG): its primary context, a stream for copies, and events that tell when each has ended.
/// </summary>
/// <remarks>
/// Copies run in the order in which they were asked for, beside what other streams do. Each holds its memory until
/// its event: memory disposed meanwhile is freed after it, and the device ends when all copies have. The context is
/// released when memory and locks made in it are gone too.
/// </remarks>
public sealed class CudaDevice : IFeedDevice
{
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaEventWaiter _waiter;
    private readonly CuFileReader? _files;
    private readonly bool _pageLock;
    private readonly Lock _lock = new();
    private readonly Stack<CudaEvent> _freeEvents = [];
    private bool _disposed;
    private Task? _end;

    internal CudaDevice(CudaFunctions functions, CudaDeviceDescription description, CudaDeviceOptions options)
    {
        Description = description;
        Name = $"{description.Name} ({description.Uuid})";
        _pageLock = options.PageLock;
        _context = CudaContext.Retain(functions, CudaDriver.GetHandle(functions, description.Ordinal));
        try
        {
            _stream = new CudaStream(_context);
            _files = options.FileLibrary is { } library ? CuFileReader.TryOpen(library, _context) : null;
            _waiter = new CudaEventWaiter(_context, $"datalayer {description.Uuid}");
        }
        catch
        {
            _stream?.Dispose();
            _context.Dispose();
            throw;
        }
    }

    /// <summary>Which one it is.</summary>
    public CudaDeviceDescription Description { get; }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool IsHost => false;

    /// <summary>Whether files are read by cuFile; else they go through the host.</summary>
    public bool ReadsFilesDirectly => _files is not null;

    /// <inheritdoc/>
    public IDeviceMemory Allocate(long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new CudaMemory(this, new CudaAllocation(_context, lengthBytes), lengthBytes);
    }

    /// <inheritdoc/>
    public IDisposable? PageLock(nint address, long lengthBytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _pageLock ? new CudaHostRegistration(_context, address, lengthBytes) : null;
    }

    /// <inheritdoc/>
    public async Task CopyAsync(nint source, IDeviceMemory destination, long offsetBytes, long lengthBytes)
    {
        CudaMemory memory = Check(destination, offsetBytes, lengthBytes);
        if (lengthBytes == 0)
        {
            return;
        }

        bool held = false;
        try
        {
            memory.Allocation.DangerousAddRef(ref held);
            (CudaEvent ended, Task<CudaResult> waiting) = Issue(
                source, (ulong)memory.Address + (ulong)offsetBytes, lengthBytes);
            CudaResult result = await waiting.ConfigureAwait(false);
            Return(ended);
            CudaFault.Check(_context.Functions, result, "cuEventSynchronize after cuMemcpyHtoDAsync");
        }
        finally
        {
            if (held)
            {
                memory.Allocation.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public async Task<long> ReadFileAsync(
        string path, long fileOffsetBytes, IDeviceMemory destination, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(fileOffsetBytes);
        CudaMemory memory = Check(destination, offsetBytes, lengthBytes);
        if (_files is { } files)
        {
            long? read = await files
                .TryReadAsync(path, fileOffsetBytes, memory.Allocation, offsetBytes, lengthBytes, cancellationToken)
                .ConfigureAwait(false);
            if (read is { } bytes)
            {
                return bytes;
            }
        }

        return await HostFileCopy
            .RunAsync(this, path, fileOffsetBytes, memory, offsetBytes, lengthBytes, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Ends when all copies have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        Task end;
        lock (_lock)
        {
            _disposed = true;
            end = _end ??= EndAsync();
        }

        await end.ConfigureAwait(false);
    }

    /// <summary>Copies device memory to the host, behind all copies to it.</summary>
    internal unsafe void CopyToHost(nint destination, nint source, long lengthBytes)
    {
        using CudaContext.Scope scope = _context.Enter();
        CudaFault.Check(
            _context.Functions, _context.Functions.StreamSynchronize(_stream.Value), "cuStreamSynchronize");
        CudaFault.Check(
            _context.Functions, _context.Functions.CopyToHost(destination, (ulong)source, (nuint)lengthBytes),
            "cuMemcpyDtoH");
    }

    private CudaMemory Check(IDeviceMemory destination, long offsetBytes, long lengthBytes)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, destination.LengthBytes - offsetBytes);
        return destination is CudaMemory memory && memory.Device == this
            ? memory
            : throw new ArgumentException("The memory is another device's.", nameof(destination));
    }

    /// <summary>Puts a copy and its event into the stream; both are in it, or neither runs any more.</summary>
    private unsafe (CudaEvent Event, Task<CudaResult> Waiting) Issue(
        nint source, ulong destination, long lengthBytes)
    {
        CudaFunctions functions = _context.Functions;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            CudaEvent ended = _freeEvents.TryPop(out CudaEvent? free) ? free : new CudaEvent(_context);
            using CudaContext.Scope scope = _context.Enter();
            CudaResult copied = functions.CopyToDeviceAsync(
                destination, source, (nuint)lengthBytes, _stream.Value);
            if (copied != CudaResult.Success)
            {
                _freeEvents.Push(ended);
                throw CudaFault.Make(functions, copied, "cuMemcpyHtoDAsync");
            }

            CudaResult recorded = functions.EventRecord(ended.Value, _stream.Value);
            if (recorded != CudaResult.Success)
            {
                // The copy runs and nothing tells its end: wait for all, so that the source may go.
                _ = functions.StreamSynchronize(_stream.Value);
                _freeEvents.Push(ended);
                throw CudaFault.Make(functions, recorded, "cuEventRecord");
            }

            return (ended, _waiter.WaitAsync(ended));
        }
    }

    private void Return(CudaEvent ended)
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                _freeEvents.Push(ended);
                return;
            }
        }

        ended.Dispose();
    }

    private async Task EndAsync()
    {
        await _waiter.StopAsync().ConfigureAwait(false);
        lock (_lock)
        {
            while (_freeEvents.TryPop(out CudaEvent? free))
            {
                free.Dispose();
            }
        }

        _stream.Dispose();
        _context.Dispose();
    }
}
