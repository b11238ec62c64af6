using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Walking paths, listing, walking all files, usage.</summary>
public abstract class TreePaths : TreeConformance
{
    [Fact]
    public async Task Paths_resolve_with_dots_and_slashes()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes a = await t.MakeFolderAsync("/a");
        InodeAttributes b = await t.MakeFolderAsync("/a/b");
        InodeAttributes f = await t.MakeFileAsync("/a/b/f");
        foreach ((string path, InodeId expected) in new[]
        {
            ("/", InodeId.Root), ("/..", InodeId.Root), ("//a", a.Inode), ("/a/./b/", b.Inode), ("/a/b/..", a.Inode),
            ("/a/b/f", f.Inode), ("/a/../../a/b/../b/f", f.Inode), ("/.", InodeId.Root),
        })
        {
            Assert.Equal((path, expected), (path, (await t.Tree.ResolveAsync(path, true, default)).Inode));
        }
    }

    [Fact]
    public async Task What_cannot_resolve_says_why()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFileAsync("/f");
        await FailsAsync(ErrorCode.NotFound, async () => await t.Tree.ResolveAsync("/x/y", true, default));
        await FailsAsync(ErrorCode.NotADirectory, async () => await t.Tree.ResolveAsync("/f/y", true, default));
        await FailsAsync(ErrorCode.NotADirectory, async () => await t.Tree.ResolveAsync("/f/..", true, default));
        await FailsAsync(ErrorCode.NotADirectory, async () => await t.Tree.ResolveAsync("/f/", true, default));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await t.Tree.ResolveAsync("f", true, default));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await t.Tree.ResolveAsync("", true, default));
        await FailsAsync(ErrorCode.NameTooLong, async () => await t.Tree.ResolveAsync("/" + new string('x', 256), true, default));
        await FailsAsync(
            ErrorCode.NameTooLong,
            async () => await t.Tree.ResolveAsync(string.Concat(Enumerable.Repeat("/..", 1366)), true, default));
    }

    [Fact]
    public async Task Symbolic_links_are_followed_relative_absolute_and_in_the_middle()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/a/b");
        InodeAttributes f = await t.MakeFileAsync("/a/b/f");
        InodeAttributes relative = await LinkAsync(t, "/a/rel", "b");
        await LinkAsync(t, "/abs", "/a/rel");
        await LinkAsync(t, "/up", "abs/../b/f");
        await LinkAsync(t, "/dangling", "nowhere");
        Assert.Equal(f.Inode, (await t.Tree.ResolveAsync("/abs/f", true, default)).Inode);
        Assert.Equal(f.Inode, (await t.Tree.ResolveAsync("/up", true, default)).Inode);
        Assert.Equal(relative.Inode, (await t.Tree.ResolveAsync("/a/rel", false, default)).Inode);
        Assert.Equal("b", (await t.Tree.ResolveAsync("/a/rel", false, default)).LinkTarget);
        Assert.Equal(FileKind.Directory, (await t.Tree.ResolveAsync("/a/rel/", false, default)).Kind);
        Assert.Equal("nowhere", (await t.Tree.ResolveAsync("/dangling", false, default)).LinkTarget);
        await FailsAsync(ErrorCode.NotFound, async () => await t.Tree.ResolveAsync("/dangling", true, default));
    }

    [Fact]
    public async Task Forty_links_are_followed_and_rings_end()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes f = await t.MakeFileAsync("/l0");
        for (int i = 1; i <= 41; i++)
        {
            await LinkAsync(t, "/l" + i, "l" + (i - 1));
        }

        Assert.Equal(f.Inode, (await t.Tree.ResolveAsync("/l40", true, default)).Inode);
        await FailsAsync(ErrorCode.TooManyLinks, async () => await t.Tree.ResolveAsync("/l41", true, default));
        await LinkAsync(t, "/ring", "ring");
        await FailsAsync(ErrorCode.TooManyLinks, async () => await t.Tree.ResolveAsync("/ring", true, default));
    }

    [Fact]
    public async Task A_listing_goes_on_after_a_name()
    {
        await using TreeFixture t = await OpenAsync();
        for (int i = 0; i < 25; i++)
        {
            await t.MakeFileAsync($"/{i:D2}");
        }

        List<string> all = [];
        string? after = null;
        while (await t.Tree.ListAsync(InodeId.Root, after, 10, default) is { Count: > 0 } page)
        {
            all.AddRange(page.Select(entry => entry.Name));
            after = all[^1];
            await t.UnlinkAsync("/" + after);
        }

        Assert.Equal(Enumerable.Range(0, 25).Select(i => $"{i:D2}"), all);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await t.Tree.ListAsync(InodeId.Root, null, 0, default));
    }

    [Fact]
    public async Task Walking_gives_each_file_once_whatever_the_page_length()
    {
        await using TreeFixture t = await OpenAsync();
        string[] expected = ["/a", "/b/a", "/b/c/x", "/b/c/y", "/b/d", "/b.txt", "/c"];
        await t.MakeFolderAsync("/b");
        await t.MakeFolderAsync("/b/c");
        await t.MakeFolderAsync("/b/empty");
        foreach (string path in expected)
        {
            await t.MakeFileAsync(path);
        }

        await LinkAsync(t, "/b/link", "a");
        foreach (int limit in new[] { 1, 2, 3, 100 })
        {
            List<string> seen = [];
            string? cursor = null;
            do
            {
                (IReadOnlyList<FileContent> files, cursor) = await t.Tree.WalkFilesAsync(InodeId.Root, cursor, limit, default);
                foreach (FileContent file in files)
                {
                    seen.Add((await t.Tree.GetPathAsync(file.Attributes.Inode, default))!);
                }
            }
            while (cursor is not null);
            Assert.Equal(expected, seen);
        }
    }

    [Fact]
    public async Task Walking_goes_on_where_it_was_though_files_come_and_go()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/d");
        foreach (string name in new[] { "a", "c", "e" })
        {
            await t.MakeFileAsync("/d/" + name);
        }

        (IReadOnlyList<FileContent> first, string? cursor) = await t.Tree.WalkFilesAsync(InodeId.Root, null, 2, default);
        Assert.Equal(2, first.Count);
        await t.UnlinkAsync("/d/c");
        await t.MakeFileAsync("/d/b");
        await t.MakeFileAsync("/d/d");
        (IReadOnlyList<FileContent> rest, cursor) = await t.Tree.WalkFilesAsync(InodeId.Root, cursor, 10, default);
        Assert.Null(cursor);
        Assert.Equal(2, rest.Count);
        await t.RenameAsync("/d", "/z");
        (rest, _) = await t.Tree.WalkFilesAsync(InodeId.Root, "d/c", 10, default);
        Assert.Equal(4, rest.Count);
    }

    [Fact]
    public async Task Usage_counts_a_file_with_two_names_once()
    {
        await using TreeFixture t = await OpenAsync();
        await t.MakeFolderAsync("/d");
        await t.MakeFolderAsync("/d/e");
        InodeAttributes file = await t.PublishAsync("/d/f", 3_000_000);
        await t.PublishAsync("/d/e/g", 7);
        (InodeId folder, string name) = await t.SplitAsync("/d/e/f2");
        await t.Tree.LinkAsync(file.Inode, folder, name, default);
        InodeId d = (await t.FindAsync("/d"))!.Inode;
        Assert.Equal(new TreeUsage(2, 1, 3_000_007, 3_000_007), await t.Tree.GetUsageAsync(d, default));
        Assert.Equal(new TreeUsage(2, 2, 3_000_007, 3_000_007), await t.Tree.GetUsageAsync(InodeId.Root, default));
    }

    [Fact]
    public async Task An_orphan_has_no_path()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/a");
        await t.UnlinkAsync("/a");
        Assert.Null(await t.Tree.GetPathAsync(file.Inode, default));
        Assert.Equal("/", await t.Tree.GetPathAsync(InodeId.Root, default));
    }

    private static async Task<InodeAttributes> LinkAsync(TreeFixture t, string path, string target)
    {
        (InodeId folder, string name) = await t.SplitAsync(path);
        return await t.Tree.MakeSymbolicLinkAsync(folder, name, target, default, default);
    }
}
