using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Quotas;
using DataLayer.TestSupport.Trees;
using Microsoft.Data.Sqlite;

namespace DataLayer.Tests.Metadata;

/// <summary>fsck finds what was broken behind its back, repairs what it can, and then finds nothing.</summary>
public sealed class TreeCheckTests
{
    [Fact]
    public async Task A_sound_tree_has_no_problems_and_is_counted()
    {
        await using TreeFixture t = await MakeAsync();
        TreeCheckReport report = await t.Tree.CheckAsync(repair: true, default);
        Assert.Equal((7L, 4L, 0L), (report.InodeCount, report.ContentCount, report.RepairedCount));
        Assert.Empty(report.Problems);
    }

    [Theory]
    [InlineData("DELETE FROM inodes WHERE inode = (SELECT inode FROM dentries WHERE name = CAST('plain' AS BLOB))", "dangling-name")]
    [InlineData("DELETE FROM dentries WHERE name = CAST('plain' AS BLOB)", "unreachable")]
    [InlineData("DELETE FROM dentries WHERE name = CAST('folder' AS BLOB)", "unreachable")]
    [InlineData("DELETE FROM dentries WHERE name = CAST('file' AS BLOB)", "unreachable")]
    [InlineData("DELETE FROM journal WHERE kind = 1", "upload-missing")]
    [InlineData("UPDATE counters SET next = 2 WHERE name = 'inode'", "counter")]
    [InlineData("UPDATE counters SET next = 1 WHERE name = 'journal'", "counter")]
    [InlineData("UPDATE journal SET inode = 77777 WHERE kind = 1", "row")]
    [InlineData("UPDATE inodes SET link_count = 9 WHERE kind = 1", "row")]
    [InlineData("UPDATE inodes SET object_etag = 'x' WHERE inode = 1", null)]
    [InlineData("UPDATE inodes SET resident_bytes = 1 WHERE kind = 1", "row")]
    [InlineData("DELETE FROM quotas", "quota")]
    [InlineData("DELETE FROM inodes WHERE inode = (SELECT inode FROM dentries WHERE name = CAST('file' AS BLOB))", "quota")]
    [InlineData("UPDATE dentries SET kind = 2 WHERE name = CAST('plain' AS BLOB)", "row")]
    public async Task Finds(string damage, string? kind)
    {
        TreeFixture t = await MakeAsync();
        await DamageAsync(t, damage);
        IReadOnlyList<TreeProblem> found = await t.Tree.CheckAsync(default);
        if (kind is not null)
        {
            Assert.Contains(found, problem => problem.Kind == kind);
        }

        TreeCheckReport report = await t.Tree.CheckAsync(repair: true, default);
        bool repairable = kind is not (null or "row");
        Assert.True(!repairable || report.RepairedCount > 0);
        if (repairable)
        {
            Assert.Empty(report.Problems);
        }

        await t.AbandonAsync();
    }

    [Fact]
    public async Task Damaged_accounts_of_quotas_are_made_anew_when_the_tree_is_opened()
    {
        await using TreeFixture t = await MakeAsync();
        await DamageAsync(t, "UPDATE quotas SET used_bytes = 7, limit_bytes = 9");
        Assert.Empty(await t.Tree.CheckAsync(default));
        QuotaSpace quota = Assert.NotNull(t.Tree.Quotas.Find((await t.FindAsync("/folder"))!.Inode.Value));
        Assert.Equal(1_000_000, quota.LimitBytes);
        Assert.Equal((await t.FindAsync("/folder/file"))!.SizeBytes, quota.UsedBytes);
    }

    [Fact]
    public async Task What_lost_its_name_comes_into_lost_and_found_with_its_content()
    {
        await using TreeFixture t = await MakeAsync();
        InodeAttributes file = (await t.FindAsync("/folder/file"))!;
        FileContent content = await t.ContentAsync("/folder/file");
        await DamageAsync(t, "DELETE FROM dentries WHERE name IN (CAST('file' AS BLOB), CAST('folder' AS BLOB))");
        await t.Tree.CheckAsync(repair: true, default);
        Assert.Equal("/lost+found/#" + file.Inode, await t.Tree.GetPathAsync(file.Inode, default));
        Assert.Equal(content.Placement, (await t.Tree.GetContentAsync(file.Inode, default))!.Placement);
        Assert.Equal(2, (await t.NamesAsync("/lost+found")).Length);
    }

    [Fact]
    public async Task A_ring_of_folders_is_cut()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        await t.MakeFolderAsync("/a");
        await t.MakeFolderAsync("/a/b");
        InodeAttributes a = (await t.FindAsync("/a"))!;
        InodeAttributes b = (await t.FindAsync("/a/b"))!;
        await t.RenameAsync("/a/b", "/b");
        await DamageAsync(t, "DELETE FROM dentries WHERE parent = 1");
        await DamageAsync(t, RingSql(a.Inode, b.Inode));
        TreeCheckReport report = await t.Tree.CheckAsync(repair: true, default);
        Assert.Empty(report.Problems);
        Assert.NotNull(await t.Tree.GetPathAsync(a.Inode, default));
        Assert.NotNull(await t.Tree.GetPathAsync(b.Inode, default));
    }

    private static string RingSql(InodeId a, InodeId b)
    {
        DataLayer.Metadata.Rows.DentryRow first = new(a, "b"u8.ToArray(), b, FileKind.Directory);
        DataLayer.Metadata.Rows.DentryRow second = new(b, "a"u8.ToArray(), a, FileKind.Directory);
        return $"INSERT INTO dentries VALUES ({a}, CAST('b' AS BLOB), {b}, 2, {first.ComputeCrc()}),"
            + $" ({b}, CAST('a' AS BLOB), {a}, 2, {second.ComputeCrc()})";
    }

    private static async Task<TreeFixture> MakeAsync()
    {
        TreeFixture t = await TreeFixture.OpenAsync();
        await t.MakeFolderAsync("/folder");
        await t.Tree.SetXattrAsync(
            (await t.FindAsync("/folder"))!.Inode, "trusted.datalayer.quota", "1000000"u8.ToArray(), XattrCondition.None, default);
        await t.PublishAsync("/folder/file");
        await t.MakeFileAsync("/plain");
        await t.AttachAsync("/bucket", AttachmentMode.ReadWrite);
        await t.PublishAsync("/bucket/up");
        await t.PublishAsync("/bucket/up2");
        return t;
    }

    private static async Task DamageAsync(TreeFixture t, string sql)
    {
        await t.Tree.DisposeAsync();
        await using (SqliteConnection connection = new($"Data Source={t.DatabasePath};Pooling=False;Foreign Keys=False"))
        {
            await connection.OpenAsync();
            await using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            Assert.True(await command.ExecuteNonQueryAsync() > 0, sql);
        }

        await t.OpenTreeAsync();
    }
}
