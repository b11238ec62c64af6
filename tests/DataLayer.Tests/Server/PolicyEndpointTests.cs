using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.Tests.Tiering.Policies;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class PolicyEndpointTests(RunningService service)
{
    private const string First = "version: 1\nrules:\n  - {name: a, match: {path: /pol/**, size: '> 1 KiB'}, then: {place: release}}\n  - {name: b, then: {exclude: true}}\n";

    [Fact]
    public async Task A_policy_is_set_read_compared_activated_and_switched_off()
    {
        PolicyStatus one = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = First, Comment = "first" });
        Assert.True(one.Active);
        Assert.Equal((64, "first"), (one.Hash.Length, one.Comment));
        Assert.Null(one.Text);
        string second = First.Replace("1 KiB", "2 KiB", StringComparison.Ordinal);
        PolicyStatus two = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = second, IfActive = one.Version });
        Assert.Equal(one.Version + 1, two.Version);
        Assert.Equal(second, (await service.Client.Admin.GetPolicyAsync()).Text);
        Assert.Equal((First, false), ((await service.Client.Admin.GetPolicyAsync(one.Version)).Text, (await service.Client.Admin.GetPolicyAsync(one.Version)).Active));

        PolicyDifference change = Assert.Single((await service.Client.Admin.DiffPoliciesAsync(one.Version, null)).Changes);
        Assert.Equal(("rules", "a", "changed"), (change.Section, change.Name, change.Kind));
        Assert.Equal("match.size", Assert.Single(change.Fields).Field);

        PolicyPage page = await service.Client.Admin.ListPoliciesAsync(limit: 1);
        Assert.Equal(two.Version, Assert.Single(page.Versions).Version);
        Assert.Equal(one.Version, (await service.Client.Admin.ListPoliciesAsync(page.Next)).Versions[0].Version);

        await service.Client.Admin.ActivatePolicyAsync(one.Version, ifActive: two.Version);
        Assert.Equal(one.Version, (await service.Client.Admin.GetPolicyAsync()).Version);
        await ThrowsAsync(ErrorCode.Stale, () => service.Client.Admin.ActivatePolicyAsync(two.Version, ifActive: two.Version).AsTask());
        await ThrowsAsync(ErrorCode.NotFound, () => service.Client.Admin.ActivatePolicyAsync(999_999).AsTask());
        await service.Client.Admin.ActivatePolicyAsync(0);
        await ThrowsAsync(ErrorCode.NotFound, () => service.Client.Admin.GetPolicyAsync().AsTask());
        await ThrowsAsync(ErrorCode.NotFound, () => service.Client.Admin.ExplainPolicyAsync(new ExplainPolicyCommand { Path = "/x" }).AsTask());
    }

    [Fact]
    public async Task A_bad_policy_changes_nothing_and_every_error_is_answered()
    {
        PolicyStatus good = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = First + "# good\n" });
        int checkedCount = 0;
        foreach (string marked in BadPolicies.All)
        {
            string text = marked.Replace("⟦", string.Empty, StringComparison.Ordinal);
            using HttpResponseMessage answer = await PostAsync(ApiRoutes.Policies, new JsonObject { ["text"] = text });
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            JsonNode problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            Assert.Equal(marked.Count(c => c == '⟦'), problem["errors"]!.AsArray().Count);
            PolicyCheckReport report = await service.Client.Admin.CheckPolicyAsync(text);
            Assert.False(report.Valid);
            Assert.Equal(problem["errors"]!.AsArray().Select(e => (int)e!["line"]!), report.Errors.Select(e => e.Line));
            checkedCount++;
        }

        Assert.True(checkedCount >= 200);
        PolicyStatus after = await service.Client.Admin.GetPolicyAsync();
        Assert.Equal((good.Version, good.Hash), (after.Version, after.Hash));
        Assert.Equal(good.Version, (await service.Client.Admin.ListPoliciesAsync(limit: 1)).Versions[0].Version);
        await service.Client.Admin.ActivatePolicyAsync(0);
    }

    [Fact]
    public async Task An_explanation_takes_what_it_is_not_told_from_the_file()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/big", new byte[5000]);
        string text = First.Replace("/pol/**", folder + "/**", StringComparison.Ordinal);
        PolicyExplanationReport big = await service.Client.Admin.ExplainPolicyAsync(new ExplainPolicyCommand { Path = folder + "/big", Text = text });
        Assert.Equal(("a", "release", 1), (big.Decision.RuleName, big.Decision.Place, big.Rules.Count));
        PolicyExplanationReport small = await service.Client.Admin.ExplainPolicyAsync(
            new ExplainPolicyCommand { Path = folder + "/big", Text = text, SizeBytes = 10 });
        Assert.Equal("b", small.Decision.RuleName);
        Assert.Equal(("match.size", 3), (small.Rules[0].FailedCondition, small.Rules[0].Line));
        PolicyExplanationReport missing = await service.Client.Admin.ExplainPolicyAsync(
            new ExplainPolicyCommand { Path = folder + "/none", Text = text, SizeBytes = 1 << 20 });
        Assert.Equal("a", missing.Decision.RuleName);
        PolicyStatus stored = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = text, Activate = false });
        Assert.False(stored.Active);
        Assert.Equal(stored.Version, (await service.Client.Admin.ExplainPolicyAsync(
            new ExplainPolicyCommand { Path = folder + "/big", Version = stored.Version })).Version);
        await ThrowsAsync(ErrorCode.InvalidArgument, () => service.Client.Admin.ExplainPolicyAsync(
            new ExplainPolicyCommand { Path = "/x", Text = "version: 3" }).AsTask());
    }

    [Fact]
    public async Task A_version_has_a_tag_and_the_schema_a_type()
    {
        PolicyStatus status = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = First + "# tag\n" });
        string route = $"{ApiRoutes.Policies}/{status.Version}";
        using HttpResponseMessage first = await service.Http.GetAsync(new Uri(route, UriKind.Relative));
        using HttpRequestMessage again = new(HttpMethod.Get, new Uri(route, UriKind.Relative));
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using HttpResponseMessage same = await service.Http.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        using HttpResponseMessage schema = await service.Http.GetAsync(new Uri(ApiRoutes.Policies + "/schema", UriKind.Relative));
        Assert.Equal("application/schema+json", schema.Content.Headers.ContentType!.MediaType);
        using HttpResponseMessage odd = await service.Http.GetAsync(new Uri(ApiRoutes.Policies + "/latest", UriKind.Relative));
        Assert.Equal(HttpStatusCode.BadRequest, odd.StatusCode);
        string tooLong = First + new string('#', (8 << 20) + 10);
        using HttpResponseMessage large = await PostAsync(ApiRoutes.Policies, new JsonObject { ["text"] = tooLong });
        Assert.Equal(HttpStatusCode.BadRequest, large.StatusCode);
        await service.Client.Admin.ActivatePolicyAsync(0);
    }

    [Fact]
    public async Task The_verbs_apply_show_list_compare_and_activate_versions()
    {
        using TempFolder folder = new("policy-verbs");
        string file = folder.Combine("p.yaml");
        await File.WriteAllTextAsync(file, First + "# verbs\n");
        (int status, string text, string error) = await RunAsync("policy", "apply", file, "-m", "by verb", "--json");
        Assert.Equal((0, string.Empty), (status, error));
        long version = (long)JsonNode.Parse(text)!["version"]!;
        await File.WriteAllTextAsync(file, First.Replace("1 KiB", "9 KiB", StringComparison.Ordinal));
        (status, text, _) = await RunAsync("policy", "apply", file, "--draft", "--if-active", $"{version}");
        Assert.Equal((0, $"version {version + 1}: not active\n"), (status, text));
        (_, text, _) = await RunAsync("policy", "show");
        Assert.Equal(First + "# verbs\n", text);
        (_, text, _) = await RunAsync("policy", "diff", "active", $"{version + 1}");
        Assert.Equal("changed rule 'a'\n  match.size: > 1KiB → > 9KiB\n", text);
        (_, text, _) = await RunAsync("policy", "diff", file, $"{version + 1}");
        Assert.Equal("Both mean the same.\n", text);
        Assert.Equal(0, (await RunAsync("policy", "activate", $"{version + 1}")).Status);
        (_, text, _) = await RunAsync("policy", "history");
        Assert.Matches($"(?m)^ *{version + 1} +yes ", text);
        Assert.Matches($"(?m)^ *{version} +- .* by verb ", text);
        await File.WriteAllTextAsync(file, "version: 1\nrules:\n  - {name: a, then: {place: cool}}\n");
        (status, _, error) = await RunAsync("policy", "apply", file);
        Assert.Equal(ExitCode.Usage, status);
        Assert.StartsWith($"{file}:3:29: ", error, StringComparison.Ordinal);
        Assert.Equal(version + 1, (await service.Client.Admin.GetPolicyAsync()).Version);
        Assert.Equal(ExitCode.Conflict, (await RunAsync("policy", "activate", "none", "--if-active", "1000000")).Status);
        Assert.Equal(0, (await RunAsync("policy", "activate", "none")).Status);
        Assert.Equal(ExitCode.NotFound, (await RunAsync("policy", "show")).Status);
    }

    private Task<CliRun> RunAsync(params string[] arguments) => CliRun.RunAsync(arguments, service.Http.BaseAddress);

    private async Task<HttpResponseMessage> PostAsync(string route, JsonObject body)
    {
        using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
        return await service.Http.PostAsync(new Uri(route, UriKind.Relative), content);
    }

    private static async Task ThrowsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
