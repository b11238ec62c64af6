using DataLayer.Client;
using DataLayer.Core.Tree;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;
using Mode = DataLayer.Csi.Messages.VolumeCapability.Types.AccessMode.Types.Mode;

namespace DataLayer.Tests.Csi;

/// <summary>Volumes come, grow, are listed and go; every call may be repeated.</summary>
[Collection(CsiCollection.Name)]
public sealed class ControllerTests(RunningDriver driver)
{
    private const long Gi = 1 << 30;

    [Fact]
    public async Task A_volume_is_a_folder_with_a_quota_that_its_users_cannot_change()
    {
        Volume volume = await driver.CreateAsync(bytes: 5 * Gi);
        FileStatus folder = await driver.Tree.StatAsync("/csi/volumes/" + volume.VolumeId);
        Assert.Equal(FileKind.Directory, folder.Kind);
        Assert.Equal("5368709120"u8.ToArray(), await driver.Tree.Admin.GetXattrAsync(
            "/csi/volumes/" + volume.VolumeId, VolumeRecord.QuotaAttribute));
        Assert.StartsWith("trusted.", VolumeRecord.QuotaAttribute, StringComparison.Ordinal);
        Assert.StartsWith("trusted.", VolumeRecord.Attribute, StringComparison.Ordinal);
        Assert.Equal(5 * Gi, volume.CapacityBytes);
        Assert.Equal(volume.AccessibleTopology.Single().Segments[RunningDriver.TreeKey], volume.VolumeContext["tree"]);
    }

    [Fact]
    public async Task Asked_again_the_same_volume_is_the_answer()
    {
        Volume volume = await driver.CreateAsync();
        Assert.Equal(volume, await driver.CreateAsync(volume.VolumeId));
    }

    [Fact]
    public async Task Asked_again_of_another_driver_the_same_volume_is_the_answer()
    {
        Volume volume = await driver.CreateAsync();
        await driver.RestartDriverAsync();
        Assert.Equal(volume, await driver.CreateAsync(volume.VolumeId));
    }

    [Fact]
    public async Task A_hundred_calls_at_once_make_one_volume()
    {
        CreateVolumeRequest request = RunningDriver.CreateRequest(driver.NewName(), Gi);
        RpcReply<CreateVolumeResponse>[] replies = await Task.WhenAll(Enumerable.Range(0, 100).Select(
            _ => driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)));
        Assert.All(replies, r => Assert.Contains(r.Code, new[] { RpcCode.Ok, RpcCode.Aborted }));
        Assert.Single(replies.Where(r => r.Code == RpcCode.Ok).Select(r => r.Ok.Volume.VolumeId).Distinct());
        Assert.Equal(RpcCode.Ok, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    [Fact]
    public async Task Fifty_volumes_at_once_are_fifty_volumes()
    {
        Volume[] volumes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => driver.CreateAsync()));
        Assert.Equal(50, volumes.Select(v => v.VolumeId).Distinct().Count());
    }

    [Theory]
    [InlineData(1L << 30, 0L, RpcCode.Ok)]
    [InlineData(1L << 29, 0L, RpcCode.Ok)]
    [InlineData(1L << 29, 1L << 31, RpcCode.Ok)]
    [InlineData(1L << 31, 0L, RpcCode.AlreadyExists)]
    [InlineData(1L << 20, 1L << 21, RpcCode.AlreadyExists)]
    internal async Task A_volume_that_is_there_must_fit_the_capacity_asked_for(long required, long limit, RpcCode expected)
    {
        Volume volume = await driver.CreateAsync(bytes: Gi);
        CreateVolumeRequest request = RunningDriver.CreateRequest(volume.VolumeId);
        request.CapacityRange = new CapacityRange { RequiredBytes = required, LimitBytes = limit };
        Assert.Equal(expected, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    [Fact]
    public async Task A_volume_that_is_there_must_have_the_parameters_asked_for()
    {
        Volume volume = await driver.CreateAsync();
        CreateVolumeRequest request = RunningDriver.CreateRequest(volume.VolumeId, Gi);
        request.Parameters["profile"] = "small";
        Assert.Equal(
            RpcCode.AlreadyExists, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    [Fact]
    public async Task A_volume_that_is_there_must_have_the_source_asked_for()
    {
        Volume one = await driver.CreateAsync();
        Volume other = await driver.CreateAsync();
        CreateVolumeRequest request = RunningDriver.CreateRequest(one.VolumeId, Gi);
        request.VolumeContentSource = new() { Volume = new() { VolumeId = other.VolumeId } };
        Assert.Equal(
            RpcCode.AlreadyExists, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    public static TheoryData<string, string> BadCreations => new()
    {
        { "no name", nameof(RpcCode.InvalidArgument) },
        { "long name", nameof(RpcCode.InvalidArgument) },
        { "no capabilities", nameof(RpcCode.InvalidArgument) },
        { "empty capability", nameof(RpcCode.InvalidArgument) },
        { "no access mode", nameof(RpcCode.InvalidArgument) },
        { "no access type", nameof(RpcCode.InvalidArgument) },
        { "block", nameof(RpcCode.InvalidArgument) },
        { "unknown mode", nameof(RpcCode.InvalidArgument) },
        { "unknown option", nameof(RpcCode.InvalidArgument) },
        { "bad group", nameof(RpcCode.InvalidArgument) },
        { "unknown file system", nameof(RpcCode.InvalidArgument) },
        { "unknown parameter", nameof(RpcCode.InvalidArgument) },
        { "bad profile", nameof(RpcCode.InvalidArgument) },
        { "mutable parameters", nameof(RpcCode.InvalidArgument) },
        { "negative capacity", nameof(RpcCode.InvalidArgument) },
        { "limit below", nameof(RpcCode.OutOfRange) },
        { "empty source", nameof(RpcCode.InvalidArgument) },
        { "nameless source", nameof(RpcCode.InvalidArgument) },
        { "missing snapshot", nameof(RpcCode.NotFound) },
        { "missing volume", nameof(RpcCode.NotFound) },
        { "other tree", nameof(RpcCode.ResourceExhausted) },
    };

    [Theory]
    [MemberData(nameof(BadCreations))]
    public async Task A_creation_that_cannot_be_is_refused_and_leaves_nothing(string fault, string expected)
    {
        string name = driver.NewName("bad");
        CreateVolumeRequest request = RunningDriver.CreateRequest(name, Gi);
        VolumeCapability capability = request.VolumeCapabilities[0];
        switch (fault)
        {
            case "no name": request.Name = string.Empty; break;
            case "long name": request.Name = new string('n', 129); break;
            case "no capabilities": request.VolumeCapabilities.Clear(); break;
            case "empty capability": request.VolumeCapabilities[0] = new(); break;
            case "no access mode": capability.AccessMode = null; break;
            case "no access type": capability.ClearAccessType(); break;
            case "block": capability.Block = new(); break;
            case "unknown mode": capability.AccessMode.Mode = (Mode)99; break;
            case "unknown option": capability.Mount.MountFlags.Add("suid"); break;
            case "bad group": capability.Mount.VolumeMountGroup = "wheel"; break;
            case "unknown file system": capability.Mount.FsType = "ntfs"; break;
            case "unknown parameter": request.Parameters["colour"] = "red"; break;
            case "bad profile": request.Parameters["profile"] = "huge"; break;
            case "mutable parameters": request.MutableParameters["iops"] = "9"; break;
            case "negative capacity": request.CapacityRange = new() { RequiredBytes = -1 }; break;
            case "limit below": request.CapacityRange = new() { RequiredBytes = 2, LimitBytes = 1 }; break;
            case "empty source": request.VolumeContentSource = new(); break;
            case "nameless source": request.VolumeContentSource = new() { Snapshot = new() }; break;
            case "missing snapshot": request.VolumeContentSource = new() { Snapshot = new() { SnapshotId = "no" } }; break;
            case "missing volume": request.VolumeContentSource = new() { Volume = new() { VolumeId = "no" } }; break;
            default:
                request.AccessibilityRequirements = new()
                {
                    Requisite = { new Topology { Segments = { [RunningDriver.TreeKey] = "another" } } },
                };
                break;
        }

        RpcReply<CreateVolumeResponse> reply = await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request);
        Assert.Equal(expected, reply.Code.ToString());
        Assert.NotEmpty(reply.Message);
        Assert.Null(await driver.Tree.TryStatAsync("/csi/volumes/" + name));
    }

    [Theory]
    [InlineData(Mode.SingleNodeWriter)]
    [InlineData(Mode.SingleNodeReaderOnly)]
    [InlineData(Mode.SingleNodeSingleWriter)]
    [InlineData(Mode.SingleNodeMultiWriter)]
    [InlineData(Mode.MultiNodeReaderOnly)]
    [InlineData(Mode.MultiNodeSingleWriter)]
    [InlineData(Mode.MultiNodeMultiWriter)]
    internal async Task Every_access_mode_can_be_had(Mode mode)
    {
        CreateVolumeRequest request = RunningDriver.CreateRequest(driver.NewName());
        request.VolumeCapabilities[0] = RunningDriver.Capability(mode);
        Assert.Equal(RpcCode.Ok, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    [Theory]
    [InlineData("../../etc")]
    [InlineData("a/b")]
    [InlineData(".")]
    [InlineData("x-")]
    [InlineData("white space \u00fc")]
    public async Task No_name_leaves_the_drivers_folder(string odd)
    {
        Volume volume = await driver.CreateAsync(odd + driver.NewName("/"));
        Assert.Matches("^x-[0-9a-f]{64}$", volume.VolumeId);
        Assert.NotNull(await driver.Tree.TryStatAsync("/csi/volumes/" + volume.VolumeId));
    }

    [Fact]
    public async Task The_longest_name_is_taken()
    {
        Volume volume = await driver.CreateAsync((driver.NewName() + new string('z', 128))[..128]);
        Assert.Equal(128, volume.VolumeId.Length);
    }

    [Fact]
    public async Task Names_of_the_sidecars_are_no_parameters()
    {
        CreateVolumeRequest request = RunningDriver.CreateRequest(driver.NewName());
        request.Parameters["csi.storage.k8s.io/pvc/name"] = "data";
        Assert.Equal(RpcCode.Ok, (await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request)).Code);
    }

    [Fact]
    public async Task What_a_killed_controller_left_half_made_is_made_anew()
    {
        string name = driver.NewName();
        await driver.Tree.MakeDirectoryAsync("/csi/new/volumes-" + name, parents: true);
        await driver.Tree.WriteFileAsync($"/csi/new/volumes-{name}/half", new byte[10]);
        Volume volume = await driver.CreateAsync(name);
        Assert.Empty((await driver.Tree.ListPageAsync("/csi/volumes/" + volume.VolumeId)).Entries);
        Assert.Null(await driver.Tree.TryStatAsync("/csi/new/volumes-" + name));
    }

    [Fact]
    public async Task A_folder_without_a_record_is_no_volume()
    {
        string name = driver.NewName();
        await driver.CreateAsync();
        await driver.Tree.MakeDirectoryAsync("/csi/volumes/" + name);
        Assert.Equal(RpcCode.NotFound, (await driver.Rpc.CallAsync<ControllerGetVolumeResponse>(
            Methods.GetVolume, new ControllerGetVolumeRequest { VolumeId = name })).Code);
        await driver.CallAsync<DeleteVolumeResponse>(Methods.DeleteVolume, new DeleteVolumeRequest { VolumeId = name });
        Assert.Null(await driver.Tree.TryStatAsync("/csi/volumes/" + name));
    }

    [Fact]
    public async Task A_deleted_volume_is_gone_at_once_and_its_name_is_free()
    {
        Volume volume = await driver.CreateAsync();
        await driver.Tree.WriteFileAsync($"/csi/volumes/{volume.VolumeId}/a/b", new byte[100], new WriteOptions { MakeParents = true });
        DeleteVolumeRequest request = new() { VolumeId = volume.VolumeId };
        await driver.CallAsync<DeleteVolumeResponse>(Methods.DeleteVolume, request);
        Assert.Null(await driver.Tree.TryStatAsync("/csi/volumes/" + volume.VolumeId));
        await driver.CallAsync<DeleteVolumeResponse>(Methods.DeleteVolume, request);
        await driver.CreateAsync(volume.VolumeId);
        Assert.Empty((await driver.Tree.ListPageAsync("/csi/volumes/" + volume.VolumeId)).Entries);
    }

    [Fact]
    public async Task What_a_killed_controller_was_removing_is_removed_by_the_next()
    {
        await driver.Tree.MakeDirectoryAsync("/csi/deleted/volumes-1234567", parents: true);
        await driver.Tree.WriteFileAsync("/csi/deleted/volumes-1234567/x", new byte[10]);
        await driver.RestartDriverAsync();

        // Stopping waits for background work, so after it the sweep of the start is over.
        await driver.RestartDriverAsync();
        await driver.RestartDriverAsync();
        while (await driver.Tree.TryStatAsync("/csi/deleted/volumes-1234567") is not null)
        {
            await Task.Yield();
        }
    }

    [Theory]
    [InlineData("never-made")]
    [InlineData("../volumes")]
    [InlineData("static handle with spaces")]
    public async Task Deleting_what_is_not_there_is_done(string id) =>
        Assert.Equal(RpcCode.Ok, (await driver.Rpc.CallAsync<DeleteVolumeResponse>(
            Methods.DeleteVolume, new DeleteVolumeRequest { VolumeId = id })).Code);

    [Theory]
    [InlineData(2L << 30, 0L, 2L << 30)]
    [InlineData(1L << 29, 0L, 1L << 30)]
    [InlineData(1L << 30, 0L, 1L << 30)]
    [InlineData(0L, 4L << 30, 1L << 30)]
    public async Task A_volume_grows_and_never_shrinks(long required, long limit, long expected)
    {
        Volume volume = await driver.CreateAsync(bytes: Gi);
        ControllerExpandVolumeRequest request = new()
        {
            VolumeId = volume.VolumeId,
            CapacityRange = new() { RequiredBytes = required, LimitBytes = limit },
        };
        for (int i = 0; i < 2; i++)
        {
            ControllerExpandVolumeResponse grown = await driver.CallAsync<ControllerExpandVolumeResponse>(Methods.Expand, request);
            Assert.Equal((expected, false), (grown.CapacityBytes, grown.NodeExpansionRequired));
        }

        ControllerGetVolumeResponse now = await driver.CallAsync<ControllerGetVolumeResponse>(
            Methods.GetVolume, new ControllerGetVolumeRequest { VolumeId = volume.VolumeId });
        Assert.Equal(expected, now.Volume.CapacityBytes);
    }

    [Theory]
    [InlineData("no id", RpcCode.InvalidArgument)]
    [InlineData("no range", RpcCode.InvalidArgument)]
    [InlineData("empty range", RpcCode.InvalidArgument)]
    [InlineData("negative", RpcCode.InvalidArgument)]
    [InlineData("block", RpcCode.InvalidArgument)]
    [InlineData("shrink", RpcCode.OutOfRange)]
    [InlineData("limit below", RpcCode.OutOfRange)]
    [InlineData("missing", RpcCode.NotFound)]
    internal async Task An_expansion_that_cannot_be_is_refused(string fault, RpcCode expected)
    {
        Volume volume = await driver.CreateAsync(bytes: Gi);
        ControllerExpandVolumeRequest request = new()
        {
            VolumeId = volume.VolumeId,
            CapacityRange = new() { RequiredBytes = 2 * Gi },
        };
        switch (fault)
        {
            case "no id": request.VolumeId = string.Empty; break;
            case "no range": request.CapacityRange = null; break;
            case "empty range": request.CapacityRange = new(); break;
            case "negative": request.CapacityRange.LimitBytes = -4; break;
            case "block":
                request.VolumeCapability = RunningDriver.Capability();
                request.VolumeCapability.Block = new();
                break;
            case "shrink": request.CapacityRange = new() { LimitBytes = 1000 }; break;
            case "limit below": request.CapacityRange = new() { RequiredBytes = 10, LimitBytes = 9 }; break;
            default: request.VolumeId = "never-made"; break;
        }

        Assert.Equal(expected, (await driver.Rpc.CallAsync<ControllerExpandVolumeResponse>(Methods.Expand, request)).Code);
    }

    [Fact]
    public async Task Pages_hold_every_volume_once()
    {
        HashSet<string> made = [.. (await Task.WhenAll(Enumerable.Range(0, 7).Select(_ => driver.CreateAsync()))).Select(v => v.VolumeId)];
        List<string> listed = [];
        string token = string.Empty;
        do
        {
            ListVolumesResponse page = await driver.CallAsync<ListVolumesResponse>(
                Methods.ListVolumes, new ListVolumesRequest { MaxEntries = 3, StartingToken = token });
            Assert.True(page.Entries.Count <= 3);
            Assert.All(page.Entries, e => Assert.False(e.Status.VolumeCondition.Abnormal));
            listed.AddRange(page.Entries.Select(e => e.Volume.VolumeId));
            token = page.NextToken;
        }
        while (token.Length > 0);
        Assert.Equal(listed.Count, listed.Distinct().Count());
        Assert.Superset(made, listed.ToHashSet());
        ListVolumesResponse all = await driver.CallAsync<ListVolumesResponse>(Methods.ListVolumes, new ListVolumesRequest());
        Assert.Equal(listed.Order(StringComparer.Ordinal), all.Entries.Select(e => e.Volume.VolumeId).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("invalid-token", 0, RpcCode.Aborted)]
    [InlineData("!!!", 0, RpcCode.Aborted)]
    [InlineData("YWZ0ZXI6Li4vLi4", 0, RpcCode.Aborted)]
    [InlineData("", -1, RpcCode.InvalidArgument)]
    internal async Task A_list_that_cannot_be_is_refused(string token, int max, RpcCode expected)
    {
        Assert.Equal(expected, (await driver.Rpc.CallAsync<ListVolumesResponse>(
            Methods.ListVolumes, new ListVolumesRequest { StartingToken = token, MaxEntries = max })).Code);
        Assert.Equal(expected, (await driver.Rpc.CallAsync<ListSnapshotsResponse>(
            Methods.ListSnapshots, new ListSnapshotsRequest { StartingToken = token, MaxEntries = max })).Code);
    }

    [Fact]
    public async Task Capacity_is_the_free_space_of_the_targets_and_none_where_this_tree_is_not()
    {
        GetCapacityResponse here = await driver.CallAsync<GetCapacityResponse>(Methods.GetCapacity, new GetCapacityRequest());
        Assert.True(here.AvailableCapacity > 0);
        GetCapacityResponse elsewhere = await driver.CallAsync<GetCapacityResponse>(
            Methods.GetCapacity,
            new GetCapacityRequest { AccessibleTopology = new() { Segments = { [RunningDriver.TreeKey] = "another" } } });
        Assert.Equal(0, elsewhere.AvailableCapacity);
        VolumeCapability block = RunningDriver.Capability();
        block.Block = new();
        GetCapacityResponse none = await driver.CallAsync<GetCapacityResponse>(
            Methods.GetCapacity, new GetCapacityRequest { VolumeCapabilities = { block } });
        Assert.Equal(0, none.AvailableCapacity);
    }

    [Fact]
    public async Task What_a_volume_can_do_is_confirmed_and_what_not_is_said()
    {
        Volume volume = await driver.CreateAsync();
        ValidateVolumeCapabilitiesRequest request = new()
        {
            VolumeId = volume.VolumeId,
            VolumeContext = { volume.VolumeContext },
            VolumeCapabilities = { RunningDriver.Capability(Mode.MultiNodeMultiWriter, "noexec") },
            Parameters = { ["profile"] = "auto" },
        };
        ValidateVolumeCapabilitiesResponse yes =
            await driver.CallAsync<ValidateVolumeCapabilitiesResponse>(Methods.Validate, request);
        Assert.Equal(request.VolumeCapabilities, yes.Confirmed.VolumeCapabilities);
        request.VolumeCapabilities[0].Block = new();
        ValidateVolumeCapabilitiesResponse no =
            await driver.CallAsync<ValidateVolumeCapabilitiesResponse>(Methods.Validate, request);
        Assert.Null(no.Confirmed);
        Assert.Contains("block", no.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", true, RpcCode.InvalidArgument)]
    [InlineData("never-made", false, RpcCode.InvalidArgument)]
    [InlineData("never-made", true, RpcCode.NotFound)]
    internal async Task A_validation_that_cannot_be_is_refused(string id, bool capability, RpcCode expected)
    {
        ValidateVolumeCapabilitiesRequest request = new() { VolumeId = id };
        if (capability)
        {
            request.VolumeCapabilities.Add(RunningDriver.Capability());
        }

        Assert.Equal(
            expected, (await driver.Rpc.CallAsync<ValidateVolumeCapabilitiesResponse>(Methods.Validate, request)).Code);
    }

    [Theory]
    [InlineData("", RpcCode.InvalidArgument)]
    [InlineData("never-made", RpcCode.NotFound)]
    internal async Task A_volume_that_is_not_there_is_not_found(string id, RpcCode expected)
    {
        Assert.Equal(expected, (await driver.Rpc.CallAsync<ControllerGetVolumeResponse>(
            Methods.GetVolume, new ControllerGetVolumeRequest { VolumeId = id })).Code);
        Assert.Equal(expected, (await driver.Rpc.CallAsync<GetSnapshotResponse>(
            Methods.GetSnapshot, new GetSnapshotRequest { SnapshotId = id })).Code);
    }

    [Fact]
    public async Task The_driver_says_what_it_can_do()
    {
        GetPluginCapabilitiesResponse plugin = await driver.CallAsync<GetPluginCapabilitiesResponse>(
            Methods.GetPluginCapabilities, new GetPluginCapabilitiesRequest());
        Assert.Contains(plugin.Capabilities, c => c.Service?.Type == PluginCapability.Types.Service.Types.Type.ControllerService);
        Assert.Contains(plugin.Capabilities, c => c.Service?.Type == PluginCapability.Types.Service.Types.Type.VolumeAccessibilityConstraints);
        Assert.Contains(plugin.Capabilities, c => c.VolumeExpansion?.Type == PluginCapability.Types.VolumeExpansion.Types.Type.Online);
        ControllerGetCapabilitiesResponse controller = await driver.CallAsync<ControllerGetCapabilitiesResponse>(
            Methods.ControllerCapabilities, new ControllerGetCapabilitiesRequest());
        Assert.Equal(11, controller.Capabilities.Select(c => c.Rpc.Type).Distinct().Count());
    }
}
