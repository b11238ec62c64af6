using DataLayer.Core.Errors;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;

namespace DataLayer.Csi.Node;

/// <summary>Space and condition of a mounted volume.</summary>
internal sealed partial class NodeService
{
    private async Task<NodeGetVolumeStatsResponse> GetStatsAsync(
        NodeGetVolumeStatsRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        RequireMounted(request.VolumeId, request.VolumePath);

        // One question at a time: with a dead service each would hold a thread until the mount ends.
        using IDisposable hold = _locks.Enter("statistics of " + request.VolumeId);
        (VolumeSpace? space, bool waiting) =
            await ProbeAsync(request.VolumePath, cancellationToken).ConfigureAwait(false);
        NodeGetVolumeStatsResponse response = new();
        if (space is not { } known)
        {
            // The kubelet wants usage in every answer; a condition without it is thrown away.
            response.Usage.Add(new VolumeUsage { Unit = VolumeUsage.Types.Unit.Bytes });
            response.VolumeCondition = new VolumeCondition
            {
                Abnormal = true,
                Message = waiting
                    ? "The mount waits for its service, which is gone or restarting: see the log of the container "
                        + "'service' on this node."
                    : "The mount is dead: its service was away too long, or its keeper died. Restart the pod.",
            };
            return response;
        }

        (known, string? fault) = await ApplyQuotaAsync(request.VolumeId, known, cancellationToken)
            .ConfigureAwait(false);
        response.Usage.Add(new VolumeUsage
        {
            Unit = VolumeUsage.Types.Unit.Bytes,
            Total = known.TotalBytes,
            Available = known.AvailableBytes,
            Used = known.UsedBytes,
        });
        response.Usage.Add(new VolumeUsage
        {
            Unit = VolumeUsage.Types.Unit.Inodes,
            Total = known.TotalInodes,
            Available = known.AvailableInodes,
            Used = known.UsedInodes,
        });
        response.VolumeCondition = new VolumeCondition
        {
            Abnormal = fault is not null,
            Message = fault ?? "The mount answers.",
        };
        return response;
    }

    private async Task<NodeExpandVolumeResponse> ExpandAsync(
        NodeExpandVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        if (request.VolumeCapability is not null)
        {
            _ = MountRequest.Read(request.VolumeCapability, out string? unsupported);
            if (unsupported is not null)
            {
                throw new RpcException(RpcCode.InvalidArgument, unsupported);
            }
        }

        CapacityRequest capacity = CapacityRequest.Read(request.CapacityRange, long.MaxValue);
        RequireMounted(request.VolumeId, request.VolumePath);

        // The controller changed the quota, which holds at once; here it is only looked at.
        long quota = await _volumes.GetQuotaAsync(request.VolumeId, cancellationToken).ConfigureAwait(false);
        return quota == 0 || (quota >= capacity.RequiredBytes && quota <= capacity.LimitBytes)
            ? new NodeExpandVolumeResponse { CapacityBytes = quota }
            : throw new RpcException(RpcCode.OutOfRange,
                $"Volume {request.VolumeId} has {quota} bytes; ControllerExpandVolume changes that.");
    }

    private void RequireMounted(string volumeId, string path)
    {
        if (path.Length == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_path is missing.");
        }

        using TargetPath? target = OpenVolumePath(path);
        if (target is null || FindMount(target) is not { } mount || mount.Source != VolumeMount.SourceOf(volumeId))
        {
            throw new RpcException(RpcCode.NotFound, $"Volume {volumeId} is not mounted at '{path}'.");
        }
    }

    /// <summary>A path that cannot hold a mount of ours holds none: that is an answer here, not a mistake.</summary>
    private TargetPath? OpenVolumePath(string path)
    {
        try
        {
            return TargetPath.TryOpen(path, "volume_path", _options.TargetRoot);
        }
        catch (RpcException e) when (e.Code == RpcCode.InvalidArgument)
        {
            return null;
        }
    }

    /// <summary>A volume with a quota is as large as that, and uses what is in it.</summary>
    private async Task<(VolumeSpace Space, string? Fault)> ApplyQuotaAsync(
        string volumeId, VolumeSpace space, CancellationToken cancellationToken)
    {
        try
        {
            long quota = await _volumes.GetQuotaAsync(volumeId, cancellationToken).ConfigureAwait(false);
            if (quota == 0
                || await _volumes.GetUsageAsync(volumeId, cancellationToken).ConfigureAwait(false) is not { } usage)
            {
                return (space, null);
            }

            long used = usage.SizeBytes;
            space = space with
            {
                TotalBytes = quota,
                UsedBytes = used,
                AvailableBytes = Math.Max(0, Math.Min(quota - used, space.AvailableBytes)),
            };
            return (space, used > quota ? $"The volume holds {used} bytes, more than its quota of {quota}." : null);
        }
        catch (DataLayerException e)
        {
            return (space, $"The mount answers, the service's API does not: {e.Message}");
        }
    }
}
