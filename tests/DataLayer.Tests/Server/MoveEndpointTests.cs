using System.Globalization;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;

namespace DataLayer.Tests.Server;

/// <summary>Plans applied and undone over HTTP and on the command line, in a running service.</summary>
[Collection(ServiceCollection.Name)]
public sealed class MoveEndpointTests(RunningService service)
{
    [Fact]
    public async Task The_commands_apply_a_plan_list_its_moves_and_undo_it()
    {
        (string folder, string plan) = await PlanAsync();

        (int applied, string line, _) = await RunAsync("apply", plan, "--rate", "100MiB", "--verify-content", "--json");
        JsonNode job = JsonNode.Parse(line)!;
        string id = job["id"]!.ToString();

        Assert.Equal((0, "done", 2), (applied, (string?)job["state"], (int?)job["result"]!["releases"]));
        Assert.Equal("a.bin cold, b.bin cold", await TiersAsync(folder));
        (int listed, string moves, _) = await RunAsync("job", "moves", id, "--state", "done");
        Assert.Equal(0, listed);
        Assert.Contains(folder + "/b.bin", moves, StringComparison.Ordinal);
        MovePage page = await service.Client.Jobs.ListMovesAsync(long.Parse(id, CultureInfo.InvariantCulture), from: 1);
        MoveReport move = Assert.Single(page.Moves);
        Assert.Equal((1L, plan, "done"), (move.Number, move.Plan.ToString(CultureInfo.InvariantCulture), move.State));
        Assert.True(move.PolicyVersion > 0);
        Assert.Equal(["release"], move.Done);

        (int undone, string back, _) = await RunAsync("undo", id);
        Assert.Equal(0, undone);
        Assert.Contains("recalls", back, StringComparison.Ordinal);
        Assert.Equal("a.bin hot, b.bin hot", await TiersAsync(folder));
        Assert.Equal(ExitCode.Conflict, (await RunAsync("undo", (long.Parse(id, CultureInfo.InvariantCulture) + 1).ToString(CultureInfo.InvariantCulture))).Status);
    }

    [Fact]
    public async Task A_budget_ends_the_job_as_exhausted_and_the_command_says_so()
    {
        (string folder, string plan) = await PlanAsync();
        (int status, string shown, _) = await RunAsync("apply", plan, "--max-requests", "1", "--parallel", "1");
        Assert.Equal(ExitCode.Failure, status);
        Assert.Contains("exhausted", shown, StringComparison.Ordinal);
        Assert.Contains("1 moves of", shown, StringComparison.Ordinal);
        Assert.Contains(await TiersAsync(folder), (string[])["a.bin hot, b.bin cold", "a.bin cold, b.bin hot"]);
    }

    [Fact]
    public async Task A_stale_plan_and_limits_out_of_range_are_refused_and_nothing_moves()
    {
        (string folder, string plan) = await PlanAsync();
        long id = long.Parse(plan, CultureInfo.InvariantCulture);
        await FailsAsync(ErrorCode.InvalidArgument, new MoveCommand { BytesPerSecond = 1, Parallelism = 1000, MaxCost = -1 }, "rate", "money", "parallelism");
        await FailsAsync(ErrorCode.InvalidArgument, new MoveCommand { Window = "8-9" }, "window");
        await FailsAsync(ErrorCode.InvalidArgument, new MoveCommand { Window = "08:00-09:00", Zone = "Nowhere/None" }, "zone");
        await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = "version: 1\nrules: [{name: none, then: {exclude: true}}]\n" });
        await FailsAsync(ErrorCode.WrongState, new MoveCommand(), "another policy", "Make it again");
        Assert.Equal(ExitCode.Conflict, (await RunAsync("apply", plan)).Status);
        Assert.Equal("a.bin hot, b.bin hot", await TiersAsync(folder));
        Assert.Equal(ExitCode.NotFound, (await RunAsync("apply", "471100")).Status);

        async Task FailsAsync(ErrorCode code, MoveCommand command, params string[] words)
        {
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await service.Client.Jobs.ApplyAsync(id, command));
            Assert.Equal(code, fault.Code);
            Assert.All(words, w => Assert.Contains(w, fault.Message, StringComparison.Ordinal));
        }
    }

    /// <summary>Two files under a writable attachment, hot and uploaded, and a fresh plan that releases them.</summary>
    private async Task<(string Folder, string Plan)> PlanAsync()
    {
        string bucket = service.MakeBucket(("keep.txt", "k"));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + bucket, Path = folder, Mode = AttachmentMode.ReadWrite });
        await service.Client.WriteFileAsync(folder + "/a.bin", new byte[100_000]);
        await service.Client.WriteFileAsync(folder + "/b.bin", new byte[200_000]);
        await service.Client.Admin.FlushUploadsAsync(folder);
        await service.Client.Admin.SetPolicyAsync(new SetPolicyCommand
        {
            Text = $"version: 1\nrules: [{{name: out, match: {{path: \"{folder}/*.bin\"}}, then: {{place: release}}}}]\n",
        });
        PlanReport plan = await service.Client.Admin.MakePlanAsync(new PlanCommand { Path = folder });
        Assert.Equal(2, plan.Totals.Moves);
        return (folder, plan.Id.ToString(CultureInfo.InvariantCulture));
    }

    private async Task<string> TiersAsync(string folder)
    {
        List<string> tiers = [];
        foreach (string name in (string[])["a.bin", "b.bin"])
        {
            FileDetail detail = await service.Client.DescribeAsync($"{folder}/{name}");
            tiers.Add($"{name} {(detail.HotBlocks == 0 ? "cold" : detail.HotBlocks == detail.BlockCount ? "hot" : "partly hot")}");
        }

        return string.Join(", ", tiers);
    }

    private Task<CliRun> RunAsync(params string[] arguments) => CliRun.RunAsync(arguments, service.Url);
}
