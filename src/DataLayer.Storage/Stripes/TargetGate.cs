using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>Bounds what is under way at one target, and counts who is there or waits. Any thread.</summary>
/// <param name="limit">How many may be under way, a count.</param>
/// <param name="waitLimit">The longest wait for a turn.</param>
/// <param name="advice">What is under way and where to look, for the error of who waited in vain.</param>
internal sealed class TargetGate(int limit, TimeSpan waitLimit, string advice) : IDisposable
{
    private readonly SemaphoreSlim _turns = new(limit);
    private int _loadCount;

    /// <summary>Who is under way or waits, a count.</summary>
    public int LoadCount => Volatile.Read(ref _loadCount);

    /// <summary>Waits for a turn, to be given back by <see cref="Leave"/>.</summary>
    /// <exception cref="DataLayerException">TimedOut.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask EnterAsync(ITarget target, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _loadCount);
        bool entered = false;
        try
        {
            entered = await _turns.WaitAsync(waitLimit, cancellationToken).ConfigureAwait(false);
            if (!entered)
            {
                throw new DataLayerException(ErrorCode.TimedOut,
                    $"Target {target.Number} ({target.Location}) did not answer within {waitLimit.TotalSeconds:F0} s: "
                    + $"{limit} {advice}");
            }
        }
        finally
        {
            if (!entered)
            {
                Interlocked.Decrement(ref _loadCount);
            }
        }
    }

    /// <summary>Gives a turn back.</summary>
    public void Leave()
    {
        Interlocked.Decrement(ref _loadCount);
        _turns.Release();
    }

    /// <summary>Takes all turns for good: ends when nothing is under way.</summary>
    public async ValueTask CloseAsync()
    {
        for (int i = 0; i < limit; i++)
        {
            await _turns.WaitAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turns.Dispose();
}
