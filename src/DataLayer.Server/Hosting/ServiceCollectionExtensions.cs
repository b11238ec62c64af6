using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Feeds;
using DataLayer.Server.Http;
using DataLayer.Server.Mounts;
using DataLayer.Server.Peers;
using DataLayer.Server.Telemetry;
using DataLayer.Server.Tls;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DataLayer.Server.Hosting;

/// <summary>Registers the service's parts. Everything is TryAdd: what a caller registered before stays.</summary>
internal static class ServiceCollectionExtensions
{
    /// <summary>The node: tree, tiers, engine, opened by a hosted service.</summary>
    public static IServiceCollection AddDataLayerNode(
        this IServiceCollection services, ServerConfiguration configuration)
    {
        services.TryAddSingleton(configuration);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<NodeHost>();
        services.AddHostedService(provider => provider.GetRequiredService<NodeHost>());
        return services;
    }

    /// <summary>The mounts: a listener for keepers, stopped before the node.</summary>
    public static IServiceCollection AddDataLayerMounts(this IServiceCollection services)
    {
        services.TryAddSingleton<FuseStarter>();
        services.TryAddSingleton<MountStarter>(provider => provider.GetRequiredService<FuseStarter>().StartAsync);
        services.TryAddSingleton<MountHost>();
        services.TryAddSingleton<MountEndpoints>();
        services.AddHostedService(provider => provider.GetRequiredService<MountHost>());
        return services;
    }

    /// <summary>The feeds: a listener for training loops, stopped before the node.</summary>
    public static IServiceCollection AddDataLayerFeeds(this IServiceCollection services)
    {
        services.TryAddSingleton<FeedHost>();
        services.TryAddSingleton<FeedEndpoints>();
        services.AddHostedService(provider => provider.GetRequiredService<FeedHost>());
        return services;
    }

    /// <summary>The HTTP API over the node.</summary>
    public static IServiceCollection AddDataLayerApi(
        this IServiceCollection services, ServerConfiguration configuration)
    {
        services.TryAddSingleton(new RequestGate(configuration.Listen.MaxRequests));
        services.TryAddSingleton(configuration.Auth);
        services.TryAddSingleton(provider => new TokenStore(
            configuration.Auth.TokenFile, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<TokenStore>>()));
        if (configuration.Listen.Tls is { } tls)
        {
            services.TryAddSingleton(provider => new TlsStore(
                tls, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<TlsStore>>()));
        }

        services.TryAddSingleton(provider => new RateLimiter(
            configuration.Listen.RateLimit, provider.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<RefusalLog>();
        services.TryAddSingleton<Authenticator>();
        services.TryAddSingleton<CallerDesk>();
        services.TryAddSingleton<AccessGate>();
        services.TryAddSingleton<StatisticsSource>();
        services.TryAddSingleton<FileReadEndpoint>();
        services.TryAddSingleton<FileWriteEndpoint>();
        services.TryAddSingleton<TreeEndpoints>();
        services.TryAddSingleton<UpkeepEndpoints>();
        services.TryAddSingleton<StoreEndpoints>();
        services.TryAddSingleton<ProfileEndpoints>();
        services.TryAddSingleton<PolicySubject>();
        services.TryAddSingleton<PolicyEndpoints>();
        services.TryAddSingleton<JobEvents>();
        services.TryAddSingleton<JobEndpoints>();
        services.TryAddSingleton<PlanDesk>();
        services.TryAddSingleton<PlanEndpoints>();
        services.TryAddSingleton<MoveEndpoints>();
        services.TryAddSingleton<SavingsDesk>();
        services.TryAddSingleton<AutoTieringEndpoints>();
        services.TryAddSingleton<AccessLogEndpoint>();
        services.TryAddSingleton<LogEndpoint>();
        services.TryAddSingleton<CostEndpoints>();
        services.TryAddSingleton<PackEndpoints>();
        services.TryAddSingleton<DatasetEndpoints>();
        services.TryAddSingleton<HeadroomEndpoints>();
        services.TryAddSingleton<TenantEndpoints>();
        services.TryAddSingleton<PeerEndpoints>();
        services.TryAddSingleton<LocalityEndpoints>();
        services.TryAddSingleton<NodeEndpoints>();
        services.TryAddSingleton<ProbeEndpoints>();
        services.TryAddSingleton(_ => new ConsolePages());
        services.TryAddSingleton<ApiFront>();
        return services;
    }

    /// <summary>Counters, histograms and their Prometheus text; spans; the doctor.</summary>
    public static IServiceCollection AddDataLayerTelemetry(
        this IServiceCollection services, ServerConfiguration configuration)
    {
        services.TryAddSingleton(configuration.Tracing);
        services.TryAddSingleton<RecentLog>();
        services.AddSingleton<ILoggerProvider>(provider => provider.GetRequiredService<RecentLog>());
        services.AddHostedService<TraceExport>();
        services.TryAddSingleton(new HostProbe());
        services.TryAddSingleton<DoctorDesk>();
        services.TryAddSingleton<ServerMeter>();
        services.TryAddSingleton<MountMeter>();
        services.TryAddSingleton<FeedMeter>();
        services.TryAddSingleton<MetricsCollector>();
        return services;
    }
}
