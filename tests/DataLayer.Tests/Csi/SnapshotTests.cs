using System.Text;
using DataLayer.Client;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Csi;

/// <summary>Copies of volumes: snapshots, volumes from them, clones.</summary>
[Collection(CsiCollection.Name)]
public sealed class SnapshotTests(RunningDriver driver)
{
    private const long Gi = 1 << 30;

    [Fact]
    public async Task A_snapshot_keeps_what_the_volume_held()
    {
        Volume volume = await FilledAsync();
        Snapshot snapshot = await SnapAsync(volume.VolumeId);
        Assert.True(snapshot.ReadyToUse);
        Assert.Equal(volume.VolumeId, snapshot.SourceVolumeId);
        Assert.True(snapshot.SizeBytes >= 3_000_005);
        await driver.Tree.WriteFileAsync($"/csi/volumes/{volume.VolumeId}/a", "changed"u8.ToArray());
        await driver.Tree.DeleteAsync($"/csi/volumes/{volume.VolumeId}/sub", recursive: true);
        await AssertFilledAsync("/csi/snapshots/" + snapshot.SnapshotId);
    }

    [Fact]
    public async Task A_volume_from_a_snapshot_holds_it_and_stands_alone()
    {
        Volume volume = await FilledAsync();
        Snapshot snapshot = await SnapAsync(volume.VolumeId);
        Volume restored = (await driver.CallAsync<CreateVolumeResponse>(
            Methods.CreateVolume, From(snapshot: snapshot.SnapshotId))).Volume;
        Assert.Equal(snapshot.SnapshotId, restored.ContentSource.Snapshot.SnapshotId);
        await driver.CallAsync<DeleteSnapshotResponse>(
            Methods.DeleteSnapshot, new DeleteSnapshotRequest { SnapshotId = snapshot.SnapshotId });
        await driver.CallAsync<DeleteVolumeResponse>(Methods.DeleteVolume, new DeleteVolumeRequest { VolumeId = volume.VolumeId });
        await AssertFilledAsync("/csi/volumes/" + restored.VolumeId);
    }

    [Fact]
    public async Task A_clone_holds_the_volume_and_stands_alone()
    {
        Volume volume = await FilledAsync();
        CreateVolumeRequest request = From(volume: volume.VolumeId);
        Volume clone = (await driver.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Volume;
        Assert.Equal(volume.VolumeId, clone.ContentSource.Volume.VolumeId);
        await driver.Tree.DeleteAsync($"/csi/volumes/{volume.VolumeId}/a");
        await AssertFilledAsync("/csi/volumes/" + clone.VolumeId);
        Assert.Equal(clone, (await driver.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Volume);
    }

    [Fact]
    public async Task A_copy_keeps_links_modes_times_and_attributes()
    {
        Volume volume = await driver.CreateAsync();
        string root = "/csi/volumes/" + volume.VolumeId;
        await driver.Tree.WriteFileAsync(root + "/first", "linked"u8.ToArray(), new WriteOptions { Mode = 0x180 });
        await driver.Tree.LinkAsync(root + "/first", root + "/second");
        await driver.Tree.MakeSymbolicLinkAsync(root + "/soft", "first");
        await driver.Tree.Admin.SetXattrAsync(root + "/first", "user.colour", "red"u8.ToArray());
        await driver.Tree.SetAttributesAsync(new AttributesCommand
        {
            Path = root + "/first",
            UserId = 7,
            GroupId = 8,
            ModifyTimeNanoseconds = 1_000_000_007,
        });
        Snapshot snapshot = await SnapAsync(volume.VolumeId);
        string copy = "/csi/snapshots/" + snapshot.SnapshotId;
        FileStatus first = await driver.Tree.StatAsync(copy + "/first");
        Assert.Equal((0x180, 7, 8), (first.Mode, first.UserId, first.GroupId));
        Assert.Equal(1_000_000_007, first.ModifyTimeNanoseconds);
        Assert.Equal("first", (await driver.Tree.StatAsync(copy + "/soft", followLast: false)).LinkTarget);
        Assert.Equal("red"u8.ToArray(), await driver.Tree.Admin.GetXattrAsync(copy + "/first", "user.colour"));
        using FileBytes second = await driver.Tree.ReadFileAsync(copy + "/second");
        Assert.Equal("linked"u8.ToArray(), second.Memory.ToArray());
    }

    [Fact]
    public async Task Asked_again_the_same_snapshot_is_the_answer()
    {
        Volume volume = await driver.CreateAsync();
        string name = driver.NewName("snap");
        Snapshot snapshot = await SnapAsync(volume.VolumeId, name);
        await driver.RestartDriverAsync();
        Assert.Equal(snapshot, await SnapAsync(volume.VolumeId, name));
        Assert.Equal(snapshot, (await driver.CallAsync<GetSnapshotResponse>(
            Methods.GetSnapshot, new GetSnapshotRequest { SnapshotId = snapshot.SnapshotId })).Snapshot);
    }

    [Fact]
    public async Task Fifty_calls_at_once_make_one_snapshot()
    {
        Volume volume = await FilledAsync();
        CreateSnapshotRequest request = new() { SourceVolumeId = volume.VolumeId, Name = driver.NewName("snap") };
        RpcReply<CreateSnapshotResponse>[] replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(
            _ => driver.Rpc.CallAsync<CreateSnapshotResponse>(Methods.CreateSnapshot, request)));
        Assert.All(replies, r => Assert.Contains(r.Code, new[] { RpcCode.Ok, RpcCode.Aborted }));
        Assert.Contains(replies, r => r.Code == RpcCode.Ok);
        await AssertFilledAsync("/csi/snapshots/" + request.Name);
    }

    [Theory]
    [InlineData("no name", RpcCode.InvalidArgument)]
    [InlineData("no volume", RpcCode.InvalidArgument)]
    [InlineData("unknown parameter", RpcCode.InvalidArgument)]
    [InlineData("missing volume", RpcCode.NotFound)]
    [InlineData("other volume", RpcCode.AlreadyExists)]
    internal async Task A_snapshot_that_cannot_be_is_refused(string fault, RpcCode expected)
    {
        Volume volume = await driver.CreateAsync();
        CreateSnapshotRequest request = new() { SourceVolumeId = volume.VolumeId, Name = driver.NewName("snap") };
        switch (fault)
        {
            case "no name": request.Name = string.Empty; break;
            case "no volume": request.SourceVolumeId = string.Empty; break;
            case "unknown parameter": request.Parameters["colour"] = "red"; break;
            case "missing volume": request.SourceVolumeId = "never-made"; break;
            default:
                await SnapAsync(volume.VolumeId, request.Name);
                request.SourceVolumeId = (await driver.CreateAsync()).VolumeId;
                break;
        }

        Assert.Equal(expected, (await driver.Rpc.CallAsync<CreateSnapshotResponse>(Methods.CreateSnapshot, request)).Code);
    }

    [Fact]
    public async Task A_deleted_snapshot_is_gone_and_deleting_it_again_is_done()
    {
        Volume volume = await driver.CreateAsync();
        Snapshot snapshot = await SnapAsync(volume.VolumeId);
        DeleteSnapshotRequest request = new() { SnapshotId = snapshot.SnapshotId };
        await driver.CallAsync<DeleteSnapshotResponse>(Methods.DeleteSnapshot, request);
        await driver.CallAsync<DeleteSnapshotResponse>(Methods.DeleteSnapshot, request);
        Assert.Equal(RpcCode.NotFound, (await driver.Rpc.CallAsync<GetSnapshotResponse>(
            Methods.GetSnapshot, new GetSnapshotRequest { SnapshotId = snapshot.SnapshotId })).Code);
        Assert.Equal(RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<DeleteSnapshotResponse>(
            Methods.DeleteSnapshot, new DeleteSnapshotRequest())).Code);
    }

    [Fact]
    public async Task A_list_is_filtered_by_snapshot_and_by_volume_and_paged()
    {
        Volume one = await driver.CreateAsync();
        Volume other = await driver.CreateAsync();
        Snapshot[] snapshots = [await SnapAsync(one.VolumeId), await SnapAsync(one.VolumeId), await SnapAsync(other.VolumeId)];
        ListSnapshotsResponse byId = await ListAsync(new() { SnapshotId = snapshots[0].SnapshotId });
        Assert.Equal(snapshots[0], byId.Entries.Single().Snapshot);
        Assert.Empty((await ListAsync(new() { SnapshotId = "never-made" })).Entries);
        Assert.Empty((await ListAsync(new() { SnapshotId = snapshots[0].SnapshotId, SourceVolumeId = other.VolumeId })).Entries);
        Assert.Empty((await ListAsync(new() { SourceVolumeId = "never-made" })).Entries);
        Assert.Equal(2, (await ListAsync(new() { SourceVolumeId = one.VolumeId })).Entries.Count);
        ListSnapshotsResponse first = await ListAsync(new() { SourceVolumeId = one.VolumeId, MaxEntries = 1 });
        ListSnapshotsResponse second = await ListAsync(
            new() { SourceVolumeId = one.VolumeId, MaxEntries = 1, StartingToken = first.NextToken });
        Assert.NotEqual(first.Entries.Single().Snapshot.SnapshotId, second.Entries.Single().Snapshot.SnapshotId);
        Assert.Empty(second.NextToken);
    }

    [Fact]
    public async Task A_volume_smaller_than_its_source_is_out_of_range()
    {
        Volume volume = await FilledAsync();
        Snapshot snapshot = await SnapAsync(volume.VolumeId);
        foreach (CreateVolumeRequest request in new[] { From(snapshot: snapshot.SnapshotId), From(volume: volume.VolumeId) })
        {
            request.CapacityRange = new() { RequiredBytes = 1 << 20 };
            Assert.Equal(
                RpcCode.OutOfRange, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
        }
    }

    [Fact]
    public async Task A_clone_of_no_given_size_is_as_large_as_its_source()
    {
        Volume volume = await driver.CreateAsync(bytes: 3 * Gi);
        CreateVolumeRequest request = From(volume: volume.VolumeId);
        request.CapacityRange = null;
        Assert.Equal(3 * Gi, (await driver.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Volume.CapacityBytes);
    }

    private async Task<Volume> FilledAsync()
    {
        Volume volume = await driver.CreateAsync(bytes: Gi);
        string root = "/csi/volumes/" + volume.VolumeId;
        await driver.Tree.WriteFileAsync(root + "/a", "hello"u8.ToArray());
        await driver.Tree.WriteFileAsync(root + "/sub/deep/big", Big(), new WriteOptions { MakeParents = true });
        return volume;
    }

    private async Task AssertFilledAsync(string root)
    {
        using FileBytes small = await driver.Tree.ReadFileAsync(root + "/a");
        Assert.Equal("hello", Encoding.UTF8.GetString(small.Memory.Span));
        using FileBytes big = await driver.Tree.ReadFileAsync(root + "/sub/deep/big");
        Assert.True(big.Memory.Span.SequenceEqual(Big()));
    }

    private static byte[] Big()
    {
        byte[] bytes = new byte[3_000_000];
        new Random(5).NextBytes(bytes);
        return bytes;
    }

    private async Task<Snapshot> SnapAsync(string volumeId, string? name = null) =>
        (await driver.CallAsync<CreateSnapshotResponse>(
            Methods.CreateSnapshot,
            new CreateSnapshotRequest { SourceVolumeId = volumeId, Name = name ?? driver.NewName("snap") })).Snapshot;

    private Task<ListSnapshotsResponse> ListAsync(ListSnapshotsRequest request) =>
        driver.CallAsync<ListSnapshotsResponse>(Methods.ListSnapshots, request);

    private CreateVolumeRequest From(string? snapshot = null, string? volume = null)
    {
        CreateVolumeRequest request = RunningDriver.CreateRequest(driver.NewName(), Gi);
        request.VolumeContentSource = snapshot is null
            ? new() { Volume = new() { VolumeId = volume } } : new() { Snapshot = new() { SnapshotId = snapshot } };
        return request;
    }
}
