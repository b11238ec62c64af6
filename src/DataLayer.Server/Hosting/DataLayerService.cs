using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Feeds;
using DataLayer.Server.Http;
using DataLayer.Server.Mounts;
using DataLayer.Server.Peers;
using DataLayer.Server.Tls;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DataLayer.Server.Hosting;

/// <summary>
/// The running service: Kestrel, the API and the node behind it. Nothing is read from appsettings files or
/// ASPNETCORE_ variables: the one
/// configuration decides.
/// </summary>
/// <remarks>
/// Life: built → started (listening; the node opens behind it) → ready → stopping (no new connections, requests in
/// flight end, then the node
/// flushes and closes) → stopped.
/// </remarks>
internal sealed class DataLayerService : IAsyncDisposable
{
    private static readonly TimeSpan _handshakeTimeout = TimeSpan.FromSeconds(10);
    private readonly WebApplication _app;
    private readonly ListenConfiguration _listen;

    private DataLayerService(WebApplication app, ListenConfiguration listen, IReadOnlyList<ApiOperation> operations)
    {
        _app = app;
        Operations = operations;
        _listen = listen;
    }

    /// <summary>Where the service listens; after the start. Null without TCP.</summary>
    public Uri? Url { get; private set; }

    /// <summary>The node.</summary>
    public NodeHost Node => _app.Services.GetRequiredService<NodeHost>();

    /// <summary>Every call of the API.</summary>
    public IReadOnlyList<ApiOperation> Operations { get; }

    /// <summary>The service's parts.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Builds the service; nothing runs yet.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="configureServices">Registered first, so it wins over the defaults; or null.</param>
    public static DataLayerService Build(
        ServerConfiguration configuration, Action<IServiceCollection>? configureServices = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { ApplicationName = "datalayer" });
        configureServices?.Invoke(builder.Services);
        AddLogging(builder.Logging, configuration.Logging);
        builder.Services.AddDataLayerNode(configuration).AddDataLayerMounts().AddDataLayerFeeds()
            .AddDataLayerApi(configuration)
            .AddDataLayerTelemetry(configuration);
        builder.Services.AddRoutingCore();
        builder.Services.ConfigureHttpJsonOptions(o =>
            o.SerializerOptions.TypeInfoResolverChain.Insert(0, ProtocolJson.Default)
        );

        // Signals are the caller's business: the command stops the service, tests stop theirs.
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, PassiveLifetime>());
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = configuration.Listen.ShutdownTimeout);
        List<ApiOperation> operations = [];
        builder.Services.AddOpenApi(o => o
            .AddSchemaTransformer(new EnumerationSchemas())
            .AddDocumentTransformer(new OpenApiDescription(operations)));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(o => Configure(o, configuration.Listen));
        builder.WebHost.UseSockets(o => o.CreateBoundListenSocket = Bind);
        WebApplication app = builder.Build();
        ApiFront front = app.Services.GetRequiredService<ApiFront>();
        app.Use(next => context => front.InvokeAsync(context, next));
        app.UseRouting();
        app.Use(next => context => AccessGate.InvokeAsync(context, next));
        operations.AddRange(app.Services.GetRequiredService<TreeEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<UpkeepEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<MountEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<StoreEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<ProfileEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<PolicyEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<JobEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<PlanEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<DoctorDesk>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<AccessLogEndpoint>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<LogEndpoint>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<MoveEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<AutoTieringEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<CostEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<PackEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<DatasetEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<FeedEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<HeadroomEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<TenantEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<PeerEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<LocalityEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<NodeEndpoints>().GetOperations());
        operations.AddRange(app.Services.GetRequiredService<ProbeEndpoints>().GetOperations());
        operations.AddRange(new CallerEndpoint(operations).GetOperations());
        IEnumerable<ApiOperation> pages = app.Services.GetRequiredService<ConsolePages>().GetOperations();
        foreach (ApiOperation operation in operations.Concat(pages))
        {
            app.MapMethods(operation.Pattern, [operation.Method], operation.Handler).WithMetadata(operation);
        }

        app.MapOpenApi(ApiRoutes.OpenApi.Replace("v1", "{documentName}", StringComparison.Ordinal));
        return new DataLayerService(app, configuration.Listen, operations);
    }

    /// <summary>Starts to listen and to open the node; returns once it is open.</summary>
    /// <exception cref="DataLayerException">The address is taken, or the node cannot be opened.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_listen.UnixSocketPath is { } path)
        {
            await RemoveStaleSocketAsync(path, cancellationToken);
        }

        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"The service cannot listen: {e.Message} Stop what uses the address, or change listen.address.", e);
        }

        string? address = _app
            .Services.GetRequiredService<IServer>()
            .Features.Get<IServerAddressesFeature>()
            ?.Addresses.FirstOrDefault(a => !a.Contains("unix:", StringComparison.Ordinal));
        Url = address is null ? null : new Uri(address);
        await Node.Opened.WaitAsync(cancellationToken);
        await _app.Services.GetRequiredService<MountHost>().Listening.WaitAsync(cancellationToken);
        await _app.Services.GetRequiredService<FeedHost>().Listening.WaitAsync(cancellationToken);
    }

    /// <summary>Stops: requests in flight end (as long as the configuration allows), then the node closes.</summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => _app.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static void AddLogging(ILoggingBuilder logging, LogConfiguration configuration)
    {
        logging.SetMinimumLevel(configuration.Level);
        logging.AddFilter(
            "Microsoft", configuration.Level > LogLevel.Warning ? configuration.Level : LogLevel.Warning);
        if (configuration.Json)
        {
            logging.AddJsonConsole(o =>
            {
                o.UseUtcTimestamp = true;
                o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            logging.AddSimpleConsole(o =>
            {
                o.SingleLine = true;
                o.UseUtcTimestamp = true;
                o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            });
        }

        // Standard output is for what commands print.
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(o =>
            o.LogToStandardErrorThreshold = LogLevel.Trace
        );
    }

    private static void Configure(KestrelServerOptions options, ListenConfiguration listen)
    {
        options.AddServerHeader = false;
        options.AllowSynchronousIO = false;
        options.Limits.MaxConcurrentConnections = listen.MaxConnections;
        options.Limits.MaxRequestBodySize = null;
        options.Limits.MaxRequestHeadersTotalSize = 32 << 10;
        options.Limits.MaxRequestLineSize = 16 << 10;
        options.Limits.MaxRequestHeaderCount = 64;
        options.Limits.RequestHeadersTimeout = listen.HeaderTimeout;
        options.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(10);

        // One piece of a large read on its way to the socket while the next is copied.
        options.Limits.MaxResponseBufferSize = 1 << 20;
        options.Limits.MaxRequestBufferSize = 1 << 20;
        options.Limits.MinRequestBodyDataRate =
            listen.MinUploadRateBytes == 0
                ? null
                : new MinDataRate(listen.MinUploadRateBytes, TimeSpan.FromSeconds(5));
        if (listen.EndPoint is { } endPoint)
        {
            options.Listen(endPoint, o =>
            {
                o.Protocols = HttpProtocols.Http1;
                if (o.ApplicationServices.GetService<TlsStore>() is { } tls)
                {
                    // The certificate is chosen anew for each connection: a changed one needs no restart.
                    o.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        HandshakeTimeout = listen.HeaderTimeout < _handshakeTimeout
                            ? listen.HeaderTimeout
                            : _handshakeTimeout,
                        OnConnection = _ => ValueTask.FromResult(tls.MakeOptions()),
                    });
                }
            });
        }

        if (listen.UnixSocketPath is { } path)
        {
            options.ListenUnixSocket(path, o =>
            {
                o.Protocols = HttpProtocols.Http1;
                o.Use(next => connection =>
                {
                    connection.Features.Set(LocalSocket.Mark);
                    return next(connection);
                });
            });
        }
    }

    /// <summary>
    /// Binds a socket. A Unix socket gets its mode between bind and listen, when nobody can connect yet.
    /// </summary>
    private static Socket Bind(System.Net.EndPoint endPoint)
    {
        Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        if (endPoint is UnixDomainSocketEndPoint && endPoint.ToString() is { } path)
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return socket;
    }

    /// <summary>
    /// Removes a socket file that a killed service left. One that somebody listens on stays, and the bind fails.
    /// </summary>
    private static async Task RemoveStaleSocketAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
    }

    /// <summary>A lifetime that listens to no signal.</summary>
    private sealed class PassiveLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
