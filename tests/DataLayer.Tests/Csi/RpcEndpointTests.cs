using System.Net;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;

namespace DataLayer.Tests.Csi;

/// <summary>gRPC as the wire has it.</summary>
[Collection(CsiCollection.Name)]
public sealed class RpcEndpointTests(RunningDriver driver)
{
    [Fact]
    public async Task An_answer_is_one_message_and_its_status_stands_in_the_trailers()
    {
        RpcReply<GetPluginInfoResponse> reply =
            await driver.Rpc.CallAsync<GetPluginInfoResponse>(Methods.GetPluginInfo, new GetPluginInfoRequest());
        Assert.Equal("csi.datalayer.io", reply.Ok.Name);
        Assert.Equal("application/grpc", reply.Http.Content.Headers.ContentType!.MediaType);
        Assert.True(reply.Http.TrailingHeaders.Contains("grpc-status"));
        Assert.False(reply.Http.Headers.Contains("grpc-status"));
    }

    [Theory]
    [InlineData("/csi.v1.Controller/ControllerPublishVolume")]
    [InlineData("/csi.v1.Controller/ControllerUnpublishVolume")]
    [InlineData("/csi.v1.Controller/ControllerModifyVolume")]
    [InlineData("/csi.v1.GroupController/GroupControllerGetCapabilities")]
    [InlineData("/csi.v1.GroupController/CreateVolumeGroupSnapshot")]
    [InlineData("/csi.v1.SnapshotMetadata/GetMetadataAllocated")]
    [InlineData("/csi.v1.Node/NodeFly")]
    [InlineData("/nothing")]
    public async Task A_method_that_is_not_there_is_unimplemented_by_headers_alone(string method)
    {
        RpcReply<ProbeResponse> reply = await driver.Rpc.CallAsync<ProbeResponse>(method, new ProbeRequest());
        Assert.Equal(RpcCode.Unimplemented, reply.Code);
        Assert.Equal(HttpStatusCode.OK, reply.Http.StatusCode);
        Assert.True(reply.Http.Headers.Contains("grpc-status"));
        Assert.Null(reply.Body);
    }

    [Fact]
    public async Task A_message_of_any_characters_arrives_as_it_was()
    {
        RpcReply<NodeStageVolumeResponse> reply = await driver.Rpc.CallAsync<NodeStageVolumeResponse>(
            Methods.Stage,
            new NodeStageVolumeRequest
            {
                VolumeId = "v",
                StagingTargetPath = "/nöwhere/100%/\u4e2d\n/x",
                VolumeCapability = RunningDriver.Capability(),
            });
        Assert.Equal(RpcCode.InvalidArgument, reply.Code);
        Assert.Contains("/nöwhere/100%/\u4e2d\n/x", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_over_the_limit_is_refused_by_its_prefix()
    {
        byte[] frame = RpcClient.Frame([]);
        frame[1] = 0x7F;
        RpcReply<ProbeResponse> reply = await driver.Rpc.SendAsync<ProbeResponse>(Methods.Probe, frame);
        Assert.Equal(RpcCode.ResourceExhausted, reply.Code);
    }

    [Fact]
    public async Task A_request_of_almost_the_limit_is_read()
    {
        CreateVolumeRequest request = new() { Name = new string('n', RpcEndpoint.MaxMessageBytes - 100) };
        RpcReply<CreateVolumeResponse> reply = await driver.Rpc.CallAsync<CreateVolumeResponse>(Methods.CreateVolume, request);
        Assert.Equal(RpcCode.InvalidArgument, reply.Code);
        Assert.Contains("128", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compression_is_refused_with_what_is_accepted()
    {
        RpcReply<ProbeResponse> reply = await driver.Rpc.SendAsync<ProbeResponse>(
            Methods.Probe, RpcClient.Frame([1, 2, 3], flag: 1), r => r.Headers.Add("grpc-encoding", "gzip"));
        Assert.Equal(RpcCode.Unimplemented, reply.Code);
        Assert.Equal("identity", reply.Http.Headers.GetValues("grpc-accept-encoding").Single());
    }

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 9, 1 })]
    [InlineData(new byte[] { 2, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 1, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 2, 0x0A, 0xFF })]
    public async Task What_is_no_message_is_an_internal_error_and_ends_the_call_only(byte[] body)
    {
        RpcReply<CreateVolumeResponse> reply = await driver.Rpc.SendAsync<CreateVolumeResponse>(Methods.CreateVolume, body);
        Assert.Equal(RpcCode.Internal, reply.Code);
        Assert.True((await driver.CallAsync<ProbeResponse>(Methods.Probe, new ProbeRequest())).Ready);
    }

    [Fact]
    public async Task A_client_of_another_protocol_gets_an_http_status()
    {
        RpcReply<ProbeResponse> reply = await driver.Rpc.SendAsync<ProbeResponse>(
            Methods.Probe, [], r => r.Content!.Headers.ContentType = new("application/json"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, reply.Http.StatusCode);
    }

    [Fact]
    public async Task Fields_and_headers_from_the_future_do_no_harm()
    {
        byte[] unknownField = [0xFA, 0x07, 0x03, (byte)'x', (byte)'y', (byte)'z'];
        RpcReply<ProbeResponse> reply = await driver.Rpc.SendAsync<ProbeResponse>(
            Methods.Probe, RpcClient.Frame(unknownField), r => r.Headers.Add("grpc-something", "new"));
        Assert.True(reply.Ok.Ready);
    }

    [Fact]
    public async Task A_deadline_that_is_over_ends_the_call()
    {
        RpcReply<ListVolumesResponse> reply = await driver.Rpc.SendAsync<ListVolumesResponse>(
            Methods.ListVolumes, RpcClient.Frame([]), r => r.Headers.Add("grpc-timeout", "0n"));
        Assert.Equal(RpcCode.DeadlineExceeded, reply.Code);
    }

    [Theory]
    [InlineData("99999999H")]
    [InlineData("10S")]
    [InlineData("60000m")]
    public async Task A_deadline_ahead_changes_nothing(string timeout)
    {
        RpcReply<ProbeResponse> reply = await driver.Rpc.SendAsync<ProbeResponse>(
            Methods.Probe, RpcClient.Frame([]), r => r.Headers.Add("grpc-timeout", timeout));
        Assert.True(reply.Ok.Ready);
    }

    [Theory]
    [InlineData("1H", 36_000_000_000L)]
    [InlineData("2M", 1_200_000_000L)]
    [InlineData("3S", 30_000_000L)]
    [InlineData("4m", 40_000L)]
    [InlineData("5u", 50L)]
    [InlineData("600n", 6L)]
    [InlineData("1n", 1L)]
    public void A_timeout_has_a_number_and_a_unit(string text, long ticks)
    {
        Assert.True(RpcText.TryParseTimeout(text, out TimeSpan timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("10")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("123456789S")]
    [InlineData("10s")]
    public void Another_timeout_is_refused(string text) => Assert.False(RpcText.TryParseTimeout(text, out _));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("50%", "50%25")]
    [InlineData("a\nb", "a%0Ab")]
    [InlineData("é", "%C3%A9")]
    public void A_message_is_percent_encoded(string message, string encoded) =>
        Assert.Equal(encoded, RpcText.EncodeMessage(message));

    [Fact]
    public void A_long_message_is_cut_between_characters()
    {
        string text = Uri.UnescapeDataString(RpcText.EncodeMessage("x" + new string('é', 2000)));
        Assert.Equal("x" + new string('é', 511), text);
    }

    [Fact]
    public async Task Many_calls_share_one_connection()
    {
        RpcReply<GetPluginInfoResponse>[] replies = await Task.WhenAll(Enumerable.Range(0, 100).Select(
            _ => driver.Rpc.CallAsync<GetPluginInfoResponse>(Methods.GetPluginInfo, new GetPluginInfoRequest())));
        Assert.All(replies, r => Assert.Equal(RpcCode.Ok, r.Code));
    }

    [Fact]
    public async Task The_kubelet_is_told_the_drivers_name_and_its_own_view_of_the_socket()
    {
        using RpcClient registration = new(driver.RegistrationSocketPath);
        PluginInfo plugin = (await registration.CallAsync<PluginInfo>(
            "/pluginregistration.Registration/GetInfo", new InfoRequest())).Ok;
        Assert.Equal(("CSIPlugin", "csi.datalayer.io"), (plugin.Type, plugin.Name));
        Assert.Equal("/var/lib/kubelet/plugins/csi.datalayer.io/csi.sock", plugin.Endpoint);
        Assert.Equal(["1.0.0"], plugin.SupportedVersions);
        foreach (bool registered in new[] { true, false })
        {
            RegistrationStatus status = new() { PluginRegistered = registered, Error = registered ? "" : "bad version" };
            Assert.Equal(RpcCode.Ok, (await registration.CallAsync<RegistrationStatusResponse>(
                "/pluginregistration.Registration/NotifyRegistrationStatus", status)).Code);
        }

        Assert.Contains("bad version", driver.Logs.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_sockets_are_the_drivers_users_alone()
    {
        foreach (string socket in new[] { driver.SocketPath, driver.RegistrationSocketPath })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket));
        }
    }
}
