using DataLayer.Csi;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Node;
using DataLayer.Protocol.Http;
using Mode = DataLayer.Csi.Messages.VolumeCapability.Types.AccessMode.Types.Mode;

namespace DataLayer.Tests.Csi;

/// <summary>Onto a node, into pods, and out again; every call may be repeated, and its driver killed before.</summary>
[Collection(CsiCollection.Name)]
public sealed class NodeTests(RunningDriver driver)
{
    [Fact]
    public async Task A_volume_goes_onto_a_node_and_into_a_pod_and_out_again()
    {
        StagedVolume v = await StageAsync();
        NodeMount staged = MountAt(v.Staging)!;
        Assert.False(staged.IsReadOnly);
        Assert.Equal("/csi/volumes/" + v.Id, driver.Mounter.Mounted.Last().TreePath);
        string target = await v.PublishAsync();
        Assert.Equal(staged.Device, MountAt(target)!.Device);
        Assert.True(MountAt(target)!.Has("nosuid") && MountAt(target)!.Has("nodev"));
        await v.UnpublishAsync(target);
        Assert.False(Directory.Exists(target));
        await v.UnstageAsync();
        Assert.Null(MountAt(v.Staging));
        Assert.NotNull(await driver.Tree.TryStatAsync("/csi/volumes/" + v.Id));
    }

    [Fact]
    public async Task Every_step_may_be_repeated_and_the_driver_killed_before_each()
    {
        StagedVolume v = await StageAsync();
        await driver.RestartDriverAsync();
        await v.RestageAsync();
        Assert.Single(driver.Mounter.ListMounts(), m => m.MountPoint == v.Staging);
        string target = await v.PublishAsync();
        await driver.RestartDriverAsync();
        await v.PublishAsync(target);
        Assert.Single(driver.Mounter.ListMounts(), m => m.MountPoint == target);
        await v.UnpublishAsync(target);
        await driver.RestartDriverAsync();
        await v.UnpublishAsync(target);
        await v.UnstageAsync();
        await driver.RestartDriverAsync();
        await v.UnstageAsync();
    }

    [Fact]
    public async Task Fifty_stages_at_once_are_one_mount()
    {
        Volume volume = await driver.CreateAsync();
        NodeStageVolumeRequest request = StageRequest(volume, driver.NewFolder());
        RpcReply<NodeStageVolumeResponse>[] replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(
            _ => driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)));
        Assert.All(replies, r => Assert.Contains(r.Code, new[] { RpcCode.Ok, RpcCode.Aborted }));
        Assert.Single(driver.Mounter.ListMounts(), m => m.MountPoint == request.StagingTargetPath);
    }

    [Fact]
    public async Task A_second_call_on_a_volume_under_way_is_aborted()
    {
        Volume volume = await driver.CreateAsync();
        NodeStageVolumeRequest request = StageRequest(volume, driver.NewFolder());
        TaskCompletionSource entered = new(), leave = new();
        driver.Mounter.Gate = () =>
        {
            entered.TrySetResult();
            return leave.Task;
        };
        Task<RpcReply<NodeStageVolumeResponse>> first = driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        await entered.Task;
        Assert.Equal(RpcCode.Aborted, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
        Assert.Equal(RpcCode.Aborted, (await driver.Rpc.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage,
            new NodeUnstageVolumeRequest { VolumeId = volume.VolumeId, StagingTargetPath = request.StagingTargetPath })).Code);
        driver.Mounter.Gate = () => Task.CompletedTask;
        leave.SetResult();
        Assert.Equal(RpcCode.Ok, (await first).Code);
    }

    [Fact]
    public async Task A_stage_that_failed_leaves_a_state_the_next_one_goes_on_from()
    {
        Volume volume = await driver.CreateAsync();
        NodeStageVolumeRequest request = StageRequest(volume, driver.NewFolder());
        driver.Mounter.NextFault = new IOException("the kernel says no");
        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        Assert.Equal(RpcCode.Internal, reply.Code);
        Assert.Null(MountAt(request.StagingTargetPath));
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
    }

    public static TheoryData<string, string> BadStages => new()
    {
        { "no id", nameof(RpcCode.InvalidArgument) },
        { "no path", nameof(RpcCode.InvalidArgument) },
        { "no capability", nameof(RpcCode.InvalidArgument) },
        { "relative", nameof(RpcCode.InvalidArgument) },
        { "dots", nameof(RpcCode.InvalidArgument) },
        { "root", nameof(RpcCode.InvalidArgument) },
        { "link", nameof(RpcCode.InvalidArgument) },
        { "link on the way", nameof(RpcCode.InvalidArgument) },
        { "file", nameof(RpcCode.InvalidArgument) },
        { "missing parent", nameof(RpcCode.InvalidArgument) },
        { "too long", nameof(RpcCode.InvalidArgument) },
        { "block", nameof(RpcCode.FailedPrecondition) },
        { "unknown option", nameof(RpcCode.FailedPrecondition) },
        { "missing volume", nameof(RpcCode.NotFound) },
        { "other tree", nameof(RpcCode.FailedPrecondition) },
        { "unknown attribute", nameof(RpcCode.InvalidArgument) },
        { "missing folder", nameof(RpcCode.NotFound) },
        { "source and path", nameof(RpcCode.InvalidArgument) },
        { "foreign mount", nameof(RpcCode.AlreadyExists) },
    };

    [Theory]
    [MemberData(nameof(BadStages))]
    public async Task A_stage_that_cannot_be_is_refused(string fault, string expected)
    {
        Volume volume = await driver.CreateAsync();
        string disk = driver.NewFolder();
        NodeStageVolumeRequest request = StageRequest(volume, Path.Combine(disk, "stage"));
        switch (fault)
        {
            case "no id": request.VolumeId = string.Empty; break;
            case "no path": request.StagingTargetPath = string.Empty; break;
            case "no capability": request.VolumeCapability = null; break;
            case "relative": request.StagingTargetPath = "stage"; break;
            case "dots": request.StagingTargetPath = disk + "/../stage"; break;
            case "root": request.StagingTargetPath = "/"; break;
            case "link":
                File.CreateSymbolicLink(disk + "/link", "/etc");
                request.StagingTargetPath = disk + "/link";
                break;
            case "link on the way":
                File.CreateSymbolicLink(disk + "/link", disk);
                request.StagingTargetPath = disk + "/link/stage";
                break;
            case "file":
                File.WriteAllText(disk + "/file", "x");
                request.StagingTargetPath = disk + "/file";
                break;
            case "missing parent": request.StagingTargetPath = disk + "/no/stage"; break;
            case "too long": request.StagingTargetPath = "/" + new string('p', 5000); break;
            case "block": request.VolumeCapability.Block = new(); break;
            case "unknown option": request.VolumeCapability.Mount.MountFlags.Add("dev"); break;
            case "missing volume": request.VolumeId = "never-made"; break;
            case "other tree":
                request.VolumeId = "never-made";
                request.VolumeContext["tree"] = "another";
                break;
            case "unknown attribute": request.VolumeContext["colour"] = "red"; break;
            case "missing folder":
                request.VolumeContext.Clear();
                request.VolumeContext["path"] = "/not/there";
                break;
            case "source and path":
                request.VolumeContext["path"] = "/a";
                request.VolumeContext["source"] = "file:///b";
                break;
            default:
                Directory.CreateDirectory(request.StagingTargetPath);
                driver.Mounter.AddForeign(request.StagingTargetPath);
                break;
        }

        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        Assert.Equal(expected, reply.Code.ToString());
        Assert.NotEmpty(reply.Message);
        Assert.DoesNotContain(driver.Mounter.Mounted, m => m.Target.FullPath == request.StagingTargetPath);
    }

    [Fact]
    public async Task A_stage_with_other_options_than_the_mount_has_exists_already()
    {
        StagedVolume v = await StageAsync();
        NodeStageVolumeRequest request = v.Request.Clone();
        request.VolumeCapability = RunningDriver.Capability(Mode.MultiNodeReaderOnly);
        Assert.Equal(RpcCode.AlreadyExists, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
        request = v.Request.Clone();
        request.VolumeCapability.Mount.MountFlags.Add("noexec");
        Assert.Equal(RpcCode.AlreadyExists, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
        request = StageRequest(await driver.CreateAsync(), v.Staging);
        Assert.Equal(RpcCode.AlreadyExists, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
    }

    [Fact]
    public async Task A_mount_that_does_not_answer_is_made_anew()
    {
        StagedVolume v = await StageAsync();
        string device = MountAt(v.Staging)!.Device;
        driver.Mounter.Dead[v.Staging] = true;
        await v.RestageAsync();
        Assert.NotEqual(device, MountAt(v.Staging)!.Device);
    }

    [Fact]
    public async Task After_the_keeper_died_a_volume_is_staged_and_published_anew_over_what_is_left()
    {
        StagedVolume v = await StageAsync(Mode.SingleNodeMultiWriter);
        string target = await v.PublishAsync();
        driver.Mounter.KillKeepers();
        await v.RestageAsync();
        await v.PublishAsync(target);
        Assert.Equal(MountAt(v.Staging)!.Device, MountAt(target)!.Device);
        await v.UnpublishAsync(target);
        await v.UnstageAsync();
    }

    [Fact]
    public async Task After_the_keeper_died_a_pod_can_still_be_taken_down()
    {
        StagedVolume v = await StageAsync();
        string target = await v.PublishAsync();
        driver.Mounter.KillKeepers();
        await v.UnpublishAsync(target);
        await v.UnstageAsync();
        Assert.False(Directory.Exists(target));
    }

    [Theory]
    [InlineData(Mode.SingleNodeWriter, RpcCode.FailedPrecondition)]
    [InlineData(Mode.SingleNodeSingleWriter, RpcCode.FailedPrecondition)]
    [InlineData(Mode.SingleNodeReaderOnly, RpcCode.FailedPrecondition)]
    [InlineData(Mode.SingleNodeMultiWriter, RpcCode.Ok)]
    [InlineData(Mode.MultiNodeReaderOnly, RpcCode.Ok)]
    [InlineData(Mode.MultiNodeSingleWriter, RpcCode.Ok)]
    [InlineData(Mode.MultiNodeMultiWriter, RpcCode.Ok)]
    internal async Task A_second_target_is_as_the_access_mode_has_it(Mode mode, RpcCode expected)
    {
        StagedVolume v = await StageAsync(mode);
        await v.PublishAsync();
        Assert.Equal(expected, (await v.TryPublishAsync(v.NewTarget())).Code);
    }

    [Theory]
    [InlineData(Mode.SingleNodeReaderOnly, false, "", true, false)]
    [InlineData(Mode.MultiNodeReaderOnly, false, "", true, false)]
    [InlineData(Mode.MultiNodeMultiWriter, true, "", true, false)]
    [InlineData(Mode.MultiNodeMultiWriter, false, "ro", true, false)]
    [InlineData(Mode.MultiNodeMultiWriter, false, "noexec", false, true)]
    [InlineData(Mode.MultiNodeMultiWriter, false, "noatime", false, false)]
    internal async Task A_pod_gets_what_it_asked_for_and_no_more(Mode mode, bool readOnly, string flag, bool isReadOnly, bool noExec)
    {
        StagedVolume v = await StageAsync(mode, flag);
        NodePublishVolumeRequest request = v.PublishRequest(v.NewTarget());
        request.Readonly = readOnly;
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
        NodeMount mount = MountAt(request.TargetPath)!;
        Assert.Equal((isReadOnly, noExec), (mount.IsReadOnly, mount.Has("noexec")));
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
    }

    public static TheoryData<string, string> BadPublishes => new()
    {
        { "no id", nameof(RpcCode.InvalidArgument) },
        { "no target", nameof(RpcCode.InvalidArgument) },
        { "no capability", nameof(RpcCode.InvalidArgument) },
        { "no staging", nameof(RpcCode.FailedPrecondition) },
        { "not staged", nameof(RpcCode.FailedPrecondition) },
        { "staged elsewhere", nameof(RpcCode.FailedPrecondition) },
        { "other volume staged", nameof(RpcCode.FailedPrecondition) },
        { "block", nameof(RpcCode.FailedPrecondition) },
        { "relative", nameof(RpcCode.InvalidArgument) },
        { "dots", nameof(RpcCode.InvalidArgument) },
        { "link", nameof(RpcCode.InvalidArgument) },
        { "file", nameof(RpcCode.InvalidArgument) },
        { "missing parent", nameof(RpcCode.InvalidArgument) },
        { "foreign mount", nameof(RpcCode.AlreadyExists) },
        { "published writable", nameof(RpcCode.AlreadyExists) },
        { "published with other options", nameof(RpcCode.AlreadyExists) },
    };

    [Theory]
    [MemberData(nameof(BadPublishes))]
    public async Task A_publish_that_cannot_be_is_refused(string fault, string expected)
    {
        StagedVolume v = await StageAsync(Mode.MultiNodeMultiWriter);
        string disk = driver.NewFolder();
        NodePublishVolumeRequest request = v.PublishRequest(disk + "/target");
        switch (fault)
        {
            case "no id": request.VolumeId = string.Empty; break;
            case "no target": request.TargetPath = string.Empty; break;
            case "no capability": request.VolumeCapability = null; break;
            case "no staging": request.StagingTargetPath = string.Empty; break;
            case "not staged": request.StagingTargetPath = disk; break;
            case "staged elsewhere": request.StagingTargetPath = "/not/there/at/all"; break;
            case "other volume staged": request.StagingTargetPath = (await StageAsync()).Staging; break;
            case "block": request.VolumeCapability.Block = new(); break;
            case "relative": request.TargetPath = "target"; break;
            case "dots": request.TargetPath = disk + "/./target"; break;
            case "link":
                File.CreateSymbolicLink(request.TargetPath, "/etc");
                break;
            case "file":
                File.WriteAllText(request.TargetPath, "x");
                break;
            case "missing parent": request.TargetPath = disk + "/no/target"; break;
            case "foreign mount":
                Directory.CreateDirectory(request.TargetPath);
                driver.Mounter.AddForeign(request.TargetPath);
                break;
            default:
                await v.PublishAsync(request.TargetPath);
                request.Readonly = fault == "published writable";
                if (!request.Readonly)
                {
                    request.VolumeCapability.Mount.MountFlags.Add("noexec");
                }

                break;
        }

        int before = driver.Mounter.ListMounts().Count;
        Assert.Equal(expected, (await driver.Rpc.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request)).Code.ToString());
        Assert.Equal(before, driver.Mounter.ListMounts().Count);
    }

    [Fact]
    public async Task Unpublishing_never_removes_what_lies_in_the_folder()
    {
        StagedVolume v = await StageAsync();
        string target = v.NewTarget();
        Directory.CreateDirectory(target);
        File.WriteAllText(target + "/precious", "data");
        RpcReply<NodeUnpublishVolumeResponse> reply = await driver.Rpc.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = v.Id, TargetPath = target });
        Assert.Equal(RpcCode.Internal, reply.Code);
        Assert.Equal("data", File.ReadAllText(target + "/precious"));
    }

    [Fact]
    public async Task Unpublishing_leaves_other_mounts_alone()
    {
        StagedVolume v = await StageAsync();
        string target = v.NewTarget();
        Directory.CreateDirectory(target);
        driver.Mounter.AddForeign(target);
        Assert.Equal(RpcCode.FailedPrecondition, (await driver.Rpc.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = v.Id, TargetPath = target })).Code);
        Assert.NotNull(MountAt(target));
    }

    [Fact]
    public async Task Unstaging_a_volume_that_pods_still_use_is_refused()
    {
        StagedVolume v = await StageAsync();
        string target = await v.PublishAsync();
        RpcReply<NodeUnstageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = v.Id, StagingTargetPath = v.Staging });
        Assert.Equal(RpcCode.FailedPrecondition, reply.Code);
        Assert.Contains(target, reply.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "/t")]
    [InlineData("v", "")]
    [InlineData("v", "relative")]
    [InlineData("v", "/a/../b")]
    public async Task Taking_down_wants_a_volume_and_a_path(string id, string path)
    {
        Assert.Equal(RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = id, TargetPath = path })).Code);
        Assert.Equal(RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = id, StagingTargetPath = path })).Code);

        // Where nothing can be mounted, no volume is found.
        RpcCode expected = id.Length == 0 || path.Length == 0 ? RpcCode.InvalidArgument : RpcCode.NotFound;
        Assert.Equal(expected, (await driver.Rpc.CallAsync<NodeGetVolumeStatsResponse>(
            Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = id, VolumePath = path })).Code);
        Assert.Equal(expected, (await driver.Rpc.CallAsync<NodeExpandVolumeResponse>(
            Methods.NodeExpand, new NodeExpandVolumeRequest { VolumeId = id, VolumePath = path })).Code);
    }

    [Fact]
    public async Task Taking_down_what_is_not_there_is_done()
    {
        string gone = driver.NewFolder() + "/no/where";
        await driver.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = "v", TargetPath = gone });
        await driver.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = "v", StagingTargetPath = gone });
    }

    [Fact]
    public async Task Pods_can_be_taken_down_while_the_service_is_away()
    {
        StagedVolume v = await StageAsync();
        string target = await v.PublishAsync();
        string socket = driver.NewFolder() + "/csi.sock";
        CsiDriverOptions options = new() { SocketPath = socket, Server = "unix:/not/there", Roles = CsiRoles.Node };
        await using CsiDriver lonely =
            await CsiDriver.StartAsync(options, driver.Mounter, TimeProvider.System, driver.Logs, CancellationToken.None);
        using RpcClient rpc = new(socket);
        Assert.True((await rpc.CallAsync<ProbeResponse>("/csi.v1.Identity/Probe", new ProbeRequest())).Ok.Ready);
        _ = (await rpc.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = v.Id, TargetPath = target })).Ok;
        _ = (await rpc.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = v.Id, StagingTargetPath = v.Staging })).Ok;
        Assert.Equal(RpcCode.Unavailable, (await rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, v.Request)).Code);
    }

    [Fact]
    public async Task Statistics_show_the_quota_and_what_is_used()
    {
        StagedVolume v = await StageAsync(bytes: 100 << 20);
        await driver.Tree.WriteFileAsync($"/csi/volumes/{v.Id}/file", new byte[1_000_000]);
        string target = await v.PublishAsync();
        foreach (string path in new[] { v.Staging, target })
        {
            NodeGetVolumeStatsResponse stats = await driver.CallAsync<NodeGetVolumeStatsResponse>(
                Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = v.Id, VolumePath = path });
            VolumeUsage bytes = stats.Usage.Single(u => u.Unit == VolumeUsage.Types.Unit.Bytes);
            Assert.Equal((100L << 20, 1_000_000L), (bytes.Total, bytes.Used));
            Assert.Equal(bytes.Total - bytes.Used, bytes.Available);
            Assert.Contains(stats.Usage, u => u.Unit == VolumeUsage.Types.Unit.Inodes);
            Assert.False(stats.VolumeCondition.Abnormal);
        }
    }

    [Fact]
    public async Task A_dead_mount_is_an_abnormal_condition()
    {
        StagedVolume v = await StageAsync();
        driver.Mounter.Dead[v.Staging] = true;
        NodeGetVolumeStatsResponse stats = await driver.CallAsync<NodeGetVolumeStatsResponse>(
            Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = v.Id, VolumePath = v.Staging });
        Assert.True(stats.VolumeCondition.Abnormal);
        Assert.NotEmpty(stats.Usage);
    }

    [Fact]
    public async Task A_mount_that_waits_for_its_service_is_left_alone()
    {
        StagedVolume v = await StageAsync();
        string device = MountAt(v.Staging)!.Device;
        driver.Mounter.Away = new TaskCompletionSource();
        try
        {
            Assert.Equal(RpcCode.Unavailable, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, v.Request)).Code);
            NodeGetVolumeStatsResponse stats = await driver.CallAsync<NodeGetVolumeStatsResponse>(
                Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = v.Id, VolumePath = v.Staging });
            Assert.True(stats.VolumeCondition.Abnormal);
            Assert.Contains("waits", stats.VolumeCondition.Message, StringComparison.Ordinal);
        }
        finally
        {
            driver.Mounter.Away.SetResult();
            driver.Mounter.Away = null;
        }

        await v.RestageAsync();
        Assert.Equal(device, MountAt(v.Staging)!.Device);
    }

    [Fact]
    public async Task Statistics_of_what_is_not_mounted_are_not_found()
    {
        StagedVolume v = await StageAsync();
        foreach (NodeGetVolumeStatsRequest request in new NodeGetVolumeStatsRequest[]
        {
            new() { VolumeId = v.Id, VolumePath = driver.NewFolder() },
            new() { VolumeId = v.Id, VolumePath = "/not/there" },
            new() { VolumeId = "another", VolumePath = v.Staging },
        })
        {
            Assert.Equal(RpcCode.NotFound, (await driver.Rpc.CallAsync<NodeGetVolumeStatsResponse>(Methods.Stats, request)).Code);
            Assert.Equal(RpcCode.NotFound, (await driver.Rpc.CallAsync<NodeExpandVolumeResponse>(
                Methods.NodeExpand, new NodeExpandVolumeRequest { VolumeId = request.VolumeId, VolumePath = request.VolumePath })).Code);
        }
    }

    [Fact]
    public async Task On_a_node_an_expanded_volume_is_as_large_as_the_controller_made_it()
    {
        StagedVolume v = await StageAsync(bytes: 1 << 30);
        NodeExpandVolumeRequest request = new()
        {
            VolumeId = v.Id,
            VolumePath = v.Staging,
            CapacityRange = new() { RequiredBytes = 2L << 30 },
        };
        Assert.Equal(RpcCode.OutOfRange, (await driver.Rpc.CallAsync<NodeExpandVolumeResponse>(Methods.NodeExpand, request)).Code);
        await driver.CallAsync<ControllerExpandVolumeResponse>(
            Methods.Expand, new ControllerExpandVolumeRequest { VolumeId = v.Id, CapacityRange = request.CapacityRange });
        Assert.Equal(2L << 30, (await driver.CallAsync<NodeExpandVolumeResponse>(Methods.NodeExpand, request)).CapacityBytes);
        request.VolumeCapability = RunningDriver.Capability();
        request.VolumeCapability.Block = new();
        Assert.Equal(RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodeExpandVolumeResponse>(Methods.NodeExpand, request)).Code);
    }

    [Fact]
    public async Task A_pods_group_may_write_from_the_start()
    {
        Volume volume = await driver.CreateAsync();
        NodeStageVolumeRequest request = StageRequest(volume, driver.NewFolder());
        request.VolumeCapability.Mount.VolumeMountGroup = "4321";
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        FileStatus root = await driver.Tree.StatAsync("/csi/volumes/" + volume.VolumeId);
        Assert.Equal(4321, root.GroupId);
        Assert.Equal(0x438, root.Mode & 0x438);
    }

    [Fact]
    public async Task Another_pods_group_gets_what_is_there_already()
    {
        Volume volume = await driver.CreateAsync();
        string path = "/csi/volumes/" + volume.VolumeId;
        await driver.Tree.WriteFileAsync(
            path + "/sub/file", "x"u8.ToArray(), new DataLayer.Client.WriteOptions { MakeParents = true, Mode = 0x180 });
        await driver.Tree.WriteFileAsync(path + "/program", "x"u8.ToArray(), new DataLayer.Client.WriteOptions { Mode = 0x1C0 });
        await driver.Tree.MakeSymbolicLinkAsync(path + "/link", "/etc/passwd");
        NodeStageVolumeRequest request = StageRequest(volume, driver.NewFolder());
        request.VolumeCapability.Mount.VolumeMountGroup = "777";
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        FileStatus file = await driver.Tree.StatAsync(path + "/sub/file");
        FileStatus program = await driver.Tree.StatAsync(path + "/program");
        FileStatus folder = await driver.Tree.StatAsync(path + "/sub");
        Assert.Equal((777, 0x1B0), (file.GroupId, file.Mode));
        Assert.Equal((777, 0x1F8), (program.GroupId, program.Mode));
        Assert.Equal((777, 0x438), (folder.GroupId, folder.Mode & 0x438));
    }

    [Fact]
    public async Task The_node_says_who_and_where_it_is()
    {
        NodeGetInfoResponse node = await driver.CallAsync<NodeGetInfoResponse>(Methods.NodeInfo, new NodeGetInfoRequest());
        Assert.Equal("node-1", node.NodeId);
        Assert.Equal("zone-a", node.AccessibleTopology.Segments["topology.csi.datalayer.io/zone"]);
        Volume volume = await driver.CreateAsync();
        Assert.Equal(volume.VolumeContext["tree"], node.AccessibleTopology.Segments[RunningDriver.TreeKey]);
        NodeGetCapabilitiesResponse capabilities = await driver.CallAsync<NodeGetCapabilitiesResponse>(
            Methods.NodeCapabilities, new NodeGetCapabilitiesRequest());
        Assert.Equal(6, capabilities.Capabilities.Select(c => c.Rpc.Type).Distinct().Count());
    }

    private NodeMount? MountAt(string path) => driver.Mounter.ListMounts().LastOrDefault(m => m.MountPoint == path);

    private static NodeStageVolumeRequest StageRequest(Volume volume, string path) => new()
    {
        VolumeId = volume.VolumeId,
        StagingTargetPath = path,
        VolumeCapability = RunningDriver.Capability(),
        VolumeContext = { volume.VolumeContext },
    };

    private async Task<StagedVolume> StageAsync(Mode mode = Mode.SingleNodeWriter, string flag = "", long bytes = 1 << 30)
    {
        NodeStageVolumeRequest request = StageRequest(await driver.CreateAsync(bytes: bytes), driver.NewFolder());
        request.VolumeCapability = flag.Length == 0 ? RunningDriver.Capability(mode) : RunningDriver.Capability(mode, flag);
        StagedVolume staged = new(driver, request);
        await staged.RestageAsync();
        return staged;
    }

    /// <summary>A volume on the node.</summary>
    private sealed record StagedVolume(RunningDriver Driver, NodeStageVolumeRequest Request)
    {
        public string Id => Request.VolumeId;

        public string Staging => Request.StagingTargetPath;

        public Task<NodeStageVolumeResponse> RestageAsync() => Driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, Request);

        public string NewTarget() => Driver.NewFolder() + "/mount";

        public NodePublishVolumeRequest PublishRequest(string target) => new()
        {
            VolumeId = Id,
            StagingTargetPath = Staging,
            TargetPath = target,
            VolumeCapability = Request.VolumeCapability.Clone(),
            VolumeContext = { Request.VolumeContext },
        };

        public Task<RpcReply<NodePublishVolumeResponse>> TryPublishAsync(string target) =>
            Driver.Rpc.CallAsync<NodePublishVolumeResponse>(Methods.Publish, PublishRequest(target));

        public async Task<string> PublishAsync(string? target = null)
        {
            target ??= NewTarget();
            _ = (await TryPublishAsync(target)).Ok;
            return target;
        }

        public Task<NodeUnpublishVolumeResponse> UnpublishAsync(string target) => Driver.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = Id, TargetPath = target });

        public Task<NodeUnstageVolumeResponse> UnstageAsync() => Driver.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage, new NodeUnstageVolumeRequest { VolumeId = Id, StagingTargetPath = Staging });
    }
}
