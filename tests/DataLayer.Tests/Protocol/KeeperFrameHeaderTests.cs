using DataLayer.Core.Errors;
using DataLayer.Protocol.Keeper;

namespace DataLayer.Tests.Protocol;

public sealed class KeeperFrameHeaderTests
{
    [Theory]
    [InlineData(KeeperFrameKind.Hello, 1234, 1)]
    [InlineData(KeeperFrameKind.Leave, 0, 0)]
    [InlineData(KeeperFrameKind.Negotiated, KeeperFrameHeader.MaxPayloadBytes, 0)]
    public void A_header_reads_as_it_was_written(KeeperFrameKind kind, int payload, int descriptors)
    {
        byte[] bytes = new byte[KeeperFrameHeader.SizeBytes];
        KeeperFrameHeader header = new(kind, payload, descriptors);
        header.Write(bytes);

        Assert.Equal(header, KeeperFrameHeader.Read(bytes));
        Assert.Equal("DLKF"u8.ToArray(), bytes[..4]);
    }

    [Theory]
    [InlineData(0, 0x00, "starts with", ErrorCode.InvalidArgument)]
    [InlineData(6, 0x02, "bytes of payload", ErrorCode.InvalidArgument)]
    [InlineData(7, 0x80, "bytes of payload", ErrorCode.InvalidArgument)]
    [InlineData(8, 0x02, "version 2", ErrorCode.NotSupported)]
    [InlineData(9, 0x00, "kind 0", ErrorCode.NotSupported)]
    [InlineData(9, 0x0B, "kind 11", ErrorCode.NotSupported)]
    [InlineData(10, 0x02, "2 descriptors", ErrorCode.InvalidArgument)]
    [InlineData(11, 0x01, "flags 1", ErrorCode.InvalidArgument)]
    public void A_header_with_one_bad_byte_is_refused_with_its_reason(int index, byte value, string reason, ErrorCode code)
    {
        byte[] bytes = new byte[KeeperFrameHeader.SizeBytes];
        new KeeperFrameHeader(KeeperFrameKind.Hello, 10, 1).Write(bytes);
        bytes[index] = value;

        DataLayerException fault = Assert.Throws<DataLayerException>(() => KeeperFrameHeader.Read(bytes));
        Assert.Equal(code, fault.Code);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_cut_short_is_refused() =>
        Assert.Throws<DataLayerException>(() => KeeperFrameHeader.Read(new byte[KeeperFrameHeader.SizeBytes - 1]));

    [Fact]
    public void A_hello_keeps_everything_over_the_wire()
    {
        KeeperHello hello = new()
        {
            MountId = "0123456789abcdef",
            TreePath = "/größe/データ",
            MountPoint = "/mnt/with space",
            Profile = MountProfile.Small,
            ReadOnly = true,
            Options = new Dictionary<string, string>(StringComparer.Ordinal) { ["attr_timeout"] = "5s" },
            KeeperProcessId = 42,
            Negotiated = [1, 2, 255],
            TakeoverCount = 7,
        };

        byte[] payload = KeeperPayload.Write(hello, KeeperJson.Default.KeeperHello);
        KeeperHello read = KeeperPayload.Read(payload, KeeperJson.Default.KeeperHello);

        Assert.Equal(hello.Negotiated, read.Negotiated);
        Assert.Equal(hello.Options, read.Options);
        Assert.Equal(hello with { Options = read.Options, Negotiated = read.Negotiated }, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{\"mountId\":\"a\"")]
    [InlineData("{\"treePath\":\"/\"}")]
    [InlineData("{\"mountId\":\"a\",\"treePath\":\"/\",\"mountPoint\":\"/m\",\"profile\":\"huge\"}")]
    public void A_payload_that_is_not_a_hello_is_refused(string json)
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(
            () => KeeperPayload.Read(System.Text.Encoding.UTF8.GetBytes(json), KeeperJson.Default.KeeperHello));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains("KeeperHello", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_longer_than_a_frame_is_not_written()
    {
        KeeperHello hello = new() { MountId = "m", TreePath = "/" + new string('x', 70_000), MountPoint = "/m" };
        Assert.Throws<DataLayerException>(() => KeeperPayload.Write(hello, KeeperJson.Default.KeeperHello));
    }

    [Fact]
    public void Members_of_a_newer_release_are_ignored()
    {
        KeeperWelcome welcome = KeeperPayload.Read("""{"ok":true,"mood":"good"}"""u8, KeeperJson.Default.KeeperWelcome);
        Assert.True(welcome.Ok);
    }
}
