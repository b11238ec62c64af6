namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// From when on a read counts as slow: longer than 95 % of its kind, and than twice the median. Where many large reads
/// share a saturated server, all take about as long, and a second request to pass the 95 % would only add load.
/// </summary>
internal sealed class SlowLatency
{
    private readonly LatencyQuantile _high = new(0.95);
    private readonly LatencyQuantile _median = new(0.5);

    /// <summary>The limit; null before there are enough samples.</summary>
    internal TimeSpan? Value => _high.Value is { } high && _median.Value is { } median
        ? (high > 2 * median ? high : 2 * median)
        : null;

    /// <summary>Shows one duration.</summary>
    internal void Add(TimeSpan duration)
    {
        _high.Add(duration);
        _median.Add(duration);
    }
}
