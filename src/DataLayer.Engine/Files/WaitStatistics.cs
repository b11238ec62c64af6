using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files;

/// <summary>What readers waited for since start, and what explains it. Times are sums over all readers.</summary>
public sealed record WaitStatistics
{
    /// <summary>For the hot tier.</summary>
    public TimeSpan Hot { get; init; }

    /// <summary>For answers of the object store that brought what was asked.</summary>
    public TimeSpan Origin { get; init; }

    /// <summary>For a turn among the requests in flight.</summary>
    public TimeSpan Queue { get; init; }

    /// <summary>For an object store that asks for fewer requests.</summary>
    public TimeSpan Throttled { get; init; }

    /// <summary>For requests to the object store that failed.</summary>
    public TimeSpan Failed { get; init; }

    /// <summary>At opens, for the bucket's answer whether an object changed.</summary>
    public TimeSpan Revalidate { get; init; }

    /// <summary>For reads of the tree.</summary>
    public TimeSpan Metadata { get; init; }

    /// <summary>The part of the waits for the object store in which the reader went through a file in order.</summary>
    public TimeSpan SequentialCold { get; init; }

    /// <summary>Transfers from the hot tier: how long all of them took.</summary>
    public TimeSpan HotTransfers { get; init; }

    /// <summary>Reads of objects: how long all of them took.</summary>
    public TimeSpan ColdTransfers { get; init; }

    /// <summary>Reads of objects: how long all of them took to begin to answer.</summary>
    public TimeSpan FirstBytes { get; init; }

    /// <summary>Reads that failed, a count.</summary>
    public long FailedReads { get; init; }

    /// <summary>Reads that memory did not answer, a count.</summary>
    public long SlowReads { get; init; }

    /// <summary>Reads of objects for warm-ups, recalls and uploads, a count.</summary>
    public long BackgroundReads { get; init; }

    /// <summary>Their bytes.</summary>
    public long BackgroundBytes { get; init; }

    /// <summary>Reads of objects for readers, readahead included, a count.</summary>
    public long ForegroundFetches { get; init; }

    /// <summary>Those of them that were a small file as a whole, a count.</summary>
    public long SmallFileFetches { get; init; }

    /// <summary>Opens that asked the bucket, a count.</summary>
    public long Revalidations { get; init; }

    /// <summary>Those of them that found another object, a count.</summary>
    public long RevalidationsChanged { get; init; }

    /// <summary>Reads of the tree that memory did not answer, a count.</summary>
    public long MetadataReads { get; init; }

    /// <summary>Batches of recalls for which the hot tier had no room, a count.</summary>
    public long RecallsWithoutSpace { get; init; }

    /// <summary>What readers of each dataset waited for, by attachment; 0 for files of none.</summary>
    public required IReadOnlyDictionary<long, DatasetWait> Datasets { get; init; }

    /// <summary>The attachments there are.</summary>
    public required IReadOnlyList<Attachment> Attachments { get; init; }

    /// <summary>Everything readers waited, all together.</summary>
    public TimeSpan Total => Hot + Origin + Queue + Throttled + Failed + Revalidate + Metadata;

    internal static WaitStatistics Of(EngineContext context)
    {
        EngineCounters counters = context.Counters;
        return new WaitStatistics
        {
            Hot = Time(Counter.HotCauseNanoseconds),
            Origin = Time(Counter.OriginCauseNanoseconds),
            Queue = Time(Counter.QueueCauseNanoseconds),
            Throttled = Time(Counter.ThrottledCauseNanoseconds),
            Failed = Time(Counter.FailedCauseNanoseconds),
            Revalidate = Time(Counter.RevalidateCauseNanoseconds),
            Metadata = Time(Counter.MetadataCauseNanoseconds),
            SequentialCold = Time(Counter.SequentialColdWaitNanoseconds),
            HotTransfers = Time(Counter.HotReadNanoseconds),
            ColdTransfers = Time(Counter.ColdReadNanoseconds),
            FirstBytes = Time(Counter.FirstByteNanoseconds),
            FailedReads = counters.Sum(Counter.FailedReads),
            SlowReads = counters.Sum(Counter.SlowReadsEnded),
            BackgroundReads = counters.Sum(Counter.BackgroundReads),
            BackgroundBytes = counters.Sum(Counter.BackgroundBytes),
            ForegroundFetches = counters.Sum(Counter.ForegroundFetches),
            SmallFileFetches = counters.Sum(Counter.SmallFileFetches),
            Revalidations = counters.Sum(Counter.Revalidations),
            RevalidationsChanged = counters.Sum(Counter.RevalidationsChanged),
            MetadataReads = counters.Sum(Counter.MetadataReads),
            RecallsWithoutSpace = counters.Sum(Counter.RecallsWithoutSpace),
            Datasets = context.Datasets.Snapshot(),
            Attachments = [.. context.Attachments.List()],
        };

        TimeSpan Time(Counter counter) => TimeSpan.FromTicks(counters.Sum(counter) / 100);
    }
}
