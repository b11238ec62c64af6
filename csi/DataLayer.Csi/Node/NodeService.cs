using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi.Node;

/// <summary>
/// The node's calls: stage mounts a volume once (FUSE), publish binds it into a pod, and the way back. Nothing is
/// remembered between calls: what is mounted stands in mountinfo, where a mount's source names its volume and binds
/// share its device. So a killed driver goes on where it was.
/// </summary>
/// <remarks>
/// Every call is idempotent. Each step ends in a state that the next call understands: a folder without a mount, or a
/// whole mount (binds appear with all their options in one step). Locks: a volume alone for stage and unstage, shared
/// for
/// publish and unpublish, with the target path alone; the volume's lock is taken first.
/// </remarks>
internal sealed partial class NodeService
{
    private const string Service = "csi.v1.Node";
    private readonly INodeMounter _mounter;
    private readonly NodeVolumes _volumes;
    private readonly NodeOptions _options;
    private readonly ILogger _log;
    private readonly VolumeLocks _locks = new();

    /// <summary>Makes the node's service.</summary>
    public NodeService(INodeMounter mounter, NodeVolumes volumes, NodeOptions options, ILogger log)
    {
        _mounter = mounter;
        _volumes = volumes;
        _options = options;
        _log = log;
    }

    /// <summary>The methods of the service.</summary>
    public IEnumerable<RpcMethod> GetMethods() =>
    [
        RpcMethod.Make(Service, "NodeStageVolume", NodeStageVolumeRequest.Parser, StageAsync),
        RpcMethod.Make(Service, "NodeUnstageVolume", NodeUnstageVolumeRequest.Parser, UnstageAsync),
        RpcMethod.Make(Service, "NodePublishVolume", NodePublishVolumeRequest.Parser, PublishAsync),
        RpcMethod.Make(Service, "NodeUnpublishVolume", NodeUnpublishVolumeRequest.Parser, UnpublishAsync),
        RpcMethod.Make(Service, "NodeGetVolumeStats", NodeGetVolumeStatsRequest.Parser, GetStatsAsync),
        RpcMethod.Make(Service, "NodeExpandVolume", NodeExpandVolumeRequest.Parser, ExpandAsync),
        RpcMethod.Make(Service, "NodeGetCapabilities", NodeGetCapabilitiesRequest.Parser, GetCapabilitiesAsync),
        RpcMethod.Make(Service, "NodeGetInfo", NodeGetInfoRequest.Parser, GetNodeAsync),
    ];

    private static Task<NodeGetCapabilitiesResponse> GetCapabilitiesAsync(
        NodeGetCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        NodeGetCapabilitiesResponse response = new();
        foreach (NodeServiceCapability.Types.RPC.Types.Type type in new[]
        {
            NodeServiceCapability.Types.RPC.Types.Type.StageUnstageVolume,
            NodeServiceCapability.Types.RPC.Types.Type.GetVolumeStats,
            NodeServiceCapability.Types.RPC.Types.Type.ExpandVolume,
            NodeServiceCapability.Types.RPC.Types.Type.VolumeCondition,
            NodeServiceCapability.Types.RPC.Types.Type.SingleNodeMultiWriter,
            NodeServiceCapability.Types.RPC.Types.Type.VolumeMountGroup,
        })
        {
            response.Capabilities.Add(
                new NodeServiceCapability { Rpc = new NodeServiceCapability.Types.RPC { Type = type } });
        }

        return Task.FromResult(response);
    }

    private async Task<NodeGetInfoResponse> GetNodeAsync(
        NodeGetInfoRequest request, CancellationToken cancellationToken)
    {
        NodeGetInfoResponse response = new()
        {
            NodeId = _options.NodeId,
            MaxVolumesPerNode = _options.MaxVolumes,
            AccessibleTopology = new Topology(),
        };

        // The kubelet keeps this answer for good, so it waits for the service instead of getting half of it.
        response.AccessibleTopology.Segments.Add(
            _options.TopologyPrefix + "/tree",
            await _volumes.GetTreeAsync(cancellationToken).ConfigureAwait(false));
        if (_options.Zone is { } zone)
        {
            response.AccessibleTopology.Segments.Add(_options.TopologyPrefix + "/zone", zone);
        }

        return response;
    }

    private async Task<NodeStageVolumeResponse> StageAsync(
        NodeStageVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        using TargetPath target = TargetPath.Open(
            request.StagingTargetPath, "staging_target_path", _options.TargetRoot);
        MountRequest wanted = ReadCapability(request.VolumeCapability);
        VolumeSettings settings = VolumeSettings.ReadContext(request.VolumeContext);
        if (settings.IsEphemeral)
        {
            throw new RpcException(RpcCode.InvalidArgument, "An inline volume is published without being staged.");
        }

        using IDisposable hold = _locks.Enter(VolumeKey(request.VolumeId));
        if (await IsMountedAsync(target, request.VolumeId, wanted, cancellationToken).ConfigureAwait(false))
        {
            return new NodeStageVolumeResponse();
        }

        string path = await _volumes.ResolveAsync(request.VolumeId, settings, request.Secrets, cancellationToken)
            .ConfigureAwait(false);
        target.MakeFolder();
        await MountAsync(new VolumeMount(request.VolumeId, path, target), settings, wanted, cancellationToken)
            .ConfigureAwait(false);
        return new NodeStageVolumeResponse();
    }

    private async Task<NodeUnstageVolumeResponse> UnstageAsync(
        NodeUnstageVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        using TargetPath? target = TargetPath.TryOpen(
            request.StagingTargetPath, "staging_target_path", _options.TargetRoot);
        using IDisposable hold = _locks.Enter(VolumeKey(request.VolumeId));
        if (target is null || FindMount(target) is not { } mount)
        {
            return new NodeUnstageVolumeResponse();
        }

        RequireOwn(mount, request.VolumeId, RpcCode.FailedPrecondition);
        string[] published = [.. FindBinds(mount).Select(m => m.MountPoint)];
        if (published.Length > 0)
        {
            throw new RpcException(RpcCode.FailedPrecondition,
                $"Volume {request.VolumeId} is still published at {string.Join(", ", published)}.");
        }

        await _mounter.UnmountAsync(target, cancellationToken).ConfigureAwait(false);
        return new NodeUnstageVolumeResponse();
    }

    /// <summary>Mounts, with the group's rights set first, so that no pod sees the volume without them.</summary>
    private async Task MountAsync(
        VolumeMount mount, VolumeSettings settings, MountRequest wanted, CancellationToken cancellationToken)
    {
        bool readOnly = wanted.ReadOnly || IsReadOnlyBucket(settings);
        if (wanted.GroupId is { } group && !readOnly)
        {
            await _volumes.DelegateAsync(mount.TreePath, group, cancellationToken).ConfigureAwait(false);
        }

        await _mounter.MountAsync(
            mount with
            {
                ReadOnly = readOnly,
                NoExec = wanted.NoExec,
                NoAccessTime = wanted.NoAccessTime,
                Profile = wanted.Profile ?? settings.Profile,
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether a volume is mounted at its target as wanted. A mount of it that does not answer any more is taken away.
    /// </summary>
    /// <exception cref="RpcException">ALREADY_EXISTS: something else, or with other options, is there.</exception>
    private async Task<bool> IsMountedAsync(
        TargetPath target, string volumeId, MountRequest wanted, CancellationToken cancellationToken)
    {
        if (FindMount(target) is not { } mount)
        {
            return false;
        }

        RequireOwn(mount, volumeId, RpcCode.AlreadyExists);
        if (!mount.IsOrphan && ((wanted.ReadOnly && !mount.IsReadOnly) || mount.Has("noexec") != wanted.NoExec))
        {
            throw new RpcException(RpcCode.AlreadyExists,
                $"Volume {volumeId} is mounted at '{target.FullPath}' with other options: {mount.Options}.");
        }

        if (!mount.IsOrphan)
        {
            (VolumeSpace? space, bool waiting) =
                await ProbeAsync(target.FullPath, cancellationToken).ConfigureAwait(false);
            if (waiting)
            {
                // Its keeper lives and waits for the next service: unmounting would take it from the pods that wait
                // too.
                throw new RpcException(RpcCode.Unavailable,
                    $"The mount at '{target.FullPath}' waits for its service, which is gone or restarting.");
            }

            if (space is not null)
            {
                return true;
            }
        }

        LogDead(_log, volumeId, target.FullPath);
        await _mounter.UnmountAsync(target, cancellationToken).ConfigureAwait(false);
        return false;
    }

    /// <summary>Space of a mount; null where it is dead, or does not answer in time (then it waits).</summary>
    private async Task<(VolumeSpace? Space, bool IsWaiting)> ProbeAsync(
        string path, CancellationToken cancellationToken)
    {
        // A dead service's mount may hold the thread; it is given up here and comes back when the mount ends.
        Task<VolumeSpace> asked = Task.Run(() => _mounter.GetSpace(path), CancellationToken.None);
        try
        {
            return (await asked.WaitAsync(_options.ProbeTimeout, _options.Time, cancellationToken)
                .ConfigureAwait(false), false);
        }
        catch (IOException)
        {
            return (null, false);
        }
        catch (TimeoutException)
        {
            return (null, true);
        }
    }

    private NodeMount? FindMount(TargetPath target) =>
        _mounter.ListMounts().LastOrDefault(m => m.MountPoint == target.FullPath);

    /// <summary>The other mounts of the same file system.</summary>
    private IEnumerable<NodeMount> FindBinds(NodeMount mount) =>
        _mounter.ListMounts().Where(m => m.Device == mount.Device && m.MountPoint != mount.MountPoint);

    private static void RequireOwn(NodeMount mount, string volumeId, RpcCode otherwise)
    {
        if (!mount.IsOrphan && mount.Source != VolumeMount.SourceOf(volumeId))
        {
            throw new RpcException(
                otherwise, $"'{mount.MountPoint}' holds another mount ({mount.FileSystemType} of {mount.Source}).");
        }
    }

    private static MountRequest ReadCapability(VolumeCapability? capability)
    {
        MountRequest wanted = MountRequest.Read(capability, out string? unsupported);
        return unsupported is null ? wanted : throw new RpcException(RpcCode.FailedPrecondition, unsupported);
    }

    private static bool IsReadOnlyBucket(VolumeSettings settings) =>
        settings is { Source: not null, Mode: Core.Tree.AttachmentMode.ReadOnly };

    private static string VolumeKey(string volumeId) => "volume " + volumeId;

    [LoggerMessage(20, LogLevel.Warning,
        "The mount of volume {VolumeId} at {Path} does not answer; it is unmounted and made anew")]
    private static partial void LogDead(ILogger log, string volumeId, string path);
}
