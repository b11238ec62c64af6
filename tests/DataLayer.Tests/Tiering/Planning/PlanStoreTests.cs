using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Trees;
using static DataLayer.Tests.Tiering.Planning.PriceFixture;

namespace DataLayer.Tests.Tiering.Planning;

public sealed class PlanStoreTests
{
    [Fact]
    public async Task A_plan_comes_back_as_it_was_made()
    {
        await using TreeFixture tree = await TreeFixture.OpenAsync();
        using TempFolder folder = new();
        PlanStore store = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path });
        TieringPlan made = await MakeAsync(store, 3);
        TieringPlan read = await store.GetAsync(made.Id, default);
        Assert.Equal(made.Totals, read.Totals);
        Assert.Equal(made.Rules, read.Rules);
        Assert.Equal(made.Warnings, read.Warnings);
        Assert.Equal(made with { Rules = [], Warnings = [] }, read with { Rules = [], Warnings = [] });
        using MoveFile moves = store.OpenMoves(read);
        Assert.Equal(["/f0", "/f1", "/f2"], [moves.Read()!.Path, moves.Read()!.Path, moves.Read()!.Path]);
        Assert.Null(moves.Read());
    }

    [Fact]
    public async Task The_oldest_plans_go_by_number_and_by_bytes()
    {
        await using TreeFixture tree = await TreeFixture.OpenAsync();
        using TempFolder folder = new();
        PlanStore few = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path, MaxPlanCount = 3 });
        List<long> ids = [];
        for (int i = 0; i < 5; i++)
        {
            ids.Add((await MakeAsync(few, 2)).Id);
        }

        Assert.Equal([ids[4], ids[3], ids[2]], (await few.ListAsync(long.MaxValue, 10, default)).Select(p => p.Id));
        Assert.Equal(3, Directory.EnumerateFiles(folder.Path).Count());
        PlanStore small = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path, MaxBytes = 1 });
        long last = (await MakeAsync(small, 2)).Id;
        Assert.Equal([last], (await small.ListAsync(long.MaxValue, 10, default)).Select(p => p.Id));
        Assert.Single(Directory.EnumerateFiles(folder.Path));
    }

    [Fact]
    public async Task What_a_crash_left_without_a_row_is_removed_at_the_next_start()
    {
        await using TreeFixture tree = await TreeFixture.OpenAsync();
        using TempFolder folder = new();
        PlanStore store = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path });
        long id = (await MakeAsync(store, 2)).Id;
        foreach (string name in (string[])["00004711.moves", "00000009.moves.run0", "00000009.moves.new", "notes"])
        {
            await File.WriteAllTextAsync(folder.Combine(name), "x");
        }

        await store.CleanAsync(default);
        Assert.Single(Directory.EnumerateFiles(folder.Path));
        using MoveFile moves = store.OpenMoves(await store.GetAsync(id, default));
        Assert.NotNull(moves.Read());
    }

    [Fact]
    public async Task A_plan_that_fails_leaves_nothing()
    {
        await using TreeFixture tree = await TreeFixture.OpenAsync();
        using TempFolder folder = new();
        PlanStore store = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path });
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await store.SaveAsync((_, _) => throw new InvalidOperationException("gone"), default));
        Assert.Empty(Directory.EnumerateFiles(folder.Path));
        Assert.Empty(await store.ListAsync(long.MaxValue, 10, default));
    }

    [Fact]
    public async Task One_plan_is_made_at_a_time_and_facts_stream_through()
    {
        await using TreeFixture tree = await TreeFixture.OpenAsync();
        using TempFolder folder = new();
        PlanStore store = new(tree.Tree, new PlanStoreOptions { Folder = folder.Path });
        TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using PlanMaker maker = new((_, _) => Slow(first, go), store, Pricing, TimeProvider.System);
        Func<DateTimeOffset, PlacementRule> release = static _ => static (in FileFacts _) => Decision(PlacementTier.Release);
        Task<TieringPlan> one = maker.MakeAsync(release, new PlanOptions { PolicyHash = "p" }, null, default).AsTask();
        await first.Task;
        DataLayerException busy = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await maker.MakeAsync(release, new PlanOptions { PolicyHash = "p" }, null, default));
        Assert.Equal(ErrorCode.Overloaded, busy.Code);
        go.SetResult();
        Assert.Equal(2, (await one).Totals.Moves);
    }

    [Fact]
    public void A_plan_is_stale_by_time_policy_and_prices_and_says_which()
    {
        PlanBuilder builder = new(static (in FileFacts _) => PlacementDecision.None, Pricing, new PlanOptions { PolicyHash = "p" }, Now, null);
        TieringPlan plan = builder.Complete();
        string prices = Table.ComputeHash();
        Assert.Empty(PlanStaleness.Find(plan, "p", prices, Now.AddHours(24)));
        Assert.Contains("valid until 2026-11-24 12:00Z", Assert.Single(PlanStaleness.Find(plan, "p", prices, Now.AddHours(25))), StringComparison.Ordinal);
        Assert.Contains("another policy", Assert.Single(PlanStaleness.Find(plan, "q", prices, Now)), StringComparison.Ordinal);
        Assert.Contains("no policy", Assert.Single(PlanStaleness.Find(plan, null, prices, Now)), StringComparison.Ordinal);
        Assert.Contains("prices", Assert.Single(PlanStaleness.Find(plan, "p", "x", Now)), StringComparison.Ordinal);
        Assert.Equal(3, PlanStaleness.Find(plan, "q", "x", Now.AddDays(2)).Count);
    }

    [Fact]
    public void A_move_is_off_when_its_file_changed_was_pinned_or_is_elsewhere_by_now()
    {
        FileFacts hot = HotFile();
        PlannedMove release = new()
        {
            Inode = hot.Inode,
            Version = hot.Version,
            Path = hot.Path,
            RuleIndex = 0,
            Kinds = MoveKinds.Upload | MoveKinds.Release,
        };
        Assert.True(PlanStaleness.StillHolds(release, hot));
        Assert.True(PlanStaleness.StillHolds(release, hot with { Path = "/renamed" }));
        Assert.False(PlanStaleness.StillHolds(release, hot with { Version = 4 }));
        Assert.False(PlanStaleness.StillHolds(release, hot with { Inode = new InodeId(8) }));
        Assert.False(PlanStaleness.StillHolds(release, hot with { IsPinned = true }));
        Assert.False(PlanStaleness.StillHolds(release, hot with { HasObject = true }));
        FileFacts cold = ColdFile();
        PlannedMove reclass = release with { Version = cold.Version, Kinds = MoveKinds.Reclass, FromClass = "STANDARD", ToClass = "IA" };
        Assert.True(PlanStaleness.StillHolds(reclass, cold));
        Assert.False(PlanStaleness.StillHolds(reclass, cold with { StorageClass = "IA" }));
        Assert.False(PlanStaleness.StillHolds(reclass, cold with { HasObject = false }));
        Assert.True(PlanStaleness.StillHolds(release with { Kinds = MoveKinds.Copies }, hot));
    }

    private static async IAsyncEnumerable<FileFacts> Slow(TaskCompletionSource first, TaskCompletionSource go)
    {
        yield return HotFile("/a");
        first.SetResult();
        await go.Task;
        yield return HotFile("/b");
    }

    private static async Task<TieringPlan> MakeAsync(PlanStore store, int files) => await store.SaveAsync(
        (spool, _) =>
        {
            PlanBuilder builder = new(
                static (in FileFacts f) => f.IsPinned ? PlacementDecision.None : Decision(PlacementTier.Release), Pricing,
                new PlanOptions { PolicyHash = "p", PolicyVersion = 7 }, Now, spool);
            for (int i = 0; i < files; i++)
            {
                builder.Add(HotFile($"/f{i}"));
            }

            builder.Add(HotFile("/loose") with { AttachmentId = 0 });
            return ValueTask.FromResult(builder.Complete());
        },
        default);
}
