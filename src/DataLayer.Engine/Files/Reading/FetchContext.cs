using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>The buffers of fetches and the budget of those fetched ahead.</summary>
internal sealed class FetchContext(TransferBufferPool buffers, long readaheadMemoryBytes)
{
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _readaheadBytes;
    private int _running = 1;

    public TransferBufferPool Buffers { get; } = buffers;

    /// <summary>Bytes that readahead holds.</summary>
    public long ReadaheadBytes => Volatile.Read(ref _readaheadBytes);

    /// <summary>Takes room for a readahead of <paramref name="lengthBytes"/>; false when the budget is used up.</summary>
    public bool TryReserve(int lengthBytes)
    {
        if (Interlocked.Add(ref _readaheadBytes, lengthBytes) <= readaheadMemoryBytes)
        {
            return true;
        }

        Interlocked.Add(ref _readaheadBytes, -lengthBytes);
        return false;
    }

    /// <summary>A fetch starts to run.</summary>
    public void Begin() => Interlocked.Increment(ref _running);

    /// <summary>A fetch has ended.</summary>
    public void End()
    {
        if (Interlocked.Decrement(ref _running) == 0)
        {
            _drained.TrySetResult();
        }
    }

    /// <summary>Waits for running fetches; called once, when none is started any more.</summary>
    public Task DrainAsync()
    {
        End();
        return _drained.Task;
    }

    public void Return(BlockFetch fetch)
    {
        if (fetch.IsReadahead)
        {
            Interlocked.Add(ref _readaheadBytes, -fetch.LengthBytes);
        }

        Buffers.Return(fetch.Buffer);
    }
}
