using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>The real service killed in the middle of moves: after each kill an outside auditor finds a whole copy of every file.</summary>
public sealed class MoveKillTests(ITestOutputHelper output)
{
    private const int FilesPerKill = 30;

    [Fact]
    public async Task Kills_during_apply_and_undo_leave_no_file_without_a_verified_copy_and_the_jobs_end()
    {
        var random = new Random(TestSeed.Take(output));
        var kills = TestSeed.Count("DATALAYER_MOVE_KILLS", 2);
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var audit = new TierAudit(it.Service.Settings, it.Folder, it.Origin.Endpoint);
        var files = await WriteAsync(it, audit, random, (kills + 1) * FilesPerKill);
        await it.EvictAsync("/data/back", hot: true);
        var plan = await PlanAsync(it);
        Assert.Equal((files.Count / 2, files.Count / 2), (plan.Totals.Releases, plan.Totals.Recalls));
        Assert.Contains($"files {files.Count} ", await audit.RunAsync(), StringComparison.Ordinal);

        var applied = await KillDuringAsync(it, audit, random, kills, () => it.Client.Jobs.ApplyAsync(plan.Id, new MoveCommand()));

        Assert.Equal(("done", files.Count), (applied.State, applied.Result!.Value.GetProperty("moved").GetInt32()));
        await CheckAsync(it, audit, files, applied.Id, isApplied: true);

        var undone = await KillDuringAsync(it, audit, random, 1, () => it.Client.Jobs.UndoAsync(applied.Id, new MoveCommand()));

        Assert.Equal(("done", files.Count), (undone.State, undone.Result!.Value.GetProperty("moved").GetInt32()));
        await CheckAsync(it, audit, files, undone.Id, isApplied: false);
        foreach (var path in files)
        {
            Assert.True(audit.IsRight(path, await it.ReadAsync(path)), path);
        }

        await it.CheckCleanAsync();
    }

    /// <summary>Starts a job, kills the service after a random number of its requests, audits, starts it again; at last follows it to its end.</summary>
    private async Task<JobStatus> KillDuringAsync(
        Installation it, TierAudit audit, Random random, int kills, Func<ValueTask<JobStatus>> start)
    {
        long id = 0;
        for (var kill = 0; kill < kills; kill++)
        {
            var dying = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var left = random.Next(1, FilesPerKill);
            var spins = random.Next(0, 200_000);
            it.Origin.BeforeServe = _ =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                {
                    dying.SetResult();
                }
            };
            if (kill == 0)
            {
                id = (await start()).Id;
            }
            else
            {
                await it.Service.RestartAsync();
            }

            await dying.Task;
            Thread.SpinWait(spins); // So that the kill meets the steps after the request too.
            await it.Service.KillAsync();
            output.WriteLine($"kill {kill + 1}: {await audit.RunAsync()}");
        }

        it.Origin.BeforeServe = null;
        await it.Service.RestartAsync();
        JobStatus? last = null;
        await foreach (var job in it.Client.Jobs.WatchAsync(id))
        {
            last = job;
        }

        output.WriteLine($"job {id}: {last!.State} {last.Failure} {last.Result}");
        return last;
    }

    private static async Task CheckAsync(Installation it, TierAudit audit, List<string> files, long job, bool isApplied)
    {
        Assert.Contains($"files {files.Count} ", await audit.RunAsync(isLive: true), StringComparison.Ordinal);
        foreach (var path in files)
        {
            var file = await it.Client.DescribeAsync(path);
            var isHot = path.StartsWith("/data/back/", StringComparison.Ordinal) == isApplied;
            Assert.Equal((path, isHot ? file.BlockCount : 0), (path, file.HotBlocks));
        }

        var moves = (await it.Client.Jobs.ListMovesAsync(job, limit: 10_000)).Moves;
        Assert.Equal(files.Order(StringComparer.Ordinal), moves.Select(m => m.Path).Order(StringComparer.Ordinal));
        Assert.All(moves, m => Assert.True(m.State == "done" && m.Plan > 0 && m.PolicyVersion > 0 && m.Done.Count == 1, m.Path + m.Reason));
    }

    private static async Task<List<string>> WriteAsync(Installation it, TierAudit audit, Random random, int count)
    {
        List<string> files = [];
        for (var i = 0; i < count; i++)
        {
            var path = $"/data/{(i % 2 == 0 ? "out" : "back")}/{i:00000}";
            var bytes = new byte[i % 20 == 7 ? random.Next(1 << 20, 4 << 20) : random.Next(1, 200_000)];
            random.NextBytes(bytes);
            await it.Client.WriteFileAsync(path, bytes, new() { MakeParents = true });
            audit.Expect(path, bytes);
            files.Add(path);
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        return files;
    }

    private static async Task<PlanReport> PlanAsync(Installation it)
    {
        await it.Client.Admin.SetPolicyAsync(new SetPolicyCommand
        {
            Text = """
                version: 1
                rules:
                  - {name: out, match: {path: "/data/out/**"}, then: {place: release}}
                  - {name: back, match: {path: "/data/back/**"}, then: {place: hot}}
                """,
        });
        return await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" });
    }
}
