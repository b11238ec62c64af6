using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Making and removing names, links, attributes, orphans.</summary>
public abstract class TreeNames : TreeConformance
{
    [Fact]
    public async Task A_new_tree_has_a_root_that_is_empty()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes root = (await t.Tree.GetAsync(InodeId.Root, default))!;
        Assert.Equal(FileKind.Directory, root.Kind);
        Assert.Equal(2, root.LinkCount);
        Assert.Equal(0x1ED, root.Mode);
        Assert.Empty(await t.NamesAsync("/"));
    }

    [Fact]
    public async Task A_created_file_is_found_with_its_attributes()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes made = await t.Tree.CreateFileAsync(InodeId.Root, "a", new NewInode(0x180, 1000, 1001), default);
        InodeAttributes found = (await t.Tree.LookupAsync(InodeId.Root, "a", default))!;
        Assert.Equal(made, found);
        Assert.Equal((FileKind.Regular, 0x180, 1000, 1001, 1, 0L), (found.Kind, found.Mode, found.UserId, found.GroupId, found.LinkCount, found.SizeBytes));
        Assert.Equal(t.Clock.NowNanoseconds, found.ModifyTimeNanoseconds);
        Assert.Equal(made, await t.Tree.GetAsync(made.Inode, default));
    }

    [Fact]
    public async Task A_change_survives_closing_and_opening()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes made = await t.MakeFileAsync("/a");
        await t.ReopenAsync();
        Assert.Equal(made, await t.FindAsync("/a"));
    }

    [Fact]
    public async Task Making_a_name_touches_its_folder()
    {
        await using TreeFixture t = await OpenAsync();
        t.Clock.Advance(TimeSpan.FromSeconds(5));
        await t.MakeFileAsync("/a");
        InodeAttributes root = (await t.Tree.GetAsync(InodeId.Root, default))!;
        Assert.Equal(t.Clock.NowNanoseconds, root.ModifyTimeNanoseconds);
        Assert.Equal(t.Clock.NowNanoseconds, root.ChangeTimeNanoseconds);
        t.Clock.Advance(TimeSpan.FromSeconds(5));
        await t.UnlinkAsync("/a");
        Assert.Equal(t.Clock.NowNanoseconds, (await t.Tree.GetAsync(InodeId.Root, default))!.ModifyTimeNanoseconds);
    }

    [Fact]
    public async Task Folders_count_their_folders_as_links()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes d = await t.MakeFolderAsync("/d");
        await t.MakeFolderAsync("/d/one");
        await t.MakeFolderAsync("/d/two");
        await t.MakeFileAsync("/d/file");
        Assert.Equal(4, (await t.Tree.GetAsync(d.Inode, default))!.LinkCount);
        await t.Tree.RemoveDirectoryAsync(d.Inode, "one", default);
        Assert.Equal(3, (await t.Tree.GetAsync(d.Inode, default))!.LinkCount);
    }

    [Theory]
    [InlineData(FileKind.Regular)]
    [InlineData(FileKind.Directory)]
    [InlineData(FileKind.SymbolicLink)]
    public async Task A_taken_name_is_refused_whatever_took_it(FileKind kind)
    {
        await using TreeFixture t = await OpenAsync();
        await MakeAsync(t, "x", kind);
        foreach (FileKind second in Enum.GetValues<FileKind>())
        {
            await FailsAsync(ErrorCode.AlreadyExists, () => MakeAsync(t, "x", second));
        }

        Assert.Equal(["x"], await t.NamesAsync("/"));
    }

    [Fact]
    public async Task A_missing_folder_and_a_file_as_folder_are_told_apart()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/file");
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.CreateFileAsync(new InodeId(999_999), "a", default, default).AsTask());
        await FailsAsync(ErrorCode.NotADirectory, () => t.Tree.CreateFileAsync(file.Inode, "a", default, default).AsTask());
        await FailsAsync(ErrorCode.NotADirectory, () => t.Tree.ListAsync(file.Inode, null, 1, default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.ListAsync(new InodeId(999_999), null, 1, default).AsTask());
    }

    [Theory]
    [InlineData("", ErrorCode.InvalidArgument)]
    [InlineData(".", ErrorCode.InvalidArgument)]
    [InlineData("..", ErrorCode.InvalidArgument)]
    [InlineData("a/b", ErrorCode.InvalidArgument)]
    [InlineData("a\0b", ErrorCode.InvalidArgument)]
    public async Task A_malformed_name_is_refused(string name, ErrorCode code)
    {
        await using TreeFixture t = await OpenAsync();
        await FailsAsync(code, () => t.Tree.CreateFileAsync(InodeId.Root, name, default, default).AsTask());
        await FailsAsync(code, () => t.Tree.MakeDirectoryAsync(InodeId.Root, name, default, default).AsTask());
        await FailsAsync(code, async () => await t.Tree.LookupAsync(InodeId.Root, name, default));
    }

    [Fact]
    public async Task A_name_that_is_not_unicode_is_refused()
    {
        await using TreeFixture t = await OpenAsync();
        await FailsAsync(ErrorCode.InvalidArgument, () => t.MakeFileAsync("/half\ud800"));
    }

    [Fact]
    public async Task Names_have_up_to_255_bytes()
    {
        await using TreeFixture t = await OpenAsync();
        string longest = new string('ü', 127) + "x";
        await t.Tree.CreateFileAsync(InodeId.Root, longest, default, default);
        Assert.Equal([longest], await t.NamesAsync("/"));
        await FailsAsync(ErrorCode.NameTooLong, () => t.Tree.CreateFileAsync(InodeId.Root, longest + "y", default, default).AsTask());
        await FailsAsync(ErrorCode.NameTooLong, () => t.Tree.CreateFileAsync(InodeId.Root, new string('ü', 128), default, default).AsTask());
    }

    [Fact]
    public async Task Mode_bits_beyond_07777_are_refused()
    {
        await using TreeFixture t = await OpenAsync();
        await FailsAsync(ErrorCode.InvalidArgument, () => t.Tree.CreateFileAsync(InodeId.Root, "a", new NewInode(0x8000), default).AsTask());
        InodeAttributes file = await t.MakeFileAsync("/a");
        await FailsAsync(
            ErrorCode.InvalidArgument,
            () => t.Tree.SetAttributesAsync(file.Inode, new AttributeChanges { Mode = 0x8000 }, default).AsTask());
    }

    [Fact]
    public async Task Attributes_change_one_by_one()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/a");
        t.Clock.Advance(TimeSpan.FromSeconds(1));
        InodeAttributes changed = await t.Tree.SetAttributesAsync(
            file.Inode,
            new AttributeChanges { Mode = 0xFFF, UserId = 5, GroupId = 6, AccessTimeNanoseconds = 7, ModifyTimeNanoseconds = -8 },
            default);
        Assert.Equal(
            file with
            {
                Mode = 0xFFF,
                UserId = 5,
                GroupId = 6,
                AccessTimeNanoseconds = 7,
                ModifyTimeNanoseconds = -8,
                ChangeTimeNanoseconds = t.Clock.NowNanoseconds,
            },
            changed);
        Assert.Equal(changed, await t.Tree.SetAttributesAsync(file.Inode, new AttributeChanges(), default));
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.SetAttributesAsync(new InodeId(77_777), new AttributeChanges(), default).AsTask());
    }

    [Fact]
    public async Task An_unlinked_file_stays_readable_until_it_is_released()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a");
        InodeAttributes orphan = await t.UnlinkAsync("/a");
        Assert.Equal(0, orphan.LinkCount);
        Assert.Equal(file.Inode, orphan.Inode);
        Assert.Null(await t.FindAsync("/a"));
        Assert.NotNull((await t.Tree.GetContentAsync(file.Inode, default))!.Placement);
        await t.ReopenAsync();
        Assert.Equal([file.Inode], await t.Tree.ListOrphansAsync(default));
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        Assert.Empty(await t.Tree.ListOrphansAsync(default));
        Assert.Null(await t.Tree.GetAsync(file.Inode, default));
        Assert.Equal([$"drop {file.Content}"], await t.JournalAsync());
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        Assert.Single(await t.JournalAsync());
    }

    [Fact]
    public async Task Releasing_a_file_that_has_a_name_does_nothing()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.PublishAsync("/a");
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        Assert.Equal(file, await t.FindAsync("/a"));
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task Inode_numbers_are_never_used_again()
    {
        await using TreeFixture t = await OpenAsync();
        HashSet<long> seen = [InodeId.Root.Value];
        for (int round = 0; round < 4; round++)
        {
            InodeAttributes file = await t.MakeFileAsync("/a");
            InodeAttributes folder = await t.MakeFolderAsync("/d");
            Assert.True(seen.Add(file.Inode.Value));
            Assert.True(seen.Add(folder.Inode.Value));
            await t.UnlinkAsync("/a");
            await t.Tree.ReleaseOrphanAsync(file.Inode, default);
            await t.Tree.RemoveDirectoryAsync(InodeId.Root, "d", default);
            if (round % 2 == 1)
            {
                await t.ReopenAsync();
            }
        }
    }

    [Fact]
    public async Task Hard_links_share_one_inode()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/a");
        await t.MakeFolderAsync("/d");
        (InodeId folder, string name) = await t.SplitAsync("/d/b");
        InodeAttributes linked = await t.Tree.LinkAsync(file.Inode, folder, name, default);
        Assert.Equal(2, linked.LinkCount);
        Assert.Equal(linked, await t.FindAsync("/a"));
        Assert.Equal(linked, await t.FindAsync("/d/b"));
        Assert.Equal(1, (await t.UnlinkAsync("/a")).LinkCount);
        Assert.Equal("/d/b", await t.Tree.GetPathAsync(file.Inode, default));
        Assert.Empty(await t.Tree.ListOrphansAsync(default));
        Assert.Equal(0, (await t.UnlinkAsync("/d/b")).LinkCount);

        // As a file made without a name (O_TMPFILE), until it is forgotten.
        Assert.Equal(1, (await t.Tree.LinkAsync(file.Inode, InodeId.Root, "again", default)).LinkCount);
        Assert.Equal(0, (await t.UnlinkAsync("/again")).LinkCount);
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.LinkAsync(file.Inode, InodeId.Root, "again", default).AsTask());
    }

    [Fact]
    public async Task Everything_but_a_folder_is_hard_linked()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes folder = await t.MakeFolderAsync("/d");
        InodeAttributes link = await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", "d", default, default);
        InodeAttributes file = await t.MakeFileAsync("/f");
        await FailsAsync(ErrorCode.PermissionDenied, () => t.Tree.LinkAsync(folder.Inode, InodeId.Root, "x", default).AsTask());
        Assert.Equal(2, (await t.Tree.LinkAsync(link.Inode, InodeId.Root, "s2", default)).LinkCount);
        Assert.Equal("d", (await t.Tree.LookupAsync(InodeId.Root, "s2", default))?.LinkTarget);
        await FailsAsync(ErrorCode.AlreadyExists, () => t.Tree.LinkAsync(file.Inode, InodeId.Root, "d", default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.LinkAsync(new InodeId(88_888), InodeId.Root, "x", default).AsTask());
    }

    [Fact]
    public async Task Unlink_is_for_files_and_rmdir_for_empty_folders()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/d");
        await t.MakeFileAsync("/d/f");
        await FailsAsync(ErrorCode.IsADirectory, () => t.UnlinkAsync("/d"));
        await FailsAsync(ErrorCode.NotEmpty, () => t.Tree.RemoveDirectoryAsync(InodeId.Root, "d", default).AsTask());
        InodeId folder = (await t.FindAsync("/d"))!.Inode;
        await FailsAsync(ErrorCode.NotADirectory, () => t.Tree.RemoveDirectoryAsync(folder, "f", default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => t.UnlinkAsync("/d/none"));
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.RemoveDirectoryAsync(InodeId.Root, "none", default).AsTask());
        await t.UnlinkAsync("/d/f");
        await t.Tree.RemoveDirectoryAsync(InodeId.Root, "d", default);
        Assert.Empty(await t.NamesAsync("/"));
    }

    [Fact]
    public async Task A_symbolic_link_keeps_its_target_and_leaves_no_orphan()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes link = await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", "ziel/ü", new NewInode(0x1FF), default);
        Assert.Equal(("ziel/ü", 7L, FileKind.SymbolicLink), (link.LinkTarget, link.SizeBytes, link.Kind));
        Assert.Equal(link, await t.FindAsync("/s"));
        await t.UnlinkAsync("/s");
        Assert.Empty(await t.Tree.ListOrphansAsync(default));
        Assert.Null(await t.Tree.GetAsync(link.Inode, default));
    }

    [Fact]
    public async Task A_symbolic_links_target_has_limits()
    {
        await using TreeFixture t = await OpenAsync();
        await FailsAsync(ErrorCode.InvalidArgument, async () => await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", "", default, default));
        await FailsAsync(
            ErrorCode.NameTooLong,
            async () => await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", new string('x', 4096), default, default));
        await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, "s", new string('x', 4095), default, default);
    }

    [Fact]
    public async Task Settings_are_kept()
    {
        await using TreeFixture t = await OpenAsync();
        Assert.Null(await t.Tree.GetSettingAsync("k", default));
        await t.Tree.SetSettingAsync("k", "1", default);
        await t.Tree.SetSettingAsync("k", "2", default);
        await t.ReopenAsync();
        Assert.Equal("2", await t.Tree.GetSettingAsync("k", default));
    }

    [Fact]
    public async Task Concurrent_creates_of_one_name_have_one_winner()
    {
        await using TreeFixture t = await OpenAsync();
        int won = 0;
        await Parallel.ForAsync(0, 32, async (i, _) =>
        {
            try
            {
                await t.MakeFileAsync("/same");
                Interlocked.Increment(ref won);
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.AlreadyExists)
            {
            }
        });
        Assert.Equal(1, won);
        Assert.Equal(["same"], await t.NamesAsync("/"));
    }

    private static async Task MakeAsync(TreeFixture t, string name, FileKind kind)
    {
        switch (kind)
        {
            case FileKind.Regular:
                await t.Tree.CreateFileAsync(InodeId.Root, name, default, default);
                break;
            case FileKind.Directory:
                await t.Tree.MakeDirectoryAsync(InodeId.Root, name, default, default);
                break;
            default:
                await t.Tree.MakeSymbolicLinkAsync(InodeId.Root, name, "target", default, default);
                break;
        }
    }
}
