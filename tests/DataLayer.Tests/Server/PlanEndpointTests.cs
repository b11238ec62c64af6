using System.Globalization;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>Plans over HTTP and on the command line, of real files in a running service.</summary>
[Collection(ServiceCollection.Name)]
public sealed class PlanEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_plan_tells_by_rule_what_would_move_and_is_kept_with_its_moves()
    {
        string folder = await MakeHotFilesAsync();
        PlanReport plan = await service.Client.Admin.MakePlanAsync(new PlanCommand { Path = folder, Policy = Release(folder) });

        Assert.Equal(3, plan.Totals.Files);
        PlanRuleReport rule = Assert.Single(plan.Rules, r => r.Index == 0);
        Assert.Equal(("out", 2L, 2L), (rule.Name, rule.MatchedFiles, rule.Moved.Moves));
        Assert.Equal((2L, 300_000L), (rule.Moved.Releases, rule.Moved.ReleaseBytes));
        Assert.True(plan.Totals.MonthlyAfter < plan.Totals.MonthlyBefore);
        Assert.Equal("aws-us-east-1", plan.PriceTable);

        PlanReport shown = await service.Client.Admin.GetPlanAsync(plan.Id);
        Assert.Equal(plan.Totals, shown.Totals);
        Assert.Contains((await service.Client.Admin.ListPlansAsync()).Plans, p => p.Id == plan.Id);
        PlanMovePage first = await service.Client.Admin.ListPlanMovesAsync(plan.Id, limit: 1);
        PlanMovePage second = await service.Client.Admin.ListPlanMovesAsync(plan.Id, first.Next!.Value, limit: 1);
        Assert.Null(second.Next);
        Assert.Equal([folder + "/a.bin", folder + "/b.bin"], [.. first.Moves.Select(m => m.Path), .. second.Moves.Select(m => m.Path)]);
        Assert.All([.. first.Moves, .. second.Moves], m => Assert.Equal(["release"], m.Kinds));

        await service.Client.Admin.RemovePlanAsync(plan.Id);
        DataLayerException gone = await Assert.ThrowsAsync<DataLayerException>(async () => await service.Client.Admin.GetPlanAsync(plan.Id));
        Assert.Equal(ErrorCode.NotFound, gone.Code);
    }

    [Fact]
    public async Task A_plan_of_a_policy_that_is_not_active_says_that_it_would_be_refused()
    {
        string folder = await MakeHotFilesAsync();
        PlanReport plan = await service.Client.Admin.MakePlanAsync(new PlanCommand { Path = folder, Policy = Release(folder) });
        Assert.Contains(plan.Stale, r => r.Contains("policy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_plan_of_the_active_policy_is_fresh_until_another_is_active()
    {
        string folder = await MakeHotFilesAsync();
        PolicyStatus active = await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = Release(folder) });
        PlanReport plan = await service.Client.Admin.MakePlanAsync(new PlanCommand { Path = folder });
        Assert.Empty(plan.Stale);
        Assert.Equal((active.Version, 2L), (plan.PolicyVersion, plan.Totals.Moves));
        await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = "version: 1\nrules: [{name: none, then: {exclude: true}}]\n" });
        Assert.Contains("another policy", Assert.Single((await service.Client.Admin.GetPlanAsync(plan.Id)).Stale), StringComparison.Ordinal);
        await service.Client.Admin.ActivatePolicyAsync(0);
        Assert.Contains("no policy", Assert.Single((await service.Client.Admin.GetPlanAsync(plan.Id)).Stale), StringComparison.Ordinal);
        DataLayerException none = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await service.Client.Admin.MakePlanAsync(new PlanCommand { Path = folder }));
        Assert.Equal(ErrorCode.NotFound, none.Code);
    }

    [Fact]
    public async Task A_folder_of_this_machine_has_no_classes_and_the_plan_says_so()
    {
        string bucket = service.MakeBucket(("a.txt", "alpha"));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = folder });
        PlanReport plan = await service.Client.Admin.MakePlanAsync(
            new PlanCommand { Path = folder, Policy = "version: 1\nrules: [{name: r, then: {place: cold, storageClass: GLACIER_IR}}]\n" });
        Assert.Equal(0, plan.Totals.Moves);
        Assert.Equal("noClasses", Assert.Single(plan.Warnings).Obstacle);
    }

    [Fact]
    public async Task All_errors_of_a_policy_come_back_with_their_places()
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await service.Client.Admin.MakePlanAsync(
                new PlanCommand { Policy = "version: 1\nrules:\n  - name: a\n    then: {place: frozen}\n  - name: a\n    then: {place: cold}\n" }));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains("4:", fault.Message, StringComparison.Ordinal);
        Assert.Contains("5:", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_shows_a_table_and_answers_checks_by_its_exit_code()
    {
        using TempFolder files = new("plan");
        string folder = await MakeHotFilesAsync();
        string policy = files.Combine("policy.yaml");
        await File.WriteAllTextAsync(policy, Release(folder));
        string idle = files.Combine("idle.yaml");
        await File.WriteAllTextAsync(idle, "version: 1\nrules: [{name: never, match: {idle: \"> 1000d\"}, then: {place: release}}]\n");

        (int made, string table, _) = await RunAsync("plan", folder, "--policy", policy);
        (int moving, _, string why) = await RunAsync("plan", folder, "--policy", policy, "--check");
        (int cheap, _, _) = await RunAsync("plan", folder, "--policy", policy, "--check", "--max-cost", "5");
        (int quiet, _, _) = await RunAsync("plan", folder, "--policy", idle, "--check");
        (int lonely, _, _) = await RunAsync("plan", folder, "--policy", idle, "--max-cost", "5");
        (int json, string line, _) = await RunAsync("plan", folder, "--policy", policy, "--json");

        Assert.Equal(0, made);
        Assert.Contains("out", table, StringComparison.Ordinal);
        Assert.Contains("2 releases", table, StringComparison.Ordinal);
        Assert.Equal(ExitCode.MovesPending, moving);
        Assert.Contains("2 files would move", why, StringComparison.Ordinal);
        Assert.Equal((0, 0, ExitCode.Usage, 0), (cheap, quiet, lonely, json));
        long id = (long)JsonNode.Parse(line)!["id"]!;
        (int shown, string moves, _) = await RunAsync("plan", "show", id.ToString(CultureInfo.InvariantCulture), "--moves", "5");
        Assert.Equal(0, shown);
        Assert.Contains(folder + "/b.bin", moves, StringComparison.Ordinal);
        (int listed, string list, _) = await RunAsync("plan", "list");
        Assert.Equal(0, listed);
        Assert.Contains(folder, list, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("plan", "rm", id.ToString(CultureInfo.InvariantCulture))).Status);
        Assert.Equal(ExitCode.NotFound, (await RunAsync("plan", "show", id.ToString(CultureInfo.InvariantCulture))).Status);
    }

    [Fact]
    public async Task Moves_over_the_cost_limit_have_a_code_of_their_own()
    {
        using TempFolder files = new("plan");
        string folder = await MakeHotFilesAsync();
        await service.Client.Admin.EvictAsync(folder, hot: true);
        string policy = files.Combine("policy.yaml");
        await File.WriteAllTextAsync(policy, $"version: 1\nrules: [{{name: back, match: {{path: \"{folder}/*.bin\"}}, then: {{place: hot}}}}]\n");
        (int over, _, string error) = await RunAsync("plan", folder, "--policy", policy, "--check", "--max-cost", "0");
        (int under, _, _) = await RunAsync("plan", folder, "--policy", policy, "--check", "--max-cost", "0.01");
        Assert.Equal((ExitCode.OverCost, ExitCode.Success), (over, under));
        Assert.Contains("over the limit", error, StringComparison.Ordinal);
    }

    /// <summary>Two files under a writable attachment, hot and uploaded, and one beside it.</summary>
    private async Task<string> MakeHotFilesAsync()
    {
        string bucket = service.MakeBucket(("keep.txt", "k"));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + bucket, Path = folder, Mode = AttachmentMode.ReadWrite });
        await service.Client.WriteFileAsync(folder + "/a.bin", new byte[100_000]);
        await service.Client.WriteFileAsync(folder + "/b.bin", new byte[200_000]);
        await service.Client.Admin.FlushUploadsAsync(folder);
        return folder;
    }

    private static string Release(string folder) =>
        $"version: 1\nrules: [{{name: out, match: {{path: \"{folder}/*.bin\"}}, then: {{place: release}}}}]\n";

    private Task<CliRun> RunAsync(params string[] arguments) => CliRun.RunAsync(arguments, service.Url);
}
