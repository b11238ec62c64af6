using DataLayer.Engine.Files;
using DataLayer.Protocol.Http;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Diagnosis;

/// <summary>All counters at one moment; two of them make a window.</summary>
internal sealed record DoctorSample
{
    /// <summary>The moment, by a clock that only goes forward.</summary>
    public required TimeSpan At { get; init; }

    /// <summary>What readers waited for.</summary>
    public required WaitStatistics Waits { get; init; }

    /// <summary>Reads and bytes by tier.</summary>
    public required EngineStatistics Engine { get; init; }

    /// <summary>The memory tier.</summary>
    public required BlockCacheStatistics Cache { get; init; }

    /// <summary>The targets.</summary>
    public required IReadOnlyList<TargetStatus> Targets { get; init; }

    /// <summary>Requests to object stores.</summary>
    public required IReadOnlyList<RequestCount> Requests { get; init; }

    /// <summary>The machine.</summary>
    public required HostSample Host { get; init; }

    /// <summary>The mounts.</summary>
    public required IReadOnlyList<MountReport> Mounts { get; init; }

    /// <summary>The distance of each store that was connected to, by its name.</summary>
    public required IReadOnlyDictionary<string, TimeSpan> RoundTrips { get; init; }

    /// <summary>Takes a sample.</summary>
    /// <param name="node">The open node.</param>
    /// <param name="mounts">The mounts it serves.</param>
    /// <param name="probe">The machine.</param>
    /// <param name="time">The clock.</param>
    public static DoctorSample Take(
        StorageNode node, IReadOnlyList<MountReport> mounts, HostProbe probe, TimeProvider time)
    {
        WaitStatistics waits = node.Engine.GetWaits();
        IReadOnlyList<TargetStatus> targets = node.Hot.GetTargets();
        Dictionary<string, TimeSpan> trips = new(StringComparer.Ordinal);
        foreach (string store in waits.Attachments.Select(a => a.StoreName).Distinct(StringComparer.Ordinal))
        {
            if (node.Stores.GetRoundTrip(store) is { } trip)
            {
                trips.Add(store, trip);
            }
        }

        return new DoctorSample
        {
            At = time.GetElapsedTime(0),
            Waits = waits,
            Engine = node.Engine.GetStatistics(),
            Cache = node.Cache.GetStatistics(),
            Targets = targets,
            Requests = node.Stores.GetRequestCounts(),
            Host = probe.Read(targets.Select(t => t.Location)),
            Mounts = mounts,
            RoundTrips = trips,
        };
    }
}
