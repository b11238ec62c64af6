using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>The buffers of fetches, the budget of those fetched ahead, and a count of the work under way.</summary>
internal sealed class FetchContext(TransferBufferPool buffers, long readaheadMemoryBytes)
{
    private readonly Lock _lock = new();
    private long _readaheadBytes;
    private int _running;
    private int _coldRunning;
    private TaskCompletionSource? _coldIdle;
    private TaskCompletionSource? _idle;

    public TransferBufferPool Buffers { get; } = buffers;

    /// <summary>Bytes that readahead holds.</summary>
    public long ReadaheadBytes => Volatile.Read(ref _readaheadBytes);

    /// <summary>
    /// Takes room for a readahead of <paramref name="lengthBytes"/>; false when the budget is used up.
    /// </summary>
    public bool TryReserve(int lengthBytes)
    {
        if (Interlocked.Add(ref _readaheadBytes, lengthBytes) <= readaheadMemoryBytes)
        {
            return true;
        }

        Interlocked.Add(ref _readaheadBytes, -lengthBytes);
        return false;
    }

    /// <summary>A fetch starts to run, or a recall waits to be written.</summary>
    public void Begin()
    {
        lock (_lock)
        {
            _running++;
        }
    }

    /// <summary>It has ended.</summary>
    public void End()
    {
        TaskCompletionSource? idle = null;
        lock (_lock)
        {
            if (--_running == 0)
            {
                idle = _idle;
                _idle = null;
            }
        }

        idle?.TrySetResult();
    }

    /// <summary>A fetch from an object starts.</summary>
    public void BeginCold()
    {
        lock (_lock)
        {
            _coldRunning++;
        }
    }

    /// <summary>It has ended.</summary>
    public void EndCold()
    {
        TaskCompletionSource? idle = null;
        lock (_lock)
        {
            if (--_coldRunning == 0)
            {
                idle = _coldIdle;
                _coldIdle = null;
            }
        }

        idle?.TrySetResult();
    }

    /// <summary>Ends when no fetch from an object runs.</summary>
    public Task WhenColdIdleAsync()
    {
        lock (_lock)
        {
            if (_coldRunning == 0)
            {
                return Task.CompletedTask;
            }

            _coldIdle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _coldIdle.Task;
        }
    }

    /// <summary>Ends when no fetch runs and no recall waits.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (_running == 0)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    public void Return(BlockFetch fetch)
    {
        if (fetch.IsReserved)
        {
            Interlocked.Add(ref _readaheadBytes, -fetch.LengthBytes);
        }

        Buffers.Return(fetch.Buffer);
    }
}
