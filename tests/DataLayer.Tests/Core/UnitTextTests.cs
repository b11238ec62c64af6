using DataLayer.Core.Text;

namespace DataLayer.Tests.Core;

public sealed class UnitTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("512MiB", 512L << 20)]
    [InlineData("1.5 GiB", 3L << 29)]
    [InlineData("10GB", 10_000_000_000)]
    [InlineData("7B", 7)]
    [InlineData("2TiB", 2L << 40)]
    public void A_size_is_read(string text, long bytes)
    {
        Assert.True(UnitText.TryParseSize(text, out long read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MiB")]
    [InlineData("-1MiB")]
    [InlineData("5 parsecs")]
    [InlineData("1e3")]
    [InlineData("99999999999PiB")]
    public void A_size_that_is_none_is_refused(string text) => Assert.False(UnitText.TryParseSize(text, out _));

    [Theory]
    [InlineData("30s", 30)]
    [InlineData("1.5m", 90)]
    [InlineData("2 min", 120)]
    [InlineData("250ms", 0.25)]
    [InlineData("2h", 7200)]
    [InlineData("1d", 86400)]
    public void A_duration_is_read(string text, double seconds)
    {
        Assert.True(UnitText.TryParseDuration(text, out TimeSpan read));
        Assert.Equal(seconds, read.TotalSeconds, 6);
    }

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("s")]
    [InlineData("-3s")]
    [InlineData("3 fortnights")]
    [InlineData("999999999999d")]
    public void A_duration_that_is_none_is_refused(string text) => Assert.False(UnitText.TryParseDuration(text, out _));

    [Theory]
    [InlineData(0L)]
    [InlineData(1L)]
    [InlineData(1023L)]
    [InlineData(1024L)]
    [InlineData(256L << 20)]
    [InlineData((1L << 30) + 1)]
    public void A_size_reads_back_as_it_was_written(long bytes)
    {
        Assert.True(UnitText.TryParseSize(UnitText.FormatSize(bytes), out long read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData(0.25)]
    [InlineData(1.0)]
    [InlineData(90.0)]
    [InlineData(3600.0)]
    [InlineData(172800.0)]
    public void A_duration_reads_back_as_it_was_written(double seconds)
    {
        Assert.True(UnitText.TryParseDuration(UnitText.FormatDuration(TimeSpan.FromSeconds(seconds)), out TimeSpan read));
        Assert.Equal(seconds, read.TotalSeconds, 6);
    }
}
