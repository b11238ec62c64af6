using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>
/// The reads of the service as they come: a line of JSON each, until the time is over, the reader goes or the service
/// stops. While nobody looks on, nothing is noted.
/// </summary>
internal sealed class AccessLogEndpoint(NodeHost node, TimeProvider time, IHostApplicationLifetime life)
{
    private const int MaxReaders = 8;
    private const int MaxSeconds = 7 * 24 * 3600;
    private const int FlushBytes = 64 << 10;
    private int _readers;

    /// <summary>The operation.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.AccessLog, "accessLog",
            "The reads at and below a path as they come, a JSON object a line; the first line is empty.", StreamAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "upkeep",
            Answer = typeof(AccessRecord),
            AnswerMedia = ApiRoutes.ProgressMediaType,
            Parameters =
            [
                new("path", ApiParameterPlace.Query, "string", "The folder or file. Default: the whole tree."),
                new("seconds", ApiParameterPlace.Query, "integer", "For how long. Default: until the reader goes."),
            ],
        };
    }

    private async Task StreamAsync(HttpContext context)
    {
        string path = context.Request.Query["path"].ToString() is { Length: > 0 } asked ? asked : "/";
        long seconds = RequestTarget.Number(context, "seconds", 0, 0, MaxSeconds);
        if (Interlocked.Increment(ref _readers) > MaxReaders)
        {
            Interlocked.Decrement(ref _readers);
            throw new DataLayerException(
                ErrorCode.Overloaded, $"{MaxReaders} look on at the accesses, the most there may be.");
        }

        using CancellationTokenSource over = seconds == 0
            ? new CancellationTokenSource()
            : new CancellationTokenSource(TimeSpan.FromSeconds(seconds), time);
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(
            context.RequestAborted, life.ApplicationStopping, over.Token);
        try
        {
            await using AccessWatch watch = await node.Engine.Profiles.WatchAsync(path, ended.Token);
            context.Response.ContentType = ApiRoutes.ProgressMediaType;
            context.Response.Headers.CacheControl = "no-store";
            await CopyAsync(watch, context.Response.Body, ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // That is its end.
        }
        finally
        {
            Interlocked.Decrement(ref _readers);
        }
    }

    private static async Task CopyAsync(AccessWatch watch, Stream body, CancellationToken cancellationToken)
    {
        // Tells the reader that from now on nothing is passed over.
        await body.WriteAsync("\n"u8.ToArray(), cancellationToken);
        await body.FlushAsync(cancellationToken);
        using MemoryStream lines = new();
        while (await watch.Notes.WaitToReadAsync(cancellationToken))
        {
            while (lines.Length < FlushBytes && watch.Notes.TryRead(out AccessNote note))
            {
                AccessRecord record = new()
                {
                    At = note.At,
                    Path = note.Path,
                    OffsetBytes = note.OffsetBytes,
                    LengthBytes = note.LengthBytes,
                    SizeBytes = note.SizeBytes,
                    Missed = note.MissedCount,
                };
                JsonSerializer.Serialize(lines, record, ProtocolJson.Default.AccessRecord);
                lines.WriteByte((byte)'\n');
            }

            await body.WriteAsync(lines.GetBuffer().AsMemory(0, (int)lines.Length), cancellationToken);
            await body.FlushAsync(cancellationToken);
            lines.SetLength(0);
        }
    }
}
