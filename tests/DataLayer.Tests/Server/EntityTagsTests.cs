using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Tests.Server;

public sealed class EntityTagsTests
{
    private const string Tag = "\"7-1-3\"";
    private static readonly DateTimeOffset _changed = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("If-Match", "\"7-1-3\"", "Proceed")]
    [InlineData("If-Match", "*", "Proceed")]
    [InlineData("If-Match", "\"x\", \"7-1-3\"", "Proceed")]
    [InlineData("If-Match", "\"x\"", "Failed")]
    [InlineData("If-Match", "W/\"7-1-3\"", "Failed")]
    [InlineData("If-None-Match", "\"7-1-3\"", "NotModified")]
    [InlineData("If-None-Match", "W/\"7-1-3\"", "NotModified")]
    [InlineData("If-None-Match", "*", "NotModified")]
    [InlineData("If-None-Match", "\"x\"", "Proceed")]
    [InlineData("If-Modified-Since", "Fri, 01 May 2026 12:00:00 GMT", "NotModified")]
    [InlineData("If-Modified-Since", "Fri, 01 May 2026 11:59:59 GMT", "Proceed")]
    [InlineData("If-Modified-Since", "yesterday", "Proceed")]
    [InlineData("If-Unmodified-Since", "Fri, 01 May 2026 12:00:00 GMT", "Proceed")]
    [InlineData("If-Unmodified-Since", "Fri, 01 May 2026 11:59:59 GMT", "Failed")]
    public void A_condition_decides_as_the_standard_says(string header, string value, string outcome)
    {
        HeaderDictionary headers = new() { [header] = value };

        Assert.Equal(outcome, EntityTags.EvaluateRead(headers, Tag, _changed).ToString());
    }

    [Fact]
    public void Entity_tags_win_over_dates()
    {
        HeaderDictionary headers = new() { ["If-None-Match"] = "\"x\"", ["If-Modified-Since"] = "Fri, 01 May 2026 12:00:00 GMT" };

        Assert.Equal("Proceed", EntityTags.EvaluateRead(headers, Tag, _changed).ToString());
    }

    [Theory]
    [InlineData("\"7-1-3\"", true)]
    [InlineData("W/\"7-1-3\"", false)]
    [InlineData("\"x\"", false)]
    [InlineData("Fri, 01 May 2026 12:00:00 GMT", true)]
    [InlineData("Fri, 01 May 2026 12:00:01 GMT", false)]
    public void A_range_counts_only_for_the_same_content(string ifRange, bool counts) =>
        Assert.Equal(counts, EntityTags.RangeApplies(ifRange, Tag, _changed));

    [Fact]
    public async Task A_single_tag_is_handed_on_without_asking_for_the_file()
    {
        string? tag = await EntityTags.ResolveIfMatchAsync(
            new StringValues("\"a-b\""), () => throw new InvalidOperationException("Not to be asked."));

        Assert.Equal("a-b", tag);
    }

    [Fact]
    public async Task A_list_or_star_stands_for_the_content_there_is()
    {
        InodeAttributes file = new()
        {
            Inode = new InodeId(7),
            Kind = FileKind.Regular,
            Mode = 0x1A4,
            Generation = 1,
            Version = 3,
        };

        Assert.Equal("7-1-3", await EntityTags.ResolveIfMatchAsync("*", () => new ValueTask<InodeAttributes?>(file)));
        Assert.Equal("7-1-3", await EntityTags.ResolveIfMatchAsync("\"x\", \"7-1-3\"", () => new ValueTask<InodeAttributes?>(file)));
        DataLayerException none = await Assert.ThrowsAsync<DataLayerException>(
            async () => await EntityTags.ResolveIfMatchAsync("*", () => new ValueTask<InodeAttributes?>((InodeAttributes?)null)));
        Assert.Equal(ErrorCode.Stale, none.Code);
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("\"abc")]
    [InlineData("W/\"abc\"")]
    [InlineData("\"\"")]
    public async Task A_tag_that_is_none_is_refused(string text)
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await EntityTags.ResolveIfMatchAsync(text, () => default));

        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
    }

    [Fact]
    public void A_write_takes_only_a_star_as_absence()
    {
        Assert.True(EntityTags.AsksAbsent("*"));
        Assert.False(EntityTags.AsksAbsent(StringValues.Empty));
        Assert.Throws<DataLayerException>(() => EntityTags.AsksAbsent("\"x\""));
    }
}
