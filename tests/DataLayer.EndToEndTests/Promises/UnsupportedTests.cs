using System.Net;
using System.Net.Http.Headers;
using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.EndToEndTests.Promises;

/// <summary>Promise 12 at the API: what is not supported or not valid fails at once with 4xx or 501 and a reason, and changes nothing.</summary>
public sealed class UnsupportedTests
{
    [Theory]
    [InlineData("PATCH", "/api/v1/files/f")]
    [InlineData("POST", "/api/v1/files/f")]
    [InlineData("PUT", "/api/v1/dirs/")]
    [InlineData("GET", "/api/v1/files/../../etc/passwd%00")]
    [InlineData("GET", "/api/v1/files/a/%2e%2e/b")]
    [InlineData("GET", "/api/v1/dirs/?limit=-1")]
    [InlineData("POST", "/api/v1/ops/no-such-operation")]
    public async Task What_the_api_does_not_have_fails_at_once(string method, string target)
    {
        await using var it = await Installation.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), it.Service.Endpoint.ToString().TrimEnd('/') + target);
        using var answer = await it.Service.Http.SendAsync(request);
        Assert.True((int)answer.StatusCode is >= 400 and < 500 or 501, $"{method} {target}: {(int)answer.StatusCode}");
    }

    [Fact]
    public async Task A_range_that_cannot_be_served_is_416_and_several_ranges_never_give_wrong_bytes()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", "0123456789"u8.ToArray());
        using var past = new HttpRequestMessage(HttpMethod.Get, "/api/v1/files/f") { Headers = { Range = new RangeHeaderValue(10, 20) } };
        using var refused = await it.Service.Http.SendAsync(past);
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, refused.StatusCode);
        using var several = new HttpRequestMessage(HttpMethod.Get, "/api/v1/files/f");
        several.Headers.TryAddWithoutValidation("Range", "bytes=0-1,4-5");
        using var answer = await it.Service.Http.SendAsync(several);
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode != HttpStatusCode.OK || body == "0123456789", body);
    }

    [Fact]
    public async Task An_unknown_field_or_flag_is_refused_and_nothing_changes()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", new byte[1]);
        foreach (var body in new[]
        {
            """{"from":"/f","to":"/g","whiteout":true}""",
            """{"from":"/f","to":"/g","noReplace":true,"exchange":true}""",
            """{"from":"/f"}""",
            "not json",
        })
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var answer = await it.Service.Http.PostAsync(new Uri("/api/v1/ops/rename", UriKind.Relative), content);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }

        Assert.NotNull(await it.Client.TryStatAsync("/f"));
        Assert.Null(await it.Client.TryStatAsync("/g"));
    }

    [Fact]
    public async Task A_name_or_path_that_is_too_long_is_refused()
    {
        await using var it = await Installation.StartAsync();
        var failure = await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/" + new string('x', 256), new byte[1]));
        Assert.Equal(ErrorCode.NameTooLong, failure.Code);
        failure = await Installation.FailureOf(async () => await it.Client.MakeDirectoryAsync(string.Concat(Enumerable.Repeat("/abcdefgh", 600)), parents: true));
        Assert.Equal(ErrorCode.NameTooLong, failure.Code);
    }

    [Fact]
    public async Task A_rename_between_attachments_is_refused_or_whole()
    {
        await using var it = await Installation.StartWithOriginAsync();
        it.Origin.Put(Installation.Bucket, "data/a", [1, 2, 3]);
        await it.AttachAsync(Core.Tree.AttachmentMode.ReadWrite);
        await it.AttachAsync(Core.Tree.AttachmentMode.ReadWrite, path: "/other", prefix: "other");
        try
        {
            await it.Client.RenameAsync("/data/a", "/other/a");
        }
        catch (DataLayerException refused)
        {
            Assert.Equal(ErrorCode.CrossAttachment, refused.Code);
            Assert.Equal([1, 2, 3], await it.ReadAsync("/data/a"));
            return;
        }

        Assert.Null(await it.Client.TryStatAsync("/data/a"));
        Assert.Equal([1, 2, 3], await it.ReadAsync("/other/a"));
        await it.Origin.WhenAsync(() => it.Origin.Keys(Installation.Bucket) is ["other/a"]);
        Assert.Equal([1, 2, 3], it.Origin.Get(Installation.Bucket, "other/a")!.Bytes);
        await it.EvictAsync("/other", hot: true);
        Assert.Equal([1, 2, 3], await it.ReadAsync("/other/a"));
    }
}
