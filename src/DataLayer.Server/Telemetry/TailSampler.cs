using System.Buffers.Binary;
using System.Diagnostics;
using OpenTelemetry;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// Decides at the end of a read whether its spans are sent: those of slow and failed reads always, those whose caller
/// traces them, and of the others a share. Until then the spans wait at their root, at most
/// <see cref="MaxSpans"/> of them.
/// </summary>
/// <remarks>Thread-safe: spans of one read end side by side. The share is by the trace's number, so that all spans of
/// a trace, here and elsewhere, meet the same decision.</remarks>
/// <param name="inner">Gets the spans that are sent; owned.</param>
/// <param name="ratio">The share, 0 to 1.</param>
/// <param name="slow">How long a read must last to be sent always.</param>
internal sealed class TailSampler(BaseProcessor<Activity> inner, double ratio, TimeSpan slow) : BaseProcessor<Activity>
{
    /// <summary>The most spans that are kept of one read.</summary>
    public const int MaxSpans = 256;

    private const string Key = "datalayer.tail";

    /// <inheritdoc/>
    public override void OnStart(Activity data)
    {
        if (data.Parent is null)
        {
            data.SetCustomProperty(Key, new Tail());
        }

        inner.OnStart(data);
    }

    /// <inheritdoc/>
    public override void OnEnd(Activity data)
    {
        Activity root = data;
        while (root.Parent is { } parent)
        {
            root = parent;
        }

        if (root.GetCustomProperty(Key) is not Tail tail)
        {
            return;
        }

        lock (tail)
        {
            if (ReferenceEquals(root, data))
            {
                tail.IsSent = Wants(data);
                tail.HasEnded = true;
                Send(tail, tail.Spans);
                Send(tail, [data]);
                tail.Spans.Clear();
            }
            else if (tail.HasEnded)
            {
                Send(tail, [data]);
            }
            else if (tail.Spans.Count < MaxSpans)
            {
                tail.Spans.Add(data);
            }
        }
    }

    /// <inheritdoc/>
    protected override bool OnForceFlush(int timeoutMilliseconds) => inner.ForceFlush(timeoutMilliseconds);

    /// <inheritdoc/>
    protected override bool OnShutdown(int timeoutMilliseconds) => inner.Shutdown(timeoutMilliseconds);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool Wants(Activity root) =>
        root.Duration >= slow || root.Status == ActivityStatusCode.Error || root.GetTagItem("caller.sampled") is true
        || IsChosen(root.TraceId);

    private bool IsChosen(ActivityTraceId trace)
    {
        Span<byte> bytes = stackalloc byte[16];
        trace.CopyTo(bytes);
        long number = BinaryPrimitives.ReadInt64BigEndian(bytes[8..]) & long.MaxValue;
        return number < ratio * long.MaxValue;
    }

    private void Send(Tail tail, List<Activity> spans)
    {
        if (tail.IsSent)
        {
            foreach (Activity span in spans)
            {
                span.ActivityTraceFlags |= ActivityTraceFlags.Recorded;
                inner.OnEnd(span);
            }
        }
    }

    private sealed class Tail
    {
        public List<Activity> Spans { get; } = [];

        public bool HasEnded { get; set; }

        public bool IsSent { get; set; }
    }
}
