using DataLayer.Engine.Tenants;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// What the prefetch of all feeds may have in flight. While reads of the same tenant wait for a turn at the origin it
/// is one request, so that theirs go first; against other tenants the gate itself shares.
/// </summary>
internal sealed class PrefetchBudget(PrefetchOptions options, FairGate gate)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _bytes;
    private int _requests;

    public PrefetchOptions Options => options;

    /// <summary>Requests in flight, a count.</summary>
    public int RequestCount => Volatile.Read(ref _requests);

    /// <summary>What they hold, bytes.</summary>
    public long UsedBytes => Volatile.Read(ref _bytes);

    /// <summary>
    /// Takes room for a request; one alone always has it. Else <paramref name="freed"/> ends when another ended.
    /// </summary>
    public bool TryTake(Tenant tenant, long bytes, out Task freed)
    {
        lock (_lock)
        {
            freed = _freed.Task;
            if (_requests > 0
                && (_requests >= options.MaxRequests || _bytes + bytes > options.MemoryBytes
                    || gate.Of(tenant).Waiting > 0))
            {
                return false;
            }

            _requests++;
            _bytes += bytes;
            return true;
        }
    }

    /// <summary>Gives it back.</summary>
    public void Return(long bytes)
    {
        TaskCompletionSource freed;
        lock (_lock)
        {
            _requests--;
            _bytes -= bytes;
            freed = _freed;
            _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        freed.SetResult();
    }
}
