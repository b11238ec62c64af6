using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Sql;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Trees;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Metadata;

/// <summary>The database file: versions, owners, damage, a full disk.</summary>
public sealed class StoreFileTests
{
    [Fact]
    public async Task An_older_schema_is_migrated_step_by_step_and_keeps_its_rows()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await using (TreeStore old = await OpenAsync(options, TreeSchema.Steps))
        {
            await old.CreateFileAsync(InodeId.Root, "kept", default, default);
        }

        int next = TreeSchema.Steps[^1].Version + 1;
        List<SchemaStep> newer =
        [
            .. TreeSchema.Steps,
            new SchemaStep(next, "CREATE TABLE added (id {int64} NOT NULL PRIMARY KEY, text {text}, bytes {blob}) {clustered};"),
            new SchemaStep(next + 1, "INSERT INTO added (id, text) VALUES (1, 'from the step before');"),
        ];
        await using (TreeStore migrated = await OpenAsync(options, newer))
        {
            Assert.NotNull(await migrated.LookupAsync(InodeId.Root, "kept", default));
            Assert.Empty(await migrated.CheckAsync(default));
        }

        Assert.Equal("from the step before", Query(options, "SELECT text FROM added"));
        Assert.Equal((next + 1).ToString(CultureInfo.InvariantCulture), Query(options, "SELECT MAX(version) FROM schema_version"));
    }

    [Fact]
    public async Task A_step_that_fails_leaves_the_version_before_it()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await (await OpenAsync(options, TreeSchema.Steps)).DisposeAsync();
        int next = TreeSchema.Steps[^1].Version + 1;
        List<SchemaStep> broken = [.. TreeSchema.Steps, new SchemaStep(next, "CREATE TABLE half (id {int64}); SELECT nonsense FROM nowhere;")];
        await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, broken));
        Assert.Equal("0", Query(options, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'half'"));
        await using TreeStore again = await OpenAsync(options, TreeSchema.Steps);
        Assert.Empty(await again.CheckAsync(default));
    }

    [Fact]
    public async Task A_disk_that_fails_reads_is_named_and_not_taken_for_damage()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        TreeStoreOptions options = new() { DatabasePath = Path.Combine(disk.Path, "tree.db"), ReadCacheBytes = 1 << 20 };
        await using (TreeStore filled = await OpenAsync(options, TreeSchema.Steps))
        {
            await Task.WhenAll(Enumerable.Range(0, 4000).Select(i => filled.CreateFileAsync(InodeId.Root, Name(i), default, default).AsTask()));
        }

        disk.Remount();
        DataLayerException? error = null;
        TreeStore tree = await OpenAsync(options, TreeSchema.Steps);
        disk.ShutDown();
        for (int i = 0; i < 4000 && error is null; i += 50)
        {
            error = await Record.ExceptionAsync(() => tree.LookupAsync(InodeId.Root, Name(i), default).AsTask()) as DataLayerException;
        }

        await Record.ExceptionAsync(() => tree.DisposeAsync().AsTask());
        Assert.Equal(ErrorCode.TargetFailed, error?.Code);
        Assert.Contains("Input/output error", error!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("malformed", error.Message, StringComparison.Ordinal);

        static string Name(int i) => string.Create(CultureInfo.InvariantCulture, $"a-name-that-takes-some-room-on-its-page-{i:D6}");
    }

    [Fact]
    public async Task A_newer_schema_is_refused_with_both_versions_named()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await (await OpenAsync(options, TreeSchema.Steps)).DisposeAsync();
        Execute(options, "INSERT INTO schema_version (version) VALUES (99)");
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.NotSupported, error.Code);
        Assert.Contains("99", error.Message, StringComparison.Ordinal);
        Assert.Contains(TreeSchema.Steps[^1].Version.ToString(CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_programs_database_is_refused()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        Execute(options, "CREATE TABLE inodes (x INTEGER)");
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.NotSupported, error.Code);
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_named_as_damaged()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await File.WriteAllTextAsync(options.DatabasePath, new string('x', 10_000));
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.Corrupt, error.Code);
        Assert.Contains(options.DatabasePath, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_service_on_one_database_is_refused()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await using TreeStore first = await OpenAsync(options, TreeSchema.Steps);
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.Overloaded, error.Code);
        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
        await first.CreateFileAsync(InodeId.Root, "still-works", default, default);
        await first.DisposeAsync();
        await (await OpenAsync(options, TreeSchema.Steps)).DisposeAsync();
    }

    [Fact]
    public async Task All_bad_options_are_named_at_once()
    {
        TreeStoreOptions options = new()
        {
            DatabasePath = " ",
            GroupCommitLimit = 0,
            QueueLimit = -1,
            ReadConnectionCount = 65,
            MapBytes = -1,
            UploadDelay = TimeSpan.FromHours(2),
        };
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.InvalidArgument, error.Code);
        foreach (string name in new[] { "DatabasePath", "GroupCommitLimit", "QueueLimit", "ReadConnectionCount", "MapBytes", "UploadDelay" })
        {
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_flipped_bit_in_a_row_is_an_error_and_never_a_wrong_answer()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        ContentId content;
        await using (TreeStore tree = await OpenAsync(options, TreeSchema.Steps))
        {
            InodeAttributes d = await tree.MakeDirectoryAsync(InodeId.Root, "d", default, default);
            Attachment a = await tree.AddAttachmentAsync(
                new Attachment { Folder = d.Inode, Path = "/d", Source = "s3://b/p", StoreName = "x" }, default);
            await tree.ImportAsync(a.Id, [TreeFixture.Object("file", "etag-that-is-easy-to-find")], null, default);
            content = (await tree.LookupAsync(d.Inode, "file", default))!.Content;
        }

        byte[] bytes = await File.ReadAllBytesAsync(options.DatabasePath);
        int at = bytes.AsSpan().IndexOf("etag-that-is-easy-to-find"u8);
        bytes[at + 3] ^= 0x04;
        await File.WriteAllBytesAsync(options.DatabasePath, bytes);
        await using TreeStore damaged = await OpenAsync(options, TreeSchema.Steps);
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
            async () => await damaged.GetContentAsync(content.Inode, default));
        Assert.Equal(ErrorCode.Corrupt, error.Code);
        Assert.Contains("fsck", error.Message, StringComparison.Ordinal);
        Assert.Contains(await damaged.CheckAsync(default), problem => problem.Kind == "row" && problem.Inode == content.Inode);
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await damaged.UpdateContentAsync(new ContentUpdate { Content = content, CheckedTimeNanoseconds = 1 }, default));
    }

    [Fact]
    public async Task Zeroed_and_scrambled_pages_end_in_errors_that_name_the_cause()
    {
        using TempFolder folder = new("tree");
        string sound = folder.Combine("sound.db");
        List<InodeAttributes> files = [];
        await using (TreeStore tree = await OpenAsync(new TreeStoreOptions { DatabasePath = sound }, TreeSchema.Steps))
        {
            for (int i = 0; i < 400; i++)
            {
                files.Add(await tree.CreateFileAsync(InodeId.Root, $"file-{i:D4}", default, default));
            }
        }

        byte[] original = await File.ReadAllBytesAsync(sound);
        Random random = new(11);
        int detected = 0;
        for (int round = 0; round < 24; round++)
        {
            byte[] bytes = (byte[])original.Clone();
            int page = random.Next(1, bytes.Length / 4096);
            Span<byte> target = bytes.AsSpan(page * 4096, 4096);
            if (round % 2 == 0)
            {
                target.Clear();
            }
            else
            {
                target[random.Next(4096)] ^= (byte)(1 << random.Next(8));
            }

            TreeStoreOptions options = new() { DatabasePath = folder.Combine($"round-{round}.db") };
            await File.WriteAllBytesAsync(options.DatabasePath, bytes);
            detected += await ReadsAreRightOrCorruptAsync(options, files, $"seed 11, round {round}") ? 1 : 0;
        }

        Assert.True(detected >= 10, $"only {detected} of 24 were detected");
    }

    [Fact]
    public async Task A_damaged_page_is_found_when_opening_after_an_unclean_stop()
    {
        using TempFolder folder = new("tree");
        TreeStoreOptions options = new() { DatabasePath = folder.Combine("tree.db") };
        await using (TreeStore tree = await OpenAsync(options, TreeSchema.Steps))
        {
            await Task.WhenAll(Enumerable.Range(0, 2000).Select(i => tree.CreateFileAsync(InodeId.Root, "f" + i, default, default).AsTask()));
        }

        byte[] bytes = await File.ReadAllBytesAsync(options.DatabasePath);
        bytes.AsSpan(bytes.Length - 8 * 4096).Clear();
        await File.WriteAllBytesAsync(options.DatabasePath, bytes);
        await File.WriteAllBytesAsync(options.DatabasePath + "-wal", Encoding.ASCII.GetBytes("left by a crash"));
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options, TreeSchema.Steps));
        Assert.Equal(ErrorCode.Corrupt, error.Code);
        Assert.Contains("backup", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_is_no_space_and_loses_nothing()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        for (int i = 0; i < 50; i++)
        {
            await t.MakeFileAsync($"/before-{i}");
        }

        await t.Tree.LimitDatabaseAsync(pages: 1);
        int refused = 0;
        Task[] changes = [.. Enumerable.Range(0, 400).Select(i => CreateAsync($"during-{i}-{new string('x', 200)}"))];
        await Task.WhenAll(changes);
        Assert.True(refused > 0);
        await t.UnlinkAsync("/before-0");
        await t.Tree.LimitDatabaseAsync(pages: 1_000_000);
        await t.MakeFileAsync("/after");
        Assert.Equal(50 + 400 - refused, (await t.NamesAsync("/")).Length);

        async Task CreateAsync(string name)
        {
            try
            {
                await t.Tree.CreateFileAsync(InodeId.Root, name, default, default);
            }
            catch (DataLayerException error)
            {
                Assert.Equal(ErrorCode.NoSpace, error.Code);
                Interlocked.Increment(ref refused);
            }
        }
    }

    private static async Task<bool> ReadsAreRightOrCorruptAsync(TreeStoreOptions options, List<InodeAttributes> files, string what)
    {
        bool corrupt = false;
        TreeStore tree;
        try
        {
            tree = await OpenAsync(options, TreeSchema.Steps);
        }
        catch (DataLayerException error)
        {
            Assert.True(error.Code is ErrorCode.Corrupt or ErrorCode.NotSupported or ErrorCode.Internal, $"{what}: {error.Message}");
            return true;
        }

        await using (tree)
        {
            foreach (InodeAttributes file in files)
            {
                try
                {
                    InodeAttributes? found = await tree.GetAsync(file.Inode, default);
                    Assert.True(found is null || found == file, $"{what}: {found} instead of {file}");
                    corrupt |= found is null;
                }
                catch (DataLayerException error)
                {
                    Assert.True(error.Code == ErrorCode.Corrupt, $"{what}: {error.Message}");
                    corrupt = true;
                }
            }

            corrupt |= (await tree.CheckAsync(default)).Count > 0;
        }

        return corrupt;
    }

    private static Task<TreeStore> OpenAsync(TreeStoreOptions options, IReadOnlyList<SchemaStep> steps) =>
        TreeStore.OpenAsync(options, steps, TimeProvider.System, NullLogger<TreeStore>.Instance, default).AsTask();

    private static string? Query(TreeStoreOptions options, string sql)
    {
        using SqliteConnection connection = new($"Data Source={options.DatabasePath};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    private static void Execute(TreeStoreOptions options, string sql) => Query(options, sql);
}
