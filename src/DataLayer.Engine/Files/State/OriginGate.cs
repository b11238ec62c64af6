namespace DataLayer.Engine.Files.State;

/// <summary>Bounds the reads of objects in flight, and knows how many wait for their turn.</summary>
internal sealed class OriginGate(int limit) : IDisposable
{
    private readonly SemaphoreSlim _slots = new(limit, limit);
    private int _waiting;

    /// <summary>How many wait now, a count.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>How many are in flight now, a count.</summary>
    public int Active => limit - _slots.CurrentCount;

    /// <summary>Waits for a turn, to be given back by <see cref="Leave"/>.</summary>
    public ValueTask EnterAsync(CancellationToken cancellationToken) =>
        _slots.Wait(0, CancellationToken.None) ? ValueTask.CompletedTask : WaitAsync(cancellationToken);

    /// <summary>Gives a turn back.</summary>
    public void Leave() => _slots.Release();

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    private async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }
}
