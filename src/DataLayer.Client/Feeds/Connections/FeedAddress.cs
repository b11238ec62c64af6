using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client.Feeds.Connections;

/// <summary>Reads where a service is, and connects.</summary>
internal static class FeedAddress
{
    private const string ConnectTarget = ApiRoutes.Feeds + "/connect";
    private const string UnixPrefix = "unix:";

    /// <summary>The token as it is now, or null.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: the file cannot be read, or holds none.</exception>
    public static string? GetToken(TrainingFeedOptions options) =>
        new BearerToken(new DataLayerClientOptions { Token = options.Token, TokenFile = options.TokenFile }).Value?[
            "Bearer ".Length..];

    /// <summary>Connects by a socket or an upgraded connection.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: no address. Others: nobody there, or refused.</exception>
    public static async ValueTask<(FeedTransport Transport, bool IsRemote)> ConnectAsync(
        TrainingFeedOptions options, CancellationToken cancellationToken)
    {
        if (options.Server.StartsWith(UnixPrefix, StringComparison.OrdinalIgnoreCase))
        {
            string path = options.Server[UnixPrefix.Length..];
            path = path.StartsWith("///", StringComparison.Ordinal) ? path[2..] : path;
            return (await SocketTransport.ConnectAsync(path, cancellationToken).ConfigureAwait(false), false);
        }

        DataLayerClientOptions server = DataLayerClientOptions.Parse(options.Server);
        server = new DataLayerClientOptions
        {
            ServerUri = server.ServerUri,
            Token = options.Token,
            TokenFile = options.TokenFile,
            Tls = options.Tls,
            RetryCount = 0,
            Time = options.Time,
        };
        return (
            await UpgradedTransport.ConnectAsync(server, ConnectTarget, cancellationToken).ConfigureAwait(false), true);
    }
}
