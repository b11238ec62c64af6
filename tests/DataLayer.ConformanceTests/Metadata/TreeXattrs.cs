using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Extended attributes, xattr(7).</summary>
public abstract class TreeXattrs : TreeConformance
{
    [Fact]
    public async Task Values_are_set_replaced_listed_and_removed()
    {
        await using TreeFixture t = await OpenAsync();
        InodeId inode = (await t.MakeFileAsync("/a")).Inode;
        await t.Tree.SetXattrAsync(inode, "user.b", new byte[] { 1, 2 }, XattrCondition.None, default);
        await t.Tree.SetXattrAsync(inode, "trusted.a", default, XattrCondition.None, default);
        await t.Tree.SetXattrAsync(inode, "user.b", new byte[] { 3 }, XattrCondition.None, default);
        await t.ReopenAsync();
        Assert.Equal(["trusted.a", "user.b"], await t.Tree.ListXattrsAsync(inode, default));
        Assert.Equal([3], await t.Tree.GetXattrAsync(inode, "user.b", default));
        Assert.Empty((await t.Tree.GetXattrAsync(inode, "trusted.a", default))!);
        Assert.Null(await t.Tree.GetXattrAsync(inode, "user.none", default));
        await t.Tree.RemoveXattrAsync(inode, "user.b", default);
        Assert.Equal(["trusted.a"], await t.Tree.ListXattrsAsync(inode, default));
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.RemoveXattrAsync(inode, "user.b", default).AsTask());
    }

    [Fact]
    public async Task Create_and_replace_hold_their_conditions()
    {
        await using TreeFixture t = await OpenAsync();
        InodeId inode = (await t.MakeFolderAsync("/a")).Inode;
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.SetXattrAsync(inode, "user.x", default, XattrCondition.Replace, default).AsTask());
        await t.Tree.SetXattrAsync(inode, "user.x", new byte[] { 1 }, XattrCondition.Create, default);
        await FailsAsync(ErrorCode.AlreadyExists, () => t.Tree.SetXattrAsync(inode, "user.x", default, XattrCondition.Create, default).AsTask());
        await t.Tree.SetXattrAsync(inode, "user.x", new byte[] { 2 }, XattrCondition.Replace, default);
        Assert.Equal([2], await t.Tree.GetXattrAsync(inode, "user.x", default));
    }

    [Fact]
    public async Task Limits_are_255_bytes_64_KiB_and_1_MiB()
    {
        await using TreeFixture t = await OpenAsync();
        InodeId inode = (await t.MakeFileAsync("/a")).Inode;
        byte[] largest = new byte[64 << 10];
        await t.Tree.SetXattrAsync(inode, "user." + new string('x', 250), largest, XattrCondition.None, default);
        await FailsAsync(
            ErrorCode.NameTooLong,
            () => t.Tree.SetXattrAsync(inode, "user." + new string('x', 251), default, XattrCondition.None, default).AsTask());
        await FailsAsync(
            ErrorCode.FileTooLarge,
            () => t.Tree.SetXattrAsync(inode, "user.y", new byte[(64 << 10) + 1], XattrCondition.None, default).AsTask());
        for (int i = 0; i < 14; i++)
        {
            await t.Tree.SetXattrAsync(inode, "user.n" + i, largest, XattrCondition.None, default);
        }

        await FailsAsync(
            ErrorCode.NoSpace, () => t.Tree.SetXattrAsync(inode, "user.last", largest, XattrCondition.None, default).AsTask());
    }

    [Theory]
    [InlineData("system.posix_acl_access")]
    [InlineData("nodot")]
    [InlineData("user.")]
    [InlineData("other.x")]
    [InlineData("user.a\0b")]
    public async Task Other_namespaces_are_not_supported(string name)
    {
        await using TreeFixture t = await OpenAsync();
        await FailsAsync(
            ErrorCode.NotSupported, () => t.Tree.SetXattrAsync(InodeId.Root, name, default, XattrCondition.None, default).AsTask());
    }

    [Fact]
    public async Task They_go_with_their_inode()
    {
        await using TreeFixture t = await OpenAsync();
        InodeAttributes file = await t.MakeFileAsync("/a");
        await t.Tree.SetXattrAsync(file.Inode, "user.x", new byte[] { 1 }, XattrCondition.None, default);
        await t.UnlinkAsync("/a");
        Assert.Equal([1], await t.Tree.GetXattrAsync(file.Inode, "user.x", default));
        await t.Tree.ReleaseOrphanAsync(file.Inode, default);
        Assert.Null(await t.Tree.GetXattrAsync(file.Inode, "user.x", default));
        await FailsAsync(
            ErrorCode.NotFound, () => t.Tree.SetXattrAsync(file.Inode, "user.x", default, XattrCondition.None, default).AsTask());
    }
}
