using System.Diagnostics;
using System.Diagnostics.Metrics;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects;

/// <summary>The verbs requests are counted and priced by; the names are S3's.</summary>
public enum RequestVerb
{
    /// <summary>Reads of a body.</summary>
    Get,

    /// <summary>Properties without a body.</summary>
    Head,

    /// <summary>One page of a listing.</summary>
    List,

    /// <summary>Uploads of an object or of one part.</summary>
    Put,

    /// <summary>Start and completion of a multipart upload.</summary>
    Post,

    /// <summary>Deletes, and the abort of a multipart upload.</summary>
    Delete,
}

/// <summary>What became of a request.</summary>
internal enum RequestOutcome
{
    /// <summary>A usable answer; 404 and 412 are.</summary>
    Answered,

    /// <summary>No usable answer.</summary>
    Failed,

    /// <summary>The server asks for fewer requests.</summary>
    Throttled,

    /// <summary>It never left: no address, no connection. Nobody bills it.</summary>
    NotSent,
}

/// <summary>
/// Counts every request that goes out for one dataset, by verb: how many, failures, body bytes, duration; and what
/// they were for (<see cref="OriginUse"/>), for the bill. The stores call it once a request, parts, retries and hedges
/// included, because that is what a provider bills; a decorator would
/// see only calls.
/// </summary>
/// <remarks>Thread-safe, no lock. Instruments of meter <c>DataLayer.Objects</c>, tagged <c>dataset</c> and
/// <c>verb</c>.</remarks>
internal sealed class RequestMeter
{
    /// <summary>The name of the meter all instruments belong to.</summary>
    internal const string MeterName = "DataLayer.Objects";

    private static readonly string[] _verbNames = ["GET", "HEAD", "LIST", "PUT", "POST", "DELETE"];
    private static readonly Meter _meter = new(MeterName);
    private static readonly Counter<long> _requests = _meter.CreateCounter<long>(
        "datalayer.objects.requests", "{request}", "Requests to object stores.");

    private static readonly Counter<long> _failures = _meter.CreateCounter<long>(
        "datalayer.objects.failures", "{request}", "Requests to object stores that failed.");

    private static readonly Counter<long> _throttled = _meter.CreateCounter<long>(
        "datalayer.objects.throttled", "{request}", "Requests that object stores refused as too many.");

    private static readonly Histogram<double> _firstByte = _meter.CreateHistogram<double>(
        "datalayer.objects.first_byte", "s", "From sending a read to the head of its answer.");

    private static readonly Counter<long> _retries = _meter.CreateCounter<long>(
        "datalayer.objects.retries", "{request}", "Requests that were sent again after a failure.");

    private static readonly Histogram<double> _connect = _meter.CreateHistogram<double>(
        "datalayer.objects.connect", "s", "How long connections to object stores took to open: a round trip.");

    private static readonly UpDownCounter<long> _waiting = _meter.CreateUpDownCounter<long>(
        "datalayer.objects.waiting", "{request}",
        "Requests that wait for one of the store's slots (objectStores[].requests).");

    private static readonly Counter<long> _bytes = _meter.CreateCounter<long>(
        "datalayer.objects.bytes", "By", "Body bytes read from and written to object stores.");

    private static readonly Histogram<double> _duration = _meter.CreateHistogram<double>(
        "datalayer.objects.duration", "s", "How long requests to object stores took, body included.");

    private readonly Counts[] _counts;
    private readonly TagList[] _tags;
    private readonly UseCounts _uses;

    /// <summary>Makes a meter for a dataset.</summary>
    internal RequestMeter(string dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        Dataset = dataset;
        _uses = new UseCounts(dataset);
        _counts = new Counts[_verbNames.Length];
        _tags = new TagList[_verbNames.Length];
        for (int verb = 0; verb < _verbNames.Length; verb++)
        {
            _counts[verb] = new Counts();
            _tags[verb] = new TagList { { "dataset", dataset }, { "verb", _verbNames[verb] } };
        }
    }

    /// <summary>The dataset the requests are counted under.</summary>
    internal string Dataset { get; }

    /// <summary>Counts one request that ended.</summary>
    /// <param name="verb">What it was.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="bytes">Body bytes that were transferred.</param>
    /// <param name="elapsed">From its start to the end of the body.</param>
    internal void Record(RequestVerb verb, RequestOutcome outcome, long bytes, TimeSpan elapsed)
    {
        if (outcome != RequestOutcome.NotSent)
        {
            _uses.Add(verb, outcome != RequestOutcome.Answered, bytes);
        }

        Counts counts = _counts[(int)verb];
        ref readonly TagList tags = ref _tags[(int)verb];
        Interlocked.Increment(ref counts.Requests);
        _requests.Add(1, tags);
        _duration.Record(elapsed.TotalSeconds, tags);
        if (outcome != RequestOutcome.Answered)
        {
            Interlocked.Increment(ref counts.Failures);
            _failures.Add(1, tags);
        }

        if (outcome == RequestOutcome.Throttled)
        {
            Interlocked.Increment(ref counts.Throttled);
            _throttled.Add(1, tags);
        }

        Interlocked.Add(ref counts.Ticks, elapsed.Ticks);

        if (bytes > 0)
        {
            Interlocked.Add(ref counts.Bytes, bytes);
            _bytes.Add(bytes, tags);
        }
    }

    /// <summary>Adds what went out since the last time, by what it was for. One caller takes it.</summary>
    internal void TakeUses(ICollection<OriginCount> destination) => _uses.Take(destination);

    /// <summary>Notes how long a read's answer took to begin.</summary>
    internal void RecordFirstByte(TimeSpan elapsed) =>
        _firstByte.Record(elapsed.TotalSeconds, _tags[(int)RequestVerb.Get]);

    /// <summary>Notes that a request of a store goes out again.</summary>
    internal static void RecordRetry(string store) =>
        _retries.Add(1, new KeyValuePair<string, object?>("store", store));

    /// <summary>Notes how long a connection of a store took to open.</summary>
    internal static void RecordConnect(string store, TimeSpan elapsed) =>
        _connect.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("store", store));

    /// <summary>Notes that a request begins (1) or ends (-1) to wait for its turn.</summary>
    internal static void RecordWaiting(int change) => _waiting.Add(change);

    /// <summary>The outcome that a fault stands for.</summary>
    internal static RequestOutcome OutcomeOf(Exception? fault) => fault switch
    {
        null or DataLayerException { Code: ErrorCode.NotFound or ErrorCode.Stale } => RequestOutcome.Answered,
        DataLayerException { IsThrottled: true } => RequestOutcome.Throttled,
        _ => RequestOutcome.Failed,
    };

    /// <summary>Adds the counts so far, one entry for each verb that was used.</summary>
    internal void CopyTo(ICollection<RequestCount> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        for (int verb = 0; verb < _verbNames.Length; verb++)
        {
            Counts counts = _counts[verb];
            if (Interlocked.Read(ref counts.Requests) is > 0 and long requests)
            {
                destination.Add(new RequestCount(Dataset, _verbNames[verb], requests,
                    Interlocked.Read(ref counts.Failures), Interlocked.Read(ref counts.Bytes))
                {
                    Throttled = Interlocked.Read(ref counts.Throttled),
                    Duration = new TimeSpan(Interlocked.Read(ref counts.Ticks)),
                });
            }
        }
    }

    private sealed class Counts
    {
        public long Requests;
        public long Failures;
        public long Bytes;
        public long Throttled;
        public long Ticks;
    }
}
