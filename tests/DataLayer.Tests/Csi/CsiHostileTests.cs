using System.Text;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Node;
using DataLayer.Tests.Access;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Csi;

/// <summary>Hostile strings in every field of CSI's calls, and folders that turn into links under its feet.</summary>
[Collection(CsiCollection.Name)]
public sealed class CsiHostileTests(RunningDriver driver)
{
    [Fact]
    public async Task No_field_leads_out_of_the_tree_or_below_a_link()
    {
        using TempFolder folder = new("csi-hostile");
        string outside = folder.MakeFolder("outside");
        await File.WriteAllTextAsync(Path.Combine(outside, "sentinel"), "as it was");
        await driver.Tree.WriteFileAsync("/hostile-witness", "as it was"u8.ToArray());
        Volume volume = await driver.CreateAsync();
        IReadOnlyList<string> strings = HostileStrings.All(outside);
        List<string> wrong = [];
        int tried = 0;
        foreach (string hostile in strings.Where(s => !s.Contains('\ud800', StringComparison.Ordinal)))
        {
            foreach ((string call, Func<Task<(RpcCode Code, string Message)>> send) in Calls(hostile, volume, folder))
            {
                tried++;
                (RpcCode code, string message) = await send();
                bool said = call == "unpublish" && message.Contains("cannot be removed", StringComparison.Ordinal);
                if (code is RpcCode.Unknown or RpcCode.Unavailable || (code is RpcCode.Internal && !said))
                {
                    wrong.Add($"{call} '{hostile[..Math.Min(40, hostile.Length)]}': {code} {message}");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.True(strings.Count >= 60 && tried >= 600, $"{strings.Count} strings, {tried} tried");
        Assert.Equal("as it was", await File.ReadAllTextAsync(Path.Combine(outside, "sentinel")));
        Assert.Equal([Path.Combine(outside, "sentinel")], Directory.EnumerateFileSystemEntries(outside));
        Assert.DoesNotContain(driver.Mounter.ListMounts(), m => m.MountPoint.StartsWith(outside, StringComparison.Ordinal));
        using DataLayer.Client.FileBytes witness = await driver.Tree.ReadFileAsync("/hostile-witness");
        Assert.Equal("as it was", Encoding.UTF8.GetString(witness.Memory.Span));
    }

    [Fact]
    public void A_target_whose_folder_turns_into_a_link_is_made_and_removed_where_it_was_or_not_at_all()
    {
        using TempFolder folder = new("csi-races");
        string pods = folder.MakeFolder("pods");
        string outside = folder.MakeFolder("outside");
        Directory.CreateDirectory(Path.Combine(pods, "pod"));
        Directory.CreateDirectory(Path.Combine(outside, "kept"));
        string link = folder.Combine("link");
        File.CreateSymbolicLink(link, outside);
        using CancellationTokenSource over = new();
        Thread swapper = new(() =>
        {
            while (!over.IsCancellationRequested)
            {
                _ = Storage.Interop.Libc.Rename(
                    Storage.Interop.Libc.CurrentDirectory, Path.Combine(pods, "pod"), Storage.Interop.Libc.CurrentDirectory, link, 2);
            }
        });
        swapper.Start();
        int done = 0, refused = 0;
        for (int i = 0; i < 1000 || ((done == 0 || refused == 0) && i < 2_000_000); i++) // Until the swapper had a turn in between.
        {
            try
            {
                using TargetPath? made = TargetPath.TryOpen(Path.Combine(pods, "pod", i % 2 == 0 ? "kept" : "new"), "target_path", i % 3 == 0 ? pods : null);
                if (i % 4 < 2)
                {
                    made?.MakeFolder();
                }

                made?.RemoveFolder();
                done++;
            }
            catch (RpcException e) when (e.Code is RpcCode.InvalidArgument)
            {
                refused++;
            }
        }

        over.Cancel();
        swapper.Join();
        Assert.True(done > 0 && refused > 0, $"{done} done, {refused} refused");
        Assert.Equal([Path.Combine(outside, "kept")], Directory.EnumerateFileSystemEntries(outside));
    }

    private IEnumerable<(string Call, Func<Task<(RpcCode Code, string Message)>> Send)> Calls(string hostile, Volume volume, TempFolder folder)
    {
        CreateVolumeRequest Create() => RunningDriver.CreateRequest(driver.NewName(), 1 << 20);
        yield return ("create, name", () => SendAsync<CreateVolumeResponse>(Methods.CreateVolume, RunningDriver.CreateRequest(hostile, 1 << 20)));
        foreach (string key in new[] { "profile", "path", "source", "store", "mode", hostile })
        {
            CreateVolumeRequest request = Create();
            request.Parameters[key] = hostile;
            yield return ("create, parameter", () => SendAsync<CreateVolumeResponse>(Methods.CreateVolume, request));
        }

        CreateVolumeRequest fromSnapshot = Create();
        fromSnapshot.VolumeContentSource = new() { Snapshot = new() { SnapshotId = hostile } };
        yield return ("create, snapshot", () => SendAsync<CreateVolumeResponse>(Methods.CreateVolume, fromSnapshot));
        CreateVolumeRequest fromVolume = Create();
        fromVolume.VolumeContentSource = new() { Volume = new() { VolumeId = hostile } };
        yield return ("create, clone", () => SendAsync<CreateVolumeResponse>(Methods.CreateVolume, fromVolume));
        yield return ("delete", () => SendAsync<DeleteVolumeResponse>(Methods.DeleteVolume, new DeleteVolumeRequest { VolumeId = hostile }));
        yield return ("list", () => SendAsync<ListVolumesResponse>(Methods.ListVolumes, new ListVolumesRequest { StartingToken = hostile }));
        yield return ("get", () => SendAsync<ControllerGetVolumeResponse>(Methods.GetVolume, new ControllerGetVolumeRequest { VolumeId = hostile }));
        yield return ("expand", () => SendAsync<ControllerExpandVolumeResponse>(
            Methods.Expand, new ControllerExpandVolumeRequest { VolumeId = hostile, CapacityRange = new() { RequiredBytes = 1 << 21 } }));
        yield return ("snapshot, source", () => SendAsync<CreateSnapshotResponse>(
            Methods.CreateSnapshot, new CreateSnapshotRequest { SourceVolumeId = hostile, Name = "s" }));
        yield return ("snapshot, name", () => SendAsync<CreateSnapshotResponse>(
            Methods.CreateSnapshot, new CreateSnapshotRequest { SourceVolumeId = volume.VolumeId, Name = hostile }));
        yield return ("delete snapshot", () => SendAsync<DeleteSnapshotResponse>(
            Methods.DeleteSnapshot, new DeleteSnapshotRequest { SnapshotId = hostile }));
        yield return ("stage, id", () => StageAsync(new NodeStageVolumeRequest { VolumeId = hostile, StagingTargetPath = folder.Combine("stage") }));
        yield return ("stage, path", () => StageAsync(new NodeStageVolumeRequest { VolumeId = volume.VolumeId, StagingTargetPath = hostile }));
        NodeStageVolumeRequest context = new() { VolumeId = volume.VolumeId, StagingTargetPath = folder.Combine("stage") };
        context.VolumeContext["path"] = hostile;
        yield return ("stage, context", () => StageAsync(context));
        yield return ("unstage", () => SendAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = volume.VolumeId, StagingTargetPath = hostile }));
        yield return ("publish", () => SendAsync<NodePublishVolumeResponse>(
            Methods.Publish,
            new NodePublishVolumeRequest
            {
                VolumeId = volume.VolumeId,
                StagingTargetPath = hostile,
                TargetPath = hostile,
                VolumeCapability = RunningDriver.Capability(),
            }));
        yield return ("unpublish", () => SendAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = hostile, TargetPath = hostile }));
        yield return ("stats", () => SendAsync<NodeGetVolumeStatsResponse>(
            Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = volume.VolumeId, VolumePath = hostile }));
    }

    private Task<(RpcCode Code, string Message)> StageAsync(NodeStageVolumeRequest request)
    {
        request.VolumeCapability = RunningDriver.Capability();
        return SendAsync<NodeStageVolumeResponse>(Methods.Stage, request);
    }

    private async Task<(RpcCode Code, string Message)> SendAsync<T>(string method, Google.Protobuf.IMessage request)
        where T : class, Google.Protobuf.IMessage<T>, new()
    {
        RpcReply<T> reply = await driver.Rpc.CallAsync<T>(method, request);
        return (reply.Code, reply.Message);
    }
}
