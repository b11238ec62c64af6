using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache;

/// <summary>
/// Compares cached blocks with their checksums in the background, round and round, at a bounded rate. Memory errors and
/// stray writes are found before somebody trains on them; a bad block is dropped and counted.
/// </summary>
internal sealed class BlockScrubber : IAsyncDisposable
{
    private static readonly TimeSpan _step = TimeSpan.FromMilliseconds(100);
    private readonly CancellationTokenSource _stop = new();
    private readonly MemoryStore _store;
    private readonly Task _loop;
    private readonly long _bytesPerStep;
    private uint _next = 1;

    /// <summary>Starts scrubbing.</summary>
    public BlockScrubber(MemoryStore store, long bytesPerSecond, TimeProvider time)
    {
        _store = store;
        _bytesPerStep = Math.Max(1, bytesPerSecond / 10);
        _loop = RunAsync(time, _stop.Token);
    }

    /// <summary>
    /// Looks at what sweeps left to compare, then at the next entries, until <paramref name="bytes"/> bytes are
    /// compared or each entry was seen once; returns the bytes.
    /// </summary>
    public static long ScrubStep(MemoryStore store, ref uint next, long bytes)
    {
        long done = 0;
        while (done < bytes && store.TryScrubSwept(out int compared))
        {
            done += compared;
        }

        uint end = store.Entries.End;
        for (uint seen = 1; seen < end && done < bytes; seen++)
        {
            next = next >= end ? 1 : next;
            done += store.Scrub(next++);
        }

        return done;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(TimeProvider time, CancellationToken stop)
    {
        using PeriodicTimer timer = new(_step, time);
        try
        {
            long credit = 0;
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
            {
                // A block larger than a step's share is paid for by the steps after it.
                credit = Math.Min(credit + _bytesPerStep, _bytesPerStep);
                if (credit > 0)
                {
                    credit -= ScrubStep(_store, ref _next, credit);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to stop.
        }
    }
}
