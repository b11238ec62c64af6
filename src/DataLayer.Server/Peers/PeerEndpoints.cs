using System.Buffers.Binary;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Engine.Peers;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Http;

namespace DataLayer.Server.Peers;

/// <summary>
/// Ranges of objects for other nodes. Who asks has checked its own caller, and may have nothing here but these bytes.
/// </summary>
internal sealed partial class PeerEndpoints(NodeHost node, ILogger<PeerEndpoints> log)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.PeerBlocks, "readForPeer",
            "A range of one version of an object, for another node: docs/FORMATS/peers.md.", ReadAsync)
        {
            Access = ApiAccess.Peer,
            Tag = "peers",
            Answer = typeof(Stream),
            AnswerMedia = "application/octet-stream",
            Parameters =
            [
                new("store", ApiParameterPlace.Query, "string", "The store, as https://endpoint/bucket.", true),
                new("key", ApiParameterPlace.Query, "string", "The object's key.", true),
                new("etag", ApiParameterPlace.Query, "string", "The version's ETag, without quotes.", true),
                new("size", ApiParameterPlace.Query, "integer", "The object's size, bytes.", true),
                new("offset", ApiParameterPlace.Query, "integer", "Where the range starts.", true),
                new("length", ApiParameterPlace.Query, "integer", "How long it is, 1 to 8388608 bytes.", true),
                new("purpose", ApiParameterPlace.Query, "string", "What it is for, as the cost report says it."),
            ],
        };
    }

    private static PeerRequest RequestOf(HttpContext context)
    {
        string? purpose = RequestTarget.Text(context, "purpose");
        OriginPurpose use = OriginPurpose.Foreground;
        bool isWord = purpose is null || (purpose.All(char.IsAsciiLetterLower)
            && Enum.TryParse(purpose, ignoreCase: true, out use));
        return isWord
            ? new PeerRequest(
                RequestTarget.RequiredText(context, "store"), RequestTarget.RequiredText(context, "key"),
                RequestTarget.RequiredText(context, "etag"),
                RequestTarget.Number(context, "size", -1, 0, long.MaxValue),
                RequestTarget.Number(context, "offset", -1, 0, long.MaxValue),
                RequestTarget.Count(context, "length", 0, 1, PeerRequest.MaxBytes))
            {
                Purpose = use,
            }
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, "purpose is no word that it can be: leave it out, or write foreground.");
    }

    /// <summary>As the answer begins: a problem's writer clears what stood in the head before.</summary>
    private static void Say(HttpContext context, string word) => context.Response.OnStarting(() =>
    {
        context.Response.Headers[PeerWire.Header] = word;
        return Task.CompletedTask;
    });

    private async Task ReadAsync(HttpContext context)
    {
        PeerRequest request = RequestOf(context);
        PeerServing serving = node.Engine.Serving
            ?? throw new DataLayerException(
                ErrorCode.NotFound, "This service knows no other nodes: give it the section 'peers'.");
        PeerBlock? block;
        try
        {
            block = await serving.OpenAsync(request, context.RequestAborted);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Overloaded)
        {
            Say(context, PeerWire.Busy);
            throw;
        }

        if (block is null)
        {
            Say(context, PeerWire.Miss);
            throw new DataLayerException(ErrorCode.NotFound, "That version of that object is not in this tree.");
        }

        await using (block)
        {
            await AnswerAsync(context, request, block);
        }
    }

    private async Task AnswerAsync(HttpContext context, PeerRequest request, PeerBlock block)
    {
        HttpResponse response = context.Response;
        CancellationToken cancellationToken = context.RequestAborted;
        response.ContentType = "application/octet-stream";
        Task<bool> reading = TryReadAsync(block, cancellationToken);
        try
        {
            if (!reading.IsCompleted)
            {
                // The head says that somebody is at it: who asks waits for the object store now, not for us.
                await response.StartAsync(cancellationToken);
                await response.Body.FlushAsync(cancellationToken);
            }
        }
        finally
        {
            await reading; // It reads into the block's buffer.
        }

        bool isThere = await reading;
        byte[] frame = new byte[PeerWire.FrameBytes];
        frame[0] = isThere ? PeerWire.Follows : PeerWire.Missed;
        if (!response.HasStarted)
        {
            response.ContentLength = isThere ? request.LengthBytes + PeerWire.FrameBytes : 1;
        }

        await response.Body.WriteAsync(frame.AsMemory(0, 1), cancellationToken);
        if (isThere)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                frame.AsSpan(1), PeerWire.ChecksumOf(request, block.Bytes.Span));
            await response.Body.WriteAsync(block.Bytes, cancellationToken);
            await response.Body.WriteAsync(frame.AsMemory(1), cancellationToken);
        }
    }

    /// <summary>A range that cannot be read here is a miss there: the other node finds out why by itself.</summary>
    private async Task<bool> TryReadAsync(PeerBlock block, CancellationToken cancellationToken)
    {
        try
        {
            return await block.ReadAsync(cancellationToken);
        }
        catch (DataLayerException error)
        {
            LogUnread(log, error.Message);
            return false;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(35, LogLevel.Debug, "A range that another node asked for could not be read: {Why}")]
    private static partial void LogUnread(ILogger log, string why);
}
