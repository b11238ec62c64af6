using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

/// <summary>Jobs over HTTP: making, watching, steps, lists, and what is refused.</summary>
[Collection(ServiceCollection.Name)]
public sealed class JobEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_warm_up_job_brings_all_and_says_what_is_resident_and_checksummed()
    {
        string folder = await AttachAsync(("a.bin", new string('a', 5000)), ("s/b.bin", new string('b', 300_000)));

        JobStatus made = await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder] });
        JobStatus ended = await EndAsync(made.Id);
        JobStatus looked = await EndAsync(
            (await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder], Mode = "check" })).Id);

        Assert.Equal(("done", null), (ended.State, ended.Failure));
        Assert.Equal((2, 2, 0, 305_000), (ended.DoneObjects, ended.TotalObjects, ended.FailedObjects, ended.DoneBytes));
        Assert.Equal((2, 2, 0), (Number(ended, "resident"), Number(ended, "checksummed"), Number(ended, "missing")));
        Assert.Equal((2, 2), (Number(looked, "resident"), Number(looked, "alreadyHot")));
        FileDetail detail = await service.Client.DescribeAsync(folder + "/s/b.bin");
        Assert.Equal(detail.BlockCount, detail.HotBlocks);
    }

    [Fact]
    public async Task A_check_of_what_is_cold_fails_and_names_the_files_and_evicting_makes_it_so()
    {
        string folder = await AttachAsync(("a.bin", "alpha"), ("b.bin", "beta"));
        await EndAsync((await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder] })).Id);

        JobStatus evicted = await EndAsync(
            (await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder], Mode = "evict" })).Id);
        JobStatus looked = await EndAsync(
            (await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder], Mode = "check" })).Id);

        Assert.Equal((2, 9), (Number(evicted, "released"), Number(evicted, "releasedBytes")));
        Assert.Equal("failed", looked.State);
        Assert.Equal(2, looked.FailedObjects);
        string[] gaps = [.. looked.Result!.Value.GetProperty("gaps").EnumerateArray().Select(g => g.GetProperty("path").GetString()!)];
        Assert.Equal([folder + "/a.bin", folder + "/b.bin"], gaps.Order(StringComparer.Ordinal));
        Assert.Contains("not all blocks are hot", looked.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_is_held_to_what_it_says_and_each_gap_has_its_reason()
    {
        string folder = await AttachAsync(("a.bin", "alpha"), ("b.bin", "beta"));
        string list = $$"""
            # a manifest
            {{folder}}/a.bin
            {"path":"{{folder}}/b.bin","size":4}
            {"path":"{{folder}}/b.bin","size":5}
            {"path":"{{folder}}/b.bin","etag":"other"}
            {{folder}}/none
            {{folder}}
            {"nopath":1}
            relative
            """;

        JobStatus made = await service.Client.Jobs.WarmListAsync(Encoding.UTF8.GetBytes(list));
        JobStatus ended = await EndAsync(made.Id);

        Assert.Equal("failed", ended.State);
        Assert.Equal((8, 2, 6), (Number(ended, "files"), Number(ended, "resident"), Number(ended, "missing")));
        string gaps = ended.Result!.Value.GetProperty("gaps").GetRawText();
        Assert.All(
            new[] { "the list says 5", "entity tag", "does not exist", "It is not a file", "neither a path nor", "absolute path" },
            reason => Assert.Contains(reason, gaps, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_job_is_answered_with_its_place_and_a_tag_that_saves_asking_again()
    {
        string folder = await AttachAsync(("a.bin", "alpha"));
        using HttpResponseMessage made = await PostAsync(
            ApiRoutes.Jobs + "/warm", $$"""{"paths":["{{folder}}"]}""", null);
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync());
        string location = made.Headers.Location!.ToString();
        await EndAsync((long)(await JsonOf(made))["id"]!);

        using HttpResponseMessage first = await service.Http.GetAsync(new Uri(location, UriKind.Relative));
        using HttpRequestMessage again = new(HttpMethod.Get, location);
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using HttpResponseMessage same = await service.Http.SendAsync(again);
        using HttpRequestMessage cancel = new(HttpMethod.Post, location + "/cancel");
        cancel.Headers.IfMatch.Add(new EntityTagHeaderValue("\"old\""));
        using HttpResponseMessage stale = await service.Http.SendAsync(cancel);
        using HttpResponseMessage late = await service.Http.PostAsync(new Uri(location + "/cancel", UriKind.Relative), null);

        Assert.Equal(HttpStatusCode.Accepted, made.StatusCode);
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
        Assert.Equal("wrongState", (string)(await JsonOf(late))["code"]!);
    }

    [Fact]
    public async Task A_request_repeated_with_its_key_makes_no_second_job()
    {
        string folder = await AttachAsync(("a.bin", "alpha"));
        string body = $$"""{"paths":["{{folder}}"]}""";
        string key = Guid.NewGuid().ToString();

        using HttpResponseMessage first = await PostAsync(ApiRoutes.Jobs + "/warm", body, key);
        using HttpResponseMessage second = await PostAsync(ApiRoutes.Jobs + "/warm", body, key);
        using HttpResponseMessage other = await PostAsync(
            ApiRoutes.Jobs + "/warm", $$"""{"paths":["{{folder}}/a.bin"]}""", key);
        using HttpResponseMessage bad = await PostAsync(ApiRoutes.Jobs + "/warm", body, new string('k', 201));
        JobStatus list = await service.Client.Jobs.WarmListAsync("/x"u8.ToArray(), key: key + "l");
        JobStatus sameList = await service.Client.Jobs.WarmListAsync("/x"u8.ToArray(), key: key + "l");
        DataLayerException otherList = await Assert.ThrowsAsync<DataLayerException>(
            async () => await service.Client.Jobs.WarmListAsync("/y"u8.ToArray(), key: key + "l"));

        Assert.Equal((long)(await JsonOf(first))["id"]!, (long)(await JsonOf(second))["id"]!);
        Assert.Equal(HttpStatusCode.Conflict, other.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        Assert.Equal(list.Id, sameList.Id);
        Assert.Equal(ErrorCode.AlreadyExists, otherList.Code);
    }

    [Fact]
    public async Task A_reader_of_events_comes_back_with_the_last_id_and_sees_the_end_once()
    {
        string folder = await AttachAsync(("a.bin", "alpha"));
        JobStatus made = await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder] });
        JobStatus ended = await EndAsync(made.Id);
        Uri events = new($"{ApiRoutes.Jobs}/{made.Id}/events", UriKind.Relative);

        using HttpRequestMessage behind = new(HttpMethod.Get, events);
        behind.Headers.TryAddWithoutValidation("Last-Event-ID", $"{made.Sequence}");
        using HttpResponseMessage caughtUp = await service.Http.SendAsync(behind);
        using HttpRequestMessage upToDate = new(HttpMethod.Get, events);
        upToDate.Headers.TryAddWithoutValidation("Last-Event-ID", $"{ended.Sequence}");
        using HttpResponseMessage nothing = await service.Http.SendAsync(upToDate);
        using HttpRequestMessage odd = new(HttpMethod.Get, events);
        odd.Headers.TryAddWithoutValidation("Last-Event-ID", "yesterday");
        using HttpResponseMessage refused = await service.Http.SendAsync(odd);

        string text = await caughtUp.Content.ReadAsStringAsync();
        Assert.Equal("text/event-stream", caughtUp.Content.Headers.ContentType!.MediaType);
        Assert.Contains($"id: {ended.Sequence}\nevent: job\ndata: ", text, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"done\"", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, nothing.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task Jobs_are_listed_page_by_page_newest_first()
    {
        string folder = await AttachAsync(("a.bin", "alpha"));
        List<long> made = [];
        for (int i = 0; i < 3; i++)
        {
            made.Add((await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [folder] })).Id);
        }

        List<long> seen = [];
        string? cursor = null;
        do
        {
            JobPage page = await service.Client.Jobs.ListAsync(cursor, limit: 2);
            Assert.True(page.Jobs.Count <= 2);
            seen.AddRange(page.Jobs.Select(j => j.Id));
            cursor = page.Next;
        }
        while (cursor is not null);

        Assert.Equal(seen.OrderDescending(), seen);
        Assert.Equal(seen.Count, seen.Distinct().Count());
        Assert.Subset(seen.ToHashSet(), made.ToHashSet());
    }

    [Fact]
    public async Task Schedules_are_made_listed_and_removed()
    {
        string folder = await service.MakeFolderAsync();
        ScheduleCommand command = new()
        {
            Cron = "30 6 * * mon-fri",
            Zone = "Europe/Berlin",
            Warm = new WarmJobCommand { Paths = [folder] },
        };

        ScheduleStatus made = await service.Client.Jobs.AddScheduleAsync(command, key: folder);
        ScheduleStatus again = await service.Client.Jobs.AddScheduleAsync(command, key: folder);
        IReadOnlyList<ScheduleStatus> listed = await service.Client.Jobs.ListSchedulesAsync();
        await service.Client.Jobs.RemoveScheduleAsync(made.Id);
        DataLayerException gone = await Assert.ThrowsAsync<DataLayerException>(
            async () => await service.Client.Jobs.RemoveScheduleAsync(made.Id));

        Assert.Equal(made.Id, again.Id);
        Assert.Single(listed, s => s.Id == made.Id);
        Assert.True(made.NextTimeNanoseconds > 0);
        Assert.Equal(ErrorCode.NotFound, gone.Code);
    }

    [Theory]
    [InlineData("""{"paths":[]}""")]
    [InlineData("""{"paths":null}""")]
    [InlineData("""{"paths":[null]}""")]
    [InlineData("""{"paths":"/a"}""")]
    [InlineData("""{"paths":["a"]}""")]
    [InlineData("""{"paths":["/a/../b"]}""")]
    [InlineData("""{"paths":["/a"],"mode":"melt"}""")]
    [InlineData("""{"paths":["/a"],"mode":null}""")]
    [InlineData("""{"paths":["/a"],"verifi":true}""")]
    [InlineData("""{"paths":["/a"],"verify":"yes"}""")]
    [InlineData("""[]""")]
    [InlineData("""{""")]
    [InlineData("")]
    public async Task A_malformed_job_is_refused_with_what_to_change(string body)
    {
        using HttpResponseMessage answer = await PostAsync(ApiRoutes.Jobs + "/warm", body, null);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        JsonNode problem = await JsonOf(answer);
        Assert.Equal("invalidArgument", (string)problem["code"]!);
        Assert.NotEmpty((string)problem["remedy"]!);
    }

    private async Task<string> AttachAsync(params (string, string)[] files)
    {
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + service.MakeBucket(files), Path = folder });
        return folder;
    }

    private async Task<JobStatus> EndAsync(long id)
    {
        JobStatus? last = null;
        await foreach (JobStatus job in service.Client.Jobs.WatchAsync(id))
        {
            Assert.True(last is null || job.Sequence > last.Sequence);
            last = job;
        }

        return last!;
    }

    private async Task<HttpResponseMessage> PostAsync(string target, string body, string? key)
    {
        using StringContent content = new(body, Encoding.UTF8, "application/json");
        using HttpRequestMessage request = new(HttpMethod.Post, target) { Content = content };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation(ApiRoutes.IdempotencyHeader, key);
        }

        return await service.Http.SendAsync(request);
    }

    private static async Task<JsonNode> JsonOf(HttpResponseMessage answer) =>
        JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;

    private static long Number(JobStatus job, string name) => job.Result!.Value.GetProperty(name).GetInt64();
}
