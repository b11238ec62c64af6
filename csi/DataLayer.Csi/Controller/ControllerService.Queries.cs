using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Controller;

/// <summary>What can be asked: lists, capacity, condition, capabilities of a volume.</summary>
internal sealed partial class ControllerService
{
    /// <summary>The most entries of one answer: some 200 bytes each, well below what a client takes.</summary>
    private const int MaxPageEntries = 10_000;

    private async Task<ListVolumesResponse> ListVolumesAsync(
        ListVolumesRequest request, CancellationToken cancellationToken)
    {
        int limit = PageLimit(request.MaxEntries);
        string? after = PageToken.Read(request.StartingToken);
        string tree = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
        (IReadOnlyList<StoredVolume> page, string? next) =
            await _tree.ListAsync(_tree.Layout.Volumes, after, limit, cancellationToken).ConfigureAwait(false);
        VolumeCondition condition = await GetConditionAsync(cancellationToken).ConfigureAwait(false);
        ListVolumesResponse response = new() { NextToken = next is null ? string.Empty : PageToken.After(next) };
        foreach (StoredVolume volume in page)
        {
            response.Entries.Add(new ListVolumesResponse.Types.Entry
            {
                Volume = ToVolume(volume, tree),
                Status = new ListVolumesResponse.Types.VolumeStatus { VolumeCondition = condition.Clone() },
            });
        }

        return response;
    }

    private async Task<ControllerGetVolumeResponse> GetVolumeAsync(
        ControllerGetVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        StoredVolume volume = await RequireVolumeAsync(request.VolumeId, cancellationToken).ConfigureAwait(false);
        string tree = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
        return new ControllerGetVolumeResponse
        {
            Volume = ToVolume(volume, tree),
            Status = new ControllerGetVolumeResponse.Types.VolumeStatus
            {
                VolumeCondition = await GetConditionAsync(cancellationToken).ConfigureAwait(false),
            },
        };
    }

    private async Task<GetCapacityResponse> GetCapacityAsync(
        GetCapacityRequest request, CancellationToken cancellationToken)
    {
        _ = VolumeSettings.ReadParameters(request.Parameters);
        bool possible = true;
        foreach (VolumeCapability capability in request.VolumeCapabilities)
        {
            _ = MountRequest.Read(capability, out string? unsupported);
            possible &= unsupported is null;
        }

        string tree = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
        if (request.AccessibleTopology is { } topology
            && topology.Segments.TryGetValue(TreeKey, out string? wanted)
            && wanted != tree)
        {
            possible = false;
        }

        long free = possible
            ? (await _tree.Client.Admin.ListTargetsAsync(cancellationToken).ConfigureAwait(false))
                .Where(t => t.State == "ok").Sum(t => t.FreeBytes)
            : 0;
        return new GetCapacityResponse
        {
            AvailableCapacity = free,
            MaximumVolumeSize = _options.MaxVolumeBytes == long.MaxValue ? null : _options.MaxVolumeBytes,
        };
    }

    private async Task<ValidateVolumeCapabilitiesResponse> ValidateAsync(
        ValidateVolumeCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        if (request.VolumeCapabilities.Count == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_capabilities are missing.");
        }

        List<string> faults = [];
        foreach (VolumeCapability capability in request.VolumeCapabilities)
        {
            _ = MountRequest.Read(capability, out string? unsupported);
            if (unsupported is not null)
            {
                faults.Add(unsupported);
            }
        }

        VolumeSettings context = VolumeSettings.ReadContext(request.VolumeContext);
        VolumeSettings parameters = VolumeSettings.ReadParameters(request.Parameters);
        if (context.Source is null && context.Path is null)
        {
            StoredVolume volume = await RequireVolumeAsync(request.VolumeId, cancellationToken).ConfigureAwait(false);
            string tree = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
            if (context.Tree is { } given && given != tree)
            {
                faults.Add($"The volume lies in tree {tree}, not in {given}.");
            }

            if (request.Parameters.ContainsKey("profile") && parameters.Profile != volume.Record.Profile)
            {
                faults.Add($"The volume's profile is {volume.Record.Profile}.");
            }
        }
        else if (context.Path is { } path
            && await _tree.Client.TryStatAsync(path, cancellationToken).ConfigureAwait(false) is null)
        {
            throw new RpcException(RpcCode.NotFound, $"There is no folder {path} in the tree.");
        }

        if (request.MutableParameters.Count > 0)
        {
            faults.Add("mutable_parameters are not offered by this driver.");
        }

        if (faults.Count > 0)
        {
            return new ValidateVolumeCapabilitiesResponse { Message = string.Join(' ', faults) };
        }

        ValidateVolumeCapabilitiesResponse.Types.Confirmed confirmed = new();
        confirmed.VolumeContext.Add(request.VolumeContext);
        confirmed.VolumeCapabilities.Add(request.VolumeCapabilities);
        confirmed.Parameters.Add(request.Parameters);
        return new ValidateVolumeCapabilitiesResponse { Confirmed = confirmed };
    }

    /// <summary>Volumes lie over all targets, so a target that does not work makes every one of them suspect.</summary>
    private async Task<VolumeCondition> GetConditionAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<TargetReport> targets =
            await _tree.Client.Admin.ListTargetsAsync(cancellationToken).ConfigureAwait(false);
        string[] broken = [.. targets.Where(t => !IsWorking(t)).Select(t => $"{t.Target} ({t.State})")];
        return broken.Length == 0
            ? new VolumeCondition { Message = $"All {targets.Count} targets work." }
            : new VolumeCondition
            {
                Abnormal = true,
                Message = $"Targets that do not work: {string.Join(", ", broken)}. See 'datalayer target list'.",
            };
    }

    private static bool IsWorking(TargetReport target) =>
        target.Fault is null && target.State is "ok" or "draining";

    private static int PageLimit(int maxEntries) =>
        maxEntries < 0 ? throw new RpcException(RpcCode.InvalidArgument, "max_entries is negative.")
        : maxEntries == 0 ? MaxPageEntries
        : Math.Min(maxEntries, MaxPageEntries);
}
