using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace DataLayer.Server.Telemetry;

/// <summary>How a metric is shown.</summary>
internal enum MetricKind
{
    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Counts by bucket.</summary>
    Histogram,
}

/// <summary>
/// All series of one metric name. Instruments of several instances that share a name add up. The number of series is
/// bounded: past
/// the bound measurements go to one series with the label <c>overflow="true"</c>, so a tag with wild values cannot
/// eat the memory.
/// </summary>
internal sealed class MetricFamily(string name, MetricKind kind, bool isObservable, string help, double[] bounds)
{
    /// <summary>The most series a family keeps.</summary>
    public const int MaxSeries = 512;

    /// <summary>What the runtime calls counters although it goes up and down.</summary>
    private static readonly HashSet<string> _runtimeGauges =
    [
        "dotnet.thread_pool.queue.length",
        "dotnet.thread_pool.thread.count",
    ];

    private static readonly double[] _secondBounds =
    [
        0.0001,
        0.00025,
        0.0005,
        0.001,
        0.0025,
        0.005,
        0.01,
        0.025,
        0.05,
        0.1,
        0.25,
        0.5,
        1,
        2.5,
        5,
        10,
    ];

    private static readonly double[] _byteBounds =
    [
        1024,
        4096,
        16384,
        65536,
        262144,
        1048576,
        4194304,
        16777216,
        67108864,
        268435456,
    ];
    private static readonly double[] _countBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

    private readonly ConcurrentDictionary<TagKey, MetricSeries> _series = new();
    private readonly MetricSeries _overflow = new(bounds.Length);
    private int _round;

    /// <summary>The metric's name.</summary>
    public string Name { get; } = name;

    /// <summary>How it is shown.</summary>
    public MetricKind Kind { get; } = kind;

    /// <summary>Makes a family for an instrument.</summary>
    public static MetricFamily For(Instrument instrument)
    {
        Type type = instrument.GetType().GetGenericTypeDefinition();
        bool counter = (type == typeof(Counter<>) || type == typeof(ObservableCounter<>))
            && !_runtimeGauges.Contains(instrument.Name);
        MetricKind kind =
            counter ? MetricKind.Counter
            : type == typeof(Histogram<>) ? MetricKind.Histogram
            : MetricKind.Gauge;
        return new MetricFamily(
            PrometheusName.Metric(instrument.Name, instrument.Unit, counter), kind, instrument.IsObservable,
            instrument.Description ?? instrument.Name, kind == MetricKind.Histogram ? BoundsOf(instrument) : []);
    }

    /// <summary>Before observable instruments are asked: their last values are forgotten.</summary>
    public void BeginRound() => _round++;

    /// <summary>Takes one measurement.</summary>
    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, bool replace)
    {
        TagKey key = new(tags);
        if (!_series.TryGetValue(key, out MetricSeries? series))
        {
            series = _series.Count < MaxSeries ? _series.GetOrAdd(key, new MetricSeries(bounds.Length)) : _overflow;
        }

        if (Kind == MetricKind.Histogram)
        {
            series.Observe(value, bounds);
        }
        else if (isObservable)
        {
            series.AddInRound(value, _round);
        }
        else if (replace)
        {
            series.Set(value);
        }
        else
        {
            series.Add(value);
        }
    }

    /// <summary>Writes the family.</summary>
    public void AppendTo(StringBuilder text)
    {
        text.Append("# HELP ").Append(Name).Append(' ');
        PrometheusName.AppendHelp(text, help);
        text.Append("\n# TYPE ").Append(Name).Append(' ').Append(Kind.ToString().ToLowerInvariant()).Append('\n');
        foreach ((TagKey key, MetricSeries series) in _series)
        {
            if (!isObservable || series.Round == _round)
            {
                Append(text, key.ToLabels(), series);
            }
        }

        if (_overflow.Used)
        {
            Append(text, "overflow=\"true\"", _overflow);
        }
    }

    private void Append(StringBuilder text, string labels, MetricSeries series)
    {
        if (Kind != MetricKind.Histogram)
        {
            AppendSample(text, string.Empty, labels, series.Value);
            return;
        }

        long[] counts = series.Snapshot(out double sum);
        string separator = labels.Length == 0 ? string.Empty : ",";
        long cumulative = 0;
        for (int i = 0; i < bounds.Length; i++)
        {
            cumulative += counts[i];
            AppendSample(text, "_bucket", $"{labels}{separator}le=\"{Number(bounds[i])}\"", cumulative);
        }

        cumulative += counts[bounds.Length];
        AppendSample(text, "_bucket", $"{labels}{separator}le=\"+Inf\"", cumulative);
        AppendSample(text, "_sum", labels, sum);
        AppendSample(text, "_count", labels, cumulative);
    }

    private void AppendSample(StringBuilder text, string suffix, string labels, double value)
    {
        text.Append(Name).Append(suffix);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }

        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf"
        : double.IsNegativeInfinity(value) ? "-Inf"
        : double.IsNaN(value) ? "NaN"
        : value.ToString(CultureInfo.InvariantCulture);

    private static double[] BoundsOf(Instrument instrument)
    {
        IReadOnlyList<double>? advised = instrument switch
        {
            Histogram<double> h => h.Advice?.HistogramBucketBoundaries,
            Histogram<long> h => h.Advice?.HistogramBucketBoundaries?.Select(b => (double)b).ToArray(),
            Histogram<int> h => h.Advice?.HistogramBucketBoundaries?.Select(b => (double)b).ToArray(),
            _ => null,
        };
        return advised is { Count: > 0 }
            ? [.. advised]
            : instrument.Unit switch
            {
                "s" => _secondBounds,
                "By" => _byteBounds,
                _ => _countBounds,
            };
    }
}
