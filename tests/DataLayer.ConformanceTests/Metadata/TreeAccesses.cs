using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Heat, access history, and the walk that joins them.</summary>
public abstract class TreeAccesses : TreeConformance
{
    [Fact]
    public async Task Heat_is_stored_replaced_and_goes_with_its_inode()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/a");
        await t.Tree.SaveAccessesAsync([new HeatRecord(file.Inode, 1.5, 10, 11, 2, 300)], [], default);
        HeatRecord second = new(file.Inode, 0.123456, 20, 21, 3, 400);
        await t.Tree.SaveAccessesAsync([second, new HeatRecord(new InodeId(4711), 1, 1, 1, 1, 1)], [], default);
        await t.ReopenAsync();

        IReadOnlyList<HeatLookup> found = await t.Tree.LookupHeatAsync([file.Inode, InodeId.Root], default);
        Assert.Equal([new HeatLookup(file.Inode, second, InodeId.Root), new HeatLookup(InodeId.Root, null, InodeId.None)], found);

        await t.UnlinkAsync("/a");
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        Assert.Null((await t.Tree.LookupHeatAsync([file.Inode], default))[0].Heat);
    }

    [Fact]
    public async Task A_series_has_rows_at_three_levels_until_they_are_trimmed()
    {
        const long Hour = 3_600_000_000_000;
        await using TreeFixture t = await OpenAsync();
        AccessSeries series = await t.Tree.AddAccessSeriesAsync(new AccessSeries(0, AccessSeriesKind.Attachment, 7, "/data", 1), 0, default);
        AccessSums sums = new(1, 2, 3, 4, 5, 6, 7);
        await t.Tree.SaveAccessesAsync([], [new AccessAddition(series.Id, Hour + 5, sums), new AccessAddition(4711, 1, sums)], default);
        await t.Tree.SaveAccessesAsync([], [new AccessAddition(series.Id, (2 * Hour) - 1, sums)], default);
        await t.ReopenAsync();

        Assert.Equal(series with { LastTimeNanoseconds = (2 * Hour) - 1 }, Assert.Single(await t.Tree.ListAccessSeriesAsync(default)));
        Assert.Equal(2, (await ListAsync(HistoryLevel.Minute)).Count);
        Assert.Equal(new AccessBucket(Hour, Hour + 5, (2 * Hour) - 1, sums + sums), Assert.Single(await ListAsync(HistoryLevel.Hour)));
        Assert.Equal(0, Assert.Single(await ListAsync(HistoryLevel.Day)).StartNanoseconds);
        Assert.Equal(4, await t.Tree.CountHistoryAsync(default));

        Assert.Equal(2, await t.Tree.TrimHistoryAsync(series.Id, new HistoryCutoffs(2 * Hour, 0, 0), default));
        Assert.Single(await t.Tree.ListAccessSeriesAsync(default));
        Assert.Equal(2, await t.Tree.TrimHistoryAsync(series.Id, new HistoryCutoffs(2 * Hour, 2 * Hour, 2 * Hour), default));
        Assert.Empty(await t.Tree.ListAccessSeriesAsync(default));

        async Task<IReadOnlyList<AccessBucket>> ListAsync(HistoryLevel level) => await t.Tree.ListHistoryAsync(series.Id, level, 0, long.MaxValue, 10, default);
    }

    [Fact]
    public async Task A_series_may_take_anothers_place()
    {
        await using TreeFixture t = await OpenAsync();
        AccessSeries old = await t.Tree.AddAccessSeriesAsync(new AccessSeries(0, AccessSeriesKind.Folder, 2, "/a", 1), 0, default);
        await t.Tree.SaveAccessesAsync([], [new AccessAddition(old.Id, 5, new AccessSums(0, 1, 1, 0, 0, 0, 0))], default);
        AccessSeries made = await t.Tree.AddAccessSeriesAsync(new AccessSeries(0, AccessSeriesKind.Folder, 3, "/b", 9), old.Id, default);
        Assert.Equal(made, Assert.Single(await t.Tree.ListAccessSeriesAsync(default)));
        Assert.Equal(0, await t.Tree.CountHistoryAsync(default));
    }

    [Fact]
    public async Task Ancestors_are_told_from_the_root_down()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes a = await t.MakeFolderAsync("/a");
        InodeAttributes b = await t.MakeFolderAsync("/a/b");
        Assert.Equal([InodeId.Root, a.Inode, b.Inode], await t.Tree.ListAncestorsAsync(b.Inode, default));
        Assert.Equal([InodeId.Root], await t.Tree.ListAncestorsAsync(InodeId.Root, default));
        Assert.Empty(await t.Tree.ListAncestorsAsync(new InodeId(4711), default));
    }

    [Fact]
    public async Task The_walk_of_facts_gives_the_files_of_the_walk_of_contents_whatever_the_page()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment attachment = await t.AttachAsync("/data", AttachmentMode.ReadOnly);
        await t.ImportAsync(attachment, [.. Enumerable.Range(0, 600).Select(i => $"d{i % 5}/e/f{i}"), "top"]);
        await t.PublishAsync("/z", 12345);
        HeatRecord heat = new((await t.FindAsync("/z"))!.Inode, 1, 2, 3, 4, 5);
        await t.Tree.SaveAccessesAsync([heat], [], default);
        List<FileContent> wanted = [];
        string? cursor = null;
        do
        {
            (IReadOnlyList<FileContent> page, cursor) = await t.Tree.WalkFilesAsync(InodeId.Root, cursor, 1000, default);
            wanted.AddRange(page);
        }
        while (cursor is not null);
        foreach (int limit in (int[])[1, 7, 256, 1000])
        {
            List<FileFactRow> found = [];
            do
            {
                (IReadOnlyList<FileFactRow> page, cursor) = await t.Tree.WalkFactsAsync(InodeId.Root, cursor, limit, default);
                found.AddRange(page);
            }
            while (cursor is not null);
            Assert.Equal(wanted.Select(file => file.Attributes), found.Select(row => row.Attributes));
            Assert.Equal(wanted.Select(file => file.Object), found.Select(row => row.Object));
            Assert.Equal(wanted.Select(file => file.Placement?.ToText()), found.Select(row => row.Placement));
            Assert.Equal(heat, found.Single(row => row.RelativePath == "z").Heat);
            Assert.Equal(12345, found.Single(row => row.RelativePath == "z").ResidentBytes);
            Assert.Contains(found, row => row.RelativePath == "data/d3/e/f3");
        }
    }

    [Fact]
    public async Task The_class_of_an_object_is_kept_with_it()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment attachment = await t.AttachAsync("/data", AttachmentMode.ReadOnly);
        ImportedObject listed = TreeFixture.Object("f") with { StorageClass = "STANDARD", LastModifiedNanoseconds = 77 };
        await t.Tree.ImportAsync(attachment.Id, [listed], null, default);
        await t.ReopenAsync();
        Assert.Equal(("STANDARD", 77L), await ClassAsync());
        ImportResult again = await t.Tree.ImportAsync(attachment.Id, [listed with { StorageClass = "GLACIER" }], null, default);
        Assert.Equal((0L, 0L, 1L), (again.Added, again.Changed, again.Unchanged));
        Assert.Equal(("GLACIER", t.Clock.NowNanoseconds), await ClassAsync());

        async Task<(string?, long)> ClassAsync()
        {
            ObjectReference held = (await t.ContentAsync("/data/f")).Object!;
            return (held.StorageClass, held.StoredTimeNanoseconds);
        }
    }
}
