using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// Sends requests over kept-alive HTTP/1.1 connections, tries again where that is safe, and turns error answers into
/// <see cref="DataLayerException"/> with the service's code. Safe for concurrent use.
/// </summary>
/// <remarks>
/// <see cref="HttpMessageInvoker"/> stands in place of HttpClient: the latter adds a linked token source, default
/// headers
/// and a buffering decision to every call, which is measurable where a file is a kilobyte.
/// </remarks>
internal sealed class ApiConnection : IDisposable
{
    private readonly HttpMessageInvoker _invoker;
    private readonly DataLayerClientOptions _options;
    private readonly RetrySchedule _schedule;
    private readonly string _baseAddress;
    private readonly BearerToken _token;

    public ApiConnection(DataLayerClientOptions options, HttpMessageHandler? handler)
    {
        options.Validate();
        _options = options;
        _schedule = new RetrySchedule(options.RetryDelay, options.MaxRetryDelay, options.Seed);
        _baseAddress = options.ServerUri.GetLeftPart(UriPartial.Authority);
        _token = new BearerToken(options);
        _invoker = new HttpMessageInvoker(handler ?? MakeHandler(options), disposeHandler: true);
    }

    /// <summary>Where requests go, for messages.</summary>
    public string DisplayName => _options.UnixSocketPath is { } path ? "unix:" + path : _baseAddress;

    /// <summary>The longest time one call may take.</summary>
    public TimeSpan RequestTimeout => _options.RequestTimeout;

    /// <summary>
    /// Sends until an answer of success, 304 or (where allowed) 404 or 416 comes, or no retry is left.
    /// The caller disposes the answer; its body is not read yet.
    /// </summary>
    /// <exception cref="DataLayerException">The service refused the call, or cannot be reached.</exception>
    public async ValueTask<HttpResponseMessage> SendAsync(
        ApiRequest request, CancellationToken cancellationToken, bool allowMissing = false,
        bool allowRangePastEnd = false)
    {
        bool renewed = false;
        for (int retry = 0; ; retry++)
        {
            TimeSpan? retryAfter = null;
            DataLayerException failure;
            try
            {
                // The message is not disposed: that would dispose a body the caller may still stream from, and it
                // holds nothing else.
                HttpRequestMessage message = request.ToMessage(_baseAddress);
                string? token = _token.Value;
                if (token is not null)
                {
                    message.Headers.TryAddWithoutValidation("Authorization", token);
                }

                HttpResponseMessage response = await _invoker
                    .SendAsync(message, cancellationToken)
                    .ConfigureAwait(false);
                if (IsAnswer(response.StatusCode, allowMissing, allowRangePastEnd))
                {
                    return response;
                }

                using (response)
                {
                    retryAfter = response.Headers.RetryAfter?.Delta;
                    failure = await ReadFailureAsync(response, cancellationToken).ConfigureAwait(false);
                }

                if (response.StatusCode == HttpStatusCode.Unauthorized && !renewed
                    && request.Retry != RetryMode.Never && _token.TryRenew(token))
                {
                    renewed = true;
                    continue;
                }

                if (retry >= _options.RetryCount || !MayRetry(request.Retry, response.StatusCode))
                {
                    throw failure;
                }
            }
            catch (HttpRequestException e)
            {
                failure = Unreachable(e);
                if (retry >= _options.RetryCount || !MayRetry(request.Retry, e))
                {
                    throw failure;
                }
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                // The handler gave the connection up by itself, for instance one that took too long to come about.
                failure = Unreachable(e);
                if (retry >= _options.RetryCount || request.Retry != RetryMode.Always)
                {
                    throw failure;
                }
            }

            await Task.Delay(_schedule.Next(retry, retryAfter), _options.Time, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>Asks for another protocol on a connection, once; the stream is the connection, both ways.</summary>
    /// <exception cref="DataLayerException">The service refused, or cannot be reached.</exception>
    public async ValueTask<Stream> UpgradeAsync(string target, string protocol, CancellationToken cancellationToken)
    {
        ApiRequest request = new(HttpMethod.Get, target) { Retry = RetryMode.Never, Upgrade = protocol };
        HttpResponseMessage response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.SwitchingProtocols)
        {
            return await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        }

        response.Dispose();
        throw new DataLayerException(
            ErrorCode.NotSupported,
            $"{DisplayName} answered {(int)response.StatusCode} where '{protocol}' was asked for. A proxy on the way "
                + "has to let Upgrade through; else connect past it.");
    }

    /// <summary>Whether a failure while the answer's body was read may be met by sending again.</summary>
    public async ValueTask<bool> WaitBeforeBodyRetryAsync(int retry, CancellationToken cancellationToken)
    {
        if (retry >= _options.RetryCount)
        {
            return false;
        }

        await Task.Delay(_schedule.Next(retry, null), _options.Time, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Sends and reads a JSON answer.</summary>
    public async ValueTask<T> SendAsync<T>(
        ApiRequest request, JsonTypeInfo<T> answer, CancellationToken cancellationToken)
        where T : class
    {
        using HttpResponseMessage response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        return await ReadJsonAsync(response, answer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a JSON command and reads nothing but success.</summary>
    public async ValueTask SendAsync<TCommand>(
        string target, TCommand command, JsonTypeInfo<TCommand> type, RetryMode retry,
        CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(
                new ApiRequest(HttpMethod.Post, target) { Retry = retry, Content = JsonBody(command, type) },
                cancellationToken
            )
            .ConfigureAwait(false);
    }

    /// <summary>Removes what a target names; tried again only where the service did not begin.</summary>
    public async ValueTask DeleteAsync(string target, CancellationToken cancellationToken, string? ifMatch = null)
    {
        using HttpResponseMessage response = await SendAsync(
                new ApiRequest(HttpMethod.Delete, target) { Retry = RetryMode.WhenNotExecuted, IfMatch = ifMatch },
                cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>A JSON body that each try makes anew.</summary>
    public static Func<HttpContent> JsonBody<T>(T value, JsonTypeInfo<T> type)
    {
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(value, type);
        return () =>
        {
            ByteArrayContent content = new(bytes);
            content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
            return content;
        };
    }

    /// <summary>Reads a JSON answer.</summary>
    public async ValueTask<T> ReadJsonAsync<T>(
        HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
            {
                return await JsonSerializer.DeserializeAsync(body, type, cancellationToken).ConfigureAwait(false)
                    ?? throw new JsonException("The answer is 'null'.");
            }
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.Internal,
                $"The answer of {DisplayName} is not what this client understands: {e.Message}",
                e
            );
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw Unreachable(e);
        }
    }

    /// <summary>The fault of a service that cannot be reached or hung up.</summary>
    public DataLayerException Unreachable(Exception cause) =>
        new(
            ErrorCode.OriginUnavailable,
            $"The service at {DisplayName} cannot be reached or hung up: {cause.Message}",
            cause);

    public void Dispose() => _invoker.Dispose();

    private static SocketsHttpHandler MakeHandler(DataLayerClientOptions options)
    {
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            MaxConnectionsPerServer = options.MaxConnections,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null,
        };
        string? socketPath = options.UnixSocketPath;
        handler.ConnectCallback = async (context, cancellationToken) =>
        {
            Socket socket = socketPath is null
                ? new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }
                : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                EndPoint end = socketPath is null ? context.DnsEndPoint : new UnixDomainSocketEndPoint(socketPath);
                await socket.ConnectAsync(end, cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        return handler;
    }

    private static bool IsAnswer(HttpStatusCode status, bool allowMissing, bool allowRangePastEnd) =>
        (int)status is >= 200 and < 300
        || status is HttpStatusCode.NotModified or HttpStatusCode.SwitchingProtocols
        || (allowMissing && status == HttpStatusCode.NotFound)
        || (allowRangePastEnd && status == HttpStatusCode.RequestedRangeNotSatisfiable);

    private static bool MayRetry(RetryMode mode, HttpStatusCode status) =>
        status switch
        {
            // The service answers 503 before it does anything.
            HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests => mode != RetryMode.Never,
            HttpStatusCode.RequestTimeout => mode == RetryMode.Always,
            _ => false,
        };

    private static bool MayRetry(RetryMode mode, HttpRequestException failure) =>
        mode switch
        {
            RetryMode.Always => true,
            RetryMode.WhenNotExecuted => failure.HttpRequestError
                is HttpRequestError.ConnectionError
                    or HttpRequestError.NameResolutionError,
            _ => false,
        };

    private async ValueTask<DataLayerException> ReadFailureAsync(
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        int status = (int)response.StatusCode;
        if (response.Content.Headers.ContentType?.MediaType == ApiRoutes.ProblemMediaType)
        {
            try
            {
                Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                await using (body.ConfigureAwait(false))
                {
                    Problem? problem = await JsonSerializer
                        .DeserializeAsync(body, ProtocolJson.Default.Problem, cancellationToken)
                        .ConfigureAwait(false);
                    if (problem is not null)
                    {
                        return FromProblem(problem);
                    }
                }
            }
            catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
            {
                // The status alone has to do.
                _ = e;
            }
        }

        return new DataLayerException(
            ErrorCodeText.FromHttpStatus(status),
            $"{DisplayName} answered {status} {response.ReasonPhrase} to {response.RequestMessage?.Method} "
            + $"{response.RequestMessage?.RequestUri?.PathAndQuery}."
        );
    }

    /// <summary>The fault a problem document describes.</summary>
    internal static DataLayerException FromProblem(Problem problem) =>
        new(
            ErrorCodeText.TryParse(problem.Code, out ErrorCode code)
                ? code
                : ErrorCodeText.FromHttpStatus(problem.Status),
            problem.Detail);
}
