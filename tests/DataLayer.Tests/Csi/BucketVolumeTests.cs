using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using DataLayer.Csi.Node;
using Mode = DataLayer.Csi.Messages.VolumeCapability.Types.AccessMode.Types.Mode;

namespace DataLayer.Tests.Csi;

/// <summary>Volumes that exist already: buckets, folders; and inline ones, which go with their pod.</summary>
[Collection(CsiCollection.Name)]
public sealed class BucketVolumeTests(RunningDriver driver)
{
    [Fact]
    public async Task A_bucket_is_attached_where_it_is_and_mounted_read_only()
    {
        string bucket = driver.NewBucket(("one.txt", "1"), ("two.txt", "2"));
        NodeStageVolumeRequest request = Stage(("source", "file://" + bucket), ("freshness", "immutable"), ("profile", "small"));
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        VolumeMount mount = driver.Mounter.Mounted.Last();
        Assert.True(mount.ReadOnly);
        Assert.Equal(("small", "/csi/static/" + request.VolumeId), (mount.Profile, mount.TreePath));
        Assert.Equal(2, (await driver.Tree.ListPageAsync(mount.TreePath)).Entries.Count);
        await driver.CallAsync<NodeUnstageVolumeResponse>(
            Methods.Unstage,
            new NodeUnstageVolumeRequest { VolumeId = request.VolumeId, StagingTargetPath = request.StagingTargetPath });

        // It stays attached: the listing of a large bucket is not thrown away with its last pod.
        Assert.NotNull(await driver.Tree.TryStatAsync(mount.TreePath + "/one.txt"));
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
    }

    [Fact]
    public async Task A_writable_bucket_is_mounted_writable()
    {
        string bucket = driver.NewBucket();
        NodeStageVolumeRequest request = Stage(("source", "file://" + bucket), ("mode", "readWrite"), ("flush", "writeThrough"));
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        VolumeMount mount = driver.Mounter.Mounted.Last();
        Assert.False(mount.ReadOnly);
        await driver.Tree.WriteFileAsync(mount.TreePath + "/new.txt", "from the pod"u8.ToArray());
        Assert.Equal("from the pod", await File.ReadAllTextAsync(bucket + "/new.txt"));
    }

    [Fact]
    public async Task A_folder_of_the_tree_is_a_volume_too()
    {
        await driver.Tree.MakeDirectoryAsync("/datasets/faces", parents: true);
        NodeStageVolumeRequest request = Stage(("path", "/datasets/faces"));
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        string mounted = driver.Mounter.Mounted.Last().TreePath;
        Assert.Equal("/csi/static/" + request.VolumeId, mounted);
        Assert.Equal("/datasets/faces", (await driver.Tree.StatAsync(mounted, followLast: false)).LinkTarget);
        await driver.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        ValidateVolumeCapabilitiesRequest validate = new()
        {
            VolumeId = request.VolumeId,
            VolumeContext = { request.VolumeContext },
            VolumeCapabilities = { RunningDriver.Capability(Mode.MultiNodeReaderOnly) },
        };
        Assert.NotNull((await driver.CallAsync<ValidateVolumeCapabilitiesResponse>(Methods.Validate, validate)).Confirmed);
        validate.VolumeContext["path"] = "/datasets/none";
        Assert.Equal(RpcCode.NotFound, (await driver.Rpc.CallAsync<ValidateVolumeCapabilitiesResponse>(
            Methods.Validate, validate)).Code);
    }

    [Theory]
    [InlineData("mode", "readwrite")]
    [InlineData("freshness", "daily")]
    [InlineData("flush", "never")]
    [InlineData("maxAge", "soon")]
    [InlineData("pathStyle", "yes")]
    [InlineData("profile", "huge")]
    [InlineData("source", "gopher://x")]
    [InlineData("path", "relative")]
    [InlineData("path", "/a/../b")]
    public async Task A_wrong_attribute_is_named(string key, string value)
    {
        NodeStageVolumeRequest request = Stage((key, value));
        if (key is not ("source" or "path"))
        {
            request.VolumeContext["source"] = "file://" + driver.NewBucket();
        }

        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        Assert.Equal(RpcCode.InvalidArgument, reply.Code);
        Assert.Contains(value, reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_volumes_keys_reach_the_service_and_no_log_no_message_and_no_open_file()
    {
        const string Access = "AKIA-SHOULD-NOT-BE-SEEN";
        const string Secret = "secret-that-should-not-be-seen";
        NodeStageVolumeRequest request = Stage(
            ("source", "s3://bucket/prefix"), ("endpoint", "http://127.0.0.1:1"), ("region", "eu-central-1"));
        request.Secrets["accessKeyId"] = Access;
        request.Secrets["secretAccessKey"] = Secret;
        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);

        // Nobody answers at that endpoint; how far it came shows that the store was made from the keys.
        Assert.Equal(RpcCode.Unavailable, reply.Code);
        Assert.DoesNotContain(Access, reply.Message + driver.Logs.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, reply.Message + driver.Logs.Text, StringComparison.Ordinal);
        string file = Path.Combine(driver.StateFolder, "stores", $"csi-{request.VolumeId}.json");
        Assert.Contains("\"sealed\"", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        DataLayer.Storage.Objects.CredentialSeal seal = new(Path.Combine(driver.StateFolder, "credentials.key"));
        Assert.Contains(
            new DataLayer.Storage.Objects.DefinedStores(Path.Combine(driver.StateFolder, "stores"), seal).Load(),
            store => store.AccessKey == Access && store.SecretKey == Secret);
    }

    [Fact]
    public async Task Keys_that_are_missing_are_unauthenticated()
    {
        NodeStageVolumeRequest request = Stage(("source", "s3://bucket/prefix"));
        request.Secrets["accessKeyId"] = "only half";
        Assert.Equal(
            RpcCode.Unauthenticated, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
    }

    [Theory]
    [InlineData("file:/etc/passwd")]
    [InlineData("env:HOME")]
    public async Task A_key_that_would_read_the_services_files_is_refused(string key)
    {
        NodeStageVolumeRequest request = Stage(("source", "s3://bucket/prefix"));
        request.Secrets["accessKeyId"] = key;
        request.Secrets["secretAccessKey"] = "x";
        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request);
        Assert.Equal(RpcCode.InvalidArgument, reply.Code);
        Assert.DoesNotContain(key, reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_and_a_secret_are_one_too_many()
    {
        NodeStageVolumeRequest request = Stage(("source", "s3://bucket/prefix"), ("store", "default"));
        request.Secrets["accessKeyId"] = "a";
        request.Secrets["secretAccessKey"] = "b";
        Assert.Equal(
            RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
    }

    [Fact]
    public async Task An_inline_volume_comes_with_its_pod_and_goes_with_it()
    {
        NodePublishVolumeRequest request = Inline(("size", "10Mi"));
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
        VolumeMount mount = driver.Mounter.Mounted.Last();
        Assert.Equal((request.TargetPath, "/csi/ephemeral/" + request.VolumeId), (mount.Target.FullPath, mount.TreePath));
        await driver.Tree.WriteFileAsync(mount.TreePath + "/scratch", new byte[1000]);
        NodeGetVolumeStatsResponse stats = await driver.CallAsync<NodeGetVolumeStatsResponse>(
            Methods.Stats, new NodeGetVolumeStatsRequest { VolumeId = request.VolumeId, VolumePath = request.TargetPath });
        Assert.Equal(10 << 20, stats.Usage[0].Total);
        NodeUnpublishVolumeRequest down = new() { VolumeId = request.VolumeId, TargetPath = request.TargetPath };
        await driver.CallAsync<NodeUnpublishVolumeResponse>(Methods.Unpublish, down);
        Assert.Null(await driver.Tree.TryStatAsync(mount.TreePath));
        Assert.False(Directory.Exists(request.TargetPath));
        await driver.CallAsync<NodeUnpublishVolumeResponse>(Methods.Unpublish, down);
    }

    [Fact]
    public async Task A_scratch_folder_goes_also_where_its_driver_was_killed_after_the_unmount()
    {
        NodePublishVolumeRequest request = Inline();
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
        using (TargetPath target = TargetPath.Open(request.TargetPath, "target_path", root: null))
        {
            await driver.Mounter.UnmountAsync(target, CancellationToken.None);
            target.RemoveFolder();
        }

        await driver.RestartDriverAsync();
        await driver.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = request.VolumeId, TargetPath = request.TargetPath });
        Assert.Null(await driver.Tree.TryStatAsync("/csi/ephemeral/" + request.VolumeId));
    }

    [Fact]
    public async Task An_inline_bucket_is_detached_with_its_pod_and_keeps_its_objects()
    {
        string bucket = driver.NewBucket(("one.txt", "1"));
        NodePublishVolumeRequest request = Inline(("source", "file://" + bucket));
        await driver.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request);
        await driver.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = request.VolumeId, TargetPath = request.TargetPath });
        Assert.Null(await driver.Tree.TryStatAsync("/csi/ephemeral/" + request.VolumeId));
        Assert.True(File.Exists(bucket + "/one.txt"));
    }

    [Fact]
    public async Task An_inline_volumes_keys_go_with_it()
    {
        NodePublishVolumeRequest request = Inline(("source", "s3://bucket/prefix"), ("endpoint", "http://127.0.0.1:1"));
        request.Secrets["accessKeyId"] = "a";
        request.Secrets["secretAccessKey"] = "b";
        Assert.Equal(
            RpcCode.Unavailable, (await driver.Rpc.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request)).Code);
        string file = Path.Combine(driver.StateFolder, "stores", $"csi-{request.VolumeId}.json");
        Assert.True(File.Exists(file));
        await driver.CallAsync<NodeUnpublishVolumeResponse>(
            Methods.Unpublish, new NodeUnpublishVolumeRequest { VolumeId = request.VolumeId, TargetPath = request.TargetPath });
        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task An_inline_volume_does_not_get_the_services_own_keys()
    {
        NodePublishVolumeRequest request = Inline(("source", "s3://bucket/prefix"), ("store", "private"));
        Assert.Equal(
            RpcCode.Unauthenticated, (await driver.Rpc.CallAsync<NodePublishVolumeResponse>(Methods.Publish, request)).Code);
    }

    [Theory]
    [InlineData("path", "/datasets")]
    [InlineData("tree", "x")]
    [InlineData("size", "much")]
    [InlineData("size", "-1Gi")]
    public async Task An_inline_volume_may_not_name_what_is_not_its_own(string key, string value) =>
        Assert.Equal(RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodePublishVolumeResponse>(
            Methods.Publish, Inline((key, value)))).Code);

    [Fact]
    public async Task An_inline_volume_is_not_staged()
    {
        NodeStageVolumeRequest request = Stage(("csi.storage.k8s.io/ephemeral", "true"));
        Assert.Equal(
            RpcCode.InvalidArgument, (await driver.Rpc.CallAsync<NodeStageVolumeResponse>(Methods.Stage, request)).Code);
    }

    private NodeStageVolumeRequest Stage(params (string Key, string Value)[] context)
    {
        NodeStageVolumeRequest request = new()
        {
            VolumeId = driver.NewName("static"),
            StagingTargetPath = driver.NewFolder(),
            VolumeCapability = RunningDriver.Capability(Mode.MultiNodeMultiWriter),
        };
        foreach ((string key, string value) in context)
        {
            request.VolumeContext[key] = value;
        }

        return request;
    }

    private NodePublishVolumeRequest Inline(params (string Key, string Value)[] context)
    {
        NodePublishVolumeRequest request = new()
        {
            VolumeId = driver.NewName("csi"),
            TargetPath = driver.NewFolder() + "/mount",
            VolumeCapability = RunningDriver.Capability(),
            VolumeContext = { ["csi.storage.k8s.io/ephemeral"] = "true", ["csi.storage.k8s.io/pod.name"] = "train" },
        };
        foreach ((string key, string value) in context)
        {
            request.VolumeContext[key] = value;
        }

        return request;
    }
}
