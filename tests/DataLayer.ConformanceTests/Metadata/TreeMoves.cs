using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>The journal of moves.</summary>
public abstract class TreeMoves : TreeConformance
{
    [Fact]
    public async Task A_move_is_kept_as_it_was_begun_and_as_it_ended()
    {
        await using TreeFixture t = await OpenAsync();
        MoveEntry move = Move(3, 0) with
        {
            FromResidency = [5, 0, 255],
            FromETag = "etag",
            FromClass = "STANDARD",
            ToClass = "GLACIER",
            Path = "/ä/b",
        };
        MoveEntry begun = await t.Tree.BeginMoveAsync(move, default);
        MoveEntry again = await t.Tree.BeginMoveAsync(move with { FromHotBytes = 4711 }, default);
        Assert.Equal(begun with { FromResidency = null }, again with { FromResidency = null });
        Assert.Equal(begun.StartedTime, Assert.Single(await t.Tree.ListOpenMovesAsync(default)).StartedTime);

        MoveEntry ended = await t.Tree.EndMoveAsync(
            begun with { State = MoveState.Failed, DoneKinds = 2, Reason = "why", Requests = 7, MovedBytes = 9, CostNano = 11 }, default);
        await t.ReopenAsync();

        MoveEntry read = Assert.Single(await t.Tree.ListMovesAsync(3, 0, 10, default));
        Assert.Equal([5, 0, 255], read.FromResidency);
        Assert.Equal(ended with { FromResidency = null }, read with { FromResidency = null });
        Assert.Empty(await t.Tree.ListOpenMovesAsync(default));
    }

    [Fact]
    public async Task Moves_are_listed_by_number_and_what_was_done_of_them_backwards()
    {
        await using TreeFixture t = await OpenAsync();
        for (int i = 0; i < 6; i++)
        {
            await t.Tree.EndMoveAsync(Move(3, i) with { State = MoveState.Done, DoneKinds = i % 2 == 0 ? 4 : 0 }, default);
            await t.Tree.EndMoveAsync(Move(4, i) with { State = MoveState.Skipped }, default);
        }

        Assert.Equal([2, 3], (await t.Tree.ListMovesAsync(3, 2, 2, default)).Select(m => m.Number));
        Assert.Equal([4, 2], (await t.Tree.ListDoneMovesAsync(3, long.MaxValue, 2, default)).Select(m => m.Number));
        Assert.Equal([0], (await t.Tree.ListDoneMovesAsync(3, 2, 2, default)).Select(m => m.Number));
        Assert.Equal((3, 300), await t.Tree.CountDoneMovesAsync(3, default));
        Assert.Equal((0, 0), await t.Tree.CountDoneMovesAsync(4, default));

        Assert.Equal(4, await t.Tree.RemoveMovesAsync(3, 4, default));
        Assert.Equal(2, await t.Tree.RemoveMovesAsync(3, 4, default));
        Assert.Empty(await t.Tree.ListMovesAsync(3, 0, 10, default));
        Assert.Equal(6, (await t.Tree.ListMovesAsync(4, 0, 10, default)).Count);
    }

    private static MoveEntry Move(long job, long number) => new()
    {
        JobId = job,
        Number = number,
        PlanId = 8,
        PolicyVersion = 9,
        PolicyHash = "hash",
        RuleIndex = 1,
        Inode = new InodeId(12),
        Version = 2,
        Path = "/f",
        Kinds = 4,
        SizeBytes = 100,
        FromState = TierState.Premigrated,
        FromHotBytes = 100,
        State = MoveState.Started,
    };
}
