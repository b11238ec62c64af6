using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Globalization;
using DataLayer.Core.Errors;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Csi.Grpc;

/// <summary>
/// Answers unary gRPC calls over HTTP/2: one length-prefixed message in, one out, the status in the trailers; an error
/// is an answer of headers only. Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
/// </summary>
/// <remarks>
/// Bounded: a request may have <see cref="MaxMessageBytes"/>, and at most <see cref="MaxCalls"/> calls run at once
/// (more are answered RESOURCE_EXHAUSTED; the sidecars back off). Requests are never logged, because they hold secrets;
/// only the method, the status and the time are.
/// </remarks>
internal sealed partial class RpcEndpoint(IEnumerable<RpcMethod> methods, TimeProvider time, ILogger log)
{
    /// <summary>The longest request, bytes; what gRPC clients send and take by default.</summary>
    public const int MaxMessageBytes = 4 << 20;

    /// <summary>The most calls at once.</summary>
    public const int MaxCalls = 256;

    private const int PrefixBytes = 5;
    private const string ContentType = "application/grpc";
    private readonly FrozenDictionary<string, RpcMethod> _methods =
        methods.ToFrozenDictionary(m => m.Path, StringComparer.Ordinal);

    private int _calls;

    /// <summary>Answers one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (!HttpMethods.IsPost(context.Request.Method) || !IsRpc(context.Request.ContentType))
        {
            // Not a gRPC client at all: an HTTP status is what it understands.
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        long started = time.GetTimestamp();
        string path = context.Request.Path.Value ?? string.Empty;
        context.Response.ContentType = ContentType;
        bool entered = Interlocked.Increment(ref _calls) <= MaxCalls;
        try
        {
            IMessage answer = entered
                ? await RunAsync(context, path).ConfigureAwait(false)
                : throw new RpcException(RpcCode.ResourceExhausted, $"{MaxCalls} calls are under way; try again.");
            await WriteAsync(context, answer).ConfigureAwait(false);
            LogCall(log, path, RpcCode.Ok, time.GetElapsedTime(started).TotalMilliseconds);
        }
        catch (RpcException e)
        {
            Refuse(context, e.Code, e.Message);
            LogFailure(log, path, e.Code, time.GetElapsedTime(started).TotalMilliseconds, e.Message);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            LogCall(log, path, RpcCode.Cancelled, time.GetElapsedTime(started).TotalMilliseconds);
            context.Abort();
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            Refuse(context, RpcCode.Internal, "The driver failed; its log has the cause.");
            LogFault(log, path, e);
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    private async Task<IMessage> RunAsync(HttpContext context, string path)
    {
        if (!_methods.TryGetValue(path, out RpcMethod? method))
        {
            throw new RpcException(RpcCode.Unimplemented, $"There is no method {path} here.");
        }

        byte[] request;
        try
        {
            request = await ReadAsync(context.Request, context.RequestAborted).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            // A reset stream is seen here before the request counts as aborted.
            throw new RpcException(RpcCode.Cancelled, "The client gave the call up before its request was whole.", e);
        }

        if (!context.Request.Headers.TryGetValue("grpc-timeout", out StringValues text))
        {
            return await CallAsync(method, request, context.RequestAborted).ConfigureAwait(false);
        }

        if (!RpcText.TryParseTimeout(text.ToString(), out TimeSpan timeout))
        {
            throw new RpcException(RpcCode.Internal, $"grpc-timeout '{text}' is not a time.");
        }

        // A timer takes 49 days at most; a longer deadline is none.
        using CancellationTokenSource deadline =
            timeout < TimeSpan.FromDays(40) ? new(timeout, time) : new CancellationTokenSource();
        using CancellationTokenSource either =
            CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.RequestAborted);
        try
        {
            return await CallAsync(method, request, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
            when (deadline.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            throw new RpcException(RpcCode.DeadlineExceeded, $"The deadline of {text} is over.", e);
        }
    }

    private static async Task<IMessage> CallAsync(
        RpcMethod method, byte[] request, CancellationToken cancellationToken)
    {
        try
        {
            return await method.CallAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e)
        {
            throw RpcException.From(e);
        }
    }

    private static async Task<byte[]> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        byte[] prefix = new byte[PrefixBytes];
        await ReadExactlyAsync(request.Body, prefix, cancellationToken).ConfigureAwait(false);
        if (prefix[0] != 0)
        {
            throw prefix[0] == 1 && request.Headers.TryGetValue("grpc-encoding", out StringValues encoding)
                ? new RpcException(RpcCode.Unimplemented, $"Compression '{encoding}' is not offered here.")
                : new RpcException(RpcCode.Internal, "The message's first byte is not a known flag.");
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1));
        if (length > MaxMessageBytes)
        {
            throw new RpcException(
                RpcCode.ResourceExhausted, $"A request of {length} bytes is over the limit of {MaxMessageBytes}.");
        }

        byte[] message = new byte[length];
        await ReadExactlyAsync(request.Body, message, cancellationToken).ConfigureAwait(false);
        return await request.Body.ReadAsync(prefix.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) == 0
            ? message
            : throw new RpcException(RpcCode.Internal, "A unary call carries one message; more came.");
    }

    private static async Task ReadExactlyAsync(Stream body, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await body.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (EndOfStreamException e)
        {
            throw new RpcException(RpcCode.Internal, "The request ended inside its message.", e);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new RpcException(
                RpcCode.ResourceExhausted, $"The request is over the limit of {MaxMessageBytes} bytes.", e);
        }
    }

    private static async Task WriteAsync(HttpContext context, IMessage answer)
    {
        int length = answer.CalculateSize();
        byte[] bytes = new byte[PrefixBytes + length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), (uint)length);
        answer.WriteTo(bytes.AsSpan(PrefixBytes));
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        context.Response.AppendTrailer("grpc-status", "0");
    }

    /// <summary>Headers only: no body follows, so Kestrel ends the stream with them.</summary>
    private static void Refuse(HttpContext context, RpcCode code, string message)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        IHeaderDictionary headers = context.Response.Headers;
        headers["grpc-status"] = ((int)code).ToString(CultureInfo.InvariantCulture);
        headers["grpc-message"] = RpcText.EncodeMessage(message);
        if (code == RpcCode.Unimplemented)
        {
            headers["grpc-accept-encoding"] = "identity";
        }
    }

    private static bool IsRpc(string? contentType) =>
        contentType is not null
        && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is '+' or ';' or ' ');

    [LoggerMessage(1, LogLevel.Debug, "{Method}: {Code} after {Milliseconds:F1} ms")]
    private static partial void LogCall(ILogger log, string method, RpcCode code, double milliseconds);

    [LoggerMessage(2, LogLevel.Warning, "{Method}: {Code} after {Milliseconds:F1} ms: {Message}")]
    private static partial void LogFailure(
        ILogger log, string method, RpcCode code, double milliseconds, string message);

    [LoggerMessage(3, LogLevel.Error, "{Method} failed")]
    private static partial void LogFault(ILogger log, string method, Exception fault);
}
