using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Folders;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Objects;

public sealed class DirectoryObjectStoreTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("objects");
    private readonly NativeBufferPool _buffers = new(16 << 20);
    private DirectoryObjectStore _store = null!;

    public Task InitializeAsync()
    {
        _store = Open();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        _buffers.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("/a", "empty part")]
    [InlineData("a/", "empty part")]
    [InlineData("a//b", "empty part")]
    [InlineData(".", "the part '.'")]
    [InlineData("a/../b", "the part '..'")]
    [InlineData("../a", "the part '..'")]
    [InlineData("a\0b", "NUL")]
    [InlineData(".datalayer-tmp/x", "being written")]
    public async Task Refuses_keys_that_are_no_path_below_the_folder(string key, string reason)
    {
        foreach (Func<Task> call in Calls(key))
        {
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(call);
            Assert.Equal(ErrorCode.InvalidArgument, e.Code);
            Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_part_may_have_255_bytes_and_no_more()
    {
        await _store.PutAsync(new string('n', 255) + "/" + new string('m', 255), "x"u8.ToArray());
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync(new string('n', 256), "x"u8.ToArray()).AsTask());
        Assert.Equal(ErrorCode.InvalidArgument, e.Code);
        await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync(new string('ä', 128), "x"u8.ToArray()).AsTask());
    }

    [Fact]
    public async Task Objects_are_plain_files_that_everybody_may_read()
    {
        await _store.PutAsync("a/b/c.txt", "hello"u8.ToArray());
        string file = _folder.Combine("a", "b", "c.txt");
        Assert.Equal("hello", await File.ReadAllTextAsync(file));
        Assert.Equal(Octal("644"), File.GetUnixFileMode(file));
        Assert.Equal(Octal("755"), File.GetUnixFileMode(_folder.Combine("a")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Combine(".datalayer-tmp")));
    }

    [Fact]
    public async Task Files_of_others_are_objects()
    {
        Directory.CreateDirectory(_folder.Combine("x"));
        await File.WriteAllTextAsync(_folder.Combine("x", "y"), "foreign");
        Assert.Equal("foreign"u8.ToArray(), await _store.GetAsync("x/y"));
        Assert.Equal(["x/y"], await _store.ListKeysAsync());
        Assert.True(await _store.DeleteAsync("x/y", default, default));
        Assert.False(Directory.Exists(_folder.Combine("x")));
    }

    [Fact]
    public async Task An_edit_in_place_changes_the_ETag()
    {
        ObjectProperties before = await _store.PutAsync("a", "one"u8.ToArray());
        await File.WriteAllTextAsync(_folder.Combine("a"), "two");
        ObjectProperties? after = await _store.HeadAsync("a", default);
        Assert.NotEqual(before.ETag, after!.Value.ETag);
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetAsync("a", ifMatch: before.ETag));
        Assert.Equal(ErrorCode.Stale, e.Code);
    }

    [Fact]
    public async Task The_same_bytes_written_again_are_another_version()
    {
        ObjectProperties first = await _store.PutAsync("a", "one"u8.ToArray());
        await _store.PutAsync("a", "two"u8.ToArray());
        Assert.NotEqual(first.ETag, (await _store.PutAsync("a", "one"u8.ToArray())).ETag);
    }

    [Fact]
    public async Task A_key_and_keys_below_it_cannot_both_be_held()
    {
        await _store.PutAsync("a", "x"u8.ToArray());
        DataLayerException below = await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync("a/b/c", "x"u8.ToArray()).AsTask());
        Assert.Equal(ErrorCode.InvalidArgument, below.Code);
        Assert.Contains("'a' is a file", below.Message, StringComparison.Ordinal);
        await _store.PutAsync("d/e", "x"u8.ToArray());
        foreach (ObjectWriteCondition condition in new[] { ObjectWriteCondition.None, new ObjectWriteCondition(IfAbsent: true) })
        {
            DataLayerException above = await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync("d", "x"u8.ToArray(), condition).AsTask());
            Assert.Equal(ErrorCode.InvalidArgument, above.Code);
            Assert.Contains("folder of other keys", above.Message, StringComparison.Ordinal);
        }

        Assert.Equal(["a", "d/e"], await _store.ListKeysAsync());
        Assert.Null(await _store.HeadAsync("d", default));
        Assert.Null(await _store.HeadAsync("a/b", default));
        Assert.True(await _store.DeleteAsync("d", default, default));
        Assert.Equal("x"u8.ToArray(), await _store.GetAsync("d/e"));
    }

    [Fact]
    public async Task Links_are_neither_listed_nor_followed()
    {
        using TempFolder outside = new("outside");
        await File.WriteAllTextAsync(outside.Combine("secret"), "secret");
        File.CreateSymbolicLink(_folder.Combine("file-link"), outside.Combine("secret"));
        Directory.CreateSymbolicLink(_folder.Combine("folder-link"), outside.Path);
        await _store.PutAsync("real", "x"u8.ToArray());
        Assert.Equal(["real"], await _store.ListKeysAsync());
        foreach (string key in new[] { "file-link", "folder-link/secret" })
        {
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetAsync(key));
            Assert.Equal(ErrorCode.PermissionDenied, e.Code);
        }

        DataLayerException write = await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync("folder-link/new", "x"u8.ToArray()).AsTask());
        Assert.Equal(ErrorCode.PermissionDenied, write.Code);
        Assert.Equal(["secret"], Directory.EnumerateFileSystemEntries(outside.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task What_is_no_plain_file_is_no_object()
    {
        await RunAsync("mkfifo", _folder.Combine("pipe"));
        await _store.PutAsync("a", "x"u8.ToArray());
        Assert.Null(await _store.HeadAsync("pipe", default));
        Assert.Equal(["a"], await _store.ListKeysAsync());
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetAsync("pipe"));
        Assert.Equal(ErrorCode.NotFound, e.Code);
    }

    [Fact]
    public async Task What_a_dead_writer_left_is_removed_and_what_a_live_one_writes_is_not()
    {
        string temporary = Directory.CreateDirectory(_folder.Combine(".datalayer-tmp")).FullName;
        string live = Path.Combine(temporary, TemporaryNames.Next());
        string dead = Path.Combine(temporary, "999999999-12345-1");
        string reused = Path.Combine(temporary, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-1-1"));
        string foreign = Path.Combine(temporary, "notes.txt");
        foreach (string file in new[] { live, dead, reused, foreign })
        {
            await File.WriteAllTextAsync(file, "x");
        }

        await using DirectoryObjectStore again = Open();
        Assert.Equal(new[] { live, foreign }.Order(StringComparer.Ordinal), Directory.GetFiles(temporary).Order(StringComparer.Ordinal));
        Assert.Empty(await again.ListKeysAsync());
    }

    [Fact]
    public async Task Folders_that_become_empty_go_and_others_stay()
    {
        await _store.PutAsync("a/b/c/d", "x"u8.ToArray());
        await _store.PutAsync("a/e", "x"u8.ToArray());
        await _store.DeleteAsync("a/b/c/d", default, default);
        Assert.False(Directory.Exists(_folder.Combine("a", "b")));
        Assert.True(File.Exists(_folder.Combine("a", "e")));
    }

    [Fact]
    public async Task Writers_and_deleters_of_one_folder_do_not_fail_each_other()
    {
        await Parallel.ForAsync(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            string key = $"f/g/{i % 4}";
            if (i % 2 == 0)
            {
                await _store.PutAsync(key, "x"u8.ToArray());
            }
            else
            {
                await _store.DeleteAsync(key, default, default);
            }
        });
    }

    [Fact]
    public async Task Twenty_thousand_keys_list_in_pages_in_order_and_each_once()
    {
        List<string> expected = [];
        for (int i = 0; i < 20_000; i++)
        {
            string key = string.Create(CultureInfo.InvariantCulture, $"{(i % 2 == 0 ? "flat" : $"deep/{i % 7}")}/{i}");
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.Combine(key))!);
            File.Create(_folder.Combine(key)).Dispose();
            expected.Add(key);
        }

        expected.Sort(StringComparer.Ordinal);
        Assert.Equal(expected, await _store.ListKeysAsync());
        Assert.Equal(expected.Where(key => key.StartsWith("deep/3/1", StringComparison.Ordinal)), await _store.ListKeysAsync("deep/3/1"));
    }

    [Fact]
    public async Task A_page_shows_what_was_written_after_the_page_before()
    {
        await _store.PutAsync("a", "x"u8.ToArray());
        await _store.PutAsync("m", "x"u8.ToArray());
        ObjectListPage first = await _store.ListAsync(new ObjectListRequest("", MaxKeys: 1), default);
        await _store.PutAsync("b", "x"u8.ToArray());
        await _store.DeleteAsync("m", default, default);
        ObjectListPage second = await _store.ListAsync(new ObjectListRequest("", ContinuationToken: first.ContinuationToken), default);
        Assert.Equal(["b"], second.Objects.Select(found => found.Key));
    }

    [Fact]
    public async Task A_token_of_somebody_else_is_refused()
    {
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => _store.ListAsync(new ObjectListRequest("", ContinuationToken: "nonsense!"), default).AsTask());
        Assert.Equal(ErrorCode.InvalidArgument, e.Code);
    }

    [Fact]
    public void A_missing_folder_is_named()
    {
        DataLayerException e = Assert.Throws<DataLayerException>(
            () => new DirectoryObjectStore("/nonexistent/bucket", new RequestMeter("t"), _buffers, TimeProvider.System));
        Assert.Equal(ErrorCode.NotFound, e.Code);
        Assert.Contains("/nonexistent/bucket", e.Message, StringComparison.Ordinal);
    }

    private static UnixFileMode Octal(string mode) => (UnixFileMode)Convert.ToInt32(mode, 8);

    private static async Task RunAsync(string program, string argument)
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(program, argument);
        await process.WaitForExitAsync();
    }

    private IEnumerable<Func<Task>> Calls(string key) =>
    [
        () => _store.PutAsync(key, "x"u8.ToArray()).AsTask(),
        () => _store.GetAsync(key),
        () => _store.HeadAsync(key, default).AsTask(),
        () => _store.DeleteAsync(key, default, default).AsTask(),
    ];

    private DirectoryObjectStore Open() => new(_folder.Path, new RequestMeter("test"), _buffers, TimeProvider.System);
}
