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
    /// <summary>A read begins to wait.</summary>
    public static Activity? Begin(ContentState content, long offsetBytes, int lengthBytes, bool isForeground)
    {
        Activity? activity = isForeground ? EngineContext.Activities.StartActivity("read") : null;
        return activity?.SetTag("inode", (long)content.Id.Inode.Value)
            .SetTag("dataset", content.DatasetId).SetTag("offset", offsetBytes).SetTag("length", lengthBytes);
    }

    /// <summary>A tier is asked for a read; what runs ahead of readers leaves no span.</summary>
    public static Activity? BeginTier(BlockFetch fetch)
    {
        Activity? activity = Activity.Current is null
            ? null
            : EngineContext.Activities.StartActivity("tier.read");
        return activity?.SetTag("tier", fetch.IsCold ? "cold" : "hot")
            .SetTag("offset", fetch.OffsetBytes).SetTag("length", fetch.LengthBytes);
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
}
