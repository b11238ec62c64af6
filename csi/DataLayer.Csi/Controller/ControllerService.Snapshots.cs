using DataLayer.Core.Tree;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;
using Google.Protobuf.WellKnownTypes;

namespace DataLayer.Csi.Controller;

/// <summary>Snapshots: copies of a volume's folder under their own name, which no mount can change.</summary>
internal sealed partial class ControllerService
{
    private async Task<CreateSnapshotResponse> CreateSnapshotAsync(
        CreateSnapshotRequest request, CancellationToken cancellationToken)
    {
        string id = VolumeName.ToId(request.Name, "name");
        VolumeName.Check(request.SourceVolumeId, "source_volume_id");
        _ = VolumeSettings.ReadParameters(request.Parameters);
        IDisposable hold = _locks.Enter(SnapshotKey(id));
        bool handedOver = false;
        try
        {
            StoredVolume? known = await _tree.FindAsync(_tree.Layout.Snapshots, id, cancellationToken)
                .ConfigureAwait(false);
            if (known is not null)
            {
                return known.Record.SourceVolume == request.SourceVolumeId
                    ? new CreateSnapshotResponse { Snapshot = ToSnapshot(known) }
                    : throw new RpcException(RpcCode.AlreadyExists,
                        $"Snapshot {id} is there, of volume {known.Record.SourceVolume}.");
            }

            handedOver = true;
            StoredVolume made = await _work.RunAsync(
                hold, $"making snapshot {id}", token => CutAsync(id, request, token), cancellationToken)
                .ConfigureAwait(false);
            return new CreateSnapshotResponse { Snapshot = ToSnapshot(made) };
        }
        finally
        {
            if (!handedOver)
            {
                hold.Dispose();
            }
        }
    }

    private async Task<StoredVolume> CutAsync(
        string id, CreateSnapshotRequest request, CancellationToken cancellationToken)
    {
        using IDisposable source = _locks.EnterShared(VolumeKey(request.SourceVolumeId));
        StoredVolume volume =
            await RequireVolumeAsync(request.SourceVolumeId, cancellationToken).ConfigureAwait(false);
        VolumeRecord record = new()
        {
            Name = request.Name,
            CreatedNanoseconds = Now(),
            Profile = volume.Record.Profile,
            SourceVolume = volume.Id,
        };
        return await _tree.MakeAsync(
            _tree.Layout.Snapshots, new StoredVolume(id, record, volume.CapacityBytes),
            async (path, token) =>
            {
                TreeCopy copy = new(_tree.Client);
                await copy.CopyAsync($"{_tree.Layout.Volumes}/{volume.Id}", path, token).ConfigureAwait(false);
                return record with { ContentBytes = copy.CopiedBytes };
            },
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<DeleteSnapshotResponse> DeleteSnapshotAsync(
        DeleteSnapshotRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.SnapshotId, "snapshot_id");
        using IDisposable hold = _locks.Enter(SnapshotKey(request.SnapshotId));
        if (await _tree.TakeOutAsync(_tree.Layout.Snapshots, request.SnapshotId, cancellationToken)
            .ConfigureAwait(false))
        {
            _work.Start("removing deleted snapshots", _tree.EmptyDeletedAsync);
        }

        return new DeleteSnapshotResponse();
    }

    private async Task<ListSnapshotsResponse> ListSnapshotsAsync(
        ListSnapshotsRequest request, CancellationToken cancellationToken)
    {
        int limit = PageLimit(request.MaxEntries);
        string? after = PageToken.Read(request.StartingToken);
        ListSnapshotsResponse response = new();
        if (request.SnapshotId.Length > 0)
        {
            StoredVolume? one = await _tree.FindAsync(_tree.Layout.Snapshots, request.SnapshotId, cancellationToken)
                .ConfigureAwait(false);
            if (one is not null
                && (request.SourceVolumeId.Length == 0 || one.Record.SourceVolume == request.SourceVolumeId))
            {
                response.Entries.Add(new ListSnapshotsResponse.Types.Entry { Snapshot = ToSnapshot(one) });
            }

            return response;
        }

        await foreach (StoredVolume snapshot in _tree.ListAllAsync(_tree.Layout.Snapshots, after, cancellationToken)
            .ConfigureAwait(false))
        {
            if (request.SourceVolumeId.Length > 0 && snapshot.Record.SourceVolume != request.SourceVolumeId)
            {
                continue;
            }

            if (response.Entries.Count == limit)
            {
                response.NextToken = PageToken.After(response.Entries[^1].Snapshot.SnapshotId);
                break;
            }

            response.Entries.Add(new ListSnapshotsResponse.Types.Entry { Snapshot = ToSnapshot(snapshot) });
        }

        return response;
    }

    private async Task<GetSnapshotResponse> GetSnapshotAsync(
        GetSnapshotRequest request, CancellationToken cancellationToken)
    {
        VolumeName.Check(request.SnapshotId, "snapshot_id");
        StoredVolume snapshot = await _tree.FindAsync(_tree.Layout.Snapshots, request.SnapshotId, cancellationToken)
            .ConfigureAwait(false)
            ?? throw new RpcException(RpcCode.NotFound, $"There is no snapshot {request.SnapshotId}.");
        return new GetSnapshotResponse { Snapshot = ToSnapshot(snapshot) };
    }

    private static Snapshot ToSnapshot(StoredVolume stored) => new()
    {
        SnapshotId = stored.Id,
        SourceVolumeId = stored.Record.SourceVolume ?? string.Empty,
        SizeBytes = stored.Record.ContentBytes,
        CreationTime = Timestamp.FromDateTimeOffset(
            UnixTime.ToTime(stored.Record.CreatedNanoseconds)),
        ReadyToUse = true,
    };
}
