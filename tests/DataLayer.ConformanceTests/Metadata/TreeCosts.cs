using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Costs, fills, and the look at what is stored.</summary>
public abstract class TreeCosts : TreeConformance
{
    private const long Hour = 3_600_000_000_000;
    private const long Day = 24 * Hour;
    private static readonly CostSums _sums = new(1, 2, 3, 4, 5, 6, 7, 8);

    [Fact]
    public async Task An_addition_goes_to_its_hour_day_month_and_job()
    {
        await using TreeFixture t = await OpenAsync();
        CostKey key = new("/data", "ann", OriginPurpose.Warm, CostItem.Get, "STANDARD");
        await t.Tree.SaveCostsAsync(Batch([new CostAddition(Hour + 5, key, 7, _sums), new CostAddition((2 * Hour) - 1, key, 7, _sums)]), default);
        await t.Tree.SaveCostsAsync(Batch([new CostAddition(40 * Day, key, 0, _sums)]), default);
        await t.ReopenAsync();

        Assert.Equal(
            [new CostRow(Hour, 0, key, _sums + _sums), new CostRow(40 * Day, 0, key, _sums)], await ListAsync(t, CostLevel.Hour));
        Assert.Equal([new CostRow(0, 0, key, _sums + _sums), new CostRow(40 * Day, 0, key, _sums)], await ListAsync(t, CostLevel.Day));
        Assert.Equal([new CostRow(0, 0, key, _sums + _sums), new CostRow(31 * Day, 0, key, _sums)], await ListAsync(t, CostLevel.Month));
        Assert.Equal([new CostRow((2 * Hour) - 1, 7, key, _sums + _sums)], await t.Tree.ListJobCostsAsync("USD", 7, default));
        Assert.Empty(await t.Tree.ListJobCostsAsync("USD", 8, default));
        Assert.Empty(await t.Tree.ListJobCostsAsync("EUR", 7, default));
        Assert.Single(await t.Tree.ListJobCostsSinceAsync("USD", Hour, 10, default));
        Assert.Empty(await t.Tree.ListJobCostsSinceAsync("USD", 2 * Hour, 10, default));
    }

    [Fact]
    public async Task Pages_of_costs_come_in_order_and_miss_nothing()
    {
        await using TreeFixture t = await OpenAsync();
        List<CostAddition> all = [];
        for (int i = 0; i < 23; i++)
        {
            CostKey key = new($"/d{i % 3}", i % 2 == 0 ? "" : "bo", (OriginPurpose)(i % 5), (CostItem)(1 + (i % 6)), i % 4 == 0 ? "" : "IA");
            all.Add(new CostAddition(i * Hour / 4, key, 0, _sums));
        }

        await t.Tree.SaveCostsAsync(Batch(all), default);
        List<CostRow> whole = await ListAsync(t, CostLevel.Hour);
        List<CostRow> paged = [];
        IReadOnlyList<CostRow> page;
        do
        {
            page = await t.Tree.ListCostsAsync("USD", CostLevel.Hour, 0, long.MaxValue, paged.Count == 0 ? null : paged[^1], 4, default);
            paged.AddRange(page);
        }
        while (page.Count == 4);
        Assert.Equal(23, whole.Sum(r => r.Sums.Requests));
        Assert.Equal(whole, paged);
        Assert.Equal(whole.Where(r => r.StartNanoseconds is Hour or 2 * Hour), await t.Tree.ListCostsAsync("USD", CostLevel.Hour, Hour, 3 * Hour, null, 1000, default));
    }

    [Fact]
    public async Task Currencies_are_kept_apart_and_old_rows_are_trimmed()
    {
        await using TreeFixture t = await OpenAsync();
        CostKey key = new("", "", OriginPurpose.Other, CostItem.HotStorage, "nvme");
        await t.Tree.SaveCostsAsync(Batch([new CostAddition(Day, key, 3, _sums)]), default);
        await t.Tree.SaveCostsAsync(Batch([new CostAddition(Day, key, 3, _sums + _sums)]) with { Currency = "EUR" }, default);
        Assert.Equal(_sums, Assert.Single(await ListAsync(t, CostLevel.Day)).Sums);
        await t.Tree.TrimCostsAsync(new CostCutoffs(2 * Day, 0, 0), default);
        Assert.Empty(await ListAsync(t, CostLevel.Hour));
        Assert.Single(await ListAsync(t, CostLevel.Day));
        await t.Tree.TrimCostsAsync(new CostCutoffs(2 * Day, 2 * Day, 2 * Day), default);
        Assert.Empty(await ListAsync(t, CostLevel.Month));
        Assert.Empty(await t.Tree.ListJobCostsAsync("EUR", 3, default));
    }

    [Fact]
    public async Task Fills_keep_the_last_look_of_an_hour_and_of_a_day_and_states_survive()
    {
        await using TreeFixture t = await OpenAsync();
        CapacitySample Sample(long time, string pool, long free) => new(time, pool, 100, free, 1, 2, 3, 4, 5, 6);
        await t.Tree.SaveCostsAsync(Batch([]) with { Samples = [Sample(1, "a", 90), Sample(1, "", 0)] }, default);
        await t.Tree.SaveCostsAsync(
            Batch([]) with { Samples = [Sample(2, "a", 80), Sample(Hour, "a", 70)], StorageTimeNanoseconds = 99, State = "[]" }, default);
        await t.Tree.SaveCostsAsync(Batch([]), default);
        await t.ReopenAsync();
        Assert.Equal([80L, 70L], (await t.Tree.ListCapacityAsync("a", CostLevel.Hour, 0, Day, 10, default)).Select(s => s.FreeBytes));
        Assert.Equal(Sample(Hour, "a", 70), Assert.Single(await t.Tree.ListCapacityAsync("a", CostLevel.Day, 0, Day, 10, default)));
        Assert.Single(await t.Tree.ListCapacityAsync("", CostLevel.Hour, 0, Day, 1, default));
        Assert.Equal((99L, "[]"), await t.Tree.GetCostStateAsync(default));
    }

    [Fact]
    public async Task A_look_adds_up_files_by_attachment_state_pool_and_class()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes hot = await t.PublishAsync("/hot", 1000);
        Attachment attachment = await t.AttachAsync("/data", AttachmentMode.ReadOnly);
        await t.ImportAsync(attachment, "a", "b", "c");
        Dictionary<UsageGroup, UsageSums> found = [];
        Dictionary<string, long> least = new() { [""] = 64 };
        InodeId after = InodeId.None;
        int pages = 0;
        do
        {
            after = await t.Tree.AddUsageAsync(after, least, found, 2, default);
            pages++;
        }
        while (after != InodeId.None);
        Assert.True(pages > 2);
        Assert.Equal(2, found.Count);
        KeyValuePair<UsageGroup, UsageSums> own = Assert.Single(found, g => g.Key.AttachmentId == 0);
        Assert.Equal(new UsageGroup(0, "pool" + (hot.Inode.Value % 2), 1, TierState.Hot, HasObject: false, null), own.Key);
        Assert.Equal(new UsageSums(1, 1000, 1000, 1000, 0, 0), own.Value);
        KeyValuePair<UsageGroup, UsageSums> bucket = Assert.Single(found, g => g.Key.AttachmentId == attachment.Id);
        Assert.Equal((TierState.Released, true, (string?)null), (bucket.Key.State, bucket.Key.HasObject, bucket.Key.Pool));
        Assert.Equal(new UsageSums(3, 30, 3 * 64, 0, 30, 3 * 64), bucket.Value);
    }

    private static CostBatch Batch(IReadOnlyList<CostAddition> additions) => new() { Currency = "USD", Additions = additions };

    private static async Task<List<CostRow>> ListAsync(TreeFixture t, CostLevel level) =>
        [.. await t.Tree.ListCostsAsync("USD", level, 0, long.MaxValue, null, 1000, default)];
}
