using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Interop;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Folders;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Objects;

/// <summary>
/// Somebody who may write to a directory store's folder swaps parts of it for links to elsewhere while the service works there. It
/// follows none: nothing elsewhere is read, written, removed or listed.
/// </summary>
public sealed class SymlinkRaceTests : IDisposable
{
    private const int Rounds = 1000;
    private const int ExchangeFlag = 2;
    private readonly TempFolder _folder = new("races");
    private readonly NativeBufferPool _buffers = new(16 << 20);

    private string Root => _folder.Combine("root");

    private string Outside => _folder.Combine("outside");

    public SymlinkRaceTests()
    {
        Directory.CreateDirectory(Root);
        Directory.CreateDirectory(Outside);
        File.WriteAllText(Path.Combine(Outside, "x"), "outside");
        File.WriteAllText(Path.Combine(Outside, "only-there"), "outside");
        File.SetUnixFileMode(Path.Combine(Outside, "x"), UnixFileMode.UserRead);
    }

    public void Dispose()
    {
        _buffers.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_folder_that_turns_into_a_link_and_back_leads_nowhere()
    {
        Directory.CreateDirectory(Path.Combine(Root, "sub"));
        await using DirectoryObjectStore store = Open();
        string before = Look();
        byte[] buffer = new byte[64];
        int refused = 0, done = 0;
        await WhileSwappingAsync("sub", async () =>
        {
            for (int i = 0; i < Rounds; i++)
            {
                try
                {
                    switch (i % 5)
                    {
                        case 0:
                            await store.PutAsync("sub/x", "inside"u8.ToArray());
                            break;
                        case 1:
                            ObjectReadResult read = await store.ReadAsync("sub/x", 0, buffer, null, CancellationToken.None);
                            Assert.Equal("inside"u8.ToArray(), buffer[..read.BytesRead]);
                            break;
                        case 2:
                            ObjectListPage page = await store.ListAsync(new ObjectListRequest(""), CancellationToken.None);
                            Assert.DoesNotContain(page.Objects, o => o.Key.Contains("only-there", StringComparison.Ordinal));
                            break;
                        case 3:
                            await store.PutAsync($"sub/deep/{i}/x", "inside"u8.ToArray());
                            break;
                        default:
                            await store.DeleteAsync("sub/x", default, CancellationToken.None);
                            break;
                    }

                    done++;
                }
                catch (DataLayerException e) when (e.Code is ErrorCode.PermissionDenied or ErrorCode.NotFound or ErrorCode.TargetFailed
                    or ErrorCode.InvalidArgument or ErrorCode.NotADirectory or ErrorCode.Stale)
                {
                    refused++;
                }
            }
        });
        Assert.Equal(Rounds, done + refused);
        Assert.True(done > 0 && refused > 0, $"{done} done, {refused} refused");
        Assert.Equal(before, Look());
    }

    [Fact]
    public async Task The_folder_of_files_being_written_may_be_a_link_and_nothing_is_written_or_removed_behind_it()
    {
        // As a dead writer would have left it: only here nobody may take it for that.
        File.WriteAllText(Path.Combine(Outside, "1-1-1"), "outside");
        File.CreateSymbolicLink(Path.Combine(Root, DirectoryKey.TemporaryFolder), Outside);
        string before = Look();
        await using DirectoryObjectStore store = Open();

        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(
            async () => await store.PutAsync("a", "inside"u8.ToArray()));

        Assert.Equal(ErrorCode.PermissionDenied, refused.Code);
        Assert.Contains("symbolic link", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, Look());
    }

    [Fact]
    public async Task The_folder_of_files_being_written_may_turn_into_a_link_at_any_time()
    {
        await using DirectoryObjectStore store = Open();
        await store.PutAsync("first", "inside"u8.ToArray());
        string before = Look();
        await WhileSwappingAsync(DirectoryKey.TemporaryFolder, async () =>
        {
            for (int i = 0; i < Rounds / 4; i++)
            {
                try
                {
                    await store.PutAsync("a", "inside"u8.ToArray());
                }
                catch (DataLayerException e) when (e.Code is ErrorCode.PermissionDenied)
                {
                    // Said clearly.
                }
            }
        });
        Assert.Equal(before, Look());
    }

    private DirectoryObjectStore Open() => new(Root, new RequestMeter("races"), _buffers, TimeProvider.System);

    /// <summary>Works while a thread exchanges a name of the root with a link to elsewhere, over and over.</summary>
    private async Task WhileSwappingAsync(string name, Func<Task> work)
    {
        string there = Path.Combine(Root, name);
        string link = _folder.Combine("link");
        File.CreateSymbolicLink(link, Outside);
        using CancellationTokenSource over = new();
        Thread swapper = new(() =>
        {
            while (!over.IsCancellationRequested)
            {
                _ = Libc.Rename(Libc.CurrentDirectory, there, Libc.CurrentDirectory, link, ExchangeFlag);
            }
        });
        swapper.Start();
        try
        {
            await work();
        }
        finally
        {
            await over.CancelAsync();
            swapper.Join();
        }
    }

    private string Look() => string.Join('\n', Directory.EnumerateFileSystemEntries(Outside, "*", SearchOption.AllDirectories)
        .Order(StringComparer.Ordinal).Select(p => $"{p} {File.GetUnixFileMode(p)} {(File.Exists(p) ? File.ReadAllText(p) : string.Empty)}"));
}
