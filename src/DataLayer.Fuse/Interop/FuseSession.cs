using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using Microsoft.Extensions.Logging;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// Reads requests of one mount on several threads over one shared descriptor and lets a handler answer them.
/// </summary>
/// <remarks>
/// <para>A request that the handler completes at once is answered on the reader thread, without allocation; any other
/// goes on in the pool with its buffers, and the reader takes the next. At most
/// <see cref="FuseSessionOptions.LargeBuffers"/> requests are under way: then readers wait for a buffer.</para>
/// <para>Life: <see cref="Start"/> → <see cref="Ended"/> when the mount is gone, or <see cref="StopAsync"/>, which lets
/// the requests under way finish and leaves the descriptor open for the next service. Unread requests stay in the
/// kernel's queue. A reader that waits in the kernel is woken by a signal (<see cref="ReaderWake"/>), so that the
/// common read is one system call.</para>
/// </remarks>
internal sealed class FuseSession : IAsyncDisposable
{
    private const int EarlyInterrupts = 64;
    private readonly FuseSessionOptions _options;
    private readonly Func<FuseRequest, ValueTask> _handle;
    private readonly ILogger _log;
    private readonly FuseBufferPool _large;
    private readonly FuseBufferPool _small;
    private readonly ConcurrentDictionary<ulong, FuseRequest> _inFlight = new();
    private readonly ConcurrentBag<FuseRequest> _idle = [];
    private readonly ulong[] _early = new ulong[EarlyInterrupts];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread[] _readers;
    private readonly int[] _threads;
    private int _earlyNext;
    private int _underWay = 1; // One for the readers together; the rest are requests in the pool.
    private int _readersLeft;
    private int _isStopping;
    private int _disposed;

    internal FuseSession(
        FuseChannel channel, FuseSessionOptions options, Func<FuseRequest, ValueTask> handle, ILogger log)
    {
        Channel = channel;
        _options = options;
        _handle = handle;
        _log = log;
        _large = new FuseBufferPool(Abi.MaxTransferBytes, options.LargeBuffers + options.ReaderThreads);
        _small = new FuseBufferPool(128 << 10, options.SmallBuffers + options.ReaderThreads);
        _readers = new Thread[options.ReaderThreads];
        _threads = new int[options.ReaderThreads];
        _readersLeft = _readers.Length;
    }

    internal FuseChannel Channel { get; }

    /// <summary>Ends when the last reader did: unmounted, aborted or stopped.</summary>
    internal Task Ended => _ended.Task;

    /// <summary>Requests that wait for the engine, a count.</summary>
    internal int InFlightCount => _inFlight.Count;

    /// <summary>Bytes of the buffers that exist.</summary>
    internal long BufferBytes =>
        ((long)_large.ExistingCount * _large.PayloadBytes) + ((long)_small.ExistingCount * _small.PayloadBytes);

    private bool IsStopping => Volatile.Read(ref _isStopping) != 0;

    internal void Start()
    {
        for (int i = 0; i < _readers.Length; i++)
        {
            int number = i;
            _readers[i] = new Thread(() => RunReader(number)) { IsBackground = true, Name = $"fuse-{i}" };
            _readers[i].Start();
        }
    }

    /// <summary>Reads no further request, waits for those under way to be answered.</summary>
    internal async Task StopAsync()
    {
        Volatile.Write(ref _isStopping, 1);
        while (!_ended.Task.IsCompleted)
        {
            for (int i = 0; i < _threads.Length; i++)
            {
                ReaderWake.Wake(Volatile.Read(ref _threads[i]));
            }

            await Task.WhenAny(_ended.Task, Task.Delay(10)).ConfigureAwait(false);
        }

        await _drained.Task.ConfigureAwait(false);
    }

    /// <summary>An interruption of a request: cancels it if it is under way.</summary>
    internal void Interrupt(ulong unique)
    {
        if (_inFlight.TryGetValue(unique, out FuseRequest? request))
        {
            request.Interrupt(unique);
            return;
        }

        // Answered already, or not registered yet: in the second case it is looked for here.
        int slot = (int)((uint)Interlocked.Increment(ref _earlyNext) % EarlyInterrupts);
        Volatile.Write(ref _early[slot], unique);
        if (_inFlight.TryGetValue(unique, out request))
        {
            request.Interrupt(unique);
        }
    }

    /// <summary>The errno a caller gets for a fault.</summary>
    internal static int ErrnoOf(Exception error) => error switch
    {
        DataLayerException fault => ErrorCodeMapping.ToErrno(fault.Code),
        OperationCanceledException => Errno.Interrupted,
        InvalidDataException => Errno.Invalid,
        _ => Errno.Io,
    };

    internal FuseBuffer RentOutput(int lengthBytes) =>
        lengthBytes <= _small.PayloadBytes ? _small.Rent() : _large.Rent();

    internal void ReturnOutput(FuseBuffer? buffer)
    {
        if (buffer is not null)
        {
            (buffer.PayloadBytes == _small.PayloadBytes ? _small : _large).Return(buffer);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (_readers[0] is not null)
        {
            await StopAsync().ConfigureAwait(false);
            foreach (Thread reader in _readers)
            {
                reader.Join();
            }
        }

        foreach (FuseRequest request in _idle)
        {
            request.Dispose();
        }

        _large.Dispose();
        _small.Dispose();
    }

    private void RunReader(int number)
    {
        Volatile.Write(ref _threads[number], ReaderWake.CurrentThread);
        FuseRequest request = NewRequest(input: null);
        try
        {
            while (!IsStopping && ReadOne(request))
            {
                request = Serve(request);
            }
        }
        catch (Exception error)
        {
            FuseLog.ReaderFailed(_log, error);
        }
        finally
        {
            Volatile.Write(ref _threads[number], 0);
            Recycle(request);
            if (Interlocked.Decrement(ref _readersLeft) == 0)
            {
                _ended.TrySetResult();
                Leave();
            }
        }
    }

    /// <summary>Reads until there is a request; false when the mount is gone or the session stops.</summary>
    private unsafe bool ReadOne(FuseRequest request)
    {
        while (!IsStopping)
        {
            nint read = Channel.Read(request.Input!.Request, request.Input.RequestBytes);
            if (read > 0)
            {
                if (request.Begin((int)read))
                {
                    return true;
                }

                FuseLog.BadRequest(_log, (long)read);
                continue;
            }

            switch (-(int)read)
            {
                case Errno.Interrupted or Errno.NoEntry or Errno.TryAgain:
                    continue; // A signal, or a request that was taken back before it was read.
                case Errno.NoDevice or Errno.ConnectionAborted or Errno.NotConnected or 0:
                    return false; // Unmounted or aborted.
                default:
                    FuseLog.ReadFailed(_log, -(int)read);
                    return false;
            }
        }

        return false;
    }

    /// <summary>Hands a request on; returns the one to read the next into.</summary>
    private FuseRequest Serve(FuseRequest request)
    {
        ValueTask handled;
        try
        {
            handled = _handle(request);
        }
        catch (Exception error)
        {
            Fail(request, error);
            return request;
        }

        if (handled.IsCompleted)
        {
            Complete(request, handled);
            return request;
        }

        // The input goes along only where its bytes are still needed.
        FuseBuffer? input = request.Opcode is Opcode.Write or Opcode.SetXattr ? null : request.DetachInput();
        Interlocked.Increment(ref _underWay);
        _inFlight[request.Unique] = request;
        if (Array.IndexOf(_early, request.Unique) >= 0)
        {
            request.Interrupt(request.Unique);
        }

        _ = FinishAsync(request, handled);
        return NewRequest(input);
    }

    private async Task FinishAsync(FuseRequest request, ValueTask handled)
    {
        try
        {
            await handled.ConfigureAwait(false);
            CheckAnswered(request);
        }
        catch (Exception error)
        {
            Fail(request, error);
        }

        _inFlight.TryRemove(request.Unique, out _);
        Recycle(request);
        Leave();
    }

    private void Complete(FuseRequest request, ValueTask handled)
    {
        try
        {
            handled.GetAwaiter().GetResult();
            CheckAnswered(request);
        }
        catch (Exception error)
        {
            Fail(request, error);
        }
    }

    private void CheckAnswered(FuseRequest request)
    {
        if (!request.WasAnswered)
        {
            request.ReplyError(Errno.Io);
            FuseLog.Unanswered(_log, request.Opcode);
        }
    }

    private void Fail(FuseRequest request, Exception error)
    {
        int errno = error is DataLayerException { QuotaFolder: not 0 } full
            && _options.IsQuotaOfMount?.Invoke(full.QuotaFolder) == true ? Errno.NoSpace : ErrnoOf(error);
        if (errno == Errno.Io)
        {
            FuseLog.RequestFailed(_log, request.Opcode, request.Node, error);
        }

        if (!request.WasAnswered)
        {
            request.ReplyError(errno);
        }
    }

    private FuseRequest NewRequest(FuseBuffer? input)
    {
        FuseRequest request = _idle.TryTake(out FuseRequest? idle) ? idle : new FuseRequest(this);
        request.AttachInput(input ?? _large.Rent());
        return request;
    }

    private void Recycle(FuseRequest request)
    {
        if (request.DetachInput() is { } input)
        {
            _large.Return(input);
        }

        ReturnOutput(request.DetachOutput());
        request.Reset();
        _idle.Add(request);
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _underWay) == 0)
        {
            _drained.TrySetResult();
        }
    }
}
