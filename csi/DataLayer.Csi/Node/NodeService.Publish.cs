using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;

namespace DataLayer.Csi.Node;

/// <summary>Into a pod, and out again.</summary>
internal sealed partial class NodeService
{
    private async Task<NodePublishVolumeResponse> PublishAsync(
        NodePublishVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        using TargetPath target = TargetPath.Open(request.TargetPath, "target_path", _options.TargetRoot);
        MountRequest wanted = ReadCapability(request.VolumeCapability);
        wanted = wanted with { ReadOnly = wanted.ReadOnly || request.Readonly };
        VolumeSettings settings = VolumeSettings.ReadContext(request.VolumeContext);
        using IDisposable shared = settings.IsEphemeral
            ? _locks.Enter(VolumeKey(request.VolumeId)) : _locks.EnterShared(VolumeKey(request.VolumeId));
        using IDisposable hold = _locks.Enter(target.FullPath);
        if (settings.IsEphemeral)
        {
            await PublishInlineAsync(request, target, (wanted, settings), cancellationToken).ConfigureAwait(false);
            return new NodePublishVolumeResponse();
        }

        if (request.StagingTargetPath.Length == 0)
        {
            throw new RpcException(RpcCode.FailedPrecondition, "staging_target_path is missing.");
        }

        using TargetPath? staging = TargetPath.TryOpen(
            request.StagingTargetPath, "staging_target_path", _options.TargetRoot);
        NodeMount staged = RequireStaged(staging, request.VolumeId);
        if (FindMount(target) is { } there)
        {
            if (!there.IsOrphan)
            {
                RequirePublished(there, staged, wanted);
                return new NodePublishVolumeResponse();
            }

            // A bind of a mount whose keeper died; the volume has been staged anew since.
            _mounter.Unbind(target);
        }

        string[] others = [.. FindBinds(staged).Select(m => m.MountPoint)];
        if (others.Length > 0 && !wanted.AllowsSeveralTargets)
        {
            throw new RpcException(RpcCode.FailedPrecondition,
                $"Volume {request.VolumeId} is published at {others[0]}, and its access mode {wanted.Mode} allows one "
                + "target.");
        }

        if (wanted.GroupId is { } group && !wanted.ReadOnly && !staged.IsReadOnly)
        {
            string path = await _volumes.ResolveAsync(
                request.VolumeId, settings, request.Secrets, cancellationToken).ConfigureAwait(false);
            await _volumes.DelegateAsync(path, group, cancellationToken).ConfigureAwait(false);
        }

        target.MakeFolder();
        _mounter.Bind(staging!, target, wanted.ReadOnly || staged.IsReadOnly, wanted.NoExec || staged.Has("noexec"));
        return new NodePublishVolumeResponse();
    }

    /// <summary>An inline volume has no stage: it is mounted where the pod wants it, and goes with it.</summary>
    private async Task PublishInlineAsync(
        NodePublishVolumeRequest request, TargetPath target, (MountRequest Mount, VolumeSettings Settings) wanted,
        CancellationToken cancellationToken)
    {
        if (await IsMountedAsync(target, request.VolumeId, wanted.Mount, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        string path = await _volumes.ResolveAsync(
            request.VolumeId, wanted.Settings, request.Secrets, cancellationToken).ConfigureAwait(false);
        target.MakeFolder();
        await MountAsync(
            new VolumeMount(request.VolumeId, path, target), wanted.Settings, wanted.Mount, cancellationToken)
            .ConfigureAwait(false);
    }

    private async Task<NodeUnpublishVolumeResponse> UnpublishAsync(
        NodeUnpublishVolumeRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.VolumeId, "volume_id");
        using TargetPath? target = TargetPath.TryOpen(request.TargetPath, "target_path", _options.TargetRoot);
        using IDisposable shared = _locks.EnterShared(VolumeKey(request.VolumeId));
        if (target is not null)
        {
            using IDisposable hold = _locks.Enter(target.FullPath);

            // A killed publish may have bound twice over the same folder; all of it goes.
            while (FindMount(target) is { } mount)
            {
                RequireOwn(mount, request.VolumeId, RpcCode.FailedPrecondition);
                if (FindBinds(mount).Any())
                {
                    _mounter.Unbind(target);
                }
                else
                {
                    // The only mount of its file system: an inline volume, or one whose stage is gone.
                    await _mounter.UnmountAsync(target, cancellationToken).ConfigureAwait(false);
                }
            }

            target.RemoveFolder();
        }

        await _volumes.DiscardInlineAsync(request.VolumeId, cancellationToken).ConfigureAwait(false);
        return new NodeUnpublishVolumeResponse();
    }

    private NodeMount RequireStaged(TargetPath? staging, string volumeId)
    {
        NodeMount? staged = staging is null ? null : FindMount(staging);
        return staged is not null && staged.Source == VolumeMount.SourceOf(volumeId)
            ? staged
            : throw new RpcException(RpcCode.FailedPrecondition,
                $"Volume {volumeId} is not staged at '{staging?.FullPath}'.");
    }

    private static void RequirePublished(NodeMount there, NodeMount staged, MountRequest wanted)
    {
        string? difference =
            there.Device != staged.Device ? $"another mount ({there.FileSystemType} of {there.Source})"
            : there.IsReadOnly != (wanted.ReadOnly || staged.IsReadOnly) ? (there.IsReadOnly ? "read-only" : "writable")
            : there.Has("noexec") != (wanted.NoExec || staged.Has("noexec")) ? $"with the options {there.Options}"
            : null;
        if (difference is not null)
        {
            throw new RpcException(RpcCode.AlreadyExists, $"'{there.MountPoint}' is mounted already: {difference}.");
        }
    }
}
