using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Attachments, imports, refreshes.</summary>
public abstract class TreeAttachments : TreeConformance
{
    [Theory]
    [InlineData("s3://bucket", "")]
    [InlineData("s3://bucket/", "")]
    [InlineData("s3://bucket/a/b", "a/b/")]
    [InlineData("s3://bucket/a/b/", "a/b/")]
    [InlineData("file:///folder", "")]
    public async Task The_key_prefix_follows_from_the_source(string source, string prefix)
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes folder = await t.MakeFolderAsync("/d");
        Attachment attachment = await t.Tree.AddAttachmentAsync(
            new Attachment { Folder = folder.Inode, Path = "/d", Source = source, StoreName = "x" }, default);
        Assert.Equal(prefix, attachment.KeyPrefix);
        await t.ReopenAsync();
        Assert.Equal([attachment], await t.Tree.ListAttachmentsAsync(default));
    }

    [Fact]
    public async Task Attachments_do_not_nest_and_want_an_empty_folder()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.AttachAsync("/a/b", AttachmentMode.ReadWrite);
        await t.MakeFolderAsync("/a/b/c");
        await t.MakeFolderAsync("/full");
        await t.MakeFileAsync("/full/f");
        foreach ((string path, ErrorCode code) in new[]
        {
            ("/a", ErrorCode.InvalidArgument), ("/a/b", ErrorCode.InvalidArgument), ("/a/b/c", ErrorCode.InvalidArgument),
            ("/full", ErrorCode.NotEmpty), ("/full/f", ErrorCode.NotADirectory),
        })
        {
            InodeId folder = (await t.FindAsync(path))!.Inode;
            await FailsAsync(code, () => t.Tree.AddAttachmentAsync(
                new Attachment { Folder = folder, Path = path, Source = "s3://b", StoreName = "x" }, default).AsTask());
        }
    }

    [Fact]
    public async Task Settings_and_listing_position_are_updated()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        Attachment changed = a with
        {
            Mode = AttachmentMode.ReadWrite,
            Freshness = FreshnessMode.MaxAge,
            MaxAge = TimeSpan.FromSeconds(90),
            Flush = FlushMode.WriteThrough,
            ListingCursor = "here",
        };
        await t.Tree.UpdateAttachmentAsync(changed, default);
        Assert.Equal([changed], await t.Tree.ListAttachmentsAsync(default));
        await t.MakeFileAsync("/d/now-writable");
        await FailsAsync(ErrorCode.InvalidArgument, () => t.Tree.UpdateAttachmentAsync(changed with { Folder = InodeId.Root }, default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.UpdateAttachmentAsync(changed with { Id = 99 }, default).AsTask());
    }

    [Fact]
    public async Task An_attached_folder_is_neither_moved_nor_removed()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.MakeFolderAsync("/e");
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/d", "/x"));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/e", "/d"));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/e", "/d", RenameFlags.Exchange));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.Tree.RemoveDirectoryAsync(InodeId.Root, "d", default).AsTask());
    }

    [Fact]
    public async Task Imported_objects_are_released_files_in_folders()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        ImportResult result = await t.Tree.ImportAsync(
            a.Id,
            [TreeFixture.Object("x/y/f", sizeBytes: 2_000_000), TreeFixture.Object("x/g") with { VersionId = "v1" }, TreeFixture.Object("top")],
            "cursor",
            default);
        Assert.Equal((3L, 0L, 0L), (result.Added, result.Changed, result.Unchanged));
        FileContent file = await t.ContentAsync("/d/x/y/f");
        Assert.Equal(
            (TierState.Released, 2_000_000L, a.Id, 5L),
            (file.Attributes.State, file.Attributes.SizeBytes, file.Attributes.AttachmentId, file.Attributes.ModifyTimeNanoseconds));
        Assert.Equal(new ObjectReference(a.Id, "p/x/y/f", "e-x/y/f", null, 2_000_000, StoredTimeNanoseconds: 5), file.Object);
        Assert.Equal((0u, 2u), (file.Residency.ResidentCount, file.Residency.BlockCount));
        Assert.Null(file.Placement);
        Assert.Equal("v1", (await t.ContentAsync("/d/x/g")).Object!.VersionId);
        Assert.Equal("p/x/y/f", await t.Tree.GetObjectKeyAsync(file.Attributes.Inode, default));
        Attachment stored = Assert.Single(await t.Tree.ListAttachmentsAsync(default));
        Assert.Equal(("cursor", 3L, 2_000_020L), (stored.ListingCursor, stored.ObjectCount, stored.ObjectBytes));
        Assert.Equal(3, (await t.FindAsync("/d/x"))!.LinkCount);
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task Importing_again_changes_nothing()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        await t.ImportAsync(a, "x/f", "g", "m/");
        InodeAttributes before = (await t.FindAsync("/d/x/f"))!;
        t.Clock.Advance(TimeSpan.FromSeconds(9));
        ImportResult again = await t.ImportAsync(a, "x/f", "g", "m/");
        Assert.Equal((0L, 0L, 3L), (again.Added, again.Changed, again.Unchanged));
        FileContent after = await t.ContentAsync("/d/x/f");
        Assert.Equal(before, after.Attributes);
        Assert.Equal(t.Clock.NowNanoseconds, after.CheckedTimeNanoseconds);
        Assert.Equal(2, (await t.Tree.ListAttachmentsAsync(default))[0].ObjectCount - 1);
    }

    [Fact]
    public async Task A_key_that_ends_in_a_slash_is_a_folder()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        ImportResult result = await t.ImportAsync(a, "x/", "x/f", "y/z/");
        Assert.Empty(result.Refused);
        Assert.Equal(["x", "y"], await t.NamesAsync("/d"));
        Assert.Equal(["f"], await t.NamesAsync("/d/x"));
        InodeId y = (await t.FindAsync("/d/y"))!.Inode;
        await t.Tree.RemoveDirectoryAsync(y, "z", default);
        Assert.Equal(["delete p/y/z/ [e-y/z/]"], await t.JournalAsync());
    }

    [Fact]
    public async Task Keys_that_have_no_place_in_a_tree_are_refused_with_a_reason()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        string[] bad =
        [
            "", "/", "/x", "a//b", "./a", "a/../b", "..", "nul\0", "bad\ud800", new string('x', 256), "file/below",
            string.Concat(Enumerable.Repeat("dddd/", 820)) + "f",
        ];
        ImportResult result = await t.ImportAsync(a, ["file", .. bad, "good/file", "good"]);
        Assert.Equal(2, result.Added);
        Assert.Equal([.. bad.Select(path => "p/" + path), "p/good"], result.Refused.Select(refused => refused.Key));
        Assert.All(result.Refused, refused => Assert.False(string.IsNullOrWhiteSpace(refused.Reason)));
        Assert.Equal(["file", "good"], await t.NamesAsync("/d"));
        Assert.Equal(["p/file/below"], (await t.ImportAsync(a, "file/below")).Refused.Select(refused => refused.Key));
        Assert.Equal(["p/good"], (await t.ImportAsync(a, "good")).Refused.Select(refused => refused.Key));
    }

    [Fact]
    public async Task A_changed_object_is_a_new_generation()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        await t.ImportAsync(a, "f");
        InodeAttributes first = (await t.FindAsync("/d/f"))!;
        await t.Tree.UpdateContentAsync(
            new ContentUpdate { Content = first.Content, Placement = TreeFixture.Place(first.Content), SetResident = [0] }, default);
        ImportResult result = await t.Tree.ImportAsync(a.Id, [TreeFixture.Object("f", "new", 30)], null, default);
        Assert.Equal(1, result.Changed);
        FileContent second = await t.ContentAsync("/d/f");
        Assert.Equal((2u, 2L, 30L), (second.Attributes.Generation, second.Attributes.Version, second.Attributes.SizeBytes));
        Assert.Equal((null, 0u, "new"), (second.Placement, second.Residency.ResidentCount, second.Object!.ETag));
        Assert.Equal([$"drop {first.Content}"], await t.JournalAsync());
        Assert.Equal(30, (await t.Tree.ListAttachmentsAsync(default))[0].ObjectBytes);
    }

    [Fact]
    public async Task Local_changes_come_before_what_the_bucket_has()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        InodeAttributes mine = await t.PublishAsync("/d/f", 77);
        ImportResult result = await t.Tree.ImportAsync(a.Id, [TreeFixture.Object("f", "theirs", 30)], null, default);
        Assert.Equal((0L, 1L), (result.Changed, result.Unchanged));
        Assert.Equal(mine, await t.FindAsync("/d/f"));
    }

    [Fact]
    public async Task An_object_whose_deletion_is_pending_does_not_come_back()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f", "g");
        await t.UnlinkAsync("/d/f");
        await t.ImportAsync(a, "f", "g");
        Assert.Equal(["g"], await t.NamesAsync("/d"));
    }

    [Fact]
    public async Task A_read_only_attachment_refuses_every_change_by_users()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        await t.ImportAsync(a, "x/f", "e/");
        await t.MakeFileAsync("/out");
        InodeAttributes file = (await t.FindAsync("/d/x/f"))!;
        Func<Task>[] changes =
        [
            () => t.MakeFileAsync("/d/new"),
            () => t.MakeFolderAsync("/d/x/new"),
            async () => await t.Tree.MakeSymbolicLinkAsync(a.Folder, "s", "x", default, default),
            () => t.UnlinkAsync("/d/x/f"),
            () => t.Tree.RemoveDirectoryAsync(a.Folder, "e", default).AsTask(),
            () => t.RenameAsync("/d/x/f", "/d/x/g"),
            () => t.RenameAsync("/d/x/f", "/moved"),
            () => t.RenameAsync("/out", "/d/in"),
            () => t.RenameAsync("/out", "/d/x/f", RenameFlags.Exchange),
            async () => await t.Tree.LinkAsync(file.Inode, a.Folder, "l", default),
            async () => await t.Tree.SetAttributesAsync(file.Inode, new AttributeChanges { Mode = 0 }, default),
            () => t.Tree.SetXattrAsync(file.Inode, "user.x", default, XattrCondition.None, default).AsTask(),
            () => t.PublishAsync("/d/x/f"),
            async () => await t.Tree.BeginReplaceAsync(a.Folder, "n", _ => null, default),
            async () => await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, ContentChanges = true }, default),
        ];
        foreach (Func<Task> change in changes)
        {
            await FailsAsync(ErrorCode.ReadOnly, change);
        }

        FileContent filled = await t.Tree.UpdateContentAsync(
            new ContentUpdate
            {
                Content = file.Content,
                Placement = TreeFixture.Place(file.Content),
                SetResident = [0],
                CheckedTimeNanoseconds = 9,
            },
            default);
        Assert.True(filled.Residency.IsFull);
        Assert.Equal(TierState.Released, filled.Attributes.State);
        await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, State = TierState.Premigrated }, default);
        await t.Tree.UpdateContentAsync(
            new ContentUpdate { Content = file.Content, State = TierState.Released, ClearPlacement = true }, default);
        Assert.Null((await t.ContentAsync("/d/x/f")).Placement);
        Assert.Equal(["drop " + file.Content], await t.JournalAsync());
    }

    [Fact]
    public async Task What_a_refresh_did_not_see_is_removed_with_the_folders_it_kept_alive()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "x/y/gone", "x/stays", "own/gone", "marked/", "marked/gone");
        await t.MakeFolderAsync("/d/own/mine");
        await t.PublishAsync("/d/own/new");
        t.Clock.Advance(TimeSpan.FromSeconds(1));
        long start = t.Clock.NowNanoseconds;
        t.Clock.Advance(TimeSpan.FromSeconds(1));
        await t.ImportAsync(a, "x/stays", "marked/");
        Assert.Equal(3, await t.Tree.RemoveUnseenAsync(a.Id, start, default));
        Assert.Equal(["marked", "own", "x"], await t.NamesAsync("/d"));
        Assert.Equal(["stays"], await t.NamesAsync("/d/x"));
        Assert.Equal(["mine", "new"], await t.NamesAsync("/d/own"));
        Assert.Empty(await t.NamesAsync("/d/marked"));
        Assert.Equal(3, (await t.Tree.ListOrphansAsync(default)).Count);
        Assert.Equal(["upload p/own/new"], await t.JournalAsync());
        foreach (InodeId orphan in await t.Tree.ListOrphansAsync(default))
        {
            await t.Tree.ReleaseOrphanAsync(orphan, default);
        }
    }

    [Fact]
    public async Task A_file_whose_object_vanished_is_removed_unless_it_changed()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f", "g");
        InodeAttributes f = (await t.FindAsync("/d/f"))!;
        InodeAttributes g = (await t.FindAsync("/d/g"))!;
        await t.PublishAsync("/d/g");
        Assert.True(await t.Tree.RemoveVanishedAsync(f.Content, default));
        Assert.False(await t.Tree.RemoveVanishedAsync(f.Content, default));
        Assert.False(await t.Tree.RemoveVanishedAsync(g.Content, default));
        Assert.Equal(["g"], await t.NamesAsync("/d"));
    }

    [Fact]
    public async Task Detaching_removes_the_names_and_leaves_the_bucket_alone()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.Tree.ImportAsync(
            a.Id, [.. Enumerable.Range(0, 1500).Select(i => TreeFixture.Object($"x{i % 7}/y{i % 3}/f{i}"))], null, default);
        await t.MakeFileAsync("/d/local");
        await FailsAsync(ErrorCode.InvalidArgument, () => t.Tree.RemoveAttachmentAsync(a.Id, false, default).AsTask());
        await t.Tree.RemoveAttachmentAsync(a.Id, true, default);
        Assert.Empty(await t.NamesAsync("/d"));
        Assert.Empty(await t.Tree.ListAttachmentsAsync(default));
        Assert.Empty(await t.JournalAsync());
        Assert.Equal((0L, 2), ((await t.FindAsync("/d"))!.AttachmentId, (await t.FindAsync("/d"))!.LinkCount));
        Assert.Equal(1501, (await t.Tree.ListOrphansAsync(default)).Count);
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.RemoveAttachmentAsync(a.Id, true, default).AsTask());
        await t.MakeFileAsync("/d/plain-again");
    }

    [Fact]
    public async Task An_interrupted_detach_is_finished_at_the_next_start()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.Tree.ImportAsync(a.Id, [.. Enumerable.Range(0, 2500).Select(i => TreeFixture.Object($"x/f{i}"))], null, default);
        using CancellationTokenSource stop = new();
        Task removal = t.Tree.RemoveAttachmentAsync(a.Id, false, stop.Token).AsTask();
        await stop.CancelAsync();
        try
        {
            await removal;
        }
        catch (OperationCanceledException)
        {
        }

        await t.ReopenAsync();
        bool begun = (await t.Tree.ListAttachmentsAsync(default)).Count == 0;
        Assert.Equal(begun ? 0 : 1, (await t.NamesAsync("/d")).Length);
    }

    [Fact]
    public async Task A_page_and_its_cursor_are_one_transaction()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadOnly);
        await t.Tree.ImportAsync(a.Id, [TreeFixture.Object("a")], "after-a", default);
        await t.ReopenAsync();
        Assert.Equal("after-a", (await t.Tree.ListAttachmentsAsync(default))[0].ListingCursor);
        await t.Tree.ImportAsync(a.Id, [TreeFixture.Object("b")], null, default);
        Assert.Null((await t.Tree.ListAttachmentsAsync(default))[0].ListingCursor);
        Assert.Equal(["a", "b"], await t.NamesAsync("/d"));
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.ImportAsync(99, [], null, default).AsTask());
    }
}
