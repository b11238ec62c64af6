using System.Diagnostics.Metrics;
using DataLayer.Protocol.Http;
using DataLayer.Server.Telemetry;

namespace DataLayer.Server.Mounts;

/// <summary>
/// What the mounts measure, by mount point. Nothing is counted here: the mounts are asked when it is.
/// </summary>
internal sealed class MountMeter : IDisposable
{
    private readonly MountHost _mounts;
    private readonly Meter _meter;

    /// <summary>Makes the instruments.</summary>
    /// <param name="mounts">The mounts.</param>
    /// <param name="owner">Keeps two services in one process (tests) apart.</param>
    public MountMeter(MountHost mounts, ServerMeter owner)
    {
        _mounts = mounts;
        _meter = new Meter(new MeterOptions("DataLayer.Mounts") { Scope = owner });
        _meter.CreateObservableGauge(
            "datalayer.mounts", () => mounts.List().Mounts.Count, "{mount}", "Mounts served now.");
        _meter.CreateObservableCounter(
            "datalayer.mount.requests", ObserveRequests, "{request}", "Requests of the kernel, by kind.");
        _meter.CreateObservableCounter(
            "datalayer.mount.read", () => Observe(m => m.ReadBytes), "By",
            "Bytes answered to reads; what the kernel answers from its own cache does not count.");
        _meter.CreateObservableCounter(
            "datalayer.mount.written", () => Observe(m => m.WrittenBytes), "By", "Bytes taken by writes.");
        _meter.CreateObservableGauge(
            "datalayer.mount.requests.active", () => Observe(m => m.InFlight), "{request}", "Requests in flight.");
        _meter.CreateObservableGauge(
            "datalayer.mount.inodes", () => Observe(m => m.KnownInodes), "{inode}", "Inodes the kernel knows.");
        _meter.CreateObservableCounter(
            "datalayer.mount.invalidations", () => Observe(m => m.Invalidations), "{invalidation}",
            "Invalidations of the kernel's caches.");
        _meter.CreateObservableGauge(
            "datalayer.mount.takeovers", () => Observe(m => m.TakeoverCount), "{takeover}",
            "How often the mount went from one service to the next.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> ObserveRequests() => _mounts.List().Mounts.SelectMany(
        mount => mount.Requests.Select(kind => new Measurement<long>(
            kind.Value, At(mount), new KeyValuePair<string, object?>("kind", kind.Key))));

    private IEnumerable<Measurement<long>> Observe(Func<MountReport, long> read) =>
        _mounts.List().Mounts.Select(mount => new Measurement<long>(read(mount), At(mount)));

    private static KeyValuePair<string, object?> At(MountReport mount) => new("mount_point", mount.MountPoint);
}
