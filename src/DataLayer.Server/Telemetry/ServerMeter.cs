using System.Diagnostics.Metrics;
using DataLayer.Metadata.Nodes;
using DataLayer.Protocol.Http;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Tls;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// What the HTTP side measures, and the targets' space; the tiers have meters of their own. Counting a request is one
/// array increment: the instruments are observable and read the arrays when asked.
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
    public ServerMeter(
        NodeHost host, RequestGate gate, HostProbe probe, RateLimiter limiter, TlsStore? tls = null)
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
        _meter.CreateObservableCounter(
            "datalayer.http.requests.limited", () => limiter.Refused, "{request}",
            "Requests refused with 429 because their caller sent too many a second.");
        _meter.CreateObservableGauge(
            "datalayer.ready", () => host.Node is null ? 0 : 1, null, "1 while the node is open.");
        _meter.CreateObservableGauge(
            "datalayer.tls.certificate.expiry", () => ObserveExpiry(tls), "s",
            "When the certificate in force ends, seconds since 1970; absent without TLS.");
        CreateTargets();
        CreateHost(probe);
        CreateNodes();
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

    private void CreateNodes()
    {
        _meter.CreateObservableGauge(
            "datalayer.nodes.live", () => _host.Node?.Nodes.Live.Count ?? 0, "{node}",
            "Nodes of the tree that are alive, this one included.");
        _meter.CreateObservableGauge(
            "datalayer.node.fenced", () => _host.Node?.Nodes.IsFenced == true ? 1 : 0, null,
            "1 while this node changes nothing, because its heartbeats are lost or another one has its tree.");
        _meter.CreateObservableGauge(
            "datalayer.node.heartbeat.age", ObserveHeartbeat, "s",
            "Since when the last heartbeat that the database took; absent with a tree in a file.");
    }

    private IEnumerable<Measurement<double>> ObserveHeartbeat()
    {
        if (_host.Node?.Nodes is NodeRegistry registry)
        {
            yield return new Measurement<double>(registry.HeartbeatAge.TotalSeconds);
        }
    }

    private void CreateHost(HostProbe probe)
    {
        _meter.CreateObservableGauge(
            "datalayer.memory.budget", () => _host.Node?.MemoryBudgetBytes ?? 0, "By",
            "What the process may use (memory.budget).");
        _meter.CreateObservableGauge(
            "datalayer.memory.resident", () => Environment.WorkingSet, "By", "What the process uses.");
        _meter.CreateObservableCounter(
            "datalayer.pressure.stalled", () => ObservePressure(probe.Read([])), "s",
            "Time in which some task of the machine waited for a resource (PSI), by resource.");
        _meter.CreateObservableCounter(
            "datalayer.disk.busy", () => ObserveDisks(probe, d => d.BusySeconds), "s",
            "Time in which a target's disk had requests in flight, by device.");
        _meter.CreateObservableCounter(
            "datalayer.disk.queue.time", () => ObserveDisks(probe, d => d.QueueSeconds), "s",
            "Time requests spent in flight at a target's disk, all together: its rate is the length of the queue.");
        _meter.CreateObservableGauge(
            "datalayer.disk.active", () => ObserveDisks(probe, d => d.InFlight), "{request}",
            "Requests in flight at a target's disk.");
    }

    private static IEnumerable<Measurement<double>> ObservePressure(HostSample sample)
    {
        yield return new(sample.ProcessorStalledSeconds, new KeyValuePair<string, object?>("resource", "cpu"));
        yield return new(sample.DiskStalledSeconds, new KeyValuePair<string, object?>("resource", "io"));
        yield return new(sample.MemoryStalledSeconds, new KeyValuePair<string, object?>("resource", "memory"));
    }

    private static IEnumerable<Measurement<long>> ObserveExpiry(TlsStore? tls)
    {
        if (tls is not null)
        {
            yield return new Measurement<long>(tls.Expires.ToUnixTimeSeconds());
        }
    }

    private IEnumerable<Measurement<double>> ObserveDisks(HostProbe probe, Func<DiskSample, double> read) =>
        _host.Node is not { } node
            ? []
            : probe.Read(node.Hot.GetTargets().Select(t => t.Location)).Disks
                .Select(d => new Measurement<double>(read(d), new KeyValuePair<string, object?>("device", d.Device)));

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

    private IEnumerable<Measurement<long>> ObserveTargets(Func<Storage.Stripes.TargetStatus, long> read) =>
        _host.Node is not { } node
            ? []
            : node
                .Hot.GetTargets()
                .Select(t => new Measurement<long>(
                    read(t), new KeyValuePair<string, object?>("target", t.Target),
                    new KeyValuePair<string, object?>("pool", t.Pool)));
}
