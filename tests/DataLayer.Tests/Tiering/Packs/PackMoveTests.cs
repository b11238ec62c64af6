using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Tests.Tiering.Moving;
using DataLayer.Tests.Tiering.Planning;

namespace DataLayer.Tests.Tiering.Packs;

/// <summary>Plans that pack, applied and undone over a real engine.</summary>
public sealed class PackMoveTests : IAsyncLifetime
{
    private MoveFixture _fixture = null!;

    public async Task InitializeAsync() => _fixture = await MoveFixture.OpenAsync();

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    [Fact]
    public async Task A_plan_packs_and_releases_small_files_and_undo_gives_them_their_objects_and_hot_copies_back()
    {
        Dictionary<string, byte[]> files = await WriteAsync(12);
        TieringPlan plan = await PlanAsync();
        Assert.Equal(12, plan.Totals.Moves);
        Assert.Equal(0, (await PlanAsync(PlacementTier.Hot)).Totals.Moves);

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal(JobState.Done, job.State);
        Assert.All(
            await _fixture.MovesAsync(job), m => Assert.Equal((MoveState.Done, MoveKinds.Pack | MoveKinds.Release), (m.State, (MoveKinds)m.DoneKinds)));
        await EachAsync(files, f => Assert.Equal((true, 0L, TierState.Released), (f.IsPacked, f.HotBytes, f.State)));
        Assert.Equal(12, (await _fixture.Tree.ListPacksAsync(0, 10, CancellationToken.None)).Single().LiveCount);
        Assert.Equal(0, (await PlanAsync()).Totals.Moves);
        await _fixture.Engine.JournalDoneAsync();
        Assert.All(await _fixture.Engine.ObjectKeysAsync(), k => Assert.StartsWith(PackKeys.Folder, k, StringComparison.Ordinal));

        JobRecord undone = await _fixture.UndoAsync(job);

        Assert.Equal(JobState.Done, undone.State);
        await EachAsync(files, f => Assert.Equal((false, f.SizeBytes, TierState.Premigrated), (f.IsPacked, f.HotBytes, f.State)));
        foreach ((string name, byte[] bytes) in files)
        {
            Assert.Equal(bytes, await _fixture.Engine.ReadAllAsync("/data/" + name));
        }

        await _fixture.Engine.JournalDoneAsync();
        Assert.Equal(files.Keys.Order(StringComparer.Ordinal), await _fixture.Engine.ObjectKeysAsync());
        await _fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_file_changed_since_the_plan_stays_and_the_others_are_packed_without_it()
    {
        await WriteAsync(5);
        TieringPlan plan = await PlanAsync();
        await _fixture.Engine.WriteFileAsync("/data/2", [1, 2, 3]);
        await _fixture.Engine.Engine.RemoveAsync("/data/3", false, null, CancellationToken.None);

        JobRecord job = await _fixture.ApplyAsync(plan);

        Assert.Equal(
            [MoveState.Done, MoveState.Done, MoveState.Done, MoveState.Skipped, MoveState.Skipped],
            (await _fixture.MovesAsync(job)).Select(m => m.State).Order());
        Assert.Equal(3, (await _fixture.Tree.ListPacksAsync(0, 10, CancellationToken.None)).Single().LiveCount);
        Assert.False((await _fixture.FactsAsync("2")).IsPacked);
    }

    [Fact]
    public async Task A_budget_that_ends_the_run_leaves_what_did_not_fit_unpacked()
    {
        await WriteAsync(6);

        JobRecord job = await _fixture.ApplyAsync(await PlanAsync(), new MoveLimits { MaxRequests = 7 });

        Assert.Equal(JobState.Exhausted, job.State);
        int packed = 0;
        for (int i = 0; i < 6; i++)
        {
            packed += (await _fixture.FactsAsync($"{i}")).IsPacked ? 1 : 0;
        }

        Assert.InRange(packed, 1, 5);
        Assert.Equal(packed, (await _fixture.MovesAsync(job)).Count(m => m.State == MoveState.Done));
    }

    private Task<TieringPlan> PlanAsync(PlacementTier place = PlacementTier.Release) => _fixture.PlanAsync(
        (in FileFacts _) => PriceFixture.Decision(place) with { Pack = place == PlacementTier.Release });

    private async Task<Dictionary<string, byte[]>> WriteAsync(int count)
    {
        Dictionary<string, byte[]> files = [];
        for (int i = 0; i < count; i++)
        {
            files.Add($"{i}", await _fixture.WriteAsync($"{i}", 1000 + i));
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
}
