using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Plans as rows.</summary>
public abstract class TreePlans : TreeConformance
{
    [Fact]
    public async Task Plans_keep_their_numbers_and_are_listed_newest_first()
    {
        await using TreeFixture t = await OpenAsync();
        List<long> ids = [];
        for (int i = 0; i < 5; i++)
        {
            long id = await t.Tree.ReservePlanIdAsync(default);
            ids.Add(id);
            await t.Tree.AddPlanAsync(new StoredPlan(id, 1000 + i, 10 * i, $$"""{"path":"/ä{{i}}"}"""), default);
        }

        await t.ReopenAsync();
        Assert.Equal(ids.Distinct().Order(), ids);
        Assert.Equal(new StoredPlan(ids[3], 1003, 30, """{"path":"/ä3"}"""), await t.Tree.GetPlanAsync(ids[3], default));
        IReadOnlyList<StoredPlan> page = await t.Tree.ListPlansAsync(long.MaxValue, 2, default);
        Assert.Equal([ids[4], ids[3]], page.Select(p => p.Id));
        Assert.Equal([ids[2], ids[1], ids[0]], (await t.Tree.ListPlansAsync(ids[3], 10, default)).Select(p => p.Id));
    }

    [Fact]
    public async Task A_plan_removed_is_gone_and_its_number_does_not_come_again()
    {
        await using TreeFixture t = await OpenAsync();
        long id = await t.Tree.ReservePlanIdAsync(default);
        await t.Tree.AddPlanAsync(new StoredPlan(id, 1, 0, "{}"), default);
        Assert.True(await t.Tree.RemovePlanAsync(id, default));
        Assert.False(await t.Tree.RemovePlanAsync(id, default));
        Assert.Null(await t.Tree.GetPlanAsync(id, default));
        await t.ReopenAsync();
        Assert.True(await t.Tree.ReservePlanIdAsync(default) > id);
    }
}
