using DataLayer.Core.Objects;

namespace DataLayer.Engine.Files.Reading;

/// <summary>Where the time of a transfer, or of the transfers of a read, went.</summary>
internal readonly record struct ReadTimes
{
    /// <summary>The hot tier.</summary>
    public TimeSpan Hot { get; init; }

    /// <summary>Requests to the object store that brought the bytes.</summary>
    public TimeSpan Origin { get; init; }

    /// <summary>Waiting for a turn among the requests in flight.</summary>
    public TimeSpan Queue { get; init; }

    /// <summary>Answers that ask for fewer requests, and the waits after them.</summary>
    public TimeSpan Throttled { get; init; }

    /// <summary>Other failed requests, and the waits after them.</summary>
    public TimeSpan Failed { get; init; }

    /// <summary>The sum.</summary>
    public TimeSpan Total => Hot + Origin + Queue + Throttled + Failed;

    /// <summary>The times of a read of an object: what nobody else accounts for is the request's own.</summary>
    public static ReadTimes OfOrigin(TimeSpan elapsed, TimeSpan queued, in ObjectReadTimes store)
    {
        TimeSpan lost = queued + store.Queued + store.Throttled + store.Failed;
        return new ReadTimes
        {
            Queue = queued + store.Queued,
            Throttled = store.Throttled,
            Failed = store.Failed,
            Origin = elapsed > lost ? elapsed - lost : TimeSpan.Zero,
        };
    }

    /// <summary>The sum of two.</summary>
    public static ReadTimes operator +(in ReadTimes one, in ReadTimes other) => new()
    {
        Hot = one.Hot + other.Hot,
        Origin = one.Origin + other.Origin,
        Queue = one.Queue + other.Queue,
        Throttled = one.Throttled + other.Throttled,
        Failed = one.Failed + other.Failed,
    };

    /// <summary>
    /// The same shares of another whole; all of it the hot tier's where there is nothing to share by.
    /// </summary>
    public ReadTimes Scaled(TimeSpan whole)
    {
        if (Total <= TimeSpan.Zero)
        {
            return new ReadTimes { Hot = whole };
        }

        double factor = whole / Total;
        return new ReadTimes
        {
            Hot = Hot * factor,
            Origin = Origin * factor,
            Queue = Queue * factor,
            Throttled = Throttled * factor,
            Failed = Failed * factor,
        };
    }
}
