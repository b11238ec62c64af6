using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using DataLayer.Csi.Grpc;
using Google.Protobuf;

namespace DataLayer.Tests.Csi;

/// <summary>What a call came back with.</summary>
internal sealed record RpcReply<T>(RpcCode Code, string Message, T? Body, HttpResponseMessage Http)
    where T : class
{
    /// <summary>The body of a call that must have worked.</summary>
    public T Ok => Code == RpcCode.Ok && Body is not null ? Body
        : throw new InvalidOperationException($"The call ended with {Code}: {Message}");
}

/// <summary>A gRPC client of a few lines: HTTP/2 over a Unix socket, one message each way, every header in the test's hands.</summary>
internal sealed class RpcClient(string socketPath) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://localhost"),
    };

    public Task<RpcReply<T>> CallAsync<T>(string method, IMessage request, CancellationToken cancellationToken = default)
        where T : class, IMessage<T>, new() =>
        SendAsync<T>(method, Frame(request.ToByteArray()), null, cancellationToken);

    /// <summary>Sends a body as it is.</summary>
    public async Task<RpcReply<T>> SendAsync<T>(
        string method, byte[] body, Action<HttpRequestMessage>? change = null, CancellationToken cancellationToken = default)
        where T : class, IMessage<T>, new()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        change?.Invoke(request);
        HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        byte[] answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        HttpHeaders status = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        RpcCode code = status.TryGetValues("grpc-status", out IEnumerable<string>? codes)
            ? (RpcCode)int.Parse(codes.Single(), CultureInfo.InvariantCulture) : RpcCode.Unknown;
        string message = status.TryGetValues("grpc-message", out IEnumerable<string>? texts)
            ? Uri.UnescapeDataString(texts.Single()) : string.Empty;
        T? parsed = null;
        if (answer.Length > 0)
        {
            Assert.Equal(0, answer[0]);
            Assert.Equal((uint)(answer.Length - 5), BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(1)));
            parsed = new T();
            parsed.MergeFrom(answer.AsSpan(5).ToArray());
        }

        return new RpcReply<T>(code, message, parsed, response);
    }

    /// <summary>A message with its prefix.</summary>
    public static byte[] Frame(byte[] message, byte flag = 0)
    {
        byte[] framed = new byte[5 + message.Length];
        framed[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)message.Length);
        message.CopyTo(framed, 5);
        return framed;
    }

    public void Dispose() => _http.Dispose();
}
