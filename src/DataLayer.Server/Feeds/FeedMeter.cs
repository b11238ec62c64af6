using System.Diagnostics.Metrics;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Server.Telemetry;

namespace DataLayer.Server.Feeds;

/// <summary>What feeds measure. Nothing is counted here: the feeds are asked when it is.</summary>
internal sealed class FeedMeter : IDisposable
{
    private readonly FeedHost _feeds;
    private readonly Meter _meter;

    /// <summary>Makes the instruments.</summary>
    /// <param name="feeds">The feeds.</param>
    /// <param name="owner">Keeps two services in one process (tests) apart.</param>
    public FeedMeter(FeedHost feeds, ServerMeter owner)
    {
        _feeds = feeds;
        _meter = new Meter(new MeterOptions("DataLayer.Feeds") { Scope = owner });
        _meter.CreateObservableGauge("datalayer.feeds", () => Runs.Count, "{feed}", "Feeds open now.");
        _meter.CreateObservableGauge(
            "datalayer.feed.queue.depth", () => Runs.Sum(r => r.Progress.QueuedCount), "{batch}",
            "Batches assembled ahead of their clients, or under way.");
        _meter.CreateObservableGauge(
            "datalayer.feed.leased", () => Runs.Sum(r => r.Progress.LeasedCount), "{batch}",
            "Batches that clients hold.");
        _meter.CreateObservableGauge(
            "datalayer.feed.slab", () => _feeds.Service?.SlabBytes ?? 0, "By", "Shared memory of all slabs.");
        _meter.CreateObservableGauge(
            "datalayer.feed.slab.capacity", () => _feeds.Service?.Options.SlabBytes ?? 0, "By",
            "What the slabs of all feeds may take.");
        _meter.CreateObservableCounter(
            "datalayer.feed.batches", () => Totals.Batches, "{batch}", "Batches given to clients.");
        _meter.CreateObservableCounter(
            "datalayer.feed.samples", () => Totals.Samples, "{sample}", "Samples in them, padding included.");
        _meter.CreateObservableCounter(
            "datalayer.feed.assembly", () => Totals.AssemblyNanoseconds / 1e9, "s",
            "From the begin of each batch's assembly to its end, all together.");
        _meter.CreateObservableCounter(
            "datalayer.feed.wait", () => Totals.WaitNanoseconds / 1e9, "s",
            "How long batches waited for bytes that memory did not hold, all together.");
        _meter.CreateObservableCounter(
            "datalayer.feed.bytes", ObserveBytes, "By", "Bytes of batches, by the tier that brought them.");
    }

    private IReadOnlyList<FeedRun> Runs => _feeds.Service?.List() ?? [];

    private FeedTotals Totals => _feeds.Service?.Totals ?? default;

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> ObserveBytes()
    {
        FeedTotals totals = Totals;
        return
        [
            new(totals.MemoryBytes, new KeyValuePair<string, object?>("tier", "memory")),
            new(totals.HotBytes, new KeyValuePair<string, object?>("tier", "hot")),
            new(totals.OriginBytes, new KeyValuePair<string, object?>("tier", "cold")),
        ];
    }
}
