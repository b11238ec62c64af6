namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Foreground reads first: background work that fetches objects takes a turn for each piece. While readers wait for
/// objects themselves, one piece runs at a time; else as many as the caller starts. So a warm-up neither takes all
/// requests from readers nor stands still because there are some.
/// </summary>
internal sealed class BackgroundPace(FetchContext fetches) : IDisposable
{
    private readonly SemaphoreSlim _single = new(1, 1);

    /// <summary>Waits for a turn; dispose it when the piece has ended.</summary>
    public async ValueTask<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        if (!fetches.HasCold)
        {
            return Turn.Free;
        }

        await _single.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(_single);
    }

    /// <inheritdoc/>
    public void Dispose() => _single.Dispose();

    private sealed class Turn(SemaphoreSlim? single) : IDisposable
    {
        public static readonly Turn Free = new(null);

        public void Dispose() => single?.Release();
    }
}
