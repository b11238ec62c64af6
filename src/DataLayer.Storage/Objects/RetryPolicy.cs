using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects;

/// <summary>
/// When a failed request is tried again: only faults that may pass, after a random wait that doubles, within an attempt
/// limit, a deadline and a budget that all calls of a store share.
/// </summary>
/// <remarks>
/// Wait n is uniform in 0 … min(MaximumRetryDelay, RetryDelay · 2ⁿ) (full jitter: clients that fail together do not
/// come back together). The budget is a token bucket: a retry takes one token, an answered request gives a tenth back.
/// While a server is down the bucket runs dry and every call fails after its first try, so it sees at most the callers'
/// own rate; once it answers, the bucket refills. Thread-safe.
/// </remarks>
internal sealed class RetryPolicy
{
    private const int TenthsPerRetry = 10;
    private readonly ObjectStoreOptions _options;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Lock _randomLock = new();
    private readonly long _budgetLimit;
    private long _budgetTenths;
    private long _retries;

    internal RetryPolicy(ObjectStoreOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _random = new Random(options.Seed);
        _budgetLimit = _budgetTenths = (long)options.RetryBudget * TenthsPerRetry;
    }

    /// <summary>How many retries were made since start, a count.</summary>
    internal long RetryCount => Interlocked.Read(ref _retries);

    /// <summary>Whether the same request may succeed later.</summary>
    internal static bool MayPass(ErrorCode code) =>
        code is ErrorCode.OriginUnavailable or ErrorCode.TimedOut or ErrorCode.Corrupt or ErrorCode.Overloaded;

    /// <summary>
    /// Runs a call, again where it failed with what may pass. The call gets its attempt's number, from 0. What failed
    /// attempts and the waits after them took is added to <paramref name="loss"/>.
    /// </summary>
    /// <exception cref="DataLayerException">The last attempt's fault.</exception>
    internal async ValueTask<TResult> RunAsync<TState, TResult>(
        TState state, Func<TState, int, CancellationToken, ValueTask<TResult>> call,
            CancellationToken cancellationToken, RetryLoss? loss = null)
    {
        long start = _time.GetTimestamp();
        for (int attempt = 0; ; attempt++)
        {
            TimeSpan wait;
            bool throttled;
            long begun = _time.GetTimestamp();
            try
            {
                TResult result = await call(state, attempt, cancellationToken).ConfigureAwait(false);
                GiveBack();
                return result;
            }
            catch (DataLayerException e) when (MayPass(e.Code))
            {
                wait = NextWait(attempt);
                throttled = e.IsThrottled;
                string? end = attempt + 1 >= _options.AttemptLimit ? "no attempt is left"
                    : _time.GetElapsedTime(start) + wait > _options.Deadline ? "its deadline is reached"
                    : !TryTake() ? "the store's retry budget is used up"
                    : null;
                if (end is not null)
                {
                    throw attempt == 0 && _options.AttemptLimit == 1
                        ? e
                        : new DataLayerException(
                            e.Code, $"{e.Message} Gave up after {attempt + 1} attempts: {end}.", e)
                        {
                            IsThrottled = e.IsThrottled,
                        };
                }
            }
            catch (DataLayerException)
            {
                // The server answered, only not what was hoped for.
                GiveBack();
                throw;
            }

            Interlocked.Increment(ref _retries);
            RequestMeter.RecordRetry(_options.Name);
            await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
            loss?.Add(_time.GetElapsedTime(begun), throttled);
        }
    }

    private TimeSpan NextWait(int attempt)
    {
        double share;
        lock (_randomLock)
        {
            share = _random.NextDouble();
        }

        double bound = Math.Min(
            _options.MaximumRetryDelay.TotalSeconds, _options.RetryDelay.TotalSeconds * Math.Pow(2, attempt));
        return TimeSpan.FromSeconds(share * bound);
    }

    private bool TryTake()
    {
        while (true)
        {
            long left = Interlocked.Read(ref _budgetTenths);
            if (left < TenthsPerRetry)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _budgetTenths, left - TenthsPerRetry, left) == left)
            {
                return true;
            }
        }
    }

    private void GiveBack()
    {
        if (Interlocked.Read(ref _budgetTenths) < _budgetLimit)
        {
            Interlocked.Increment(ref _budgetTenths);
        }
    }
}

/// <summary>What a call lost to attempts that failed.</summary>
internal sealed class RetryLoss
{
    /// <summary>To answers that ask for fewer requests.</summary>
    internal TimeSpan Throttled { get; private set; }

    /// <summary>To other failures.</summary>
    internal TimeSpan Failed { get; private set; }

    /// <summary>Adds one attempt and the wait after it.</summary>
    internal void Add(TimeSpan lost, bool throttled)
    {
        if (throttled)
        {
            Throttled += lost;
        }
        else
        {
            Failed += lost;
        }
    }
}
