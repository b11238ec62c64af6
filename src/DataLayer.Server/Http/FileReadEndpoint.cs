using System.Globalization;
using System.IO.Pipelines;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Server.Hosting;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Server.Http;

/// <summary>
/// GET and HEAD of contents. Bytes go from the engine into the connection's own buffers: one copy in user space. The
/// first piece is
/// read before the answer begins, so a file that cannot be read gets a status; a fault after that cuts the
/// connection, so no
/// reader takes a part for the whole.
/// </summary>
internal sealed class FileReadEndpoint(NodeHost node)
{
    /// <summary>
    /// Bytes per piece: large enough that per-piece costs vanish against the copy, small enough that several readers'
    /// buffers
    /// stay in the L2 cache.
    /// </summary>
    private const int PieceBytes = 256 << 10;

    /// <summary>
    /// A longer range to the end of the file is that of a reader who goes on where another stopped, and may stop
    /// itself.
    /// </summary>
    private const long OpenRangeBytes = 8 << 20;

    private static readonly FileExtensionContentTypeProvider _contentTypes = new();
    private static readonly StringValues _acceptRanges = "bytes";

    /// <summary>Answers one request for the file at <paramref name="path"/>.</summary>
    public async Task HandleAsync(HttpContext context, string path)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        OpenFile file = await node.Engine.OpenFileAsync(path, write: false, cancellationToken);
        await using (file)
        {
            InodeAttributes attributes = file.Attributes;
            HttpResponse response = context.Response;
            string tag = EntityTags.Quoted(attributes);
            DateTimeOffset lastModified = EntityTags.LastModified(attributes);
            response.Headers.ETag = tag;
            response.Headers.LastModified = EntityTags.FormatDate(lastModified);
            response.Headers.AcceptRanges = _acceptRanges;
            switch (EntityTags.EvaluateRead(context.Request.Headers, tag, lastModified))
            {
                case ConditionOutcome.Failed:
                    throw new DataLayerException(
                        ErrorCode.Stale, $"'{path}' has the entity tag {tag} now, which the condition excludes.");
                case ConditionOutcome.NotModified:
                    response.StatusCode = StatusCodes.Status304NotModified;
                    return;
            }

            long size = attributes.SizeBytes;
            ByteRange range = new(0, size);
            StringValues rangeHeader = context.Request.Headers.Range;
            if (rangeHeader.Count > 0 && EntityTags.RangeApplies(context.Request.Headers.IfRange, tag, lastModified))
            {
                switch (ByteRange.Evaluate(rangeHeader.ToString(), size, out range))
                {
                    case RangeOutcome.Unsatisfiable:
                        response.Headers.ContentRange = string.Create(
                            CultureInfo.InvariantCulture, $"bytes */{size}");
                        await ProblemWriter.WriteAsync(
                            context,
                            ProblemWriter.Describe(
                                ErrorCode.InvalidArgument,
                                $"'{path}' has {size} bytes and the range {rangeHeader} starts past them.",
                                StatusCodes.Status416RangeNotSatisfiable, path));
                        return;
                    case RangeOutcome.Partial:
                        response.StatusCode = StatusCodes.Status206PartialContent;
                        response.Headers.ContentRange = string.Create(
                            CultureInfo.InvariantCulture,
                            $"bytes {range.Start}-{range.Start + range.Length - 1}/{size}");
                        break;
                }
            }

            response.ContentType = ContentTypeOf(path);
            response.ContentLength = range.Length;
            if (!HttpMethods.IsHead(context.Request.Method) && range.Length > 0)
            {
                await SendAsync(file, range, response, cancellationToken);
            }
        }
    }

    private static async ValueTask SendAsync(
        OpenFile file, ByteRange range, HttpResponse response, CancellationToken cancellationToken)
    {
        // Until the answer starts, Kestrel's writer lends a staging buffer and copies it later: for a small file that
        // copy is the
        // cheaper side, since body and headers then leave in one send.
        PipeWriter writer = response.BodyWriter;
        long position = range.Start;
        long end = range.Start + range.Length;

        // Pieces of a range from somewhere in the middle are no proof of a reader who goes on behind it.
        long extentEnd = range.Start > 0 && (range.Length <= OpenRangeBytes || end < file.Attributes.SizeBytes)
            ? end : 0;
        while (position < end)
        {
            // Pieces end on multiples of their size, so none crosses a block.
            int length = (int)Math.Min(PieceBytes - (position % PieceBytes), end - position);
            Memory<byte> memory = writer.GetMemory(length)[..length];
            int count = await file.ReadAsync(position, memory, extentEnd, cancellationToken);
            if (count == 0)
            {
                throw new DataLayerException(
                    ErrorCode.Stale, $"The file was cut at byte {position} while it was read.");
            }

            writer.Advance(count);
            position += count;
            // Once the answer has started, what is not flushed here would stay in the pipe: the end of a response
            // flushes its staging buffer only.
            if (position < end || response.HasStarted)
            {
                FlushResult flushed = await writer.FlushAsync(cancellationToken);
                if (flushed.IsCompleted || flushed.IsCanceled)
                {
                    return;
                }
            }
        }
    }

    private static string ContentTypeOf(string path) =>
        _contentTypes.TryGetContentType(path, out string? type) ? type : "application/octet-stream";
}
