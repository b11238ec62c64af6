namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Lets readers go first. While objects are being read for readers, background work takes turns, one step at a time,
/// and each step waits until no such read runs; at most <paramref name="patience"/>, so that work under readers that
/// never stop goes on at one step per patience.
/// </summary>
internal sealed class ForegroundYield(FetchContext fetches, TimeProvider time, TimeSpan patience) : IDisposable
{
    private readonly SemaphoreSlim _narrow = new(1, 1);

    /// <summary>Waits for a turn; dispose what it gives (null is nothing to dispose) when the step is done.</summary>
    public async ValueTask<IDisposable?> EnterAsync(CancellationToken cancellationToken)
    {
        if (fetches.WhenColdIdleAsync().IsCompleted)
        {
            return null;
        }

        await _narrow.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Task idle = fetches.WhenColdIdleAsync();
            await idle.WaitAsync(patience, time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            return new Turn(_narrow);
        }
        catch
        {
            _narrow.Release();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _narrow.Dispose();

    private sealed class Turn(SemaphoreSlim narrow) : IDisposable
    {
        public void Dispose() => narrow.Release();
    }
}
