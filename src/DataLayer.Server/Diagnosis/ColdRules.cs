using System.Globalization;
using DataLayer.Core.Layout;
using DataLayer.Core.Text;
using DataLayer.Engine.Files.State;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Diagnosis;

/// <summary>Why readers waited for the object store.</summary>
internal sealed class ColdRules(DoctorWindow window, DoctorSettings settings)
{
    /// <summary>A round trip above this is not the same data centre.</summary>
    private const double FarSeconds = 0.02;

    /// <summary>An answer that takes longer to begin is not that of a healthy store.</summary>
    private const double SlowSeconds = 0.15;

    /// <summary>What one reader should get while it goes through a file: what readahead must cover, bytes a second.
    /// </summary>
    private const double StreamRate = 1L << 30;

    private readonly double _firstByte = Mean(
        window.Delta(w => w.FirstBytes), window.Engine(e => e.OriginReads));

    /// <summary>The store refuses requests as too many.</summary>
    public DoctorCause Throttled()
    {
        RequestCount gets = window.Requests(null);
        return new DoctorCause
        {
            Cause = "origin-throttled",
            Summary = "The object store asks for fewer requests",
            Evidence =
            [
                Say($"{gets.Throttled} of {gets.Requests} requests were refused with 503 SlowDown or 429"),
                Say($"readers lost {window.Delta(w => w.Throttled):0.0} s to them and to the waits after them"),
            ],
            Setting = "objectStores[].requests",
            Now = Store()?.RequestLimit.ToString(CultureInfo.InvariantCulture),
            Change = Say($"{Math.Max(1, (Store()?.RequestLimit ?? 64) / 2)}, or have the store's limit raised"),
            Effect = "the refusals and the waits after them end; the throughput stays what the store grants",
        };
    }

    /// <summary>Requests fail.</summary>
    public DoctorCause Failing()
    {
        RequestCount all = window.Requests(null);
        return new DoctorCause
        {
            Cause = "origin-failing",
            Summary = "Requests to the object store fail",
            Evidence =
            [
                Say($"{all.Failures - all.Throttled} of {all.Requests} requests brought no usable answer"),
                Say($"{window.Delta(w => w.FailedReads)} reads failed; the log has the errors"),
            ],
            Setting = "objectStores[].endpoint",
            Now = Store()?.Endpoint,
            Change = "an endpoint that answers: look at that server's health and load first",
            Effect = "cold reads work again; what is hot was served all the time",
        };
    }

    /// <summary>Reads wait for their turn.</summary>
    public DoctorCause Queued()
    {
        IReadOnlyList<(long Dataset, string Name, DatasetWait Wait)> datasets = window.Datasets();
        long bytes = window.Engine(e => e.OriginBytes);
        long background = window.Delta(w => w.BackgroundBytes);
        if (background * 2 > bytes)
        {
            return WarmUp(background, bytes);
        }

        long cold = datasets.Sum(d => d.Wait.ColdBytes);
        (long Dataset, string Name, DatasetWait Wait) hog = datasets
            .OrderByDescending(d => d.Wait.ColdBytes).FirstOrDefault();
        (long Dataset, string Name, DatasetWait Wait) victim = datasets.Where(d => d.Dataset != hog.Dataset)
            .OrderByDescending(d => d.Wait.QueueNanoseconds).FirstOrDefault();
        return victim.Name is not null && hog.Wait.ColdBytes > 0.6 * cold
            && victim.Wait.QueueNanoseconds > 0.3 * victim.Wait.WaitNanoseconds
            ? Neighbour(hog.Name, (double)hog.Wait.ColdBytes / cold, victim.Name, victim.Wait)
            : TooFew();
    }

    /// <summary>The store's answers take long, or there are too many of them.</summary>
    public DoctorCause Slow()
    {
        long cold = window.Engine(e => e.ColdReadBytes);
        long demand = window.Engine(e => e.OriginBytes) - window.Delta(w => w.BackgroundBytes);
        double origin = window.Delta(w => w.Origin);
        double sequential = window.Delta(w => w.SequentialCold);
        long fetches = window.Delta(w => w.ForegroundFetches);
        double needed = _firstByte * StreamRate;
        return window.Delta(w => w.RecallsWithoutSpace) > 0 ? FullTier()
            : window.RoundTrip() > FarSeconds && window.RoundTrip() / _firstByte is > 0.3 and < 1.2 ? Far()
            : sequential > 0.5 * origin && settings.ReadaheadBytes < needed / 4 ? ShortReadahead(needed)
            : sequential < 0.5 * origin && cold > 0 && demand > 3 * cold ? Amplified(demand, cold)
            : _firstByte > SlowSeconds ? SlowStore()
            : fetches >= 20 && window.Delta(w => w.SmallFileFetches) > 0.7 * fetches ? SmallFiles(fetches)
            : ColdDataset(cold);
    }

    /// <summary>Opens ask the bucket.</summary>
    public DoctorCause Revalidating() => new()
    {
        Cause = "revalidation",
        Summary = "Opens ask the bucket whether the object changed",
        Evidence =
        [
            Say($"{window.Delta(w => w.Revalidations)} opens asked, {Changed()} objects had changed"),
            Say($"each took {Mean(window.Delta(w => w.Revalidate), window.Delta(w => w.Revalidations)) * 1e3:0.0} ms"),
        ],
        Setting = "attach --freshness",
        Now = "always, or a short max age",
        Change = "maxAge with as long an age as stale content may be used; immutable where objects never change",
        Effect = "an open of a known file asks nothing within that age",
    };

    /// <summary>The bucket is being listed.</summary>
    public DoctorCause Listing()
    {
        RequestCount lists = window.Requests("LIST");
        return new DoctorCause
        {
            Cause = "listing",
            Summary = "Very many objects are being listed",
            Evidence =
            [
                Say($"{lists.Requests} LIST requests, ")
                + Say($"{Mean(lists.Duration.TotalSeconds, lists.Requests) * 1e3:0} ms each"),
                Say($"{settings.Lists} of them run at once"),
            ],
            Setting = "engine.lists",
            Now = Say($"{settings.Lists}"),
            Change = Say($"{Math.Min(64, settings.Lists * 4)}"),
            Effect = "an attach or refresh takes a quarter of the time where prefixes can be listed side by side",
        };
    }

    private long Changed() => window.Delta(w => w.RevalidationsChanged);

    private DoctorCause WarmUp(long background, long bytes) => new()
    {
        Cause = "warm-up-competes",
        Summary = "Warm-ups take the object store from readers",
        Evidence =
        [
            Say($"{ByteSize.Format(background)} of {ByteSize.Format(bytes)} from the store were for warm-ups"),
            Say($"readers waited {window.Delta(w => w.Queue):0.0} s for a turn"),
        ],
        Setting = "engine.upkeep",
        Now = Say($"{settings.Upkeep}"),
        Change = Say($"{Math.Max(1, settings.Upkeep / 4)}, or warm at another time"),
        Effect = "readers find free turns; the warm-up takes longer",
    };

    private DoctorCause Neighbour(string hog, double share, string victim, in DatasetWait wait) => new()
    {
        Cause = "noisy-neighbour",
        Summary = Say($"Readers of {hog} take the turns at the object store from those of {victim}"),
        Evidence =
        [
            Say($"{hog} got {share:P0} of the cold bytes"),
            Say($"readers of {victim} waited {wait.QueueNanoseconds / 1e9:0.0} s for a turn, of ")
            + Say($"{wait.WaitNanoseconds / 1e9:0.0} s in all"),
        ],
        Setting = "engine.requestsPerFile",
        Now = Say($"{settings.RequestsPerFile}"),
        Change = Say($"{Math.Max(1, settings.RequestsPerFile / 4)}"),
        Effect = "one stream holds fewer turns, the others come sooner",
    };

    private DoctorCause TooFew()
    {
        int store = Store()?.RequestLimit ?? int.MaxValue;
        bool isEngine = settings.Requests <= store;
        int now = isEngine ? settings.Requests : store;
        return new DoctorCause
        {
            Cause = "too-few-connections",
            Summary = "Reads wait for a turn among the requests to the object store",
            Evidence =
            [
                Say($"{window.Delta(w => w.Queue):0.0} s of waiting for one of {now} turns"),
                Say($"answers begin after {_firstByte * 1e3:0} ms and nothing was refused"),
            ],
            Setting = isEngine ? "engine.requests" : "objectStores[].requests",
            Now = Say($"{now}"),
            Change = Say($"{Math.Min(isEngine ? 4096 : 10_000, now * 4)}"),
            Effect = "up to four times the cold throughput, as long as the store does not throttle",
        };
    }

    private DoctorCause FullTier() => new()
    {
        Cause = "hot-tier-full",
        Summary = "The hot tier has no room, so cold content is fetched again and again",
        Evidence =
        [
            Say($"{window.Delta(w => w.RecallsWithoutSpace)} batches found no room"),
            .. window.Now.Targets.Select(
                t => Say($"target {t.Target}: {ByteSize.Format(Math.Max(0, t.FreeBytes))} of ")
                    + Say($"{ByteSize.Format(t.CapacityBytes)} free")),
        ],
        Setting = "pools[].directories",
        Now = Say($"{window.Now.Targets.Count} targets"),
        Change = "one more directory on a disk with room, or a policy that releases what is cold",
        Effect = "each byte comes from the object store once",
    };

    private DoctorCause Far() => new()
    {
        Cause = "far-endpoint",
        Summary = "The object store is far away",
        Evidence =
        [
            Say($"a round trip takes {window.RoundTrip() * 1e3:0} ms (a connection's opening)"),
            Say($"answers begin after {_firstByte * 1e3:0} ms"),
        ],
        Setting = "objectStores[].endpoint",
        Now = Store()?.Endpoint,
        Change = "the endpoint of this machine's own region or network",
        Effect = Say($"each cold request is about {window.RoundTrip() * 1e3:0} ms shorter"),
    };

    private DoctorCause ShortReadahead(double needed) => new()
    {
        Cause = "readahead-too-small",
        Summary = "Readahead is too short for this store's distance",
        Evidence =
        [
            Say($"{window.Delta(w => w.SequentialCold):0.0} s of waiting in readers that go through files in order"),
            Say($"answers begin after {_firstByte * 1e3:0} ms: 1 GiB/s needs {ByteSize.Format((long)needed)} ahead"),
        ],
        Setting = "engine.readahead",
        Now = UnitText.FormatSize(settings.ReadaheadBytes),
        Change = UnitText.FormatSize(
            (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Clamp(needed, 1 << 20, 1 << 30))),
        Effect = "a reader waits for the first bytes of a file only",
    };

    private DoctorCause Amplified(long demand, long cold) => new()
    {
        Cause = "small-random-reads",
        Summary = "Small random reads fetch much more than they ask for",
        Evidence =
        [
            Say($"{ByteSize.Format(demand)} fetched for {ByteSize.Format(cold)} read: {demand / cold} times"),
            Say($"a read asked for {ByteSize.Format(cold / Math.Max(1, window.Engine(e => e.ColdReads)))} on average"),
        ],
        Setting = "engine.subBlock",
        Now = UnitText.FormatSize(settings.SubBlockBytes),
        Change = UnitText.FormatSize(Math.Max(16 << 10, settings.SubBlockBytes / 4)),
        Effect = "less is fetched for each read; where the files fit, warm them instead",
    };

    private DoctorCause SlowStore() => new()
    {
        Cause = "origin-slow",
        Summary = "The object store answers slowly",
        Evidence =
        [
            Say($"answers begin after {_firstByte * 1e3:0} ms on average"),
            window.RoundTrip() > 0
                ? Say($"the way there takes {window.RoundTrip() * 1e3:0.0} ms of it: it is the store, not the network")
                : Say($"{window.Requests("GET").Failures} of {window.Requests("GET").Requests} requests failed"),
        ],
        Setting = Store() is { HedgedReads: false } ? "objectStores[].hedgedReads" : "datalayer warm",
        Now = Store() is { HedgedReads: false } ? "false" : null,
        Change = Store() is { HedgedReads: false }
            ? "true"
            : Say($"warm {window.ColdestFolder()} before the job; and look at the store's load"),
        Effect = Store() is { HedgedReads: false }
            ? "slow answers are asked for a second time"
            : "readers wait for the hot tier instead",
    };

    private DoctorCause SmallFiles(long fetches) => new()
    {
        Cause = "small-files",
        Summary = "Each small file costs a request of its own",
        Evidence =
        [
            Say($"{window.Delta(w => w.SmallFileFetches)} of {fetches} requests were for a whole small file"),
            Say($"{ByteSize.Format(window.Engine(e => e.ColdReadBytes) / fetches)} each, ")
            + Say($"{_firstByte * 1e3:0} ms until it begins"),
        ],
        Setting = "datalayer warm",
        Change = Say($"warm {window.ColdestFolder()} ahead, many files side by side; a policy may pack them"),
        Effect = "readers find them hot; a pass no longer costs a round trip a file",
    };

    private DoctorCause ColdDataset(long cold) => new()
    {
        Cause = "cold-dataset",
        Summary = Say($"{window.ColdestFolder()} is read for the first time"),
        Evidence =
        [
            Say($"{ByteSize.Format(cold)} came from the object store, {Hot()} from the hot tier"),
            Say($"the store is well: answers begin after {_firstByte * 1e3:0} ms"),
        ],
        Setting = "datalayer warm",
        Change = Say($"warm {window.ColdestFolder()} before the job, or on a schedule"),
        Effect = "the first pass waits as little as the second",
    };

    private string Hot() => ByteSize.Format(window.Engine(e => e.HotReadBytes));

    private ObjectStoreOptions? Store() =>
        window.StoreName() is { } name ? settings.FindStore(name) : null;

    private static double Mean(double whole, long count) => count == 0 ? 0 : whole / count;

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
