using DataLayer.Core.Errors;
using DataLayer.Protocol.Feeds;

namespace DataLayer.Tests.Protocol;

public sealed class FeedFrameHeaderTests
{
    [Fact]
    public void Is_twelve_bytes_little_endian()
    {
        byte[] bytes = new byte[FeedFrameHeader.SizeBytes];
        new FeedFrameHeader(FeedFrameKind.Slab, 0x0102, 1).Write(bytes);
        Assert.Equal("444C4644020100000105" + "0100", Convert.ToHexString(bytes));
        Assert.Equal(new FeedFrameHeader(FeedFrameKind.Slab, 0x0102, 1), FeedFrameHeader.Read(bytes));
    }

    [Theory]
    [InlineData(0, 0x45, ErrorCode.InvalidArgument)] // Magic.
    [InlineData(7, 0x01, ErrorCode.InvalidArgument)] // A length of 16 MiB.
    [InlineData(8, 2, ErrorCode.NotSupported)] // Version.
    [InlineData(9, 0, ErrorCode.NotSupported)] // Kind.
    [InlineData(9, 13, ErrorCode.NotSupported)]
    [InlineData(10, 1, ErrorCode.InvalidArgument)] // A descriptor with a Hello.
    [InlineData(11, 1, ErrorCode.InvalidArgument)]
    public void Refuses_what_is_no_frame(int at, byte value, ErrorCode code)
    {
        byte[] bytes = new byte[FeedFrameHeader.SizeBytes];
        new FeedFrameHeader(FeedFrameKind.Hello, 0, 0).Write(bytes);
        bytes[at] = value;
        Assert.Equal(code, Assert.Throws<DataLayerException>(() => FeedFrameHeader.Read(bytes)).Code);
    }

    [Fact]
    public void Lets_only_a_batch_without_shared_memory_be_long()
    {
        byte[] bytes = new byte[FeedFrameHeader.SizeBytes];
        new FeedFrameHeader(FeedFrameKind.Batch, int.MaxValue, 0).Write(bytes);
        Assert.Equal(int.MaxValue, FeedFrameHeader.Read(bytes, longBatches: true).PayloadBytes);
        Assert.Throws<DataLayerException>(() => FeedFrameHeader.Read(bytes));
        new FeedFrameHeader(FeedFrameKind.Opened, FeedFrameHeader.MaxPayloadBytes + 1, 0).Write(bytes);
        Assert.Throws<DataLayerException>(() => FeedFrameHeader.Read(bytes, longBatches: true));
    }

    [Fact]
    public void A_misspelt_member_is_named()
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(
            () => FeedPayload.Read("{\"dataset\":\"a\",\"bacth\":4}"u8, FeedJson.Default.FeedOpen));
        Assert.Contains("bacth", fault.Message, StringComparison.Ordinal);
        Assert.Equal(
            "a", FeedPayload.Read("{\"code\":\"a\",\"error\":\"b\",\"more\":1}"u8, FeedJson.Default.FeedFault).Code);
    }
}
