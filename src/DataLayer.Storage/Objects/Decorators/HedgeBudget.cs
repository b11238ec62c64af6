namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// Bounds the share of second requests: what is earned brings a twentieth of one, so at most 5 % more go out however
/// slow the others are, in bursts of at most <see cref="BurstLimit"/>. Any thread.
/// </summary>
public sealed class HedgeBudget
{
    /// <summary>Second requests that may go out in a row, a count.</summary>
    public const int BurstLimit = 10;

    private const int EarnedPerHedge = 20;
    private long _tokens = BurstLimit * EarnedPerHedge;

    /// <summary>Notes a first request.</summary>
    public void Earn()
    {
        if (Interlocked.Read(ref _tokens) < BurstLimit * EarnedPerHedge)
        {
            Interlocked.Increment(ref _tokens);
        }
    }

    /// <summary>Takes what a second request costs; false where too many went out of late.</summary>
    public bool TrySpend()
    {
        while (true)
        {
            long left = Interlocked.Read(ref _tokens);
            if (left < EarnedPerHedge)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _tokens, left - EarnedPerHedge, left) == left)
            {
                return true;
            }
        }
    }

    /// <summary>Whether a first request ends in time, however it ends; else a second one is due.</summary>
    /// <param name="request">The first request.</param>
    /// <param name="delay">How long it has.</param>
    /// <param name="time">The clock.</param>
    public static async ValueTask<bool> EndsWithinAsync(Task request, TimeSpan delay, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.IsCompleted)
        {
            return true;
        }

        using CancellationTokenSource over = new();
        Task timer = Task.Delay(delay, time, over.Token);
        bool ended = await Task.WhenAny(request, timer).ConfigureAwait(false) == request;
        await over.CancelAsync().ConfigureAwait(false);
        return ended;
    }
}
