using System.Globalization;
using System.Text;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>
/// A job's changes as server-sent events (WHATWG HTML, 9.2). Each event is the whole job and carries its sequence as
/// id,
/// so a reader that comes back with the last id misses nothing that still counts; what changed in between is one event.
/// At most a few events a second, and a bounded number of readers, each of which holds a request's place.
/// </summary>
internal sealed class JobEvents(TimeProvider time, IHostApplicationLifetime life)
{
    /// <summary>Readers at once.</summary>
    public const int MaxReaders = 64;

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(15);
    private static readonly byte[] _comment = ":\n\n"u8.ToArray();
    private int _readers;

    /// <summary>Streams a job until it ends, the reader goes, or the service stops.</summary>
    public async Task StreamAsync(HttpContext context, JobService jobs, JobRecord job)
    {
        long known = LastEventOf(context);
        if (job.HasEnded && known == job.Sequence)
        {
            // Tells a browser's EventSource not to come back.
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        if (Interlocked.Increment(ref _readers) > MaxReaders)
        {
            Interlocked.Decrement(ref _readers);
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"{MaxReaders} readers watch jobs, the most there may be: ask for the job itself.");
        }

        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(
            context.RequestAborted, life.ApplicationStopping);
        try
        {
            context.Response.ContentType = ApiRoutes.EventMediaType;
            context.Response.Headers.CacheControl = "no-store";
            await context.Response.Body.WriteAsync("retry: 1000\n\n"u8.ToArray(), ended.Token);
            await FollowAsync(context.Response.Body, jobs, job.Id, known, ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The reader comes back with its last id.
        }
        finally
        {
            Interlocked.Decrement(ref _readers);
        }
    }

    private async Task FollowAsync(
        Stream body, JobService jobs, long id, long known, CancellationToken cancellationToken)
    {
        Task<JobRecord?>? pending = null;
        while (true)
        {
            pending ??= jobs.WaitAsync(id, known, cancellationToken).AsTask();
            try
            {
                await pending.WaitAsync(_heartbeat, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                await body.WriteAsync(_comment, cancellationToken);
                await body.FlushAsync(cancellationToken);
                continue;
            }

            JobRecord? job = await pending;
            pending = null;
            if (job is null)
            {
                return;
            }

            if (job.Sequence != known)
            {
                known = job.Sequence;
                await WriteAsync(body, job, cancellationToken);
            }

            if (job.HasEnded)
            {
                return;
            }

            await Task.Delay(_interval, time, cancellationToken);
        }
    }

    private async Task WriteAsync(Stream body, JobRecord job, CancellationToken cancellationToken)
    {
        string json = JsonSerializer.Serialize(JobWire.ToStatus(job, time), ProtocolJson.Default.JobStatus);
        string text = string.Create(
            CultureInfo.InvariantCulture, $"id: {job.Sequence}\nevent: job\ndata: {json}\n\n");
        await body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        await body.FlushAsync(cancellationToken);
    }

    private static long LastEventOf(HttpContext context)
    {
        string text = context.Request.Headers["Last-Event-ID"].ToString();
        if (text.Length == 0)
        {
            return -1;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id)
            ? id
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, "Last-Event-ID is none: give the id of an event, a number.");
    }
}
