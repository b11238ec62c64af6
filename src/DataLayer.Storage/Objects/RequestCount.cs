namespace DataLayer.Storage.Objects;

/// <summary>Requests of one dataset and verb since start.</summary>
/// <param name="Dataset">The dataset.</param>
/// <param name="Verb">GET, HEAD, LIST, PUT (also parts), POST (start and completion of a multipart upload) or
/// DELETE (also its abort).</param>
/// <param name="Requests">How many went out, a count; retries and hedges included.</param>
/// <param name="Failures">How many of them brought no usable answer, a count.</param>
/// <param name="Bytes">Body bytes transferred.</param>
public readonly record struct RequestCount(string Dataset, string Verb, long Requests, long Failures, long Bytes)
{
    /// <summary>How many of the failed ones the server refused as too many, a count.</summary>
    public long Throttled { get; init; }

    /// <summary>The sum of their times, from sending to the end of the body.</summary>
    public TimeSpan Duration { get; init; }
}
