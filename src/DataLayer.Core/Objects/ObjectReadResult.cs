namespace DataLayer.Core.Objects;

/// <summary>What a ranged read brought.</summary>
/// <param name="BytesRead">How many bytes were laid into the caller's buffer: fewer than asked only at the object's
/// end.</param>
/// <param name="ObjectSizeBytes">The whole object's size.</param>
/// <param name="ETag">The ETag of the object that was read, without quotes.</param>
public readonly record struct ObjectReadResult(int BytesRead, long ObjectSizeBytes, string ETag)
{
    /// <summary>Where the read's time went; zero where the store does not measure.</summary>
    public ObjectReadTimes Times { get; init; }
}

/// <summary>Where the time of one read of an object went. The sum is the time of the read.</summary>
/// <param name="Queued">Waiting for its turn, behind the limit of requests in flight.</param>
/// <param name="Throttled">Lost to answers that ask for fewer requests, and to the waits after them.</param>
/// <param name="Failed">Lost to other failed attempts, and to the waits after them.</param>
/// <param name="FirstByte">From sending the request that succeeded to the head of its answer.</param>
/// <param name="Body">Receiving the body.</param>
public readonly record struct ObjectReadTimes(
    TimeSpan Queued, TimeSpan Throttled, TimeSpan Failed, TimeSpan FirstByte, TimeSpan Body);
