using System.Diagnostics;
using System.Diagnostics.Metrics;

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
    /// <param name="failed">Whether it brought no usable answer. 404 and 412 are answers.</param>
    /// <param name="bytes">Body bytes that were transferred.</param>
    /// <param name="elapsed">From its start to the end of the body.</param>
    /// <param name="wasSent">Whether it may have reached the server, who bills it then.</param>
    internal void Record(RequestVerb verb, bool failed, long bytes, TimeSpan elapsed, bool wasSent = true)
    {
        if (wasSent)
        {
            _uses.Add(verb, failed, bytes);
        }

        Counts counts = _counts[(int)verb];
        ref readonly TagList tags = ref _tags[(int)verb];
        Interlocked.Increment(ref counts.Requests);
        _requests.Add(1, tags);
        _duration.Record(elapsed.TotalSeconds, tags);
        if (failed)
        {
            Interlocked.Increment(ref counts.Failures);
            _failures.Add(1, tags);
        }

        if (bytes > 0)
        {
            Interlocked.Add(ref counts.Bytes, bytes);
            _bytes.Add(bytes, tags);
        }
    }

    /// <summary>Adds what went out since the last time, by what it was for. One caller takes it.</summary>
    internal void TakeUses(ICollection<OriginCount> destination) => _uses.Take(destination);

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
                    Interlocked.Read(ref counts.Failures), Interlocked.Read(ref counts.Bytes)));
            }
        }
    }

    private sealed class Counts
    {
        public long Requests;
        public long Failures;
        public long Bytes;
    }
}
