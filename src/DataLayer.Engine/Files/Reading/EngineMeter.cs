using System.Diagnostics.Metrics;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tenants;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// The instruments of meter <c>DataLayer.Engine</c>. Waits and tier latencies are histograms in seconds that a read
/// records only where memory did not answer it; counters and gauges look at the engine's own counters when they are
/// collected. <c>docs/METRICS.md</c> says what to do with each.
/// </summary>
internal sealed class EngineMeter : IDisposable
{
    private static readonly Meter _waits = new("DataLayer.Engine");
    private static readonly Histogram<double> _readWait = _waits.CreateHistogram<double>(
        "datalayer.read.wait", "s", "How long reads waited that memory could not answer, by tier and main cause.");

    private static readonly Histogram<double> _tierRead = _waits.CreateHistogram<double>(
        "datalayer.tier.read.duration", "s", "How long transfers from the hot and the cold tier took.");

    private static readonly KeyValuePair<string, object?> _hot = new("tier", "hot");
    private static readonly KeyValuePair<string, object?> _cold = new("tier", "cold");

    private static readonly (KeyValuePair<string, object?> Tag, Counter Counter)[] _causes =
    [
        (new("cause", WaitCause.Hot), Counter.HotCauseNanoseconds),
        (new("cause", WaitCause.Origin), Counter.OriginCauseNanoseconds),
        (new("cause", WaitCause.Queue), Counter.QueueCauseNanoseconds),
        (new("cause", WaitCause.Throttled), Counter.ThrottledCauseNanoseconds),
        (new("cause", WaitCause.Failed), Counter.FailedCauseNanoseconds),
        (new("cause", WaitCause.Revalidate), Counter.RevalidateCauseNanoseconds),
        (new("cause", WaitCause.Metadata), Counter.MetadataCauseNanoseconds),
    ];

    private readonly Meter _meter = new("DataLayer.Engine");
    private readonly EngineCounters _counters;

    public EngineMeter(EngineContext context, Func<long> pendingUploads)
    {
        EngineCounters counters = _counters = context.Counters;
        _meter.CreateObservableCounter(
            "datalayer.read.bytes", () => ByTier(
                counters.Sum(Counter.MemoryHitBytes),
                counters.Sum(Counter.HotReadBytes),
                counters.Sum(Counter.ColdReadBytes)), "By", "Bytes read, by the tier that brought them.");
        _meter.CreateObservableCounter(
            "datalayer.reads", () => ByTier(
                counters.Sum(Counter.MemoryHits), counters.Sum(Counter.HotReads), counters.Sum(Counter.ColdReads)),
            "{read}", "Pieces of reads, by the tier that brought them.");
        _meter.CreateObservableCounter(
            "datalayer.wait", Causes, "s",
            "How long readers waited, all together, by cause; revalidate and metadata are waits of opens and "
            + "look-ups.");
        Count("datalayer.read.failures", Counter.FailedReads, "{read}", "Reads that ended in an error.");
        Count("datalayer.origin.bytes", Counter.OriginBytes, "By", "Bytes asked of object stores.");
        Count("datalayer.origin.reads", Counter.OriginReads, "{read}", "Reads of object stores, before any split.");
        Count(
            "datalayer.origin.background.bytes", Counter.BackgroundBytes, "By",
            "Bytes asked of object stores by warm-ups, recalls and uploads.");
        Count(
            "datalayer.revalidations", Counter.Revalidations, "{request}",
            "Opens that asked the bucket whether the object changed.");
        Count(
            "datalayer.revalidations.changed", Counter.RevalidationsChanged, "{request}",
            "Revalidations that found another object.");
        Count(
            "datalayer.metadata.reads", Counter.MetadataReads, "{read}",
            "Reads of the tree that memory did not answer.");
        Count("datalayer.readahead.bytes", Counter.ReadaheadBytes, "By", "Bytes fetched ahead of readers.");
        Count("datalayer.prefetch.bytes", Counter.PrefetchedBytes, "By", "Bytes fetched ahead of feeds.");
        Count(
            "datalayer.prefetch.useful", Counter.PrefetchUsefulBytes, "By",
            "Bytes fetched ahead of feeds that were kept until the feed came to them.");
        Count(
            "datalayer.prefetch.wasted", Counter.PrefetchWastedBytes, "By",
            "Bytes fetched ahead of feeds that nothing kept, or whose feed ended before.");
        Count(
            "datalayer.recall.bytes", Counter.RecalledBytes, "By", "Bytes written to the hot tier after a cold read.");
        Count(
            "datalayer.recall.dropped", Counter.RecallsDroppedBytes, "By",
            "Cold bytes that were not kept hot because the recall queue was full.");
        Count("datalayer.recall.failures", Counter.RecallsFailed, "{batch}", "Batches of recalls that failed.");
        Count(
            "datalayer.recall.without_space", Counter.RecallsWithoutSpace, "{batch}",
            "Batches of recalls for which the hot tier had no room.");
        Count(
            "datalayer.room.waits", Counter.RoomWaits, "{write}",
            "Writes that found no room in the hot tier and waited for releases.");
        Count(
            "datalayer.room.released", Counter.RoomReleasedBytes, "By",
            "Premigrated hot copies that were released because a write found no room.");
        Count("datalayer.write.bytes", Counter.WrittenBytes, "By", "Bytes written by clients.");
        Count("datalayer.upload.bytes", Counter.UploadedBytes, "By", "Bytes sent to object stores.");
        Count(
            "datalayer.upload.conflicts", Counter.UploadConflicts, "{upload}",
            "Uploads that found an object that somebody else had changed.");
        Count("datalayer.hot.repairs", Counter.HotRepairs, "{read}", "Reads that found a bad hot copy and went cold.");
        AddGauges(context, pendingUploads);

        void Count(string name, Counter counter, string? unit, string what) =>
            _meter.CreateObservableCounter(name, () => counters.Sum(counter), unit, what);
    }

    /// <summary>Notes how long a read waited.</summary>
    public static void RecordWait(bool cold, string cause, TimeSpan waited)
    {
        if (_readWait.Enabled)
        {
            _readWait.Record(
                waited.TotalSeconds, cold ? _cold : _hot, new KeyValuePair<string, object?>("cause", cause));
        }
    }

    /// <summary>Notes how long a transfer from a tier took.</summary>
    public static void RecordTier(bool isCold, TimeSpan elapsed)
    {
        if (_tierRead.Enabled)
        {
            _tierRead.Record(elapsed.TotalSeconds, isCold ? _cold : _hot);
        }
    }

    public void Dispose() => _meter.Dispose();

    private void AddGauges(EngineContext context, Func<long> pendingUploads)
    {
        EngineCounters counters = context.Counters;
        _meter.CreateObservableGauge(
            "datalayer.reads.waiting",
            () => counters.Sum(Counter.SlowReadsBegun) - counters.Sum(Counter.SlowReadsEnded), "{read}",
            "Reads that wait for a tier below memory now: the queue depth of the service.");
        _meter.CreateObservableGauge(
            "datalayer.origin.active", () => context.OriginGate.Active, "{read}", "Reads of object stores in flight.");
        _meter.CreateObservableGauge(
            "datalayer.origin.waiting", () => context.OriginGate.Waiting, "{read}",
            "Reads of object stores that wait for one of the engine.requests slots.");
        AddTenants(context);
        AddPeers(context);
        _meter.CreateObservableGauge(
            "datalayer.uploads.pending", pendingUploads, "{upload}", "Uploads that are due or under way.");
        _meter.CreateObservableGauge(
            "datalayer.readahead.held", () => context.Fetches.ReadaheadBytes, "By", "What readahead holds.");
        _meter.CreateObservableGauge(
            "datalayer.transfer.buffers", () => context.Buffers.OutstandingBytes, "By", "Buffers of transfers in use.");
        _meter.CreateObservableGauge(
            "datalayer.read.amplification",
            () => Ratio(
                counters.Sum(Counter.OriginBytes),
                counters.Sum(Counter.ColdReadBytes) + counters.Sum(Counter.PrefetchUsefulBytes)), "1",
            "Bytes asked of object stores for each cold byte that a reader got, since start.");
    }

    private void AddTenants(EngineContext context)
    {
        _meter.CreateObservableCounter(
            "datalayer.tenant.transfers", () => ByTenant(context, t => t.Requests), "{transfer}",
            "Transfers from object stores, and where there are tenants from the hot tier, by tenant.");
        _meter.CreateObservableCounter(
            "datalayer.tenant.bytes", () => ByTenant(context, t => t.Bytes), "By", "What they brought.");
        _meter.CreateObservableCounter(
            "datalayer.tenant.wait", () => ByTenant(context, t => t.Waited.TotalSeconds), "s",
            "How long transfers waited for a turn beside other tenants.");
        _meter.CreateObservableGauge(
            "datalayer.tenant.active", () => ByTenant(context, t => (long)context.Tenants.TurnsOf(t).Active),
            "{transfer}",
            "Transfers in flight, by tenant.");
        _meter.CreateObservableGauge(
            "datalayer.tenant.waiting", () => ByTenant(context, t => (long)context.Tenants.TurnsOf(t).Waiting),
            "{transfer}",
            "Transfers that wait for a turn, by tenant.");
    }

    private void AddPeers(EngineContext context)
    {
        PeerCounters counters = context.PeerCounters;
        _meter.CreateObservableCounter(
            "datalayer.peer.reads",
            () => ByResult(counters.Hits, counters.Misses, counters.Busy, counters.Failures), "{read}",
            "Ranges of objects that were asked of other nodes, by what came of it.");
        Count("datalayer.peer.bytes", () => counters.HitBytes, "By", "Bytes that other nodes brought.");
        Count("datalayer.peer.late", () => counters.Late, "{read}", "Ranges that took longer than is usual.");
        Count(
            "datalayer.peer.hedges", () => counters.Hedges, "{read}",
            "Ranges that were asked of the object store as well, because the other node was late.");
        Count("datalayer.peer.pauses", () => counters.Opened, "{pause}", "How often a node was left alone.");
        _meter.CreateObservableCounter(
            "datalayer.peer.served",
            () => ByResult(
                counters.Served, counters.ServedMisses, counters.ServedBusy, counters.ServedFailures), "{read}",
            "Ranges of objects that other nodes asked for, by what came of it.");
        Count("datalayer.peer.served.bytes", () => counters.ServedBytes, "By", "Bytes read for other nodes.");
        _meter.CreateObservableGauge(
            "datalayer.peer.nodes", () => ByState(context), "{node}", "Other nodes over the same object stores.");

        void Count(string name, Func<long> value, string unit, string what) =>
            _meter.CreateObservableCounter(name, value, unit, what);
    }

    private static Measurement<long>[] ByResult(long hits, long misses, long busy, long failures) =>
    [
        new(hits, new KeyValuePair<string, object?>("result", "hit")),
        new(misses, new KeyValuePair<string, object?>("result", "miss")),
        new(busy, new KeyValuePair<string, object?>("result", "busy")),
        new(failures, new KeyValuePair<string, object?>("result", "failed")),
    ];

    private static Measurement<long>[] ByState(EngineContext context)
    {
        (long asked, long paused) = (0, 0);
        foreach (Peer peer in context.Peers?.Peers ?? [])
        {
            (asked, paused) = peer.IsOpen ? (asked, paused + 1) : (asked + 1, paused);
        }

        return
        [
            new(asked, new KeyValuePair<string, object?>("state", "asked")),
            new(paused, new KeyValuePair<string, object?>("state", "paused")),
        ];
    }

    private static Measurement<T>[] ByTenant<T>(EngineContext context, Func<Tenant, T> value)
        where T : struct
    {
        Measurement<T>[] all = new Measurement<T>[context.Tenants.All.Count];
        for (int i = 0; i < all.Length; i++)
        {
            Tenant tenant = context.Tenants.All[i];
            all[i] = new Measurement<T>(value(tenant), new KeyValuePair<string, object?>("tenant", tenant.Name));
        }

        return all;
    }

    private Measurement<double>[] Causes()
    {
        Measurement<double>[] all = new Measurement<double>[_causes.Length];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = new Measurement<double>(_counters.Sum(_causes[i].Counter) / 1e9, _causes[i].Tag);
        }

        return all;
    }

    private static double Ratio(long bytes, long asked) => asked == 0 ? 0 : (double)bytes / asked;

    private static Measurement<long>[] ByTier(long memory, long hot, long cold) =>
    [
        new(memory, new KeyValuePair<string, object?>("tier", "memory")),
        new(hot, _hot),
        new(cold, _cold),
    ];
}
