using Google.Protobuf;

namespace DataLayer.Csi.Grpc;

/// <summary>One unary method: how its request is read and what answers it.</summary>
internal sealed class RpcMethod
{
    private readonly Func<byte[], CancellationToken, Task<IMessage>> _call;

    private RpcMethod(string path, Func<byte[], CancellationToken, Task<IMessage>> call)
    {
        Path = path;
        _call = call;
    }

    /// <summary>The request path: <c>/package.Service/Method</c>.</summary>
    public string Path { get; }

    /// <summary>Makes a method.</summary>
    public static RpcMethod Make<TRequest, TResponse>(
        string service, string name, MessageParser<TRequest> parser,
        Func<TRequest, CancellationToken, Task<TResponse>> handler)
        where TRequest : IMessage<TRequest>
        where TResponse : IMessage<TResponse> =>
        new($"/{service}/{name}",
            async (bytes, cancellationToken) =>
            {
                TRequest request;
                try
                {
                    request = parser.ParseFrom(bytes);
                }
                catch (InvalidProtocolBufferException e)
                {
                    throw new RpcException(RpcCode.Internal, $"The request is not a message: {e.Message}", e);
                }

                return await handler(request, cancellationToken).ConfigureAwait(false);
            });

    /// <summary>Answers a request.</summary>
    public Task<IMessage> CallAsync(byte[] request, CancellationToken cancellationToken) =>
        _call(request, cancellationToken);
}
