namespace DataLayer.Client;

/// <summary>
/// How long to wait before each retry: exponential with jitter, bounded. Without jitter the clients of one service
/// that went
/// away would all come back in the same instant. Safe for concurrent use.
/// </summary>
internal sealed class RetrySchedule(TimeSpan first, TimeSpan longest, int seed)
{
    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);

    /// <summary>
    /// The wait before retry <paramref name="retry"/> (from 0), at least what the service asked for, at most the
    /// bound.
    /// </summary>
    public TimeSpan Next(int retry, TimeSpan? retryAfter)
    {
        double jitter;
        lock (_lock)
        {
            jitter = 0.5 + _random.NextDouble();
        }

        double milliseconds = Math.Min(
            first.TotalMilliseconds * Math.Pow(2, retry) * jitter, longest.TotalMilliseconds);
        TimeSpan wait = TimeSpan.FromMilliseconds(milliseconds);
        if (retryAfter is { } asked && asked > wait)
        {
            wait = asked < longest ? asked : longest;
        }

        return wait;
    }
}
