using DataLayer.Core.Errors;
using DataLayer.Server.Http;

namespace DataLayer.Tests.Server;

public sealed class ByteRangeTests
{
    [Theory]
    [InlineData("bytes=0-0", 0, 1)]
    [InlineData("bytes=0-99", 0, 100)]
    [InlineData("bytes=0-1000", 0, 100)]
    [InlineData("bytes=10-", 10, 90)]
    [InlineData("bytes=99-", 99, 1)]
    [InlineData("bytes=-1", 99, 1)]
    [InlineData("bytes=-100", 0, 100)]
    [InlineData("bytes=-1000", 0, 100)]
    [InlineData("BYTES=5-6", 5, 2)]
    [InlineData("bytes= 5 - 6 ", 5, 2)]
    [InlineData("bytes=5-9223372036854775807", 5, 95)]
    public void One_satisfiable_range_is_partial(string header, long start, long length)
    {
        Assert.Equal((int)RangeOutcome.Partial, (int)ByteRange.Evaluate(header, 100, out ByteRange range));
        Assert.Equal(new ByteRange(start, length), range);
    }

    [Theory]
    [InlineData("bytes=100-")]
    [InlineData("bytes=100-200")]
    [InlineData("bytes=-0")]
    public void A_range_past_the_end_is_unsatisfiable(string header) =>
        Assert.Equal((int)RangeOutcome.Unsatisfiable, (int)ByteRange.Evaluate(header, 100, out _));

    [Theory]
    [InlineData("bytes=0-")]
    [InlineData("bytes=-5")]
    public void Nothing_of_an_empty_file_is_satisfiable(string header) =>
        Assert.Equal((int)RangeOutcome.Unsatisfiable, (int)ByteRange.Evaluate(header, 0, out _));

    [Theory]
    [InlineData("")]
    [InlineData("items=0-5")]
    [InlineData("bytes")]
    [InlineData("bytes=")]
    [InlineData("bytes=-")]
    [InlineData("bytes=a-b")]
    [InlineData("bytes=5-3")]
    [InlineData("bytes=-5-")]
    [InlineData("bytes=+1-2")]
    [InlineData("bytes=0-1,5-6")]
    [InlineData("bytes=99999999999999999999-")]
    public void Anything_else_is_answered_with_the_whole(string header)
    {
        Assert.Equal((int)RangeOutcome.Whole, (int)ByteRange.Evaluate(header, 100, out ByteRange range));
        Assert.Equal(new ByteRange(0, 100), range);
    }

    [Theory]
    [InlineData("bytes 0-9/*", 0, 10, -1)]
    [InlineData("bytes 5-5/100", 5, 1, 100)]
    [InlineData("Bytes 0-0/1", 0, 1, 1)]
    public void A_content_range_is_read(string header, long start, long length, long total)
    {
        Assert.Equal(new ByteRange(start, length), ByteRange.ParseContentRange(header, out long totalBytes));
        Assert.Equal(total, totalBytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("bytes")]
    [InlineData("bytes */100")]
    [InlineData("bytes 5-4/*")]
    [InlineData("bytes 0-9/5")]
    [InlineData("bytes 0-9")]
    [InlineData("bytes -9/*")]
    [InlineData("items 0-9/*")]
    [InlineData("bytes 0-9223372036854775807/*")]
    public void A_content_range_that_is_none_is_refused_by_name(string header)
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => ByteRange.ParseContentRange(header, out _));

        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains($"'{header}'", fault.Message, StringComparison.Ordinal);
    }
}
