using System.Collections.Concurrent;

namespace DataLayer.Server.Access;

/// <summary>
/// Bounds the requests a second of each token, or of each address for callers without one. What a caller does not use
/// is saved for <see cref="Burst"/>; past that a request is told when to come again.
/// </summary>
/// <remarks>
/// A caller's state is one number, the time at which all it used would be used up at the rate (the generic cell rate
/// algorithm), changed by compare-and-swap: no lock, no timer. At most <see cref="MaxCallers"/> are kept; where more
/// come, those that have nothing used up are forgotten, which changes nothing for them.
/// </remarks>
internal sealed class RateLimiter(int requestsPerSecond, TimeProvider time)
{
    /// <summary>How much of the past may be used at once.</summary>
    public static readonly TimeSpan Burst = TimeSpan.FromSeconds(1);

    /// <summary>Callers kept, a count.</summary>
    public const int MaxCallers = 10_000;

    private readonly ConcurrentDictionary<object, Usage> _callers = new();
    private readonly long _step = requestsPerSecond == 0 ? 0 : Math.Max(1, time.TimestampFrequency / requestsPerSecond);
    private readonly long _burst = (long)(Burst.TotalSeconds * time.TimestampFrequency);
    private long _refused;

    /// <summary>Whether there is a limit at all.</summary>
    public bool IsOn => _step > 0;

    /// <summary>Requests refused since the start.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Counts a request; null where it may go on, else when to come again.</summary>
    /// <param name="caller">A token's id, or an address.</param>
    public TimeSpan? Take(object caller)
    {
        long now = time.GetTimestamp();
        Usage usage = Find(caller, now);
        while (true)
        {
            long until = Interlocked.Read(ref usage.Until);
            long next = Math.Max(until, now) + _step;
            if (next - now > _burst)
            {
                Interlocked.Increment(ref _refused);
                return TimeSpan.FromSeconds((double)(next - now - _burst) / time.TimestampFrequency);
            }

            if (Interlocked.CompareExchange(ref usage.Until, next, until) == until)
            {
                return null;
            }
        }
    }

    private Usage Find(object caller, long now)
    {
        if (_callers.TryGetValue(caller, out Usage? known))
        {
            return known;
        }

        if (_callers.Count >= MaxCallers)
        {
            foreach ((object other, Usage usage) in _callers)
            {
                if (Interlocked.Read(ref usage.Until) <= now)
                {
                    _callers.TryRemove(other, out _);
                }
            }

            if (_callers.Count >= MaxCallers)
            {
                // All of them are at work: strangers share what is left.
                return _callers.GetOrAdd(string.Empty, static _ => new Usage());
            }
        }

        return _callers.GetOrAdd(caller, static _ => new Usage());
    }

    private sealed class Usage
    {
        public long Until;
    }
}
