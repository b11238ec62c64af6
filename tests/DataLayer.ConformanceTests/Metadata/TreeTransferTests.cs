using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Sql;
using DataLayer.Metadata.Transfer;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Trees that move between databases, and to and from files, are the same afterwards, row by row.</summary>
public sealed class TreeTransferTests : IDisposable
{
    private readonly TempFolder _folder = new("transfer");
    private readonly ManualClock _clock = new();
    private int _next;

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_tree_goes_to_postgres_and_back_unchanged()
    {
        TreeStoreOptions sqlite = NewFile();
        await FillAsync(sqlite);
        TreeStoreOptions postgres = await NewSchemaAsync();
        TreeStoreOptions back = NewFile();
        IReadOnlyList<TableTransfer> there = await TreeTransfer.MigrateAsync(sqlite, postgres, _clock, null, default);
        IReadOnlyList<TableTransfer> again = await TreeTransfer.MigrateAsync(postgres, back, _clock, null, default);
        Assert.Equal(there, again);
        Assert.Equal(TreeTable.Names().Count(), there.Count);
        foreach (string table in (string[])["inodes", "dentries", "xattrs", "attachments", "journal", "policies", "counters", "settings", "heat"])
        {
            Assert.True(there.Single(t => t.Table == table).RowCount > 0, table);
        }

        Assert.Empty(await TreeTransfer.CheckAsync(postgres, _clock, default));
        await LooksAsFilledAsync(postgres);
        await LooksAsFilledAsync(back);
    }

    [Fact]
    public async Task Dumps_of_both_databases_are_the_same_bytes_and_load_into_both()
    {
        TreeStoreOptions sqlite = NewFile();
        await FillAsync(sqlite);
        byte[] dump = await DumpAsync(sqlite);
        TreeStoreOptions postgres = await NewSchemaAsync();
        await TreeTransfer.LoadAsync(new MemoryStream(dump), postgres, _clock, null, default);
        Assert.Equal(dump, await DumpAsync(postgres));
        TreeStoreOptions back = NewFile();
        await TreeTransfer.LoadAsync(new MemoryStream(dump), back, _clock, null, default);
        Assert.Equal(dump, await DumpAsync(back));
        await LooksAsFilledAsync(postgres);
    }

    [Fact]
    public async Task A_target_that_holds_a_tree_and_databases_in_use_are_refused()
    {
        TreeStoreOptions sqlite = NewFile();
        await FillAsync(sqlite);
        TreeStoreOptions postgres = await NewSchemaAsync();
        await TreeTransfer.MigrateAsync(sqlite, postgres, _clock, null, default);
        await FailsAsync(ErrorCode.AlreadyExists, () => TreeTransfer.MigrateAsync(sqlite, postgres, _clock, null, default));
        byte[] dump = await DumpAsync(sqlite);
        await FailsAsync(ErrorCode.AlreadyExists, () => TreeTransfer.LoadAsync(new MemoryStream(dump), postgres, _clock, null, default));
        await FailsAsync(ErrorCode.NotFound, () => TreeTransfer.MigrateAsync(NewFile(), NewFile(), _clock, null, default));
        await using TreeStore running = await OpenAsync(postgres);
        await FailsAsync(ErrorCode.Overloaded, () => TreeTransfer.MigrateAsync(postgres, NewFile(), _clock, null, default));
        await using TreeStore other = await OpenAsync(sqlite);
        await FailsAsync(ErrorCode.Overloaded, () => DumpAsync(sqlite));
        await LooksAsFilledAsync(running);
    }

    [Fact]
    public async Task A_damaged_dump_is_refused_and_leaves_the_database_empty()
    {
        const int Seed = 20;
        TreeStoreOptions sqlite = NewFile();
        await FillAsync(sqlite);
        byte[] dump = await DumpAsync(sqlite);
        TreeStoreOptions[] targets = [NewFile(), await NewSchemaAsync()];
        Random random = new(Seed);
        for (int i = 0; i < 90; i++)
        {
            byte[] bad = [.. dump];
            int at = i < 30 ? i : random.Next(bad.Length);
            if (i % 3 == 0)
            {
                Array.Resize(ref bad, at);
            }
            else
            {
                bad[at] ^= (byte)(1 << random.Next(8));
            }

            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
                () => TreeTransfer.LoadAsync(new MemoryStream(bad), targets[i % 2], _clock, null, default));
            Assert.True(error.Code is ErrorCode.Corrupt or ErrorCode.NotSupported, $"seed {Seed}, byte {at}: {error}");
        }

        foreach (TreeStoreOptions target in targets)
        {
            await TreeTransfer.LoadAsync(new MemoryStream(dump), target, _clock, null, default);
        }
    }

    [Fact]
    public void Rows_of_every_value_are_read_as_they_were_written()
    {
        TableColumn[] columns = [new("a", SqlKind.Number, 1), new("b", SqlKind.Text, 0), new("c", SqlKind.Bytes, 0), new("d", SqlKind.Text, 0)];
        SqlValue[] row =
        [
            new(long.MinValue, null, null, IsNull: false, SqlKind.Number),
            new(0, "ä\u0001\U0001F600", null, IsNull: false, SqlKind.Text),
            new(0, null, [], IsNull: false, SqlKind.Bytes),
            new(0, null, null, IsNull: true, SqlKind.Text),
        ];
        System.Buffers.ArrayBufferWriter<byte> bytes = new();
        RowBytes.Write(bytes, row);
        SqlValue[] read = new SqlValue[4];
        Assert.Equal(bytes.WrittenCount, RowBytes.Read(bytes.WrittenSpan, columns, read));
        Assert.Equal(row[0], read[0]);
        Assert.Equal(row[1], read[1]);
        Assert.Empty(read[2].Bytes!);
        Assert.True(read[3].IsNull);
        for (int length = 0; length < bytes.WrittenCount; length++)
        {
            byte[] part = bytes.WrittenSpan[..length].ToArray();
            Assert.Throws<DataLayerException>(() => RowBytes.Read(part, columns, new SqlValue[4]));
        }
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> action)
    {
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(action);
        Assert.True(error.Code == code, error.ToString());
    }

    private async Task<byte[]> DumpAsync(TreeStoreOptions options)
    {
        MemoryStream dump = new();
        await TreeTransfer.DumpAsync(options, dump, _clock, null, default);
        return dump.ToArray();
    }

    private TreeStoreOptions NewFile() => new() { DatabasePath = _folder.Combine($"tree-{_next++}.db") };

    private static async Task<TreeStoreOptions> NewSchemaAsync()
    {
        PostgresServer server = await PostgresServer.GetSharedAsync();
        PostgresOptions tree = server.NewTree();
        return new TreeStoreOptions
        {
            DatabasePath = string.Empty,
            Postgres = server.OptionsFor(tree.Schema, ownerWait: TimeSpan.FromMilliseconds(100)),
        };
    }

    private Task<TreeStore> OpenAsync(TreeStoreOptions options) => TreeStore.OpenAsync(
        options, _clock, Microsoft.Extensions.Logging.Abstractions.NullLogger<TreeStore>.Instance, default).AsTask();

    private async Task FillAsync(TreeStoreOptions options)
    {
        await using TreeStore tree = await OpenAsync(options);
        InodeAttributes bucket = await tree.MakeDirectoryAsync(InodeId.Root, "bucket", new NewInode(0x1ED), default);
        Attachment attachment = await tree.AddAttachmentAsync(
            new Attachment
            {
                Folder = bucket.Inode,
                Path = "/bucket",
                Source = "s3://b/p",
                StoreName = "default",
                Mode = AttachmentMode.ReadWrite,
            },
            default);
        await tree.ImportAsync(
            attachment.Id, [.. Enumerable.Range(0, 300).Select(i => TreeFixture.Object($"d{i % 7}/ä-{i}\U0001F600"))], null, default);
        InodeAttributes folder = await tree.MakeDirectoryAsync(InodeId.Root, "folder", new NewInode(0x1ED), default);
        for (int i = 0; i < 50; i++)
        {
            string name = "f" + i;
            PendingContent pending = await tree.BeginReplaceAsync(folder.Inode, name, TreeFixture.Place, default);
            InodeAttributes file = await tree.PublishAsync(TreeFixture.Request(pending, i * 1000), default);
            await tree.SetXattrAsync(file.Inode, "user.n", new byte[] { 0, (byte)i, 255 }, default, default);
            await tree.SaveAccessesAsync([new HeatRecord(file.Inode, i, 1, 2, 3, 4)], [], default);
        }

        await tree.UnlinkAsync(folder.Inode, "f1", default);
        PendingContent begun = await tree.BeginReplaceAsync(bucket.Inode, "new", TreeFixture.Place, default);
        await tree.PublishAsync(TreeFixture.Request(begun), default);
        await tree.SetSettingAsync("a", "b\nc", default);
        await tree.AddPolicyAsync(new NewPolicy("body: ü", "hash", "author", "comment"), true, null, default);
    }

    private async Task LooksAsFilledAsync(TreeStoreOptions options)
    {
        await using TreeStore tree = await OpenAsync(options);
        await LooksAsFilledAsync(tree);
        Assert.Empty(await tree.CheckAsync(default));
        await tree.CreateFileAsync(InodeId.Root, "later", default, default);
    }

    private static async Task LooksAsFilledAsync(TreeStore tree)
    {
        InodeAttributes folder = (await tree.LookupAsync(InodeId.Root, "folder", default))!;
        Assert.Equal(49, (await tree.ListAsync(folder.Inode, null, 1000, default)).Count);
        InodeAttributes file = await tree.ResolveAsync("/folder/f7", true, default);
        Assert.Equal(7000, file.SizeBytes);
        Assert.Equal([0, 7, 255], await tree.GetXattrAsync(file.Inode, "user.n", default));
        Assert.Equal("b\nc", await tree.GetSettingAsync("a", default));
        Assert.Equal(10, (await tree.ResolveAsync("/bucket/d0/ä-0\U0001F600", true, default)).SizeBytes);
    }
}
