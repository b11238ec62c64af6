using System.Reflection;
using DataLayer.Client;
using DataLayer.Csi.Controller;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Hosting;
using DataLayer.Csi.Identity;
using DataLayer.Csi.Node;
using DataLayer.Csi.Volumes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi;

/// <summary>
/// The CSI driver: Identity, Controller and Node of CSI 1.12 on a Unix socket, and the kubelet's registration.
/// </summary>
/// <remarks>
/// Life cycle: started → serving → disposed, which waits for calls under way and leaves all mounts of a killed or
/// stopped driver to what holds them. No state of its own: volumes are in the tree, mounts in mountinfo.
/// </remarks>
public sealed class CsiDriver : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _parts = new();

    private CsiDriver() { }

    /// <summary>Starts a driver that mounts with keepers in this process.</summary>
    /// <param name="options">What it runs with.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logs">Where events go.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    /// <exception cref="Core.Errors.DataLayerException">InvalidArgument: the options.</exception>
    public static Task<CsiDriver> StartAsync(
        CsiDriverOptions options, TimeProvider time, ILoggerFactory logs,
        CancellationToken cancellationToken = default) =>
        StartAsync(options, mounter: null, time, logs, cancellationToken);

    internal static async Task<CsiDriver> StartAsync(
        CsiDriverOptions options, INodeMounter? mounter, TimeProvider time, ILoggerFactory logs,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        CsiDriver driver = new();
        try
        {
            await driver.OpenAsync(options, mounter, (time, logs), cancellationToken).ConfigureAwait(false);
            return driver;
        }
        catch
        {
            await driver.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task OpenAsync(
        CsiDriverOptions options, INodeMounter? mounter, (TimeProvider Time, ILoggerFactory Logs) parts,
        CancellationToken cancellationToken)
    {
        DataLayerClient client = new(options.Server);
        _parts.Push(new Owned(client));
        VolumeTree tree = new(client, new TreeLayout(options.TreeRoot));
        List<RpcMethod> methods = [];
        bool isController = options.Roles.HasFlag(CsiRoles.Controller);
        methods.AddRange(
            new IdentityService(options.Name, Version(), isController ? client : null).GetMethods());
        if (isController)
        {
            ControllerService controller = new(
                tree, new ControllerOptions(options.MaxVolumeBytes, options.TopologyPrefix, parts.Time),
                parts.Logs.CreateLogger<ControllerService>());
            _parts.Push(controller);
            methods.AddRange(controller.GetMethods());
        }

        if (options.Roles.HasFlag(CsiRoles.Node))
        {
            mounter ??= StartKeepers(options, client, parts);
            methods.AddRange(MakeNode(options, mounter, tree, parts).GetMethods());
        }

        _parts.Push(await RpcHost.StartAsync(
            options.SocketPath, methods, parts.Time, parts.Logs, cancellationToken).ConfigureAwait(false));
        if (options.RegistrationSocketPath is { } registration)
        {
            // Last: the kubelet calls the driver as soon as it sees this socket.
            RegistrationService service = new(
                options.Name, options.KubeletSocketPath ?? options.SocketPath,
                parts.Logs.CreateLogger<RegistrationService>());
            _parts.Push(await RpcHost.StartAsync(
                registration, service.GetMethods(), parts.Time, parts.Logs, cancellationToken).ConfigureAwait(false));
        }
    }

    private KeeperMounter StartKeepers(
        CsiDriverOptions options, DataLayerClient client, (TimeProvider Time, ILoggerFactory Logs) parts)
    {
        KeeperMounter keepers = new(
            client, options.TakeoverTimeout, parts.Time, parts.Logs.CreateLogger<KeeperMounter>());
        _parts.Push(keepers);
        keepers.BeginRestore();
        return keepers;
    }

    private static NodeService MakeNode(
        CsiDriverOptions options, INodeMounter mounter, VolumeTree tree,
        (TimeProvider Time, ILoggerFactory Logs) parts)
    {
        NodeOptions node = new()
        {
            NodeId = options.NodeId,
            Zone = options.Zone,
            TopologyPrefix = options.TopologyPrefix,
            MaxVolumes = options.MaxVolumesPerNode,
            TargetRoot = options.TargetRoot,
            InlineStores = options.InlineStores,
            Time = parts.Time,
        };
        return new NodeService(
            mounter, new NodeVolumes(tree, node), node, parts.Logs.CreateLogger<NodeService>());
    }

    private static string Version() =>
        typeof(CsiDriver).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            .Split('+')[0] ?? "0";

    private sealed class Owned(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
