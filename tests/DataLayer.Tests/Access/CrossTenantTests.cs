using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Access;

/// <summary>
/// A tenant, and a reader with a scope, try everything on another tenant's folder: paths however they are written, links, ids of
/// jobs, datasets, plans and the rest, and reports over all. They get nothing, change nothing, and learn nothing.
/// </summary>
public sealed class CrossTenantTests(GuardedService guarded) : IClassFixture<GuardedService>
{
    private const string In = GuardedService.Inside;
    private const string Out = GuardedService.Outside;
    private const string Canary = "canary-4711";
    private static readonly string[] _holders = ["tenant", "scoped reader"];
    private static readonly HttpStatusCode[] _refusals =
        [HttpStatusCode.BadRequest, HttpStatusCode.Forbidden, HttpStatusCode.NotFound];

    private readonly List<string> _wrong = [];
    private int _tried;

    [Fact]
    public async Task Nothing_of_another_tenant_is_read_changed_listed_or_told()
    {
        using TempFolder bucket = new("bucket");
        using DataLayerClient admin = guarded.Open("admin");
        using DataLayerClient tenant = guarded.Open("tenant");
        Others others = await PrepareAsync(admin, tenant, bucket.Path);
        string before = await LookAsync(admin, others);

        foreach (string holder in _holders)
        {
            using HttpClient http = guarded.OpenHttp(holder);
            foreach ((string method, string target, string? json) in Attempts(others))
            {
                await TryAsync(http, holder, method, target, json);
            }

            await ListsAsync(http, holder);
        }

        Assert.Empty(_wrong);
        Assert.True(_tried >= 400, $"{_tried} were tried");
        Assert.Equal(before, await LookAsync(admin, others));
    }

    private static async Task<Others> PrepareAsync(DataLayerClient admin, DataLayerClient tenant, string bucket)
    {
        await admin.MakeDirectoryAsync(Out + "/sub");
        await admin.WriteFileAsync(Out + "/sub/" + Canary, Encoding.UTF8.GetBytes(Canary));
        await admin.WriteFileAsync(Out + "/records.bin", new byte[64]);
        await admin.Admin.SetXattrAsync(Out + "/secret", "user.k", Encoding.UTF8.GetBytes(Canary));
        await admin.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = Out + "/data" });
        await tenant.MakeSymbolicLinkAsync(In + "/dir", Out);
        await tenant.MakeSymbolicLinkAsync(In + "/rel", "../credit/secret");
        await tenant.MakeSymbolicLinkAsync(In + "/twice", "dir/sub");
        await tenant.MakeSymbolicLinkAsync(In + "/root", "/");
        JobStatus warm = await EndAsync(admin, (await admin.Jobs.WarmAsync(new WarmJobCommand { Paths = [Out] })).Id);
        JobStatus index = await EndAsync(
            admin,
            (await admin.Datasets.CreateAsync(
                "others-set", new DatasetCommand { Path = Out + "/records.bin", Kind = "fixed", RecordBytes = 16 })).Id);
        Assert.Null(index.Failure);
        ScheduleStatus schedule = await admin.Jobs.AddScheduleAsync(
            new ScheduleCommand { Cron = "0 0 1 1 *", Warm = new WarmJobCommand { Paths = [Out] } });
        return new Others(warm.Id, index.Id, schedule.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private static IEnumerable<(string Method, string Target, string? Json)> Attempts(Others others) =>
        [.. OnPaths(), .. OnTwoPaths(), .. OnIds(others), .. OnReports()];

    /// <summary>Each call that takes one path, for each way to write one that leads out.</summary>
    private static IEnumerable<(string Method, string Target, string? Json)> OnPaths()
    {
        string[] files =
        [
            Out + "/secret", Out + "/sub/" + Canary, Out + "/none", In + "/dir/secret", In + "/twice/" + Canary,
            In + "/root/teams/credit/secret", "/teams/fraudulent/x", In + "/../credit/secret", In + "/%2e%2e/credit/secret", "//teams/credit/secret",
        ];
        foreach (string path in files)
        {
            yield return ("GET", "/api/v1/files" + path, null);
            yield return ("HEAD", "/api/v1/files" + path, null);
            yield return ("PUT", "/api/v1/files" + path, "new");
            yield return ("DELETE", "/api/v1/files" + path, null);
            yield return ("GET", "/api/v1/stat" + path, null);
            yield return ("GET", "/api/v1/stat" + path + "?detail=true", null);
            yield return ("GET", "/api/v1/xattrs" + path, null);
            yield return ("GET", "/api/v1/xattrs" + path + "?name=user.k", null);
            yield return ("PUT", "/api/v1/xattrs" + path + "?name=user.k", "new");
            yield return ("DELETE", "/api/v1/xattrs" + path + "?name=user.k", null);
            string quoted = Quote(Uri.UnescapeDataString(path));
            yield return ("POST", "/api/v1/ops/truncate", $$"""{"path":{{quoted}},"sizeBytes":0}""");
            yield return ("POST", "/api/v1/ops/attributes", $$"""{"path":{{quoted}},"mode":511}""");
            yield return ("POST", "/api/v1/ops/flush", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/ops/warm", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/ops/evict", $$"""{"path":{{quoted}},"hot":true}""");
            yield return ("POST", "/api/v1/ops/du", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/ops/symlink", $$"""{"path":{{quoted}},"target":"x"}""");
        }

        foreach (string folder in new[] { Out, "/teams", In + "/dir", In + "/twice", In + "/root", In + "/root/teams", In + "/.." })
        {
            string quoted = Quote(folder);
            yield return ("GET", "/api/v1/dirs" + folder, null);
            yield return ("GET", "/api/v1/history?path=" + Uri.EscapeDataString(folder), null);
            yield return ("GET", "/api/v1/accesslog?seconds=1&path=" + Uri.EscapeDataString(folder), null);
            yield return ("DELETE", "/api/v1/files" + folder + "/sub?recursive=true", null);
            yield return ("POST", "/api/v1/ops/mkdir", $$"""{"path":{{Quote(folder + "/made")}},"parents":true}""");
            yield return ("POST", "/api/v1/ops/du", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/ops/warm", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/ops/scrub", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/attachments/refresh", $$"""{"path":{{Quote(folder + "/data")}}}""");
            yield return ("DELETE", "/api/v1/attachments?force=true&path=" + Uri.EscapeDataString(folder + "/data"), null);
            yield return ("POST", "/api/v1/attachments", $$"""{"source":"file:///tmp","path":{{Quote(folder + "/mine")}}}""");
            yield return ("PUT", "/api/v1/datasets/mine", $$"""{"path":{{Quote(folder + "/records.bin")}},"kind":"fixed","recordBytes":16}""");
            yield return ("POST", "/api/v1/plans", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/policies/explain", $$"""{"path":{{quoted}}}""");
            yield return ("POST", "/api/v1/profiles/mine/record", $$"""{"path":{{quoted}}}""");
        }

        foreach (string folder in new[] { Out, "/teams", In + "/.." })
        {
            yield return ("POST", "/api/v1/jobs/warm", $$"""{"paths":[{{Quote(folder)}}]}""");
            yield return ("POST", "/api/v1/jobs/warm", $$"""{"paths":["/teams/fraud",{{Quote(folder)}}]}""");
            yield return ("POST", "/api/v1/schedules", $$"""{"cron":"0 0 1 1 *","warm":{"paths":[{{Quote(folder)}}]} }""");
        }
    }

    private static IEnumerable<(string Method, string Target, string? Json)> OnTwoPaths()
    {
        (string From, string To)[] pairs =
        [
            (Out + "/secret", In + "/stolen"), (In + "/own", Out + "/put"), (In + "/own", Out + "/secret"), (Out + "/secret", Out + "/moved"),
            (In + "/dir/secret", In + "/stolen"), (In + "/own", In + "/dir/put"), (In + "/own", In + "/root/teams/credit/put"),
            (Out, In + "/all"), (In + "/twice/" + Canary, In + "/stolen"), ("/teams", In + "/teams"), (In + "/own", "/teams/put"),
        ];
        foreach ((string from, string to) in pairs)
        {
            yield return ("POST", "/api/v1/ops/rename", $$"""{"from":{{Quote(from)}},"to":{{Quote(to)}}}""");
            yield return ("POST", "/api/v1/ops/rename", $$"""{"from":{{Quote(from)}},"to":{{Quote(to)}},"exchange":true}""");
            yield return ("POST", "/api/v1/ops/clone", $$"""{"from":{{Quote(from)}},"to":{{Quote(to)}}}""");
            yield return ("POST", "/api/v1/ops/clone", $$"""{"from":{{Quote(from)}},"to":{{Quote(to)}},"keepAttributes":true,"parents":true}""");
            yield return ("POST", "/api/v1/ops/link", $$"""{"existing":{{Quote(from)}},"path":{{Quote(to)}}}""");
        }
    }

    private static IEnumerable<(string Method, string Target, string? Json)> OnIds(Others others)
    {
        foreach (long job in new[] { others.Warm, others.Index })
        {
            string one = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/api/v1/jobs/{job}");
            yield return ("GET", one, null);
            yield return ("GET", one + "/events", null);
            yield return ("GET", one + "/moves", null);
            yield return ("POST", one + "/pause", null);
            yield return ("POST", one + "/resume", null);
            yield return ("POST", one + "/cancel", null);
            yield return ("POST", one + "/undo", "{}");
        }

        const string Set = "/api/v1/datasets/others-set";
        yield return ("GET", Set, null);
        yield return ("GET", Set + "/samples", null);
        yield return ("GET", Set + "/samples/0/content", null);
        yield return ("GET", Set + "/order", null);
        yield return ("POST", Set + "/verify", "{}");
        yield return ("POST", Set + "/refresh", null);
        yield return ("PUT", Set + "/pin", null);
        yield return ("DELETE", Set + "/pin", null);
        yield return ("DELETE", Set, null);
        yield return ("PUT", Set, $$"""{"path":"{{Out}}/records.bin","kind":"fixed","recordBytes":16}""");
        yield return ("DELETE", "/api/v1/schedules/" + others.Schedule, null);
        foreach (string headroom in new[] { "1", "none" })
        {
            yield return ("GET", "/api/v1/headrooms/" + headroom, null);
            yield return ("DELETE", "/api/v1/headrooms/" + headroom, null);
        }

        foreach (string plan in new[] { "1", "2" })
        {
            yield return ("GET", "/api/v1/plans/" + plan, null);
            yield return ("GET", $"/api/v1/plans/{plan}/moves", null);
            yield return ("POST", $"/api/v1/plans/{plan}/apply", "{}");
            yield return ("DELETE", "/api/v1/plans/" + plan, null);
        }

        foreach (string profile in new[] { "one", "two" })
        {
            yield return ("GET", "/api/v1/profiles/" + profile, null);
            yield return ("GET", $"/api/v1/profiles/{profile}/content", null);
            yield return ("PUT", $"/api/v1/profiles/{profile}/content", "x");
            yield return ("POST", $"/api/v1/profiles/{profile}/stop", null);
            yield return ("POST", $"/api/v1/profiles/{profile}/replay", "{}");
            yield return ("POST", $"/api/v1/profiles/{profile}/trim", "{}");
            yield return ("POST", $"/api/v1/profiles/{profile}/merge", """{"from":["one"]}""");
            yield return ("DELETE", "/api/v1/profiles/" + profile, null);
        }
    }

    private static IEnumerable<(string Method, string Target, string? Json)> OnReports()
    {
        string[] reports =
        [
            "/metrics", "/api/v1/costs?by=tenant", "/api/v1/costs?by=dataset", "/api/v1/budgets", "/api/v1/tiers", "/api/v1/report",
            "/api/v1/history/costs?dataset=others-set", "/api/v1/history/capacity", "/api/v1/stats", "/api/v1/doctor?seconds=1", "/api/v1/targets",
            "/api/v1/policies", "/api/v1/policies/1", "/api/v1/policies/schema", "/api/v1/plans", "/api/v1/profiles", "/api/v1/headrooms", "/api/v1/packs",
            "/api/v1/tiering/auto", "/api/v1/history",
        ];
        foreach (string report in reports)
        {
            yield return ("GET", report, null);
        }

        yield return ("POST", "/api/v1/stores", """{"name":"mine","accessKey":"a","secretKey":"b"}""");
        yield return ("DELETE", "/api/v1/stores?name=mine", null);
        yield return ("POST", "/api/v1/targets", """{"pool":"default","directory":"/tmp/none"}""");
        yield return ("POST", "/api/v1/targets/1/drain", null);
        yield return ("PUT", "/api/v1/tiering/auto", """{"enabled":true}""");
        yield return ("POST", "/api/v1/ops/fsck", "{}");
        yield return ("POST", "/api/v1/policies", """{"text":"version: 1"}""");
        yield return ("POST", "/api/v1/policies/activate", """{"version":1}""");
        yield return ("POST", "/api/v1/packs/jobs", $$"""{"action":"unpack","path":"{{Out}}"}""");
        yield return ("POST", "/api/v1/headrooms", $$"""{"name":"x","path":"{{Out}}","hotBytes":1,"window":{"from":"09:00","to":"10:00"} }""");
    }

    private async Task TryAsync(HttpClient http, string holder, string method, string target, string? json)
    {
        Uri uri = new(http.BaseAddress!.GetLeftPart(UriPartial.Authority) + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using HttpRequestMessage request = new(HttpMethod.Parse(method), uri);
        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage answer = await http.SendAsync(request);
        string said = await answer.Content.ReadAsStringAsync();
        _tried++;
        if (!_refusals.Contains(answer.StatusCode) || (said.Contains(Canary, StringComparison.Ordinal) && !(target + json).Contains(Canary, StringComparison.Ordinal)))
        {
            _wrong.Add($"{holder}: {method} {target} {json}: {(int)answer.StatusCode} {said}");
        }
    }

    /// <summary>What everybody may list says nothing of others.</summary>
    private async Task ListsAsync(HttpClient http, string holder)
    {
        string[] lists =
        [
            "/api/v1/attachments", "/api/v1/jobs?limit=200", "/api/v1/schedules", "/api/v1/datasets", "/api/v1/feeds", "/api/v1/mounts",
            "/api/v1/caller", "/api/v1/version",
        ];
        foreach (string list in lists)
        {
            string said = await http.GetStringAsync(new Uri(list, UriKind.Relative));
            _tried++;
            if (said.Contains("credit", StringComparison.Ordinal) || said.Contains("others-set", StringComparison.Ordinal))
            {
                _wrong.Add($"{holder}: {list}: {said}");
            }
        }
    }

    /// <summary>Everything of the other tenant that could have changed.</summary>
    private static async Task<string> LookAsync(DataLayerClient admin, Others others)
    {
        StringBuilder seen = new();
        foreach (string folder in new[] { "/teams", Out, Out + "/sub", Out + "/data" })
        {
            await foreach (FileStatus entry in admin.ListAsync(folder))
            {
                if (entry.Kind == FileKind.Regular && folder != "/teams")
                {
                    using FileBytes bytes = await admin.ReadFileAsync($"{folder}/{entry.Name}");
                    seen.Append(Convert.ToHexString(bytes.Memory.Span));
                }

                seen.AppendLine($" {folder}/{entry.Name} {entry.Kind} {entry.Mode} {entry.SizeBytes} {entry.EntityTag} {entry.LinkCount}");
            }
        }

        seen.AppendLine(Encoding.UTF8.GetString(await admin.Admin.GetXattrAsync(Out + "/secret", "user.k") ?? []));
        foreach (long id in new[] { others.Warm, others.Index })
        {
            seen.AppendLine((await admin.Jobs.GetAsync(id)).State.ToString());
        }

        DatasetStatus dataset = await admin.Datasets.GetAsync("others-set");
        seen.AppendLine($"{dataset.Hash} {dataset.State} {dataset.Spec.Path}");
        seen.AppendJoin(' ', (await admin.Jobs.ListSchedulesAsync()).Select(s => s.Id));
        seen.AppendJoin(' ', (await admin.Admin.ListAttachmentsAsync()).Select(a => a.Path));
        return seen.ToString();
    }

    private static async Task<JobStatus> EndAsync(DataLayerClient client, long id)
    {
        JobStatus? last = null;
        await foreach (JobStatus job in client.Jobs.WatchAsync(id))
        {
            last = job;
        }

        return last!;
    }

    private static string Quote(string text) => JsonValue.Create(text)!.ToJsonString();

    private sealed record Others(long Warm, long Index, string Schedule);
}
