using System.Diagnostics;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// The spans of the read path: <c>read</c> (memory did not answer) with <c>tier.read</c> below it, whose requests to
/// the object store (<c>origin.get</c>) are below that. Without a listener nothing is made; a read that memory answers
/// never comes here.
/// </summary>
internal static class ReadTrace
{
    /// <summary>
    /// A read begins to wait. It is a trace of its own, or goes on with that of a caller from afar; what stands between
    /// in this process (the HTTP request) leaves no span and would be a parent that nobody knows.
    /// </summary>
    public static Activity? Begin(ContentState content, long offsetBytes, int lengthBytes, bool isForeground)
    {
        if (!isForeground || !EngineContext.Activities.HasListeners())
        {
            return null;
        }

        ActivityContext caller = default;
        Activity? activity;
        if (IsInRead())
        {
            activity = EngineContext.Activities.StartActivity("read"); // Of a batch, whose span is the root.
        }
        else
        {
            caller = CallerOf(Activity.Current);
            Activity.Current = null;
            activity = EngineContext.Activities.StartActivity("read", ActivityKind.Internal, caller);
        }

        activity?.SetTag("inode", (long)content.Id.Inode.Value)
            .SetTag("dataset", content.DatasetId).SetTag("offset", offsetBytes).SetTag("length", lengthBytes);
        if (caller.TraceFlags.HasFlag(ActivityTraceFlags.Recorded))
        {
            activity?.SetTag("caller.sampled", true);
        }

        return activity;
    }

    /// <summary>A batch of a feed begins to wait for bytes; its reads are below it.</summary>
    public static Activity? BeginBatch()
    {
        Activity.Current = null;
        return EngineContext.Activities.StartActivity("feed.batch");
    }

    /// <summary>A tier is asked for a read; what runs ahead of readers leaves no span.</summary>
    public static Activity? BeginTier(BlockFetch fetch)
    {
        Activity? activity = IsInRead() ? EngineContext.Activities.StartActivity("tier.read") : null;
        return activity?.SetTag("tier", fetch.IsCold ? "cold" : "hot")
            .SetTag("offset", fetch.OffsetBytes).SetTag("length", fetch.LengthBytes);
    }

    /// <summary>The hot tier is asked for a piece, straight into the reader's buffer.</summary>
    public static Activity? BeginHot(long offsetBytes, int lengthBytes)
    {
        Activity? activity = IsInRead() ? EngineContext.Activities.StartActivity("tier.read") : null;
        return activity?.SetTag("tier", "hot").SetTag("offset", offsetBytes).SetTag("length", lengthBytes);
    }

    /// <summary>A read has ended.</summary>
    public static void End(
        Activity? activity, ReadRequest request, TimeSpan waited, string cause, Exception? failure)
    {
        if (activity is null)
        {
            return;
        }

        activity.SetTag("tier", request.WasCold ? "cold" : "hot")
            .SetTag("wait_seconds", waited.TotalSeconds)
            .SetTag("cause", cause)
            .SetTag("hot_bytes", request.HotBytes)
            .SetTag("cold_bytes", request.ColdBytes);
        if (failure is not null)
        {
            activity.SetStatus(ActivityStatusCode.Error, failure.Message);
        }
    }

    /// <summary>Notes where a transfer's time went.</summary>
    public static void EndTier(Activity? activity, in ReadTimes times)
    {
        if (activity is not null && times.Total > times.Hot)
        {
            activity.SetTag("queue_seconds", times.Queue.TotalSeconds)
                .SetTag("throttled_seconds", times.Throttled.TotalSeconds)
                .SetTag("failed_seconds", times.Failed.TotalSeconds)
                .SetTag("origin_seconds", times.Origin.TotalSeconds);
        }

        activity?.Stop();
    }

    private static bool IsInRead() => Activity.Current?.Source == EngineContext.Activities;

    private static ActivityContext CallerOf(Activity? current)
    {
        while (current?.Parent is { } parent)
        {
            current = parent;
        }

        return current is { ParentId: not null, IdFormat: ActivityIdFormat.W3C }
            ? new ActivityContext(
                current.TraceId, current.ParentSpanId, current.ActivityTraceFlags, current.TraceStateString,
                isRemote: true)
            : default;
    }
}
