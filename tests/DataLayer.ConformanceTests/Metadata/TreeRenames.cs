using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>rename(2) and renameat2(2).</summary>
public abstract class TreeRenames : TreeConformance
{
    [Fact]
    public async Task A_file_moves_between_folders_with_its_inode()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/b");
        InodeAttributes file = await t.MakeFileAsync("/a/f");
        RenameResult result = await t.RenameAsync("/a/f", "/b/g");
        Assert.Equal(file.Inode, result.Moved.Inode);
        Assert.Null(result.Replaced);
        Assert.Empty(await t.NamesAsync("/a"));
        Assert.Equal(["g"], await t.NamesAsync("/b"));
        Assert.Equal("/b/g", await t.Tree.GetPathAsync(file.Inode, default));
    }

    [Fact]
    public async Task A_replaced_file_becomes_an_orphan_and_is_returned()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes a = await t.MakeFileAsync("/a");
        InodeAttributes b = await t.PublishAsync("/b");
        RenameResult result = await t.RenameAsync("/a", "/b");
        Assert.Equal(a.Inode, (await t.FindAsync("/b"))!.Inode);
        Assert.Equal((b.Inode, 0), (result.Replaced!.Inode, result.Replaced.LinkCount));
        Assert.Equal([b.Inode], await t.Tree.ListOrphansAsync(default));
    }

    [Fact]
    public async Task A_replaced_file_with_another_name_stays()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFileAsync("/a");
        InodeAttributes b = await t.MakeFileAsync("/b");
        await t.Tree.LinkAsync(b.Inode, InodeId.Root, "c", default);
        RenameResult result = await t.RenameAsync("/a", "/b");
        Assert.Equal(1, result.Replaced!.LinkCount);
        Assert.Equal(b.Inode, (await t.FindAsync("/c"))!.Inode);
        Assert.Empty(await t.Tree.ListOrphansAsync(default));
    }

    [Fact]
    public async Task An_empty_folder_is_replaced_by_a_folder()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes a = await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/b");
        await t.MakeFileAsync("/a/f");
        await t.RenameAsync("/a", "/b");
        Assert.Equal(["b"], await t.NamesAsync("/"));
        Assert.Equal(a.Inode, (await t.FindAsync("/b"))!.Inode);
        Assert.Equal(3, (await t.Tree.GetAsync(InodeId.Root, default))!.LinkCount);
    }

    [Fact]
    public async Task Kinds_do_not_replace_each_other_and_full_folders_stay()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/d");
        await t.MakeFolderAsync("/full");
        await t.MakeFileAsync("/full/f");
        await t.MakeFileAsync("/f");
        await FailsAsync(ErrorCode.IsADirectory, () => t.RenameAsync("/f", "/d"));
        await FailsAsync(ErrorCode.NotADirectory, () => t.RenameAsync("/d", "/f"));
        await FailsAsync(ErrorCode.NotEmpty, () => t.RenameAsync("/d", "/full"));
        await FailsAsync(ErrorCode.NotFound, () => t.RenameAsync("/none", "/f"));
        Assert.Equal(["d", "f", "full"], await t.NamesAsync("/"));
    }

    [Fact]
    public async Task A_folder_does_not_move_into_itself()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/a/b");
        await t.MakeFolderAsync("/a/b/c");
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/a", "/a/b/x"));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/a", "/a/x"));
        await FailsAsync(ErrorCode.NotEmpty, () => t.RenameAsync("/a/b/c", "/a/b"));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/a", "/a/b/c", RenameFlags.Exchange));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/a/b/c", "/a", RenameFlags.Exchange));
    }

    [Fact]
    public async Task Renaming_to_itself_or_to_another_link_of_itself_does_nothing()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes a = await t.MakeFileAsync("/a");
        await t.Tree.LinkAsync(a.Inode, InodeId.Root, "b", default);
        await t.RenameAsync("/a", "/a");
        await t.RenameAsync("/a", "/b");
        Assert.Equal(["a", "b"], await t.NamesAsync("/"));
        await FailsAsync(ErrorCode.AlreadyExists, () => t.RenameAsync("/a", "/a", RenameFlags.NoReplace));
    }

    [Fact]
    public async Task NoReplace_refuses_a_taken_name()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFileAsync("/a");
        await t.MakeFileAsync("/b");
        await FailsAsync(ErrorCode.AlreadyExists, () => t.RenameAsync("/a", "/b", RenameFlags.NoReplace));
        await t.RenameAsync("/a", "/c", RenameFlags.NoReplace);
        Assert.Equal(["b", "c"], await t.NamesAsync("/"));
    }

    [Fact]
    public async Task Exchange_swaps_a_file_and_a_folder_between_folders()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/x");
        await t.MakeFolderAsync("/y");
        InodeAttributes file = await t.MakeFileAsync("/x/f");
        InodeAttributes folder = await t.MakeFolderAsync("/y/d");
        RenameResult result = await t.RenameAsync("/x/f", "/y/d", RenameFlags.Exchange);
        Assert.Equal((file.Inode, folder.Inode), (result.Moved.Inode, result.Replaced!.Inode));
        Assert.Equal(folder.Inode, (await t.FindAsync("/x/f"))!.Inode);
        Assert.Equal(file.Inode, (await t.FindAsync("/y/d"))!.Inode);
        Assert.Equal(3, (await t.FindAsync("/x"))!.LinkCount);
        Assert.Equal(2, (await t.FindAsync("/y"))!.LinkCount);
        await FailsAsync(ErrorCode.NotFound, () => t.RenameAsync("/x/f", "/y/none", RenameFlags.Exchange));
    }

    [Fact]
    public async Task Flags_that_exclude_each_other_are_refused()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFileAsync("/a");
        await FailsAsync(
            ErrorCode.InvalidArgument, () => t.RenameAsync("/a", "/b", RenameFlags.NoReplace | RenameFlags.Exchange));
        await FailsAsync(ErrorCode.InvalidArgument, () => t.RenameAsync("/a", "/b", (RenameFlags)8));
    }

    [Fact]
    public async Task Moving_a_folder_moves_its_link_between_the_parents()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/b");
        await t.MakeFolderAsync("/a/d");
        await t.RenameAsync("/a/d", "/b/d");
        Assert.Equal(2, (await t.FindAsync("/a"))!.LinkCount);
        Assert.Equal(3, (await t.FindAsync("/b"))!.LinkCount);
    }

    [Fact]
    public async Task A_reader_of_a_replaced_name_sees_old_or_new_and_never_nothing()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes target = await t.MakeFileAsync("/target");
        HashSet<InodeId> known = [target.Inode];
        using CancellationTokenSource done = new();
        Task<int> reader = Task.Run(async () =>
        {
            int seen = 0;
            while (!done.IsCancellationRequested)
            {
                InodeAttributes? found = await t.Tree.LookupAsync(InodeId.Root, "target", default);
                Assert.NotNull(found);
                seen++;
            }

            return seen;
        });
        for (int i = 0; i < 100; i++)
        {
            known.Add((await t.MakeFileAsync("/new")).Inode);
            await t.RenameAsync("/new", "/target");
        }

        await done.CancelAsync();
        Assert.True(await reader > 0);
        Assert.Contains((await t.FindAsync("/target"))!.Inode, known);
    }

    [Fact]
    public async Task Names_sort_and_compare_by_bytes()
    {
        await using TreeFixture t = await OpenAsync();
        foreach (string name in new[] { "b", "B", "a\u0301", "á", "z", "\U0001F600", "\uFFFD", "a" })
        {
            await t.MakeFileAsync("/" + name);
        }

        Assert.Equal(["B", "a", "a\u0301", "b", "z", "á", "\uFFFD", "\U0001F600"], await t.NamesAsync("/"));
    }
}
