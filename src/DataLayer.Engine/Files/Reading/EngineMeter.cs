using System.Diagnostics.Metrics;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// The instruments of meter <c>DataLayer.Engine</c>. Waits are histograms in seconds by tier; counters and gauges
/// look at the engine's own counters when they are collected.
/// </summary>
internal sealed class EngineMeter : IDisposable
{
    private static readonly Meter _waits = new("DataLayer.Engine");
    private static readonly Histogram<double> _readWait =
        _waits.CreateHistogram<double>("datalayer.read.wait", "s", "Time a read waited that memory could not answer.");

    private static readonly KeyValuePair<string, object?> _hot = new("tier", "hot");
    private static readonly KeyValuePair<string, object?> _cold = new("tier", "cold");
    private readonly Meter _meter = new("DataLayer.Engine");

    public EngineMeter(EngineContext context, Func<long> pendingUploads)
    {
        EngineCounters counters = context.Counters;
        _meter.CreateObservableCounter("datalayer.read.bytes", () => ByTier(
            counters.Sum(Counter.MemoryHitBytes),
            counters.Sum(Counter.HotReadBytes),
            counters.Sum(Counter.ColdReadBytes)), "By");
        _meter.CreateObservableCounter("datalayer.reads", () => ByTier(
            counters.Sum(Counter.MemoryHits), counters.Sum(Counter.HotReads), counters.Sum(Counter.ColdReads)));
        Count("datalayer.origin.bytes", Counter.OriginBytes, "By");
        Count("datalayer.origin.reads", Counter.OriginReads, null);
        Count("datalayer.readahead.bytes", Counter.ReadaheadBytes, "By");
        Count("datalayer.recall.bytes", Counter.RecalledBytes, "By");
        Count("datalayer.recall.dropped", Counter.RecallsDroppedBytes, "By");
        Count("datalayer.write.bytes", Counter.WrittenBytes, "By");
        Count("datalayer.upload.bytes", Counter.UploadedBytes, "By");
        Count("datalayer.upload.conflicts", Counter.UploadConflicts, null);
        Count("datalayer.hot.repairs", Counter.HotRepairs, null);
        _meter.CreateObservableGauge("datalayer.uploads.pending", pendingUploads);
        _meter.CreateObservableGauge("datalayer.readahead.held", () => context.Fetches.ReadaheadBytes, "By");
        _meter.CreateObservableGauge("datalayer.transfer.buffers", () => context.Buffers.OutstandingBytes, "By");
        _meter.CreateObservableGauge(
            "datalayer.read.amplification", () =>
                Ratio(counters.Sum(Counter.OriginBytes), counters.Sum(Counter.ColdReadBytes)));

        void Count(string name, Counter counter, string? unit) =>
            _meter.CreateObservableCounter(name, () => counters.Sum(counter), unit);
    }

    public static void RecordWait(bool cold, long nanoseconds)
    {
        if (_readWait.Enabled)
        {
            _readWait.Record(nanoseconds / 1e9, cold ? _cold : _hot);
        }
    }

    public void Dispose() => _meter.Dispose();

    private static double Ratio(long bytes, long asked) => asked == 0 ? 0 : (double)bytes / asked;

    private static Measurement<long>[] ByTier(long memory, long hot, long cold) =>
    [
        new(memory, new KeyValuePair<string, object?>("tier", "memory")),
        new(hot, _hot),
        new(cold, _cold),
    ];
}
