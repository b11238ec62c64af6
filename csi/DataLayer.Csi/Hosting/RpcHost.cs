using DataLayer.Csi.Grpc;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi.Hosting;

/// <summary>
/// Serves methods on one Unix socket (mode 0600, HTTP/2 without TLS). An old socket is taken away first: a killed
/// driver leaves its own.
/// </summary>
internal sealed class RpcHost : IAsyncDisposable
{
    /// <summary>
    /// Sidecars open one connection and may say nothing for hours; Kestrel's default of 130 s would cut it, and they
    /// end when it is cut. An infinite value was seen to close connections at once.
    /// </summary>
    private static readonly TimeSpan _keepAlive = TimeSpan.FromDays(30);

    private readonly WebApplication _app;
    private readonly string _socketPath;

    private RpcHost(WebApplication app, string socketPath)
    {
        _app = app;
        _socketPath = socketPath;
    }

    /// <summary>Starts serving.</summary>
    public static async Task<RpcHost> StartAsync(
        string socketPath, IEnumerable<RpcMethod> methods, TimeProvider time, ILoggerFactory logs,
        CancellationToken cancellationToken)
    {
        File.Delete(socketPath);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logs);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.KeepAliveTimeout = _keepAlive;
            options.Limits.MaxRequestBodySize = RpcEndpoint.MaxMessageBytes + 64;
            options.Limits.MinRequestBodyDataRate = null;
            options.Limits.Http2.MaxStreamsPerConnection = RpcEndpoint.MaxCalls;
            options.ListenUnixSocket(socketPath, listen => listen.Protocols = HttpProtocols.Http2);
        });
        WebApplication app = builder.Build();
        RpcEndpoint endpoint = new(methods, time, logs.CreateLogger("DataLayer.Csi"));
        ((IApplicationBuilder)app).Run(endpoint.HandleAsync);
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
            File.SetUnixFileMode(socketPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return new RpcHost(app, socketPath);
        }
        catch
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // A sidecar keeps its connection open for ever; calls under way get a moment, idle connections do not.
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(5));
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        File.Delete(_socketPath);
    }
}
