using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Accounts for the waits of reads that memory did not answer, by tier and by cause. A read's wait is shared among the
/// causes as the times of its parts are; one that failed is its fault's.
/// </summary>
internal sealed class ReadWaits(EngineContext context)
{
    /// <summary>Accounts for one read that ended, in whatever way.</summary>
    public void Note(ReadRequest request, TimeSpan waited, Exception? failure, Activity? activity)
    {
        EngineCounters counters = context.Counters;
        long nanoseconds = (long)waited.TotalNanoseconds;
        counters.Add(Counter.SlowReadsEnded, 1);
        if (failure is not null)
        {
            counters.Add(Counter.FailedReads, 1);
        }

        counters.Add(Counter.ReadWaitNanoseconds, nanoseconds);
        counters.Add(request.WasCold ? Counter.ColdWaitNanoseconds : Counter.HotWaitNanoseconds, nanoseconds);
        if (!request.IsForeground || failure is OperationCanceledException)
        {
            return;
        }

        ReadTimes shares = SharesOf(request, waited, failure);
        Add(Counter.HotCauseNanoseconds, shares.Hot);
        Add(Counter.OriginCauseNanoseconds, shares.Origin);
        Add(Counter.QueueCauseNanoseconds, shares.Queue);
        Add(Counter.ThrottledCauseNanoseconds, shares.Throttled);
        Add(Counter.FailedCauseNanoseconds, shares.Failed);
        if (request.WasCold && request.IsSequential)
        {
            counters.Add(Counter.SequentialColdWaitNanoseconds, nanoseconds);
        }

        context.Datasets.Add(request.Content.DatasetId, new DatasetWait(
            1, request.HotBytes, request.ColdBytes, nanoseconds, (long)shares.Queue.TotalNanoseconds));
        string cause = CauseOf(shares);
        EngineMeter.RecordWait(request.WasCold, cause, waited);
        ReadTrace.End(activity, request, waited, cause, failure);
        if (failure is null)
        {
            request.Content.Accesses.NoteSlowRead(
                context.Accesses, request.MemoryBytes, request.HotBytes, request.ColdBytes, request.WasCold,
                nanoseconds);
        }
    }

    private void Add(Counter counter, TimeSpan time)
    {
        if (time > TimeSpan.Zero)
        {
            context.Counters.Add(counter, (long)time.TotalNanoseconds);
        }
    }

    private static ReadTimes SharesOf(ReadRequest request, TimeSpan waited, Exception? failure) => failure switch
    {
        DataLayerException { IsThrottled: true } => new ReadTimes { Throttled = waited },
        DataLayerException { Code: ErrorCode.TargetFailed } => new ReadTimes { Hot = waited },
        not null => new ReadTimes { Failed = waited },
        _ => request.Times.Scaled(waited),
    };

    private static string CauseOf(in ReadTimes shares)
    {
        (string Name, TimeSpan Time) most = (WaitCause.Hot, shares.Hot);
        Look(WaitCause.Origin, shares.Origin);
        Look(WaitCause.Queue, shares.Queue);
        Look(WaitCause.Throttled, shares.Throttled);
        Look(WaitCause.Failed, shares.Failed);
        return most.Name;

        void Look(string name, TimeSpan time)
        {
            if (time > most.Time)
            {
                most = (name, time);
            }
        }
    }
}

/// <summary>What a reader waits for, as metrics and traces name it.</summary>
internal static class WaitCause
{
    /// <summary>The hot tier's targets.</summary>
    public const string Hot = "hot";

    /// <summary>The object store's answer.</summary>
    public const string Origin = "origin";

    /// <summary>A turn among the requests in flight.</summary>
    public const string Queue = "origin_queue";

    /// <summary>An object store that asks for fewer requests.</summary>
    public const string Throttled = "origin_throttled";

    /// <summary>Requests to the object store that failed.</summary>
    public const string Failed = "origin_failed";

    /// <summary>Asking at an open whether an object changed.</summary>
    public const string Revalidate = "revalidate";

    /// <summary>Reads of the tree.</summary>
    public const string Metadata = "metadata";
}
