namespace DataLayer.Engine.Tiering.Automation;

/// <summary>
/// Tells a storm of recalls: many more reads from objects a minute than is usual. Usual is a mean of the minutes
/// before, which forgets half of what it knew in an hour; minutes of a storm do not count for it. A storm ends when a
/// minute has less than half of what began it. Pure; not safe for concurrent use.
/// </summary>
/// <param name="minReads">Reads a minute from which on it may be one, a count.</param>
/// <param name="factor">How many times the usual number it has to be.</param>
public sealed class RecallStorm(long minReads, double factor)
{
    private static readonly TimeSpan _span = TimeSpan.FromMinutes(1);
    private static readonly double _forget = 1 - Math.Pow(0.5, 1 / 60.0);
    private double _usual;
    private double _limit;
    private long _countAtStart;
    private DateTimeOffset? _startedAt;

    /// <summary>Whether there is one.</summary>
    public bool IsOn { get; private set; }

    /// <summary>Reads of the last whole minute, a count.</summary>
    public double ReadsPerMinute { get; private set; }

    /// <summary>Takes note of how many reads there were until now.</summary>
    /// <param name="reads">Reads from objects since the start, a count that grows.</param>
    /// <param name="at">The time.</param>
    /// <returns>Whether a storm began.</returns>
    public bool Observe(long reads, DateTimeOffset at)
    {
        if (_startedAt is not { } started || at < started)
        {
            (_startedAt, _countAtStart) = (at, reads);
            return false;
        }

        if (at - started < _span)
        {
            return false;
        }

        ReadsPerMinute = (reads - _countAtStart) / (at - started).TotalMinutes;
        (_startedAt, _countAtStart) = (at, reads);
        if (IsOn)
        {
            IsOn = ReadsPerMinute >= _limit / 2;
            return false;
        }

        _limit = Math.Max(minReads, factor * _usual);
        IsOn = ReadsPerMinute >= _limit;
        if (!IsOn)
        {
            _usual += _forget * (ReadsPerMinute - _usual);
        }

        return IsOn;
    }
}
