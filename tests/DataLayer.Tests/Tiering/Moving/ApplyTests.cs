using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Tests.Tiering.Moving;

/// <summary>Plans applied and undone over a real engine with a bucket.</summary>
public sealed class ApplyTests : IAsyncLifetime
{
    private MoveFixture _fixture = null!;

    public async Task InitializeAsync() => _fixture = await MoveFixture.OpenAsync();

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    [Fact]
    public async Task A_release_drops_verified_hot_copies_and_undo_brings_them_back()
    {
        Dictionary<string, byte[]> files = await WriteAsync(5);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal((JobState.Done, 5L), (job.State, job.Progress.DoneObjects));
        Assert.Equal((5, 5, 0), (Count(job, "moved"), Count(job, "releases"), Count(job, "skipped")));
        await EachAsync(files, f => Assert.Equal((TierState.Released, 0L), (f.State, f.HotBytes)));
        Assert.All(
            await _fixture.MovesAsync(job),
            m => Assert.Equal((plan.Id, 17L, "p", MoveState.Done), (m.PlanId, m.PolicyVersion, m.PolicyHash, m.State)));

        JobRecord undone = await _fixture.UndoAsync(job);

        Assert.Equal((JobState.Done, 5), (undone.State, Count(undone, "recalls")));
        await EachAsync(files, f => Assert.Equal((TierState.Premigrated, f.SizeBytes), (f.State, f.HotBytes)));
        await AssertContentsAsync(files);
        await _fixture.Engine.JournalDoneAsync();
        await _fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task Copies_change_up_and_down_and_undo_takes_them_back()
    {
        Dictionary<string, byte[]> files = await WriteAsync(3); // In segments.
        files.Add("large", await _fixture.WriteAsync("large", 700_000)); // In stripes.
        static PlacementDecision Want(int copies) => new() { RuleIndex = 0, RuleName = "copies", CopyCount = copies };

        JobRecord job = await _fixture.ApplyAsync(await _fixture.PlanAsync((in FileFacts _) => Want(2)));

        Assert.Equal((JobState.Done, 4, 4, 0), (job.State, Count(job, "moved"), Count(job, "copyChanges"), Count(job, "skipped")));
        await EachAsync(files, f => Assert.Equal((2, TierState.Premigrated, f.SizeBytes), (f.CopyCount, f.State, f.HotBytes)));
        await AssertContentsAsync(files);
        await _fixture.ReopenAsync();
        await _fixture.Engine.JournalDoneAsync();
        await _fixture.Engine.AssertCleanAsync();
        foreach (string column in Directory.GetFiles(_fixture.Engine.Target(0), "*.0", SearchOption.AllDirectories))
        {
            File.Delete(column); // The first copies of some columns are lost: the second ones answer.
        }

        await AssertContentsAsync(files);
        await _fixture.Engine.Engine.ScrubAsync("/data", null, CancellationToken.None);

        JobRecord undone = await _fixture.UndoAsync(job);

        Assert.Equal((JobState.Done, 4), (undone.State, Count(undone, "copyChanges")));
        await EachAsync(files, f => Assert.Equal((1, f.SizeBytes), (f.CopyCount, f.HotBytes)));
        await AssertContentsAsync(files);
        await _fixture.Engine.JournalDoneAsync();
        await _fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task More_copies_than_targets_fail_and_leave_the_file_as_it_was()
    {
        Dictionary<string, byte[]> files = new() { ["large"] = await _fixture.WriteAsync("large", 700_000) };

        JobRecord job = await _fixture.ApplyAsync(await _fixture.PlanAsync(
            (in FileFacts _) => new PlacementDecision { RuleIndex = 0, RuleName = "copies", CopyCount = 3 }));

        MoveEntry move = Assert.Single(await _fixture.MovesAsync(job));
        Assert.Equal((MoveState.Failed, 0L), (move.State, move.DoneKinds));
        Assert.Contains("3 copies need as many targets", move.Reason, StringComparison.Ordinal);
        await EachAsync(files, f => Assert.Equal(1, f.CopyCount));
        await AssertContentsAsync(files);
        await _fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_spent_budget_stops_an_apply_until_it_is_lifted_and_readers_go_on()
    {
        Dictionary<string, byte[]> files = await WriteAsync(4);
        await _fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        SpendGate gate = _fixture.Engine.Engine.Context.Gate;
        BudgetStatus spent = new(
            new CostBudget { Name = "day", Amount = 1, Action = BudgetAction.StopPrefetch }, 0, 2_000_000_000, BudgetState.Exceeded, 0);
        gate.Set([spent]);
        JobRecord job = await _fixture.StartAsync(await _fixture.PlanAsync(PlacementTier.Hot));
        while (job.Detail?.Contains("waits: Budget ", StringComparison.Ordinal) != true)
        {
            Assert.False(job.HasEnded);
            job = (await _fixture.Jobs.WaitAsync(job.Id, job.Sequence, CancellationToken.None))!;
        }

        await EachAsync(files, f => Assert.Equal((TierState.Released, 0L), (f.State, f.HotBytes)));
        KeyValuePair<string, byte[]> one = files.First();
        Assert.Equal(one.Value, await _fixture.Engine.ReadAllAsync("/data/" + one.Key)); // A reader waits for no budget.
        gate.Set([spent]); // The meter looks again and finds the same.
        Assert.False((await _fixture.Jobs.GetAsync(job.Id, CancellationToken.None))!.HasEnded);

        gate.Set([]);
        job = await _fixture.EndAsync(job.Id);

        Assert.Equal(JobState.Done, job.State);
        await EachAsync(files, f => Assert.Equal(f.SizeBytes, f.HotBytes));
    }

    [Fact]
    public async Task A_throttled_budget_lets_an_apply_through_and_a_spent_one_lets_room_be_made()
    {
        Dictionary<string, byte[]> files = await WriteAsync(2);
        SpendGate gate = _fixture.Engine.Engine.Context.Gate;
        CostBudget budget = new() { Name = "day", Amount = 1, Action = BudgetAction.StopPrefetch };
        gate.Set([new BudgetStatus(budget, 0, 2_000_000_000, BudgetState.Exceeded, 0)]);
        Assert.Equal(JobState.Done, (await _fixture.ApplyAsync(await _fixture.PlanAsync(PlacementTier.Release))).State);
        await EachAsync(files, f => Assert.Equal(0L, f.HotBytes));
        gate.Set([new BudgetStatus(budget with { Action = BudgetAction.Throttle }, 0, 2_000_000_000, BudgetState.Exceeded, 0)]);

        JobRecord job = await _fixture.ApplyAsync(await _fixture.PlanAsync(PlacementTier.Hot));

        Assert.Equal((JobState.Done, 2), (job.State, Count(job, "recalls"))); // One a second, without a meter.
    }

    [Fact]
    public async Task A_recall_reads_back_what_is_released_and_undo_releases_it()
    {
        Dictionary<string, byte[]> files = await WriteAsync(4);
        await _fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);

        JobRecord job = await _fixture.ApplyAsync(await _fixture.PlanAsync(PlacementTier.Hot));

        Assert.Equal((JobState.Done, 4), (job.State, Count(job, "recalls")));
        Assert.Equal(files.Values.Sum(v => v.Length), Count(job, "transferredBytes"));
        await EachAsync(files, f => Assert.Equal(f.SizeBytes, f.HotBytes));

        await _fixture.UndoAsync(job);

        await EachAsync(files, f => Assert.Equal((TierState.Released, 0L), (f.State, f.HotBytes)));
        await AssertContentsAsync(files);
    }

    [Fact]
    public async Task A_partly_hot_file_gets_the_same_blocks_back()
    {
        byte[] bytes = await _fixture.WriteAsync("wide", 3 << 20);
        await _fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        await RecallAsync("wide", 1);
        FileFacts before = await PartlyHotAsync("wide");

        JobRecord released = await _fixture.ApplyAsync(await _fixture.PlanAsync(PlacementTier.Release));
        Assert.Equal(0, (await _fixture.FactsAsync("wide")).HotBytes);
        await _fixture.UndoAsync(released);
        Assert.Equal(before.HotBytes, (await _fixture.FactsAsync("wide")).HotBytes);

        JobRecord recalled = await _fixture.ApplyAsync(await _fixture.PlanAsync(PlacementTier.Hot));
        Assert.Equal(3 << 20, (await _fixture.FactsAsync("wide")).HotBytes);
        await _fixture.UndoAsync(recalled);
        Assert.Equal(before.HotBytes, (await _fixture.FactsAsync("wide")).HotBytes);
        Assert.Equal(bytes, await _fixture.Engine.ReadAllAsync("/data/wide"));
    }

    [Fact]
    public async Task A_file_changed_or_removed_since_the_plan_is_left_alone_and_reported()
    {
        await WriteAsync(3);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        byte[] changed = await _fixture.WriteAsync("f1", 777);
        await _fixture.Engine.Engine.RemoveAsync("/data/f2", recursive: false, null, CancellationToken.None);

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal((JobState.Done, 1, 2), (job.State, Count(job, "moved"), Count(job, "skipped")));
        Assert.Equal(777, (await _fixture.FactsAsync("f1")).HotBytes);
        Assert.Equal(changed, await _fixture.Engine.ReadAllAsync("/data/f1"));
        Dictionary<string, string> problems = Result(job).GetProperty("problems").EnumerateArray()
            .ToDictionary(p => p.GetProperty("path").GetString()!, p => p.GetProperty("reason").GetString()!);
        Assert.Contains("changed", problems["/data/f1"], StringComparison.Ordinal);
        Assert.Contains("removed", problems["/data/f2"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("other")]
    [InlineData("short")]
    public async Task No_hot_copy_goes_before_its_object_was_looked_at(string fault)
    {
        byte[] bytes = await _fixture.WriteAsync("f", 5000);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        string path = Path.Combine(_fixture.Engine.Bucket, "f");
        switch (fault)
        {
            case "gone":
                File.Delete(path);
                break;
            case "other":
                await _fixture.Engine.PutObjectAsync("f", new byte[5000]);
                break;
            default:
                await _fixture.Engine.PutObjectAsync("f", bytes[..100]);
                break;
        }

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal((0, 1), (Count(job, "moved"), Count(job, "skipped")));
        Assert.Equal(5000, (await _fixture.FactsAsync("f")).HotBytes);
        Assert.Equal(bytes, await _fixture.Engine.ReadAllAsync("/data/f"));
    }

    [Fact]
    public async Task A_stale_plan_is_refused_with_its_reason_and_moves_nothing()
    {
        await WriteAsync(2);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        _fixture.Stale.Add("another policy is active than the one it was made from");

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("another policy", job.Failure, StringComparison.Ordinal);
        Assert.Contains("Make it again", job.Failure, StringComparison.Ordinal);
        Assert.Equal(1000, (await _fixture.FactsAsync("f0")).HotBytes);
        Assert.Empty(await _fixture.MovesAsync(job));
    }

    [Fact]
    public async Task A_budget_that_is_used_up_ends_the_job_and_says_what_remains_and_the_plan_goes_on()
    {
        Dictionary<string, byte[]> files = await WriteAsync(5);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);

        JobRecord requests = await _fixture.ApplyAsync(plan, new MoveLimits { MaxRequests = 2, Parallelism = 1 });

        Assert.Equal((JobState.Exhausted, 2, 3), (requests.State, Count(requests, "moved"), Count(requests, "remainingMoves")));
        Assert.Contains("2 requests", requests.Failure, StringComparison.Ordinal);
        Assert.Equal(2, (await HotAsync(files)).Count(hot => !hot));

        // One look at an object costs 0.0005.
        JobRecord money = await _fixture.ApplyAsync(plan, new MoveLimits { MaxCost = 0.0006, Parallelism = 1 });

        Assert.Equal((JobState.Exhausted, 1, 2), (money.State, Count(money, "moved"), Count(money, "already")));
        Assert.Equal(0.0005, Result(money).GetProperty("cost").GetDouble(), 9);
        JobRecord rest = await _fixture.ApplyAsync(plan);
        Assert.Equal((JobState.Done, 2, 3), (rest.State, Count(rest, "moved"), Count(rest, "already")));
        Assert.All(await HotAsync(files), Assert.False);
    }

    [Fact]
    public async Task An_upload_that_is_owed_is_waited_for_before_the_release()
    {
        _fixture.Engine.Probe.Before = (verb, _) => verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "away") : null;
        await _fixture.Engine.WriteFileAsync("/data/late", new byte[3000]);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        Assert.Equal((1, 1), (plan.Totals.Uploads, plan.Totals.Releases));
        _fixture.Engine.Probe.Before = null;

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal((JobState.Done, 1), (job.State, Count(job, "releases")));
        Assert.Equal(TierState.Released, (await _fixture.FactsAsync("late")).State);
        Assert.Equal(new byte[3000], await _fixture.Engine.ReadAllAsync("/data/late"));
    }

    [Theory]
    [InlineData("evict.checked")]
    [InlineData("evict.committed")]
    public async Task A_job_goes_on_after_a_restart_in_the_middle_of_a_move(string where)
    {
        Dictionary<string, byte[]> files = await WriteAsync(6);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int seen = 0;
        _fixture.Engine.StepHook = name =>
        {
            if (name == where && Interlocked.Increment(ref seen) == 3)
            {
                stopped.TrySetResult();
                throw new DataLayerException(ErrorCode.ShuttingDown, "a crash");
            }
        };
        await _fixture.ReopenAsync();
        JobRecord started = await _fixture.StartAsync(plan, new MoveLimits { Parallelism = 1 });
        await stopped.Task;
        _fixture.Engine.StepHook = null;
        await _fixture.ReopenAsync();

        JobRecord job = await _fixture.EndAsync(started.Id);

        Assert.Equal((JobState.Done, 6, 0), (job.State, Count(job, "moved"), Count(job, "skipped")));
        Assert.Equal((6, 6), (Count(job, "releases"), Count(job, "requests")));
        Assert.Equal(6, (await _fixture.MovesAsync(job)).Count(m => m.State == MoveState.Done));
        await AssertContentsAsync(files);
    }

    [Fact]
    public async Task A_paused_job_moves_nothing_and_a_cancelled_one_leaves_what_it_did()
    {
        Dictionary<string, byte[]> files = await WriteAsync(40);
        TieringPlan plan = await _fixture.PlanAsync(PlacementTier.Release);
        JobRecord started = await _fixture.StartAsync(plan, new MoveLimits { Parallelism = 1 });
        await _fixture.Jobs.PauseAsync(started.Id, CancellationToken.None);
        int hot = (await HotAsync(files)).Count(h => h);
        await _fixture.ReopenAsync();
        Assert.Equal(hot, (await HotAsync(files)).Count(h => h));

        await _fixture.Jobs.CancelAsync(started.Id, CancellationToken.None);
        await _fixture.ReopenAsync();

        Assert.Equal(hot, (await HotAsync(files)).Count(h => h));
        Assert.DoesNotContain(await _fixture.MovesAsync(started), m => m.State == MoveState.Started);
        JobRecord undone = await _fixture.UndoAsync((await _fixture.Jobs.GetAsync(started.Id, CancellationToken.None))!);
        Assert.Equal(JobState.Done, undone.State);
        Assert.All(await HotAsync(files), Assert.True);
    }

    private static JsonElement Result(JobRecord job) => JsonDocument.Parse(job.Result!).RootElement;

    private static int Count(JobRecord job, string name) => Result(job).GetProperty(name).GetInt32();

    private async Task RecallAsync(string name, uint block)
    {
        FileEngine engine = _fixture.Engine.Engine;
        ContentState content = (await engine.Context.AcquireAsync((await _fixture.FactsAsync(name)).Inode, default))!;
        await engine.Recaller.RecallBlocksAsync(content, [block], CancellationToken.None);
        await engine.Context.ReleaseAsync(content);
    }

    private async Task<FileFacts> PartlyHotAsync(string name)
    {
        FileFacts facts = await _fixture.FactsAsync(name);
        Assert.InRange(facts.HotBytes, 1, facts.SizeBytes - 1);
        return facts;
    }

    private async Task<Dictionary<string, byte[]>> WriteAsync(int count)
    {
        Dictionary<string, byte[]> files = [];
        for (int i = 0; i < count; i++)
        {
            files.Add($"f{i}", await _fixture.WriteAsync($"f{i}", 1000 + (i * 30_000)));
        }

        return files;
    }

    private async Task EachAsync(Dictionary<string, byte[]> files, Action<FileFacts> check)
    {
        foreach (string name in files.Keys)
        {
            check(await _fixture.FactsAsync(name));
        }
    }

    private async Task<List<bool>> HotAsync(Dictionary<string, byte[]> files)
    {
        List<bool> hot = [];
        await EachAsync(files, f => hot.Add(f.HotBytes == f.SizeBytes));
        return hot;
    }

    private async Task AssertContentsAsync(Dictionary<string, byte[]> files)
    {
        foreach ((string name, byte[] bytes) in files)
        {
            Assert.Equal(bytes, await _fixture.Engine.ReadAllAsync("/data/" + name));
        }
    }
}
