using System.Buffers;
using System.IO.Pipelines;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>
/// PUT and DELETE of contents. A PUT without Content-Range replaces the whole file: nothing is visible before the
/// body ended and the
/// content is durable, and an upload that breaks leaves nothing. With Content-Range it writes in place; bytes written
/// before a break stay.
/// </summary>
internal sealed class FileWriteEndpoint(NodeHost node)
{
    /// <summary>Body bytes gathered before the engine gets them: one block, so a small file is one call.</summary>
    private const int GatherBytes = 1 << 20;

    /// <summary>Answers a PUT.</summary>
    public async Task PutAsync(HttpContext context, string path)
    {
        HttpRequest request = context.Request;
        InodeAttributes attributes;
        if (request.Headers.ContentRange.Count > 0)
        {
            attributes = await WriteInPlaceAsync(context, path);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            attributes = await ReplaceAsync(context, path);
            bool created = attributes is { Generation: 1, Version: 1 };
            context.Response.StatusCode = created ? StatusCodes.Status201Created : StatusCodes.Status204NoContent;
        }

        context.Response.Headers.ETag = EntityTags.Quoted(attributes);
        context.Response.Headers.LastModified = EntityTags.FormatDate(EntityTags.LastModified(attributes));
    }

    /// <summary>Answers a DELETE.</summary>
    public async Task DeleteAsync(HttpContext context, string path)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        FileEngine engine = node.Engine;
        string? ifMatch = await EntityTags.ResolveIfMatchAsync(
            context.Request.Headers.IfMatch, () => TryStatAsync(engine, path, cancellationToken));
        await engine.RemoveAsync(path, RequestTarget.Flag(context, "recursive"), ifMatch, cancellationToken);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async ValueTask<InodeAttributes> ReplaceAsync(HttpContext context, string path)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        FileEngine engine = node.Engine;
        HttpRequest request = context.Request;
        bool ifAbsent = EntityTags.AsksAbsent(request.Headers.IfNoneMatch);
        string? ifMatch = await EntityTags.ResolveIfMatchAsync(
            request.Headers.IfMatch, () => TryStatAsync(engine, path, cancellationToken));
        ReplaceOptions options = new()
        {
            IfMatch = ifMatch,
            IfAbsent = ifAbsent,
            Mode = RequestTarget.Mode(context) ?? 0x1A4,
            MakeParents = RequestTarget.Flag(context, "parents"),
            ExpectedSizeBytes = request.ContentLength,
        };
        try
        {
            FileReplacement replacement = await engine.ReplaceFileAsync(path, options, cancellationToken);
            await using (replacement)
            {
                await CopyBodyAsync(
                    request, (bytes, _) => replacement.WriteAsync(bytes, cancellationToken), long.MaxValue,
                    cancellationToken);

                // Whoever sent the whole body gets it stored, also where the connection ends before the answer.
                return await replacement.CommitAsync(CancellationToken.None);
            }
        }
        catch (DataLayerException e) when (ifAbsent && e.Code == ErrorCode.AlreadyExists)
        {
            // RFC 9110: a failed If-None-Match is 412, whatever the code.
            throw new DataLayerException(ErrorCode.Stale, $"If-None-Match is '*' and '{path}' exists.", e);
        }
    }

    private async ValueTask<InodeAttributes> WriteInPlaceAsync(HttpContext context, string path)
    {
        CancellationToken cancellationToken = context.RequestAborted;
        FileEngine engine = node.Engine;
        HttpRequest request = context.Request;
        ByteRange range = ByteRange.ParseContentRange(request.Headers.ContentRange.ToString(), out long total);
        if (request.ContentLength is { } length && length != range.Length)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"Content-Length is {length} and Content-Range names {range.Length} bytes: make them agree.");
        }

        if (EntityTags.AsksAbsent(request.Headers.IfNoneMatch))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "If-None-Match: * does not go with Content-Range: write the file whole first.");
        }

        string? ifMatch = await EntityTags.ResolveIfMatchAsync(
            request.Headers.IfMatch, () => TryStatAsync(engine, path, cancellationToken));
        if (RequestTarget.Flag(context, "create"))
        {
            await CreateIfAbsentAsync(engine, path, RequestTarget.Mode(context) ?? 0x1A4, cancellationToken);
        }

        OpenFile file = await engine.OpenFileAsync(path, write: true, cancellationToken);
        await using (file)
        {
            if (ifMatch is not null && FileEngine.EntityTag(file.Attributes) != ifMatch)
            {
                throw new DataLayerException(
                    ErrorCode.Stale,
                    $"'{path}' has the entity tag {EntityTags.Quoted(file.Attributes)} now, not \"{ifMatch}\".");
            }

            if (total >= 0 && total != Math.Max(file.Attributes.SizeBytes, range.Start + range.Length))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"Content-Range gives the total {total}, and the file would have "
                        + $"{Math.Max(file.Attributes.SizeBytes, range.Start + range.Length)} bytes: give that or '*'."
                );
            }

            long written = await CopyBodyAsync(
                request, (bytes, offset) => file.WriteAsync(range.Start + offset, bytes, cancellationToken),
                range.Length, cancellationToken);
            if (written != range.Length)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"The body has {written} bytes and Content-Range names {range.Length}: make them agree.");
            }

            return await file.FlushAsync(CancellationToken.None);
        }
    }

    /// <summary>Reads the body front to back and hands it on in large pieces. Returns its length, bytes.</summary>
    private static async ValueTask<long> CopyBodyAsync(
        HttpRequest request, Func<ReadOnlyMemory<byte>, long, ValueTask> write, long limitBytes,
        CancellationToken cancellationToken)
    {
        PipeReader reader = request.BodyReader;
        int size = (int)Math.Clamp(request.ContentLength ?? GatherBytes, 1, GatherBytes);
        byte[] gathered = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            long total = 0;
            int filled = 0;
            while (true)
            {
                ReadResult result = await reader.ReadAsync(cancellationToken);
                try
                {
                    ReadOnlySequence<byte> rest = result.Buffer;
                    if (total + filled + rest.Length > limitBytes)
                    {
                        throw new DataLayerException(
                            ErrorCode.InvalidArgument,
                            $"The body has more than the {limitBytes} bytes that Content-Range names: "
                                + "make them agree.");
                    }

                    while (rest.Length > 0)
                    {
                        int count = (int)Math.Min(rest.Length, size - filled);
                        rest.Slice(0, count).CopyTo(gathered.AsSpan(filled));
                        rest = rest.Slice(count);
                        filled += count;
                        if (filled == size)
                        {
                            await write(gathered.AsMemory(0, filled), total);
                            total += filled;
                            filled = 0;
                        }
                    }
                }
                finally
                {
                    // Also where a write failed: a pipe left in the middle of a read makes Kestrel close the
                    // connection, under the client's next request as like as not.
                    reader.AdvanceTo(result.Buffer.End);
                }

                if (result.IsCompleted)
                {
                    break;
                }

                if (result.IsCanceled)
                {
                    throw new OperationCanceledException("The upload was cut off.");
                }
            }

            if (filled > 0)
            {
                await write(gathered.AsMemory(0, filled), total);
            }

            return total + filled;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(gathered);
        }
    }

    private static async ValueTask CreateIfAbsentAsync(
        FileEngine engine, string path, int mode, CancellationToken cancellationToken)
    {
        if (await TryStatAsync(engine, path, cancellationToken) is not null)
        {
            return;
        }

        try
        {
            FileReplacement empty = await engine.ReplaceFileAsync(
                path,
                new ReplaceOptions
                {
                    IfAbsent = true,
                    Mode = mode,
                    ExpectedSizeBytes = 0,
                },
                cancellationToken);
            await using (empty)
            {
                await empty.CommitAsync(cancellationToken);
            }
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.AlreadyExists)
        {
            // Another writer made it in the meantime, which is as good.
            _ = e;
        }
    }

    private static async ValueTask<InodeAttributes?> TryStatAsync(
        FileEngine engine, string path, CancellationToken cancellationToken)
    {
        try
        {
            return await engine.StatAsync(path, followLast: true, cancellationToken);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return null;
        }
    }
}
