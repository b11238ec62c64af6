using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using DataLayer.Server.Feeds;
using DataLayer.Server.Mounts;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// Listens to the meters of DataLayer and of the runtime, and writes what they hold as Prometheus text (0.0.4). Push
/// instruments are summed as
/// they are used; observable ones are asked when the text is made.
/// </summary>
internal sealed class MetricsCollector : IDisposable
{
    /// <summary>The media type of the text.</summary>
    public const string MediaType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly Lock _collecting = new();
    private readonly object? _scope;

    /// <summary>Starts to listen.</summary>
    /// <param name="own">This service's own meter. Meters with another scope belong to another service in the process
    /// and are left out.</param>
    /// <param name="mounts">Made with this collector, so that the mounts' instruments are there.</param>
    /// <param name="feeds">As the mounts.</param>
    public MetricsCollector(ServerMeter own, MountMeter mounts, FeedMeter feeds)
    {
        _ = (mounts, feeds);
        _scope = own;
        _listener.InstrumentPublished = OnPublished;
        _listener.SetMeasurementEventCallback<byte>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<short>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<int>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<long>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<float>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<double>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<decimal>((i, v, tags, state) => Record(i, (double)v, tags, state));
        _listener.Start();
    }

    /// <summary>Writes all metrics, in name order.</summary>
    public string Collect()
    {
        lock (_collecting)
        {
            foreach (MetricFamily family in _families.Values)
            {
                family.BeginRound();
            }

            _listener.RecordObservableInstruments();
            StringBuilder text = new(16 << 10);
            foreach (MetricFamily family in _families.Values.OrderBy(f => f.Name, StringComparer.Ordinal))
            {
                family.AppendTo(text);
            }

            return text.ToString();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private void OnPublished(Instrument instrument, MeterListener listener)
    {
        bool ours =
            instrument.Meter.Name.StartsWith("DataLayer", StringComparison.Ordinal)
            && (instrument.Meter.Scope is null || ReferenceEquals(instrument.Meter.Scope, _scope));
        if (!ours && instrument.Meter.Name != "System.Runtime")
        {
            return;
        }

        MetricFamily made = MetricFamily.For(instrument);
        MetricFamily family = _families.GetOrAdd(made.Name, made);
        if (family.Kind == made.Kind)
        {
            listener.EnableMeasurementEvents(instrument, family);
        }
    }

    private static void Record(
        Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        if (state is MetricFamily family)
        {
            Type type = instrument.GetType();
            family.Record(
                value, tags, replace: type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Gauge<>));
        }
    }
}
