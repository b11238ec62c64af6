using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

/// <summary>Headrooms over HTTP: kept, changed under a condition, refused with the numbers.</summary>
[Collection(ServiceCollection.Name)]
public sealed class HeadroomEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_headroom_is_added_once_read_changed_under_its_tag_and_removed()
    {
        await service.Client.MakeDirectoryAsync("/headroom-a", parents: true);
        HeadroomCommand command = Command("a", "/headroom-a");

        HeadroomReport added = await service.Client.Jobs.AddHeadroomAsync(command, "key-a");
        HeadroomReport same = await service.Client.Jobs.AddHeadroomAsync(command, "key-a");

        Assert.Equal((added.Id, "waiting", false, null), (same.Id, same.Phase, same.InForce, same.Course));
        Assert.Equal((1 << 20, 7200, "mon-fri", "UTC"), (same.Headroom.HotBytes, same.Headroom.LeadSeconds, same.Headroom.Window.Days, same.Headroom.Window.TimeZone));
        Assert.True(same.WindowEndTimeNanoseconds - same.WindowStartTimeNanoseconds == 3_600_000_000_000);
        Assert.Contains(await service.Client.Jobs.ListHeadroomsAsync(), h => h.Id == added.Id);
        DataLayerException taken = await Assert.ThrowsAsync<DataLayerException>(
            async () => await service.Client.Jobs.AddHeadroomAsync(command));
        Assert.Equal(ErrorCode.AlreadyExists, taken.Code);

        using HttpResponseMessage got = await service.Http.GetAsync(Target(added.Id));
        EntityTagHeaderValue tag = got.Headers.ETag!;
        using HttpResponseMessage stale = await PutAsync(added.Id, "\"0-0\"", 2 << 20);
        using HttpResponseMessage changed = await PutAsync(added.Id, tag.Tag, 2 << 20);
        using HttpResponseMessage late = await PutAsync(added.Id, tag.Tag, 3 << 20);
        Assert.Equal(
            (HttpStatusCode.PreconditionFailed, HttpStatusCode.OK, HttpStatusCode.PreconditionFailed),
            (stale.StatusCode, changed.StatusCode, late.StatusCode));
        JsonNode body = JsonNode.Parse(await changed.Content.ReadAsStringAsync())!;
        Assert.Equal(2 << 20, (long)body["headroom"]!["hotBytes"]!);

        await service.Client.Jobs.RemoveHeadroomAsync(added.Id);
        DataLayerException gone = await Assert.ThrowsAsync<DataLayerException>(
            async () => await service.Client.Jobs.RemoveHeadroomAsync(added.Id));
        Assert.Equal(ErrorCode.NotFound, gone.Code);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_with_the_numbers()
    {
        await service.Client.MakeDirectoryAsync("/headroom-b", parents: true);
        DataLayerException much = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await service.Client.Jobs.AddHeadroomAsync(Command("b", "/headroom-b") with { MemoryBytes = 1L << 50 }));
        DataLayerException window = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await service.Client.Jobs.AddHeadroomAsync(
                Command("b", "/headroom-b") with { Window = new HeadroomWindowTimes { From = "noon" } }));

        Assert.Equal(ErrorCode.InvalidArgument, much.Code);
        Assert.Contains("1PiB of memory would be reserved (1PiB for 'b')", much.Message, StringComparison.Ordinal);
        Assert.Contains("'noon', not a time of day", window.Message, StringComparison.Ordinal);
    }

    private static HeadroomCommand Command(string name, string path) => new()
    {
        Name = name,
        Path = path,
        HotBytes = 1 << 20,
        LeadSeconds = 7200,
        Window = new HeadroomWindowTimes { Days = "mon-fri", Months = "jan", From = "03:00", To = "04:00", TimeZone = "UTC" },
    };

    private static Uri Target(long id) => new($"{ApiRoutes.Headrooms}/{id}", UriKind.Relative);

    private async Task<HttpResponseMessage> PutAsync(long id, string tag, long hotBytes)
    {
        string json = $$"""{"name":"a","path":"/headroom-a","hotBytes":{{hotBytes}},"window":{"days":"mon-fri","months":"jan","from":"03:00","to":"04:00"} }""";
        using HttpRequestMessage request = new(HttpMethod.Put, Target(id))
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("If-Match", tag);
        return await service.Http.SendAsync(request);
    }
}
