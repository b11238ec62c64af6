using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DataLayer.Tests.Access;

/// <summary>Every kind of bad token on every route of the OpenAPI document, so that none is forgotten.</summary>
public sealed class BadTokenTests(GuardedService guarded) : IClassFixture<GuardedService>
{
    private static readonly string[] _forAnybody = ["/healthz", "/readyz"];

    [Fact]
    public async Task Every_route_of_the_document_refuses_every_kind_of_bad_token()
    {
        string admin = guarded.Tokens["admin"];
        (string Kind, string[] Headers)[] bad =
        [
            ("none", []),
            ("empty", ["Bearer "]),
            ("unknown", ["Bearer " + guarded.Tokens["wrong"]]),
            ("expired", ["Bearer " + guarded.Tokens["expired"]]),
            ("revoked", ["Bearer " + await RevokedAsync()]),
            ("cut short", ["Bearer " + admin[..^1]]),
            ("of another secret", ["Bearer " + admin[..16] + TokenText.Make().Text[16..]]),
            ("in capitals", ["Bearer " + admin.ToUpperInvariant()]),
            ("of another scheme", ["Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("admin:" + admin))]),
            ("two at once", ["Bearer " + admin, "Bearer " + admin]),
            ("two in one", [$"Bearer {admin}, Bearer {admin}"]),
        ];
        (HttpMethod Method, string Route)[] routes = await RoutesAsync();
        using HttpClient http = new() { BaseAddress = guarded.Service.Url };
        List<string> wrong = [];
        int tried = 0;
        foreach ((HttpMethod method, string route) in routes)
        {
            foreach ((string kind, string[] headers) in bad)
            {
                using HttpRequestMessage request = new(method, Fill(route));
                request.Headers.TryAddWithoutValidation("Authorization", headers);
                if (method != HttpMethod.Get && method != HttpMethod.Head)
                {
                    request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
                }

                using HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
                tried++;
                if (answer.StatusCode != HttpStatusCode.Unauthorized
                    || !answer.Headers.WwwAuthenticate.ToString().StartsWith("Bearer", StringComparison.Ordinal))
                {
                    wrong.Add($"{method} {route} with a token {kind}: {answer.StatusCode}");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.True(routes.Length >= 90 && tried == routes.Length * bad.Length, $"{routes.Length} routes, {tried} tried");
    }

    [Fact]
    public async Task The_document_has_every_route_that_is_served()
    {
        HashSet<string> documented = [.. (await RoutesAsync(all: true)).Select(r => $"{r.Method} {r.Route}")];
        IEnumerable<ApiOperation> served = guarded.Service.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Select(e => e.Metadata.GetMetadata<ApiOperation>()).OfType<ApiOperation>()
            .Where(o => !o.Pattern.StartsWith("/console", StringComparison.Ordinal));

        Assert.Empty(served.Select(o => $"{o.Method} {o.OpenApiPath}").Except(documented));
    }

    [Fact]
    public void What_changes_something_is_written_down_or_is_the_daily_work_on_files()
    {
        HashSet<string> daily = new(StringComparer.Ordinal)
        {
            "writeFile", "remove", "setXattr", "removeXattr", "mkdir", "rename", "clone", "link", "symlink", "truncate", "attributes",
            "flush", "warm", "evict", "du",
        };
        HashSet<string> reading = new(StringComparer.Ordinal) { "checkPolicy", "explainPolicy", "verifyDataset" };
        string[] silent =
        [
            .. guarded.Service.Operations.Where(o => o.Method is not ("GET" or "HEAD") && !o.IsAudited).Select(o => o.Id)
                .Where(id => !daily.Contains(id) && !reading.Contains(id)),
        ];

        Assert.Empty(silent);
    }

    private static string Fill(string route) => route
        .Replace("{path}", GuardedService.Inside[1..] + "/own", StringComparison.Ordinal)
        .Replace("{number}", "1", StringComparison.Ordinal)
        .Replace("{id}", "1", StringComparison.Ordinal)
        .Replace("{plan}", "1", StringComparison.Ordinal)
        .Replace("{version}", "1", StringComparison.Ordinal)
        .Replace("{target}", "1", StringComparison.Ordinal)
        .Replace("{name}", "one", StringComparison.Ordinal);

    private async Task<(HttpMethod Method, string Route)[]> RoutesAsync(bool all = false)
    {
        using HttpClient admin = guarded.OpenHttp("admin");
        JsonObject paths = JsonNode.Parse(await admin.GetStringAsync(new Uri(ApiRoutes.OpenApi, UriKind.Relative)))!["paths"]!.AsObject();
        return
        [
            .. paths.Where(p => all || !_forAnybody.Contains(p.Key)).SelectMany(p => p.Value!.AsObject()
                .Where(m => m.Key is "get" or "put" or "post" or "delete" or "head" or "patch")
                .Select(m => (HttpMethod.Parse(m.Key.ToUpperInvariant()), p.Key))),
        ];
    }

    /// <summary>A token that was in force, until a moment ago.</summary>
    private async Task<string> RevokedAsync()
    {
        string text = guarded.Add("revoked", TokenRole.Admin, [], null);
        using DataLayerClient holder = new(new DataLayerClientOptions { ServerUri = guarded.Service.Url!, RetryCount = 0, Token = text });
        await holder.StatAsync("/");
        TokenFile.Change(guarded.TokenFilePath, tokens => [.. tokens.Where(t => t.Id != text[3..15])]);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                await holder.StatAsync("/", cancellationToken: limit.Token);
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotAuthenticated)
            {
                return text;
            }
        }
    }
}
