using System.Collections;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Access;

/// <summary>
/// Hostile strings in every path, id and key of the API, sent by an admin, whom no scope holds back: nothing outside of the roots is
/// touched, nothing fails as only a fault of ours could, and the service goes on.
/// </summary>
public sealed class HostileStringTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("hostile");
    private DataLayerService _service = null!;

    private string Outside => _folder.Combine("outside");

    public async Task InitializeAsync()
    {
        foreach (string folder in new[] { "outside", "buckets/mine", "buckets/other" })
        {
            Directory.CreateDirectory(_folder.Combine(folder));
        }

        await File.WriteAllTextAsync(_folder.Combine("outside", "sentinel"), "as it was");
        await File.WriteAllTextAsync(_folder.Combine("buckets/other", "object"), "as it was");
        await File.WriteAllTextAsync(_folder.Combine("buckets/mine", "object"), "mine");
        string text = $$"""
            stateDirectory: {{_folder.Combine("state")}}
            listen: {address: '127.0.0.1:0'}
            memory: {budget: 256MiB}
            cache: {capacity: 16MiB}
            pools:
              - {name: default, reserve: 0, directories: [{{_folder.Combine("t0")}}]}
            objectStores:
              - {name: default, kind: directory, endpoint: {{_folder.Combine("buckets")}}}
            logging: {level: error}
            """;
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());
        Assert.Empty(result.Reading.Problems);
        _service = DataLayerService.Build(result.Configuration!);
        await _service.StartAsync(CancellationToken.None);
    }

    public async Task DisposeAsync()
    {
        await _service.StopAsync();
        await _service.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Nothing_outside_is_touched_and_the_service_goes_on()
    {
        using DataLayerClient client = new(new DataLayerClientOptions { ServerUri = _service.Url!, RetryCount = 0 });
        await client.Admin.AttachAsync(new AttachCommand
        {
            Source = $"file://{_folder.Combine("buckets/mine")}",
            Path = "/mine",
            Mode = AttachmentMode.ReadWrite,
        });
        await client.MakeDirectoryAsync("/d");
        string before = Look();
        using HttpClient http = new() { BaseAddress = _service.Url };
        List<string> wrong = [];
        int tried = 0;
        IReadOnlyList<string> strings = HostileStrings.All(Outside);
        foreach (string hostile in strings)
        {
            foreach ((string method, string target, string? json) in InTargets(hostile).Concat(InBodies(hostile)))
            {
                tried++;
                HttpStatusCode status = await SendAsync(http, method, target, json);
                if ((int)status >= 500 && status != HttpStatusCode.NotImplemented)
                {
                    wrong.Add($"{(int)status}: {method} {target} {json}");
                }
            }
        }

        // This one no directory store can hold: it would wait for another store for ever.
        await client.DeleteAsync("/mine/.datalayer-tmp", recursive: true);
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        await client.Admin.FlushUploadsAsync("/mine", limit.Token);
        Assert.Empty(wrong);
        Assert.True(strings.Count >= 60 && tried >= 600, $"{strings.Count} strings, {tried} tried");
        Assert.Equal(before, Look());
        Assert.NotNull(await client.StatAsync("/d"));
    }

    /// <summary>In the request's target: tree paths, ids and query values, encoded and as they are.</summary>
    private static IEnumerable<(string Method, string Target, string? Json)> InTargets(string hostile)
    {
        foreach (string written in new[] { Escape(hostile), Raw(hostile) }.Distinct())
        {
            yield return ("GET", "/api/v1/files/d/" + written, null);
            yield return ("PUT", "/api/v1/files/mine/" + written, "new");
            yield return ("PUT", "/api/v1/files/" + written, "new");
            yield return ("DELETE", "/api/v1/files/d/" + written, null);
            yield return ("GET", "/api/v1/dirs/" + written, null);
            yield return ("GET", "/api/v1/stat/mine/" + written, null);
            yield return ("GET", "/api/v1/xattrs/d/" + written, null);
            yield return ("GET", "/console/" + written, null);
            foreach (string route in new[]
            {
                "jobs/", "jobs/1/", "plans/", "profiles/", "datasets/", "headrooms/", "policies/", "openapi/", "feeds/",
            })
            {
                yield return ("GET", "/api/v1/" + route + written, null);
            }

            yield return ("DELETE", "/api/v1/schedules/" + written, null);
            yield return ("PUT", $"/api/v1/profiles/{written}/content", "x");
            yield return ("POST", $"/api/v1/targets/{written}/drain", null);
        }

        string value = Escape(hostile);
        yield return ("GET", "/api/v1/xattrs/d?name=" + value, null);
        yield return ("PUT", "/api/v1/xattrs/d?name=" + value, "x");
        yield return ("GET", "/api/v1/dirs/d?after=" + value, null);
        yield return ("GET", "/api/v1/history?path=" + value, null);
        yield return ("DELETE", "/api/v1/attachments?path=" + value, null);
        yield return ("DELETE", "/api/v1/stores?name=" + value, null);
        yield return ("GET", "/api/v1/costs?by=" + value, null);
        yield return ("GET", "/api/v1/history/costs?dataset=" + value, null);
        yield return ("GET", "/api/v1/history/capacity?pool=" + value, null);
        yield return ("GET", "/api/v1/jobs?cursor=" + value, null);
        yield return ("GET", "/api/v1/attachments?after=" + value, null);
        yield return ("GET", "/api/v1/plans?before=" + value, null);
    }

    private static IEnumerable<(string Method, string Target, string? Json)> InBodies(string hostile)
    {
        string q = JsonValue.Create(hostile)!.ToJsonString();
        string below = JsonValue.Create("/d/" + hostile)!.ToJsonString();
        foreach (string path in new[] { q, below })
        {
            yield return ("POST", "/api/v1/ops/mkdir", $$"""{"path":{{path}}}""");
            yield return ("POST", "/api/v1/ops/rename", $$"""{"from":{{path}},"to":"/d/none"}""");
            yield return ("POST", "/api/v1/ops/rename", $$"""{"from":"/d/none","to":{{path}}}""");
            yield return ("POST", "/api/v1/ops/clone", $$"""{"from":"/mine/object","to":{{path}}}""");
            yield return ("POST", "/api/v1/ops/link", $$"""{"existing":{{path}},"path":"/d/none"}""");
            yield return ("POST", "/api/v1/ops/truncate", $$"""{"path":{{path}},"sizeBytes":0}""");
            yield return ("POST", "/api/v1/ops/du", $$"""{"path":{{path}}}""");
            yield return ("POST", "/api/v1/jobs/warm", $$"""{"paths":[{{path}}]}""");
        }

        yield return ("POST", "/api/v1/ops/symlink", $$"""{"path":"/d/link","target":{{q}}}""");
        yield return ("GET", "/api/v1/files/d/link", null);
        yield return ("PUT", "/api/v1/files/d/link/new", "x");
        yield return ("DELETE", "/api/v1/files/d/link", null);
        yield return ("POST", "/api/v1/attachments", $$"""{"source":{{q}},"path":"/d/attached","mode":"readWrite"}""");
        string bucket = JsonValue.Create("file://" + hostile)!.ToJsonString();
        yield return ("POST", "/api/v1/attachments", $$"""{"source":{{bucket}},"path":"/d/attached","mode":"readWrite"}""");
        yield return ("POST", "/api/v1/attachments", $$"""{"source":"file:///none","path":{{below}}}""");
        yield return ("POST", "/api/v1/attachments", $$"""{"source":"file:///none","path":"/d/none","store":{{q}}}""");
        yield return ("POST", "/api/v1/stores", $$"""{"name":{{q}},"endpoint":"http://127.0.0.1:1","accessKey":"a","secretKey":"b"}""");
        yield return ("POST", "/api/v1/stores", $$"""{"name":"one","endpoint":{{q}},"accessKey":"a","secretKey":"b"}""");
        yield return ("POST", "/api/v1/stores", $$"""{"name":"one","accessKey":{{q}},"secretKey":"b"}""");
        yield return ("PUT", "/api/v1/datasets/one", $$"""{"path":{{q}},"kind":"files"}""");
        yield return ("PUT", "/api/v1/datasets/one", $$"""{"path":"/d","kind":{{q}}}""");
        yield return ("POST", "/api/v1/profiles/one/merge", $$"""{"from":[{{q}}]}""");
        yield return ("POST", "/api/v1/policies/check", $$"""{"text":{{q}}}""");
        yield return ("POST", "/api/v1/plans", $$"""{"path":"/d","policy":{{q}}}""");
        yield return ("POST", "/api/v1/schedules", $$"""{"cron":{{q}},"warm":{"paths":["/d"]} }""");
        yield return ("POST", "/api/v1/schedules", $$"""{"cron":"0 0 1 1 *","zone":{{q}},"warm":{"paths":["/none"]} }""");
        yield return (
            "POST", "/api/v1/headrooms", $$"""{"name":{{q}},"path":"/none","hotBytes":1,"window":{"from":"09:00","to":"10:00"} }""");
        yield return ("POST", "/api/v1/targets", $$"""{"pool":{{q}},"directory":"relative"}""");
    }

    private static string Escape(string text) => Uri.EscapeDataString(text.Replace("\ud800", "\ufffd", StringComparison.Ordinal));

    /// <summary>As it is, but for what would end the request's line or begin its query.</summary>
    private static string Raw(string text) => string.Concat(text.Select(
        c => c is > ' ' and < '\x7f' and not ('?' or '#') ? c.ToString() : Escape(c.ToString())));

    private static async Task<HttpStatusCode> SendAsync(HttpClient http, string method, string target, string? json)
    {
        Uri uri = new(http.BaseAddress!.GetLeftPart(UriPartial.Authority) + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using HttpRequestMessage request = new(HttpMethod.Parse(method), uri);
        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage answer = await http.SendAsync(request);
        await answer.Content.CopyToAsync(Stream.Null);
        return answer.StatusCode;
    }

    /// <summary>Everything that is none of the service's own, with contents.</summary>
    private string Look()
    {
        StringBuilder seen = new();
        foreach (string root in new[] { "outside", "buckets/other" })
        {
            foreach (string path in Directory.EnumerateFileSystemEntries(_folder.Combine(root), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                seen.AppendLine($"{path} {(File.Exists(path) ? File.ReadAllText(path) : string.Empty)}");
            }
        }

        foreach (string path in Directory.EnumerateFileSystemEntries(_folder.Path).Concat(Directory.EnumerateFileSystemEntries(_folder.Combine("buckets"))))
        {
            seen.AppendLine(path);
        }

        return seen.ToString();
    }
}
