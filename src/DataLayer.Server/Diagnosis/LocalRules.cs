using System.Globalization;
using DataLayer.Core.Layout;
using DataLayer.Core.Text;
using DataLayer.Engine.Files.State;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Diagnosis;

/// <summary>Why readers waited for this machine: targets, memory, the tree, processors, the page cache.</summary>
internal sealed class LocalRules(DoctorWindow window, DoctorSettings settings)
{
    /// <summary>A transfer from a healthy disk takes less.</summary>
    private const double SlowDiskSeconds = 0.02;

    /// <summary>… unless it is long: a healthy disk brings more a second.</summary>
    private const double SlowDiskRate = 50e6;

    /// <summary>A read of the tree takes less where its database is in memory or on an SSD.</summary>
    private const double SlowTreeSeconds = 0.002;

    /// <summary>Share of the processors' time from which on they are what a job waits for.</summary>
    private const double BusyShare = 0.85;

    /// <summary>What a read costs that goes to the service and back instead of to the page cache.</summary>
    private const double RequestSeconds = 25e-6;

    /// <summary>Readers waited for the hot tier.</summary>
    public DoctorCause Hot()
    {
        long transfers = Math.Max(1, window.Engine(e => e.HotReads));
        double mean = window.Delta(w => w.HotTransfers) / transfers;
        double rate = window.Engine(e => e.HotReadBytes) / Math.Max(1e-9, window.Delta(w => w.HotTransfers));
        return mean > SlowDiskSeconds && rate < SlowDiskRate ? SlowDisk(mean, transfers)
            : IsFull() ? CacheTooSmall()
            : FirstTouch(mean, rate);
    }

    /// <summary>Readers waited for the tree.</summary>
    public DoctorCause Metadata()
    {
        long reads = Math.Max(1, window.Delta(w => w.MetadataReads));
        double mean = window.Delta(w => w.Metadata) / reads;
        bool isSlow = mean > SlowTreeSeconds;
        return new DoctorCause
        {
            Cause = "slow-metadata",
            Summary = isSlow ? "The tree's database answers slowly" : "The tree does not fit into its cache",
            Evidence = [Say($"{reads} reads of the tree that memory did not answer, {mean * 1e3:0.00} ms each")],
            Setting = isSlow ? "stateDirectory" : "engine.attributeCache",
            Now = isSlow ? settings.StateDirectory : Say($"{settings.AttributeCache}"),
            Change = isSlow ? "a folder on a local SSD" : Say($"{settings.AttributeCache * 4L}"),
            Effect = isSlow
                ? "look-ups and opens take well under a millisecond"
                : "known files are looked up in memory, for about 500 bytes each",
        };
    }

    /// <summary>What is lost because all processors are busy while hardly anybody waits for bytes.</summary>
    public double ProcessorSeconds()
    {
        double busy = BusyProcessors();
        double waiting = Math.Min(1, window.Wait / window.Seconds);
        bool isUsed = window.Engine(e => e.Reads) > 0; // Else it is somebody else who computes.
        return isUsed && (busy >= BusyShare || Throttled() >= 0.1) ? window.Seconds * (1 - waiting) : 0;
    }

    /// <summary>All processors are busy.</summary>
    public DoctorCause Processor()
    {
        bool isLimited = Throttled() >= 0.1;
        double stalled = window.Host(h => h.ProcessorStalledSeconds) / window.Seconds;
        return new DoctorCause
        {
            Cause = "processor-bound",
            Summary = "The job computes; it does not wait for bytes",
            Evidence =
            [
                Say($"processors were busy {BusyProcessors():P0} of the time, ")
                + Say($"{window.Wait / window.Seconds:0.00} readers waited on average"),
                Say($"tasks waited for a processor {stalled:P0} of the time"),
                Say($"the container was held back {Throttled():P0} of the time"),
            ],
            Setting = isLimited ? "the container's processor limit" : "the job's transforms and worker count",
            Change = isLimited
                ? "raise or remove the limit"
                : "more processors or fewer transforms; no setting of DataLayer makes it faster",
            Effect = "the job goes faster by what it computes less; storage keeps up",
        };
    }

    /// <summary>What reads cost that a page cache should have answered.</summary>
    public double UncachedSeconds()
    {
        long read = 0;
        long requests = 0;
        foreach (MountReport mount in window.Now.Mounts)
        {
            (long Bytes, long Reads) = window.MountReads(mount);
            read += Bytes;
            requests += Reads;
        }

        long below = window.Engine(e => e.HotReadBytes) + window.Engine(e => e.ColdReadBytes);
        bool isAgain = read > 4 * below && read > 2 * window.Now.Cache.UsedBytes;
        return isAgain ? requests * RequestSeconds : 0;
    }

    /// <summary>Mounts are read without the kernel's page cache.</summary>
    public DoctorCause Uncached()
    {
        MountReport mount = window.Now.Mounts.MaxBy(m => window.MountReads(m).Bytes)!;
        (long bytes, long reads) = window.MountReads(mount);
        return new DoctorCause
        {
            Cause = "no-page-cache",
            Summary = Say($"{mount.MountPoint} is read again and again past the kernel's page cache"),
            Evidence =
            [
                Say($"{ByteSize.Format(bytes)} in {reads} requests came through the mount, while memory holds ")
                + Say($"{ByteSize.Format(window.Now.Cache.UsedBytes)} in all"),
                Say($"{ByteSize.Format(bytes / Math.Max(1, reads))} a request; the page cache answers without one"),
            ],
            Setting = "the reader's O_DIRECT, or its container's memory limit",
            Change = "read without O_DIRECT, and leave the container memory for its page cache",
            Effect = Say($"{reads / window.Seconds:0} requests a second less; cached reads switch no process"),
        };
    }

    private DoctorCause SlowDisk(double mean, long transfers)
    {
        List<string> evidence = [Say($"{transfers} transfers from the targets took {mean * 1e3:0} ms each")];
        foreach (DiskSample disk in window.Now.Host.Disks)
        {
            (double busy, double queue) = window.Disk(disk);
            evidence.Add(Say($"disk {disk.Device}: busy {busy:P0} of the time, {queue:0.0} requests in its queue"));
        }

        return new DoctorCause
        {
            Cause = "slow-disk",
            Summary = "The targets' disks are slow",
            Evidence = evidence,
            Setting = "pools[].directories",
            Now = Say($"{window.Now.Targets.Count} targets"),
            Change = "directories on more or faster disks; drain the slow one",
            Effect = "hot reads take as long as the fastest disks need",
        };
    }

    private bool IsFull()
    {
        long fills = window.Cache(c => c.Fills) + window.Cache(c => c.FillsRefused);
        long lost = window.Cache(c => c.Evictions) + window.Cache(c => c.FillsRefused);
        return lost > 0.5 * fills && window.Now.Cache.UsedBytes > 0.7 * window.Now.Cache.CapacityBytes;
    }

    private DoctorCause CacheTooSmall()
    {
        long bytes = window.Engine(e => e.HotReadBytes) + window.Engine(e => e.ColdReadBytes);
        (long Dataset, string Name, DatasetWait Wait)[] big =
        [
            .. window.Datasets().Where(d => d.Wait.HotBytes + d.Wait.ColdBytes > 0.15 * bytes),
        ];
        string[] evidence =
        [
            Say($"{window.Cache(c => c.Evictions)} blocks were given up and {window.Cache(c => c.FillsRefused)} ")
            + Say($"not taken in, for {window.Cache(c => c.Fills)} taken in"),
            Say($"{ByteSize.Format(bytes)} were read below memory, which has ")
            + ByteSize.Format(window.Now.Cache.CapacityBytes),
        ];
        bool isPolicy = big.Length > 1 && settings.CachePolicy != "guard";
        return new DoctorCause
        {
            Cause = big.Length > 1 ? "cache-thrash" : "cache-too-small",
            Summary = big.Length > 1
                ? $"{string.Join(" and ", big.Select(d => d.Name))} push each other out of memory"
                : "What is read again does not fit into memory",
            Evidence = evidence,
            Setting = isPolicy ? "cache.policy" : "cache.capacity",
            Now = isPolicy ? settings.CachePolicy : UnitText.FormatSize(window.Now.Cache.CapacityBytes),
            Change = isPolicy ? "guard" : UnitText.FormatSize(window.Now.Cache.CapacityBytes * 2) + " or more",
            Effect = isPolicy
                ? "what is read once does not push out what is read again"
                : "more reads are answered from memory; a working set that fits wholly, all of them",
        };
    }

    private DoctorCause FirstTouch(double mean, double rate) => new()
    {
        Cause = "hot-reads",
        Summary = "Readers wait for the hot tier, which is well",
        Evidence =
        [
            Say($"{window.Engine(e => e.HotReads)} transfers of {mean * 1e3:0.0} ms, {rate / 1e6:0} MB/s each"),
            Say($"memory took in {window.Cache(c => c.Fills)} blocks: a second pass finds them there"),
        ],
        Setting = "cache.capacity",
        Now = UnitText.FormatSize(window.Now.Cache.CapacityBytes),
        Change = "enough for the dataset, and warm it into memory before the job",
        Effect = "the first pass is answered from memory too",
    };

    private double BusyProcessors()
    {
        double all = window.Host(h => h.ProcessorSeconds);
        return all <= 0 ? 0 : window.Host(h => h.ProcessorBusySeconds) / all;
    }

    private double Throttled() => window.Host(h => h.GroupThrottledSeconds) / window.Seconds;

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
