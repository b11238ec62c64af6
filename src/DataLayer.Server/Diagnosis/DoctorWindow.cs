using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Diagnosis;

/// <summary>What happened between two samples, as the doctor's rules ask for it.</summary>
internal sealed class DoctorWindow(DoctorSample before, DoctorSample after)
{
    private const string Read = "Read";
    private readonly WaitStatistics _old = before.Waits;
    private readonly WaitStatistics _new = after.Waits;

    /// <summary>The moment at its end.</summary>
    public DoctorSample Now => after;

    /// <summary>Its length, seconds.</summary>
    public double Seconds { get; } = Math.Max(0.001, (after.At - before.At).TotalSeconds);

    /// <summary>Waits of all readers together, seconds.</summary>
    public double Wait => Delta(w => w.Total);

    /// <summary>A time of the engine's, seconds.</summary>
    public double Delta(Func<WaitStatistics, TimeSpan> of) => Math.Max(0, (of(_new) - of(_old)).TotalSeconds);

    /// <summary>A count of the engine's.</summary>
    public long Delta(Func<WaitStatistics, long> of) => Math.Max(0, of(_new) - of(_old));

    /// <summary>A count of the engine's reads and bytes.</summary>
    public long Engine(Func<EngineStatistics, long> of) => Math.Max(0, of(after.Engine) - of(before.Engine));

    /// <summary>A count of the cache's.</summary>
    public long Cache(Func<Storage.Cache.BlockCacheStatistics, long> of) =>
        Math.Max(0, of(after.Cache) - of(before.Cache));

    /// <summary>A time of the machine's, seconds.</summary>
    public double Host(Func<HostSample, double> of) => Math.Max(0, of(after.Host) - of(before.Host));

    /// <summary>What readers of each dataset waited for; those that nobody read are left out.</summary>
    public IReadOnlyList<(long Dataset, string Name, DatasetWait Wait)> Datasets()
    {
        List<(long, string, DatasetWait)> all = [];
        foreach ((long dataset, DatasetWait now) in _new.Datasets)
        {
            DatasetWait then = _old.Datasets.GetValueOrDefault(dataset);
            if (now.Reads > then.Reads)
            {
                all.Add((dataset, NameOf(dataset), new DatasetWait(
                    now.Reads - then.Reads, now.HotBytes - then.HotBytes, now.ColdBytes - then.ColdBytes,
                    now.WaitNanoseconds - then.WaitNanoseconds, now.QueueNanoseconds - then.QueueNanoseconds)));
            }
        }

        return all;
    }

    /// <summary>Requests of a verb, of all datasets or the worst of them by a property.</summary>
    public RequestCount Requests(string? verb) =>
        Sum(after.Requests, verb).Less(Sum(before.Requests, verb));

    /// <summary>The store that most of the waits are for: that of the dataset which waited longest; null for none.
    /// </summary>
    public string? StoreName()
    {
        (long dataset, string _, DatasetWait _) = Datasets().Where(d => d.Dataset > 0)
            .OrderByDescending(d => d.Wait.WaitNanoseconds).FirstOrDefault();
        return (Find(dataset) ?? (after.Waits.Attachments is [{ } first, ..] ? first : null))?.StoreName;
    }

    /// <summary>About one round trip to that store, seconds; 0 where it is not known.</summary>
    public double RoundTrip() =>
        StoreName() is { } store && after.RoundTrips.TryGetValue(store, out TimeSpan trip) ? trip.TotalSeconds : 0;

    /// <summary>The folder of the dataset that most cold bytes came from.</summary>
    public string ColdestFolder()
    {
        (long _, string name, DatasetWait _) = Datasets().OrderByDescending(d => d.Wait.ColdBytes).FirstOrDefault();
        return name ?? "/";
    }

    /// <summary>What was read through a mount: bytes, and requests of the kernel.</summary>
    public (long Bytes, long Reads) MountReads(MountReport mount)
    {
        MountReport? then = before.Mounts.FirstOrDefault(m => m.MountId == mount.MountId);
        return (
            mount.ReadBytes - (then?.ReadBytes ?? 0),
            mount.Requests.GetValueOrDefault(Read) - (then?.Requests.GetValueOrDefault(Read) ?? 0));
    }

    /// <summary>How a disk did: the share of time it was busy, and the mean length of its queue.</summary>
    public (double BusyShare, double QueueLength) Disk(DiskSample disk)
    {
        DiskSample? then = before.Host.Disks.FirstOrDefault(d => d.Device == disk.Device);
        return (
            (disk.BusySeconds - (then?.BusySeconds ?? 0)) / Seconds,
            (disk.QueueSeconds - (then?.QueueSeconds ?? 0)) / Seconds);
    }

    private Attachment? Find(long dataset) => after.Waits.Attachments.FirstOrDefault(a => a.Id == dataset);

    private string NameOf(long dataset) => Find(dataset)?.Path ?? "/";

    private static RequestCount Sum(IReadOnlyList<RequestCount> counts, string? verb)
    {
        RequestCount sum = default;
        foreach (RequestCount one in counts.Where(c => verb is null || c.Verb == verb))
        {
            sum = new RequestCount(
                one.Dataset, verb ?? "*", sum.Requests + one.Requests, sum.Failures + one.Failures,
                sum.Bytes + one.Bytes)
            {
                Throttled = sum.Throttled + one.Throttled,
                Duration = sum.Duration + one.Duration,
            };
        }

        return sum;
    }
}

/// <summary>Differences of counts.</summary>
internal static class RequestCountDifference
{
    /// <summary>What came after <paramref name="before"/>.</summary>
    public static RequestCount Less(this RequestCount now, RequestCount before) => new(
        now.Dataset, now.Verb, now.Requests - before.Requests, now.Failures - before.Failures,
        now.Bytes - before.Bytes)
    {
        Throttled = now.Throttled - before.Throttled,
        Duration = now.Duration - before.Duration,
    };
}
