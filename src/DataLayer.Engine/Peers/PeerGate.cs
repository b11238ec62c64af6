namespace DataLayer.Engine.Peers;

/// <summary>
/// Bounds what is under way, in requests and bytes; who comes past it waits in order, a bounded time and a bounded
/// number. One alone is let in however long it is.
/// </summary>
internal sealed class PeerGate(int maxRequests, long maxBytes, TimeProvider time)
{
    /// <summary>Waiters, a count.</summary>
    internal const int WaiterLimit = 4096;

    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private int _requests;
    private long _bytes;

    /// <summary>Requests under way, a count.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Takes room for a request; false where none came free in time. Leave after true.</summary>
    public ValueTask<bool> EnterAsync(int bytes, TimeSpan patience, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_waiters.Count == 0 && TryTakeLocked(bytes))
            {
                return ValueTask.FromResult(true);
            }

            if (_waiters.Count >= WaiterLimit || patience <= TimeSpan.Zero)
            {
                return ValueTask.FromResult(false);
            }

            waiter = new Waiter(bytes);
            _waiters.AddLast(waiter.Place);
        }

        return WaitAsync(waiter, patience, cancellationToken);
    }

    /// <summary>Gives the room back.</summary>
    public void Leave(int bytes)
    {
        lock (_lock)
        {
            _requests--;
            _bytes -= bytes;
            LetInLocked();
        }
    }

    private async ValueTask<bool> WaitAsync(Waiter waiter, TimeSpan patience, CancellationToken cancellationToken)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task timer = Task.Delay(patience, time, over.Token);
        await Task.WhenAny(waiter.Entered.Task, timer).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        bool entered;
        lock (_lock)
        {
            entered = waiter.Entered.Task.IsCompleted;
            if (!entered)
            {
                _waiters.Remove(waiter.Place);
                LetInLocked(); // It may have stood in front of a smaller one.
            }
        }

        if (cancellationToken.IsCancellationRequested)
        {
            if (entered)
            {
                Leave(waiter.Bytes);
            }

            cancellationToken.ThrowIfCancellationRequested();
        }

        return entered;
    }

    private void LetInLocked()
    {
        while (_waiters.First is { } first && TryTakeLocked(first.Value.Bytes))
        {
            _waiters.RemoveFirst();
            first.Value.Entered.SetResult();
        }
    }

    private bool TryTakeLocked(int bytes)
    {
        if (_requests >= maxRequests || (_requests > 0 && _bytes + bytes > maxBytes))
        {
            return false;
        }

        _requests++;
        _bytes += bytes;
        return true;
    }

    private sealed class Waiter
    {
        public Waiter(int bytes)
        {
            Bytes = bytes;
            Place = new LinkedListNode<Waiter>(this);
        }

        public int Bytes { get; }

        public LinkedListNode<Waiter> Place { get; }

        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
