using System.Diagnostics.Metrics;
using DataLayer.Protocol.Http;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// What the HTTP side measures, and the counters of the parts that publish none themselves. Counting a request is two
/// array increments:
/// the instruments are observable and read the arrays when asked.
/// </summary>
internal sealed class ServerMeter : IDisposable
{
    private static readonly string[] _routes =
    [
        "files",
        "dirs",
        "stat",
        "xattrs",
        "ops",
        "attachments",
        "targets",
        "other",
    ];
    private static readonly string[] _statuses = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    private static readonly double[] _bounds =
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
        10,
    ];

    private readonly Meter _meter;
    private readonly Histogram<double> _duration;
    private readonly long[] _requests = new long[8 * 5];
    private readonly KeyValuePair<string, object?>[][] _requestTags = new KeyValuePair<string, object?>[8 * 5][];
    private readonly KeyValuePair<string, object?>[] _routeTags = new KeyValuePair<string, object?>[8];
    private readonly NodeHost _host;

    /// <summary>Makes the instruments.</summary>
    public ServerMeter(NodeHost host, RequestGate gate)
    {
        _host = host;
        for (int route = 0; route < _routes.Length; route++)
        {
            _routeTags[route] = new("route", _routes[route]);
            for (int status = 0; status < _statuses.Length; status++)
            {
                _requestTags[(route * 5) + status] = [_routeTags[route], new("status", _statuses[status])];
            }
        }

        // The scope keeps two services in one process (tests) apart.
        _meter = new Meter(new MeterOptions("DataLayer.Server") { Scope = this });
        _duration = _meter.CreateHistogram(
            "datalayer.http.request.duration", "s", "Time from a request's arrival to the end of its answer.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = _bounds });
        _meter.CreateObservableCounter(
            "datalayer.http.requests", ObserveRequests, "{request}",
            "Requests answered, by route and class of status.");
        _meter.CreateObservableGauge(
            "datalayer.http.requests.active", () => gate.Active, "{request}", "Requests in flight.");
        _meter.CreateObservableCounter(
            "datalayer.http.requests.refused", () => gate.Refused, "{request}",
            "Requests refused with 503 because too many were in flight.");
        _meter.CreateObservableGauge(
            "datalayer.ready", () => host.Node is null ? 0 : 1, null, "1 while the node is open.");
        CreateReads();
        CreateCache();
        CreateTargets();
        _meter.CreateObservableCounter(
            "datalayer.origin.requests", ObserveOriginRequests, "{request}",
            "Requests to object stores, by dataset and verb.");
        _meter.CreateObservableCounter(
            "datalayer.origin.failures", ObserveOriginFailures, "{request}", "Failed requests to object stores.");
        _meter.CreateObservableCounter(
            "datalayer.origin.transferred", ObserveOriginBytes, "By", "Bytes moved to and from object stores.");
    }

    /// <summary>The index of a path's route, for <see cref="Count"/>.</summary>
    public static int RouteOf(PathString path)
    {
        string text = path.Value ?? string.Empty;
        return text.StartsWith(ApiRoutes.Files, StringComparison.Ordinal) ? 0
            : !text.StartsWith(ApiRoutes.Prefix, StringComparison.Ordinal) ? 7
            : text.StartsWith(ApiRoutes.Directories, StringComparison.Ordinal) ? 1
            : text.StartsWith(ApiRoutes.Stat + "/", StringComparison.Ordinal) ? 2
            : text.StartsWith(ApiRoutes.Xattrs, StringComparison.Ordinal) ? 3
            : text.StartsWith(ApiRoutes.Operations, StringComparison.Ordinal) ? 4
            : text.StartsWith(ApiRoutes.Attachments, StringComparison.Ordinal) ? 5
            : text.StartsWith(ApiRoutes.Targets, StringComparison.Ordinal) ? 6
            : 7;
    }

    /// <summary>Counts an answered request.</summary>
    public void Count(int route, int status, TimeSpan duration)
    {
        Interlocked.Increment(ref _requests[(route * 5) + Math.Clamp((status / 100) - 1, 0, 4)]);
        _duration.Record(duration.TotalSeconds, _routeTags[route]);
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private void CreateReads()
    {
        _meter.CreateObservableCounter("datalayer.reads", ObserveReads, "{read}", "Reads by the tier that answered.");
        _meter.CreateObservableCounter(
            "datalayer.read", ObserveReadBytes, "By", "Bytes read by the tier that answered.");
        Counter(
            "datalayer.origin.fetched", "By", "Bytes fetched from object stores, readahead included.",
            n => n.Engine.GetStatistics().OriginBytes);
        Counter("datalayer.written", "By", "Bytes written by callers.", n => n.Engine.GetStatistics().WrittenBytes);
        Counter(
            "datalayer.uploaded", "By", "Bytes uploaded and verified.", n => n.Engine.GetStatistics().UploadedBytes);
        Counter(
            "datalayer.readahead", "By", "Bytes fetched ahead of readers.",
            n => n.Engine.GetStatistics().ReadaheadBytes);
        Gauge(
            "datalayer.uploads.pending", "{upload}", "Uploads that wait or run.",
            n => n.Engine.GetStatistics().PendingUploads);
        _meter.CreateObservableCounter(
            "datalayer.read.wait", () => Observe(n => n.Engine.GetStatistics().ReadWaitNanoseconds / 1e9), "s",
            "Time readers waited for tiers below memory.");
    }

    private void CreateCache()
    {
        Gauge(
            "datalayer.cache.capacity",
            "By",
            "The memory tier's budget.",
            n => n.Cache.GetStatistics().CapacityBytes
        );
        Gauge("datalayer.cache.used", "By", "Bytes the memory tier uses.", n => n.Cache.GetStatistics().UsedBytes);
        Gauge("datalayer.cache.blocks", "{block}", "Blocks in memory.", n => n.Cache.GetStatistics().BlockCount);
        Gauge("datalayer.cache.pinned", "By", "Bytes pinned in memory.", n => n.Cache.GetStatistics().PinnedBytes);
        Counter("datalayer.cache.hits", "{hit}", "Hits of the memory tier.", n => n.Cache.GetStatistics().Hits);
        Counter("datalayer.cache.hit", "By", "Bytes of the hits.", n => n.Cache.GetStatistics().HitBytes);
        Counter(
            "datalayer.cache.misses", "{miss}", "Misses of the memory tier.", n => n.Cache.GetStatistics().Misses);
        Counter("datalayer.cache.fills", "{block}", "Blocks admitted.", n => n.Cache.GetStatistics().Fills);
        Counter(
            "datalayer.cache.fills.refused", "{block}", "Blocks the admission control refused.",
            n => n.Cache.GetStatistics().FillsRefused);
        Counter("datalayer.cache.evictions", "{block}", "Blocks evicted.", n => n.Cache.GetStatistics().Evictions);
        Counter(
            "datalayer.cache.spill.hits", "{hit}", "Hits of the SSD spill.", n => n.Cache.GetStatistics().SpillHits);
        Counter(
            "datalayer.cache.bad_blocks", "{block}", "Blocks dropped because checksum or identity did not hold.",
            n => n.Cache.GetStatistics().BadBlocks);
    }

    private void CreateTargets()
    {
        _meter.CreateObservableGauge(
            "datalayer.target.capacity", () => ObserveTargets(t => t.CapacityBytes), "By",
            "Size of a target's file system.");
        _meter.CreateObservableGauge(
            "datalayer.target.free", () => ObserveTargets(t => t.FreeBytes), "By", "Bytes free on a target.");
        _meter.CreateObservableGauge(
            "datalayer.target.used", () => ObserveTargets(t => t.UsedBytes), "By",
            "Bytes our contents use on a target.");
        _meter.CreateObservableGauge(
            "datalayer.target.up", () => ObserveTargets(t => t.Fault is null ? 1 : 0), null,
            "1 while a target is not fenced.");
    }

    private void Counter(string name, string unit, string description, Func<StorageNode, long> read) =>
        _meter.CreateObservableCounter(name, () => Observe(read), unit, description);

    private void Gauge(string name, string unit, string description, Func<StorageNode, long> read) =>
        _meter.CreateObservableGauge(name, () => Observe(read), unit, description);

    private IEnumerable<Measurement<T>> Observe<T>(Func<StorageNode, T> read)
        where T : struct => _host.Node is { } node ? [new Measurement<T>(read(node))] : [];

    private IEnumerable<Measurement<long>> ObserveRequests()
    {
        for (int i = 0; i < _requests.Length; i++)
        {
            long count = Interlocked.Read(ref _requests[i]);
            if (count > 0)
            {
                yield return new Measurement<long>(count, _requestTags[i]);
            }
        }
    }

    private IEnumerable<Measurement<long>> ObserveReads() =>
        _host.Node?.Engine.GetStatistics() is not { } s
            ? []
            : [Tiered(s.MemoryHits, "memory"), Tiered(s.HotReads, "hot"), Tiered(s.ColdReads, "cold")];

    private IEnumerable<Measurement<long>> ObserveReadBytes() =>
        _host.Node?.Engine.GetStatistics() is not { } s
            ? []
            : [Tiered(s.MemoryHitBytes, "memory"), Tiered(s.HotReadBytes, "hot"), Tiered(s.ColdReadBytes, "cold")];

    private static Measurement<long> Tiered(long value, string tier) =>
        new(value, new KeyValuePair<string, object?>("tier", tier));

    private IEnumerable<Measurement<long>> ObserveTargets(Func<Storage.Stripes.TargetStatus, long> read) =>
        _host.Node is not { } node
            ? []
            : node
                .Hot.GetTargets()
                .Select(t => new Measurement<long>(
                    read(t), new KeyValuePair<string, object?>("target", t.Target),
                    new KeyValuePair<string, object?>("pool", t.Pool)));

    private IEnumerable<Measurement<long>> ObserveOriginRequests() => ObserveOrigin(c => c.Requests);

    private IEnumerable<Measurement<long>> ObserveOriginFailures() => ObserveOrigin(c => c.Failures);

    private IEnumerable<Measurement<long>> ObserveOriginBytes() => ObserveOrigin(c => c.Bytes);

    private IEnumerable<Measurement<long>> ObserveOrigin(Func<Storage.Objects.RequestCount, long> read) =>
        _host.Node is not { } node
            ? []
            : node
                .Stores.GetRequestCounts()
                .Select(c => new Measurement<long>(
                    read(c), new KeyValuePair<string, object?>("dataset", c.Dataset),
                    new KeyValuePair<string, object?>("verb", c.Verb)));
}
