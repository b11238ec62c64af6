using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Replacing contents and changing them in place, where nothing is attached.</summary>
public abstract class TreeContents : TreeConformance
{
    private const int Block = BlockLayout.BlockBytes;

    [Fact]
    public async Task A_published_content_is_whole_and_hot()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a", (2L * Block) + 1);
        FileContent content = await t.ContentAsync("/a");
        Assert.Equal(((2L * Block) + 1, 1u, 1L, TierState.Hot), (file.SizeBytes, file.Generation, file.Version, file.State));
        Assert.Equal(TreeFixture.Place(file.Content), content.Placement);
        Assert.Equal(3u, content.Residency.BlockCount);
        Assert.True(content.Residency.IsFull);
        Assert.Null(content.Object);
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task Nothing_is_visible_before_publication_and_the_write_is_journalled()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        Assert.Empty(await t.NamesAsync("/"));
        await t.ReopenAsync();
        JournalEntry entry = Assert.Single(await t.Tree.ListJournalAsync(JournalKind.PendingWrite, 0, 10, default));
        Assert.Equal((pending.Content, pending.Placement!.ToText()), (entry.Content, entry.Placement));
        await t.Tree.PublishAsync(TreeFixture.Request(pending), default);
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task An_abandoned_write_is_deleted_once()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        await t.Tree.AbandonAsync(pending, default);
        await t.Tree.AbandonAsync(pending, default);
        Assert.Equal([$"drop {pending.Content}"], await t.JournalAsync());
    }

    [Fact]
    public async Task A_replacement_is_a_new_generation_and_drops_the_old_copy()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes first = await t.PublishAsync("/a", 10);
        InodeAttributes second = await t.PublishAsync("/a", 20);
        Assert.Equal((first.Inode, 2u, 2L, 20L), (second.Inode, second.Generation, second.Version, second.SizeBytes));
        Assert.Equal([$"drop {first.Content}"], await t.JournalAsync());
    }

    [Fact]
    public async Task A_small_file_needs_no_journal_and_no_placement_before_it_is_published()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", _ => null, default);
        Assert.Equal(0, pending.JournalId);
        Placement segment = new SegmentPlacement("p", 7, 4096, 100, [1]);
        await t.Tree.PublishAsync(TreeFixture.Request(pending) with { Placement = segment }, default);
        Assert.Equal(segment, (await t.ContentAsync("/a")).Placement);
    }

    [Fact]
    public async Task Two_writers_of_one_file_get_two_generations_and_the_later_one_stays()
    {
        await using TreeFixture t = await OpenAsync();
        await t.PublishAsync("/a");
        PendingContent first = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        PendingContent second = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        Assert.Equal((2u, 3u), (first.Content.Generation, second.Content.Generation));
        await t.Tree.PublishAsync(TreeFixture.Request(second, 30), default);
        await FailsAsync(ErrorCode.Stale, async () => await t.Tree.PublishAsync(TreeFixture.Request(first, 20), default));
        Assert.Equal(30, (await t.FindAsync("/a"))!.SizeBytes);
        await t.Tree.AbandonAsync(first, default);
    }

    [Fact]
    public async Task Two_writers_of_one_new_name_replace_each_other()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent first = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        PendingContent second = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        Assert.NotEqual(first.Content.Inode, second.Content.Inode);
        await t.Tree.PublishAsync(TreeFixture.Request(first, 10), default);
        PublishResult result = await t.Tree.PublishReplacingAsync(TreeFixture.Request(second, 20), default);
        Assert.Equal((first.Content.Inode, 0), (result.Replaced!.Inode, result.Replaced.LinkCount));
        Assert.Equal((second.Content.Inode, 20L), (result.Published.Inode, result.Published.SizeBytes));
        Assert.Equal([first.Content.Inode], await t.Tree.ListOrphansAsync(default));
    }

    [Fact]
    public async Task A_file_unlinked_while_it_is_replaced_comes_back()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a");
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        await t.UnlinkAsync("/a");
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        InodeAttributes published = await t.Tree.PublishAsync(TreeFixture.Request(pending, 5), default);
        Assert.Equal((file.Inode, 2u, 5L, 1), (published.Inode, published.Generation, published.SizeBytes, published.LinkCount));
        Assert.Equal(published, await t.FindAsync("/a"));
    }

    [Fact]
    public async Task A_file_renamed_while_it_is_replaced_is_not_touched()
    {
        await using TreeFixture t = await OpenAsync();
        await t.PublishAsync("/a", 10);
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        await t.RenameAsync("/a", "/b");
        await FailsAsync(ErrorCode.Stale, async () => await t.Tree.PublishAsync(TreeFixture.Request(pending, 20), default));
        Assert.Equal(10, (await t.FindAsync("/b"))!.SizeBytes);
        await t.Tree.AbandonAsync(pending, default);
    }

    [Fact]
    public async Task Conditions_hold_or_the_publication_fails()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent absent = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        InodeAttributes file = await t.PublishAsync("/a");
        await FailsAsync(
            ErrorCode.AlreadyExists,
            async () => await t.Tree.PublishAsync(TreeFixture.Request(absent) with { IfAbsent = true }, default));
        await FailsAsync(
            ErrorCode.Stale, async () => await t.Tree.PublishAsync(TreeFixture.Request(absent) with { IfMatch = (1, 1) }, default));
        PendingContent next = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", TreeFixture.Place, default);
        await FailsAsync(
            ErrorCode.Stale, async () => await t.Tree.PublishAsync(TreeFixture.Request(next) with { IfMatch = (1, 2) }, default));
        await t.Tree.PublishAsync(TreeFixture.Request(next) with { IfMatch = (file.Generation, file.Version) }, default);
        Assert.Equal(2u, (await t.FindAsync("/a"))!.Generation);
    }

    [Fact]
    public async Task Folders_and_links_are_not_replaced_by_contents()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/d");
        await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", "d", default, default);
        await FailsAsync(ErrorCode.IsADirectory, async () => await t.Tree.BeginReplaceAsync(InodeId.Root, "d", TreeFixture.Place, default));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await t.Tree.BeginReplaceAsync(InodeId.Root, "s", TreeFixture.Place, default));
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "x", TreeFixture.Place, default);
        await t.MakeFolderAsync("/x");
        await FailsAsync(ErrorCode.IsADirectory, async () => await t.Tree.PublishAsync(TreeFixture.Request(pending), default));
    }

    [Fact]
    public async Task Bytes_without_a_place_are_refused()
    {
        await using TreeFixture t = await OpenAsync();
        PendingContent pending = await t.Tree.BeginReplaceAsync(InodeId.Root, "a", _ => null, default);
        await FailsAsync(ErrorCode.InvalidArgument, async () => await t.Tree.PublishAsync(TreeFixture.Request(pending, 1), default));
        await FailsAsync(ErrorCode.FileTooLarge, async () => await t.Tree.PublishAsync(TreeFixture.Request(pending, -1), default));
        await FailsAsync(
            ErrorCode.FileTooLarge,
            async () => await t.Tree.PublishAsync(TreeFixture.Request(pending, BlockLayout.MaxFileBytes + 1), default));
        InodeAttributes empty = await t.Tree.PublishAsync(TreeFixture.Request(pending, 0), default);
        Assert.Equal(0, empty.SizeBytes);
    }

    [Fact]
    public async Task A_change_in_place_counts_the_version_and_keeps_the_generation()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a", 10);
        t.Clock.Advance(TimeSpan.FromSeconds(1));
        FileContent changed = await t.Tree.UpdateContentAsync(
            new ContentUpdate { Content = file.Content, IfVersion = 1, SizeBytes = Block + 1, ContentChanges = true }, default);
        Assert.Equal((2L, 1u, Block + 1L), (changed.Attributes.Version, changed.Attributes.Generation, changed.Attributes.SizeBytes));
        Assert.Equal(t.Clock.NowNanoseconds, changed.Attributes.ModifyTimeNanoseconds);
        Assert.True(changed.Residency.IsFull);
        Assert.Equal(2u, changed.Residency.BlockCount);
        await FailsAsync(
            ErrorCode.Stale,
            async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, IfVersion = 1 }, default));
    }

    [Fact]
    public async Task An_update_of_another_generation_is_stale()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes first = await t.PublishAsync("/a");
        await t.PublishAsync("/a");
        await FailsAsync(
            ErrorCode.Stale, async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = first.Content }, default));
        await FailsAsync(
            ErrorCode.NotFound,
            async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = new ContentId(new InodeId(9_999_999), 1) }, default));
        await FailsAsync(
            ErrorCode.IsADirectory,
            async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = new ContentId(InodeId.Root, 1) }, default));
    }

    [Fact]
    public async Task The_only_copy_is_not_given_up()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a");
        await FailsAsync(
            ErrorCode.InvalidArgument,
            async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, ClearPlacement = true }, default));
        await FailsAsync(
            ErrorCode.InvalidArgument,
            async () => await t.Tree.UpdateContentAsync(
                new ContentUpdate { Content = file.Content, State = TierState.Released, ClearPlacement = true }, default));
        Assert.NotNull((await t.ContentAsync("/a")).Placement);
    }

    [Fact]
    public async Task A_moved_copy_drops_the_old_one_and_coming_back_keeps_it()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a");
        Placement old = TreeFixture.Place(file.Content);
        Placement other = new StripedPlacement("other", 65536, 1, 1, [9]);
        await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, Placement = other }, default);
        JournalEntry drop = Assert.Single(await t.Tree.ListJournalAsync(JournalKind.DeleteHotCopy, 0, 10, default));
        Assert.Equal(old.ToText(), drop.Placement);
        await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, Placement = old }, default);
        drop = Assert.Single(await t.Tree.ListJournalAsync(JournalKind.DeleteHotCopy, 0, 10, default));
        Assert.Equal(other.ToText(), drop.Placement);
    }

    [Fact]
    public async Task Placed_contents_are_listed_in_pages()
    {
        await using TreeFixture t = await OpenAsync();
        for (int i = 0; i < 5; i++)
        {
            await t.PublishAsync("/f" + i);
            await t.MakeFileAsync("/empty" + i);
        }

        List<InodeId> seen = [];
        InodeId after = InodeId.None;
        while (await t.Tree.ListPlacedAsync(after, 2, default) is { Count: > 0 } page)
        {
            seen.AddRange(page.Select(file => file.Attributes.Inode));
            after = seen[^1];
        }

        Assert.Equal(5, seen.Count);
        Assert.Equal(seen.Order(Comparer<InodeId>.Create((a, b) => a.Value.CompareTo(b.Value))), seen);
    }
}
