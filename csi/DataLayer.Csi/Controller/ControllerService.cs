using DataLayer.Core.Tree;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi.Controller;

/// <summary>
/// The controller's calls on volumes. Stateless: all it knows stands in the tree (<see cref="VolumeTree"/>), so a
/// killed controller, or a second one beside it, goes on where the first was.
/// </summary>
/// <remarks>
/// Every call is idempotent: it looks first, and what an earlier try began is begun again. A call that changes a volume
/// holds the volume's lock; a second one is answered ABORTED. Copies (clones, snapshots) may take longer than the
/// caller waits, so they go on after its deadline, still holding their locks, and the repeated call finds them done.
/// Life cycle: made → serves calls → disposed, which cancels copies and awaits them; their halves stay below new/ and
/// are removed by the next try.
/// </remarks>
internal sealed partial class ControllerService : IAsyncDisposable
{
    private const string Service = "csi.v1.Controller";
    private readonly VolumeTree _tree;
    private readonly ControllerOptions _options;
    private readonly VolumeLocks _locks = new();
    private readonly BackgroundWork _work;
    private string? _treeId;

    /// <summary>Makes the controller.</summary>
    public ControllerService(VolumeTree tree, ControllerOptions options, ILogger log)
    {
        _tree = tree;
        _options = options;
        _work = new BackgroundWork(log);

        // What a killed controller was removing is removed on.
        _work.Start("removing deleted volumes", tree.EmptyDeletedAsync);
    }

    /// <summary>The methods of the service.</summary>
    public IEnumerable<RpcMethod> GetMethods() =>
    [
        RpcMethod.Make(Service, "CreateVolume", CreateVolumeRequest.Parser, CreateVolumeAsync),
        RpcMethod.Make(Service, "DeleteVolume", DeleteVolumeRequest.Parser, DeleteVolumeAsync),
        RpcMethod.Make(
            Service, "ValidateVolumeCapabilities", ValidateVolumeCapabilitiesRequest.Parser, ValidateAsync),
        RpcMethod.Make(Service, "ListVolumes", ListVolumesRequest.Parser, ListVolumesAsync),
        RpcMethod.Make(Service, "ControllerGetVolume", ControllerGetVolumeRequest.Parser, GetVolumeAsync),
        RpcMethod.Make(Service, "GetCapacity", GetCapacityRequest.Parser, GetCapacityAsync),
        RpcMethod.Make(Service, "ControllerExpandVolume", ControllerExpandVolumeRequest.Parser, ExpandAsync),
        RpcMethod.Make(
            Service, "ControllerGetCapabilities", ControllerGetCapabilitiesRequest.Parser, GetCapabilitiesAsync),
        RpcMethod.Make(Service, "CreateSnapshot", CreateSnapshotRequest.Parser, CreateSnapshotAsync),
        RpcMethod.Make(Service, "DeleteSnapshot", DeleteSnapshotRequest.Parser, DeleteSnapshotAsync),
        RpcMethod.Make(Service, "ListSnapshots", ListSnapshotsRequest.Parser, ListSnapshotsAsync),
        RpcMethod.Make(Service, "GetSnapshot", GetSnapshotRequest.Parser, GetSnapshotAsync),
    ];

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _work.DisposeAsync();

    private static Task<ControllerGetCapabilitiesResponse> GetCapabilitiesAsync(
        ControllerGetCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        ControllerGetCapabilitiesResponse response = new();
        foreach (ControllerServiceCapability.Types.RPC.Types.Type type in new[]
        {
            ControllerServiceCapability.Types.RPC.Types.Type.CreateDeleteVolume,
            ControllerServiceCapability.Types.RPC.Types.Type.ListVolumes,
            ControllerServiceCapability.Types.RPC.Types.Type.GetCapacity,
            ControllerServiceCapability.Types.RPC.Types.Type.CreateDeleteSnapshot,
            ControllerServiceCapability.Types.RPC.Types.Type.ListSnapshots,
            ControllerServiceCapability.Types.RPC.Types.Type.CloneVolume,
            ControllerServiceCapability.Types.RPC.Types.Type.ExpandVolume,
            ControllerServiceCapability.Types.RPC.Types.Type.VolumeCondition,
            ControllerServiceCapability.Types.RPC.Types.Type.GetVolume,
            ControllerServiceCapability.Types.RPC.Types.Type.SingleNodeMultiWriter,
            ControllerServiceCapability.Types.RPC.Types.Type.GetSnapshot,
        })
        {
            response.Capabilities.Add(
                new ControllerServiceCapability { Rpc = new ControllerServiceCapability.Types.RPC { Type = type } });
        }

        return Task.FromResult(response);
    }

    private async Task<CreateVolumeResponse> CreateVolumeAsync(
        CreateVolumeRequest request, CancellationToken cancellationToken)
    {
        string id = VolumeName.ToId(request.Name, "name");
        RequireCapabilities(request.VolumeCapabilities);
        if (request.MutableParameters.Count > 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, "mutable_parameters are not offered by this driver.");
        }

        VolumeSettings settings = VolumeSettings.ReadParameters(request.Parameters);
        CapacityRequest capacity = CapacityRequest.Read(request.CapacityRange, _options.MaxVolumeBytes);
        Origin? origin = Origin.Read(request.VolumeContentSource);
        string tree = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
        RequireReachable(request.AccessibilityRequirements, tree);
        IDisposable hold = _locks.Enter(VolumeKey(id));
        bool handedOver = false;
        try
        {
            StoredVolume? known = await _tree.FindAsync(_tree.Layout.Volumes, id, cancellationToken)
                .ConfigureAwait(false);
            if (known is not null)
            {
                RequireSame(known, capacity, settings, origin);
                return new CreateVolumeResponse { Volume = ToVolume(known, tree) };
            }

            handedOver = true;
            StoredVolume made = await _work.RunAsync(
                hold, $"making volume {id}",
                token => MakeAsync(id, request.Name, capacity, (settings, origin), token), cancellationToken)
                .ConfigureAwait(false);
            return new CreateVolumeResponse { Volume = ToVolume(made, tree) };
        }
        finally
        {
            if (!handedOver)
            {
                hold.Dispose();
            }
        }
    }

    private async Task<StoredVolume> MakeAsync(
        string id, string name, CapacityRequest capacity, (VolumeSettings Settings, Origin? Origin) from,
        CancellationToken cancellationToken)
    {
        VolumeRecord record = new()
        {
            Name = name,
            CreatedNanoseconds = Now(),
            Profile = from.Settings.Profile,
            SourceSnapshot = from.Origin is { IsSnapshot: true } ? from.Origin.Id : null,
            SourceVolume = from.Origin is { IsSnapshot: false } ? from.Origin.Id : null,
        };
        if (from.Origin is not { } origin)
        {
            return await _tree.MakeAsync(
                _tree.Layout.Volumes, new StoredVolume(id, record, capacity.Choice), fill: null, cancellationToken)
                .ConfigureAwait(false);
        }

        // A volume that is deleted while it is copied would end as a copy of half of it.
        using IDisposable source = _locks.EnterShared(
            origin.IsSnapshot ? SnapshotKey(origin.Id) : VolumeKey(origin.Id));
        string folder = origin.IsSnapshot ? _tree.Layout.Snapshots : _tree.Layout.Volumes;
        StoredVolume original = await _tree.FindAsync(folder, origin.Id, cancellationToken).ConfigureAwait(false)
            ?? throw new RpcException(RpcCode.NotFound, $"The source {origin} does not exist.");
        long least = origin.IsSnapshot ? original.Record.ContentBytes : original.CapacityBytes;
        long wanted = capacity.RequiredBytes > 0 ? capacity.RequiredBytes
            : original.CapacityBytes > 0 ? Math.Min(original.CapacityBytes, capacity.LimitBytes) : capacity.Choice;
        if (wanted > 0 && wanted < least)
        {
            throw new RpcException(
                RpcCode.OutOfRange, $"A volume of {wanted} bytes is smaller than its source {origin}, {least} bytes.");
        }

        return await _tree.MakeAsync(
            _tree.Layout.Volumes, new StoredVolume(id, record, wanted),
            async (path, token) =>
            {
                await new TreeCopy(_tree.Client).CopyAsync($"{folder}/{origin.Id}", path, token).ConfigureAwait(false);
                return record;
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<DeleteVolumeResponse> DeleteVolumeAsync(
        DeleteVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        using IDisposable hold = _locks.Enter(VolumeKey(request.VolumeId));
        string path = $"{_tree.Layout.Volumes}/{request.VolumeId}";
        MountList mounts = await _tree.Client.Admin.ListMountsAsync(cancellationToken).ConfigureAwait(false);
        if (mounts.Mounts.FirstOrDefault(m => m.TreePath == path) is { } user)
        {
            throw new RpcException(RpcCode.FailedPrecondition,
                $"Volume {request.VolumeId} is in use: it is mounted at '{user.MountPoint}'.");
        }

        if (await _tree.TakeOutAsync(_tree.Layout.Volumes, request.VolumeId, cancellationToken).ConfigureAwait(false))
        {
            _work.Start("removing deleted volumes", _tree.EmptyDeletedAsync);
        }

        return new DeleteVolumeResponse();
    }

    private async Task<ControllerExpandVolumeResponse> ExpandAsync(
        ControllerExpandVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        if (request.CapacityRange is not { } range || range is { RequiredBytes: 0, LimitBytes: 0 })
        {
            throw new RpcException(RpcCode.InvalidArgument, "capacity_range is missing.");
        }

        CapacityRequest capacity = CapacityRequest.Read(range, _options.MaxVolumeBytes);
        if (request.VolumeCapability is not null)
        {
            RequireCapabilities([request.VolumeCapability]);
        }

        using IDisposable hold = _locks.Enter(VolumeKey(request.VolumeId));
        StoredVolume volume = await RequireVolumeAsync(request.VolumeId, cancellationToken).ConfigureAwait(false);

        // No volume shrinks: asked for less, it stays, unless the limit says that it must not be as large as it is.
        long wanted = volume.CapacityBytes == 0
            ? capacity.Choice : Math.Max(volume.CapacityBytes, capacity.RequiredBytes);
        if (wanted > capacity.LimitBytes)
        {
            throw new RpcException(RpcCode.OutOfRange,
                $"Volume {request.VolumeId} has {volume.CapacityBytes} bytes, more than the limit of "
                + $"{capacity.LimitBytes}; a volume cannot shrink.");
        }

        if (wanted != volume.CapacityBytes)
        {
            await _tree.ResizeAsync(volume.Id, wanted, cancellationToken).ConfigureAwait(false);
        }

        // The quota holds from now on, also in mounts that are there: nothing is left to do on a node.
        return new ControllerExpandVolumeResponse { CapacityBytes = wanted, NodeExpansionRequired = false };
    }

    private static void RequireCapabilities(IEnumerable<VolumeCapability> capabilities)
    {
        bool any = false;
        foreach (VolumeCapability capability in capabilities)
        {
            any = true;
            _ = MountRequest.Read(capability, out string? unsupported);
            if (unsupported is not null)
            {
                throw new RpcException(RpcCode.InvalidArgument, unsupported);
            }
        }

        if (!any)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_capabilities are missing.");
        }
    }

    private static void RequireSame(
        StoredVolume known, CapacityRequest capacity, VolumeSettings settings, Origin? origin)
    {
        string? difference =
            !capacity.Admits(known.CapacityBytes) ? $"it has {known.CapacityBytes} bytes"
            : known.Record.Profile != settings.Profile ? $"its profile is {known.Record.Profile}"
            : known.Record.SourceSnapshot != (origin is { IsSnapshot: true } ? origin.Id : null)
                || known.Record.SourceVolume != (origin is { IsSnapshot: false } ? origin.Id : null)
                ? "its content came from elsewhere"
            : null;
        if (difference is not null)
        {
            throw new RpcException(
                RpcCode.AlreadyExists, $"Volume {known.Id} is there and not what is asked for: {difference}.");
        }
    }

    private void RequireReachable(TopologyRequirement? requirement, string tree)
    {
        if (requirement is { Requisite.Count: > 0 }
            && !requirement.Requisite.Any(
                t => !t.Segments.TryGetValue(TreeKey, out string? wanted) || wanted == tree))
        {
            throw new RpcException(RpcCode.ResourceExhausted,
                $"This controller makes volumes in tree {tree}, which no node of accessibility_requirements serves.");
        }
    }

    private async Task<StoredVolume> RequireVolumeAsync(string id, CancellationToken cancellationToken) =>
        await _tree.FindAsync(_tree.Layout.Volumes, id, cancellationToken).ConfigureAwait(false)
        ?? throw new RpcException(RpcCode.NotFound, $"There is no volume {id}.");

    private async Task<string> GetTreeAsync(CancellationToken cancellationToken) =>
        _treeId ??= await _tree.GetIdentityAsync(cancellationToken).ConfigureAwait(false);

    private string TreeKey => _options.TopologyPrefix + "/tree";

    private long Now() => UnixTime.ToNanoseconds(_options.Time.GetUtcNow());

    private static string VolumeKey(string id) => "volume " + id;

    private static string SnapshotKey(string id) => "snapshot " + id;

    private Volume ToVolume(StoredVolume stored, string tree)
    {
        Volume volume = new() { VolumeId = stored.Id, CapacityBytes = stored.CapacityBytes };
        volume.VolumeContext.Add(VolumeSettings.TreeKey, tree);
        volume.VolumeContext.Add("profile", stored.Record.Profile);
        volume.AccessibleTopology.Add(new Topology { Segments = { [TreeKey] = tree } });
        volume.ContentSource = stored.Record switch
        {
            { SourceSnapshot: { } snapshot } => new VolumeContentSource
            {
                Snapshot = new VolumeContentSource.Types.SnapshotSource { SnapshotId = snapshot },
            },
            { SourceVolume: { } original } => new VolumeContentSource
            {
                Volume = new VolumeContentSource.Types.VolumeSource { VolumeId = original },
            },
            _ => null,
        };
        return volume;
    }

    /// <summary>Where a new volume's content comes from.</summary>
    private sealed record Origin(string Id, bool IsSnapshot)
    {
        public static Origin? Read(VolumeContentSource? source)
        {
            Origin? origin = source?.TypeCase switch
            {
                null => null,
                VolumeContentSource.TypeOneofCase.Snapshot => new Origin(source.Snapshot.SnapshotId, IsSnapshot: true),
                VolumeContentSource.TypeOneofCase.Volume => new Origin(source.Volume.VolumeId, IsSnapshot: false),
                _ => throw new RpcException(RpcCode.InvalidArgument, "volume_content_source names no source."),
            };
            if (origin is not null)
            {
                VolumeName.Check(origin.Id, "volume_content_source");
            }

            return origin;
        }

        public override string ToString() => (IsSnapshot ? "snapshot " : "volume ") + Id;
    }
}
