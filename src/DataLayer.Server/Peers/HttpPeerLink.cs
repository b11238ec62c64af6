using System.Net;
using System.Net.Sockets;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Engine.Peers;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;

namespace DataLayer.Server.Peers;

/// <summary>
/// Asks other nodes over HTTP/1.1 on connections that are kept, with the node's token or certificate. Safe for
/// concurrent use.
/// </summary>
internal sealed partial class HttpPeerLink : IPeerLink, IAsyncDisposable
{
    private readonly HttpMessageInvoker _invoker;
    private readonly BearerToken _token;
    private readonly ILogger _log;
    private long _toldAt = long.MinValue;

    /// <summary>Makes a link; connections come about with the first requests.</summary>
    public HttpPeerLink(PeersConfiguration configuration, ILogger log)
    {
        _log = log;
        _token = new BearerToken(new DataLayerClientOptions
        {
            Token = configuration.Token,
            TokenFile = configuration.TokenFile,
        });
        ClientTlsOptions tls = configuration.Tls;
        _invoker = new HttpMessageInvoker(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                AutomaticDecompression = DecompressionMethods.None,
                MaxConnectionsPerServer = configuration.Options.MaxRequests + 8,
                PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
                UseCookies = false,
                UseProxy = false,
                ActivityHeadersPropagator = null,
                ConnectTimeout = configuration.Options.Timeout,
                ConnectCallback = (context, cancellationToken) => ConnectAsync(context, tls, cancellationToken),
            },
            disposeHandler: true);
    }

    /// <inheritdoc/>
    public async Task<PeerAnswer> ReadAsync(PeerNode node, PeerCall call, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await SendAsync(
                node, ApiRoutes.PeerBlocks + PeerWire.QueryOf(call.Request), cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return Refused(node, response);
            }

            call.Accept();
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            await using (body)
            {
                return await ReceiveAsync(node, call, body, cancellationToken);
            }
        }
        catch (Exception e) when (IsFault(e, cancellationToken))
        {
            Tell(node, e.Message);
            return PeerAnswer.Failed;
        }
    }

    /// <summary>Asks a node something that it answers in JSON.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: it did not answer so.</exception>
    public async ValueTask<T> GetAsync<T>(
        PeerNode node, string target, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            using HttpResponseMessage response = await SendAsync(node, target, cancellationToken);
            if (response.StatusCode == HttpStatusCode.OK)
            {
                Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
                await using (body)
                {
                    return await System.Text.Json.JsonSerializer.DeserializeAsync(body, type, cancellationToken)
                        ?? throw new DataLayerException(ErrorCode.OriginUnavailable, "It answered nothing.");
                }
            }

            throw new DataLayerException(
                response.StatusCode == HttpStatusCode.NotFound ? ErrorCode.NotFound : ErrorCode.OriginUnavailable,
                $"It answered {(int)response.StatusCode}.");
        }
        catch (Exception e) when (e is System.Text.Json.JsonException || IsFault(e, cancellationToken))
        {
            throw e as DataLayerException ?? new DataLayerException(ErrorCode.OriginUnavailable, e.Message, e);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _invoker.Dispose();
        return ValueTask.CompletedTask;
    }

    private static bool IsFault(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException or SocketException or DataLayerException or ObjectDisposedException
        || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, ClientTlsOptions tls, CancellationToken cancellationToken)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            NetworkStream stream = new(socket, ownsSocket: true);
            return context.InitialRequestMessage.RequestUri?.Scheme == Uri.UriSchemeHttps
                ? await TlsHandshake.ConnectAsync(stream, context.DnsEndPoint.Host, tls, cancellationToken)
                : stream;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async ValueTask<HttpResponseMessage> SendAsync(
        PeerNode node, string target, CancellationToken cancellationToken)
    {
        string address = node.Endpoint!.GetLeftPart(UriPartial.Authority) + target;
        for (bool renewed = false; ; renewed = true)
        {
            // Not disposed: it has no body, and holds nothing else.
            HttpRequestMessage message = new(HttpMethod.Get, address);
            string? token = _token.Value;
            if (token is not null)
            {
                message.Headers.TryAddWithoutValidation("Authorization", token);
            }

            HttpResponseMessage response = await _invoker.SendAsync(message, cancellationToken);
            if (response.StatusCode != HttpStatusCode.Unauthorized || renewed || !_token.TryRenew(token))
            {
                return response;
            }

            response.Dispose();
        }
    }

    private PeerAnswer Refused(PeerNode node, HttpResponseMessage response)
    {
        string? said = null;
        if (response.Headers.TryGetValues(PeerWire.Header, out IEnumerable<string>? values))
        {
            said = string.Join(',', values);
        }

        switch (said)
        {
            case PeerWire.Miss when response.StatusCode == HttpStatusCode.NotFound:
                return PeerAnswer.Miss;
            case PeerWire.Busy when response.StatusCode == HttpStatusCode.ServiceUnavailable:
                return PeerAnswer.Busy;
            default:
                Tell(node, response.StatusCode switch
                {
                    HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden =>
                        $"it answered {(int)response.StatusCode}: give this node a token of role node that it knows "
                        + "(peers.tokenFile)",
                    HttpStatusCode.NotFound => "it has no peers configured, or is of another version",
                    _ => $"it answered {(int)response.StatusCode}",
                });
                return PeerAnswer.Failed;
        }
    }

    private async ValueTask<PeerAnswer> ReceiveAsync(
        PeerNode node, PeerCall call, Stream body, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[PeerWire.FrameBytes];
        await body.ReadExactlyAsync(frame.AsMemory(0, 1), cancellationToken);
        if (frame[0] == PeerWire.Missed)
        {
            return PeerAnswer.Miss;
        }

        await body.ReadExactlyAsync(call.Destination, cancellationToken);
        await body.ReadExactlyAsync(frame.AsMemory(1), cancellationToken);

        // The last read tells that the answer ends here, and lets its connection serve the next request.
        bool ends = await body.ReadAsync(new byte[1], cancellationToken) == 0;
        if (ends && frame[0] == PeerWire.Follows
            && PeerWire.IsRight(call.Request, call.Destination.Span, frame.AsSpan(1)))
        {
            return PeerAnswer.Hit;
        }

        Tell(node, "what it sent is not what was asked for, by its checksum");
        return PeerAnswer.Failed;
    }

    /// <summary>Tells of failures, of all nodes together once a second at most.</summary>
    private void Tell(PeerNode node, string why)
    {
        long now = Environment.TickCount64;
        long before = Volatile.Read(ref _toldAt);
        if ((before == long.MinValue || now - before >= 1000)
            && Interlocked.CompareExchange(ref _toldAt, now, before) == before)
        {
            LogFailed(_log, node.Name, node.Endpoint!, why);
        }
    }

    [LoggerMessage(34, LogLevel.Warning, "Node '{Name}' ({Endpoint}) was asked for bytes and failed: {Why}")]
    private static partial void LogFailed(ILogger log, string name, Uri endpoint, string why);
}
