using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Random operations on the store and on a plain model side by side: same outcomes, same tree, also after reopening.</summary>
public abstract class TreeModels : TreeConformance
{
    private const int Operations = 700;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    [InlineData(5, true)]
    [InlineData(6, true)]
    public async Task Random_operations_match_the_model(int seed, bool attached)
    {
        Random random = new(seed);
        await using TreeFixture t = await OpenAsync();
        TreeModel model = new();
        string top = string.Empty;
        if (attached)
        {
            await t.AttachAsync("/top", AttachmentMode.ReadWrite);
            Assert.Null(model.Create("/top", FileKind.Directory, -1));
            top = "/top";
        }

        for (int step = 0; step < Operations; step++)
        {
            string what = $"seed {seed}, step {step}";
            (string text, ErrorCode? expected, Func<Task> action) = Draw(random, t, model, top, step);
            ErrorCode? actual = await OutcomeAsync(action);
            Assert.True(expected == actual, $"{what}: {text} gave {actual?.ToString() ?? "success"}, the model {expected?.ToString() ?? "success"}");
            if (step % 175 == 174)
            {
                await t.ReopenAsync();
                Assert.Empty(await t.Tree.CheckAsync(default));
                Assert.Equal(model.Describe(), await DescribeAsync(t));
            }

            if (step % 50 == 49)
            {
                foreach (InodeId orphan in await t.Tree.ListOrphansAsync(default))
                {
                    await t.Tree.ReleaseOrphanAsync(orphan, default);
                }
            }
        }

        Assert.Equal(model.Describe(), await DescribeAsync(t));
    }

    private static (string Text, ErrorCode? Expected, Func<Task> Action) Draw(
        Random random, TreeFixture t, TreeModel model, string top, int step)
    {
        string path = DrawPath(random, top);
        string other = DrawPath(random, top);
        switch (random.Next(10))
        {
            case 0 or 1:
                return ($"mkdir {path}", model.Create(path, FileKind.Directory, step), () => t.MakeFolderAsync(path));
            case 2:
                return ($"create {path}", model.Create(path, FileKind.Regular, step), () => t.MakeFileAsync(path));
            case 3:
                return ($"symlink {path}", model.Create(path, FileKind.SymbolicLink, step), () => LinkSymbolicAsync(t, path));
            case 4:
                return ($"link {other} {path}", model.Link(other, path), () => LinkAsync(t, other, path));
            case 5:
                return ($"unlink {path}", model.Unlink(path), () => t.UnlinkAsync(path));
            case 6:
                return ($"rmdir {path}", model.RemoveDirectory(path), () => RemoveDirectoryAsync(t, path));
            case 7:
                return ($"publish {path}", model.Publish(path, step, step), () => t.PublishAsync(path, step));
            default:
                RenameFlags flags = random.Next(6) switch
                {
                    0 => RenameFlags.NoReplace,
                    1 when top.Length == 0 => RenameFlags.Exchange,
                    _ => RenameFlags.None,
                };
                return ($"rename {path} {other} {flags}", model.Rename(path, other, flags), () => t.RenameAsync(path, other, flags));
        }
    }

    private static string DrawPath(Random random, string top)
    {
        string path = top;
        int depth = random.Next(1, 4);
        for (int i = 0; i < depth; i++)
        {
            path += "/" + "abcde"[random.Next(5)];
        }

        return path;
    }

    private static async Task LinkSymbolicAsync(TreeFixture t, string path)
    {
        (InodeId folder, string name) = await t.SplitAsync(path);
        await t.Tree.MakeSymbolicLinkAsync(folder, name, "0123456789", default, default);
    }

    private static async Task LinkAsync(TreeFixture t, string existing, string path)
    {
        (InodeId folder, string name) = await t.SplitAsync(path);
        InodeId inode = (await t.Tree.ResolveAsync(existing, false, default)).Inode;
        await t.Tree.LinkAsync(inode, folder, name, default);
    }

    private static async Task RemoveDirectoryAsync(TreeFixture t, string path)
    {
        (InodeId folder, string name) = await t.SplitAsync(path);
        await t.Tree.RemoveDirectoryAsync(folder, name, default);
    }

    private static async Task<ErrorCode?> OutcomeAsync(Func<Task> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (DataLayerException error)
        {
            return error.Code;
        }
    }

    private static async Task<List<string>> DescribeAsync(TreeFixture t)
    {
        List<string> lines = [];
        await DescribeAsync(t, InodeId.Root, string.Empty, lines);
        return lines;
    }

    private static async Task DescribeAsync(TreeFixture t, InodeId folder, string path, List<string> lines)
    {
        foreach ((string name, InodeAttributes node) in await t.Tree.ListAsync(folder, null, 1000, default))
        {
            lines.Add(node.Kind == FileKind.Directory
                ? $"{path}/{name} folder"
                : $"{path}/{name} {node.Kind} links {node.LinkCount} size {(node.Kind == FileKind.Regular ? node.SizeBytes : 0)}"
                    + $" gen {node.Generation} version {node.Version}");
            if (node.Kind == FileKind.Directory)
            {
                await DescribeAsync(t, node.Inode, path + "/" + name, lines);
            }
        }
    }
}
