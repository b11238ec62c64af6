using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Fuse.Vfs;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.Tests.Fuse;

/// <summary>What a mount does, without a kernel.</summary>
public sealed class FileSystemTests
{
    private static readonly Caller _root = new(0, 0);
    private static readonly Caller _again = new(0, 0, IsResent: true);

    [Fact]
    public async Task A_file_is_made_written_read_and_found()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAndOpenAsync(1, "f", 0x1A4, new Caller(7, 8), default);
        await f.Files.WriteAsync(made.Node, 0, "hello"u8.ToArray(), killSetId: false, fromCache: false, default);
        byte[] buffer = new byte[10];
        Assert.Equal(5, await f.Files.ReadAsync(made.Node, 0, buffer, default));
        NodeEntry found = Assert.NotNull(await f.Files.LookupAsync(1, "f", default));
        Assert.Equal(made.Node, found.Node);
        Assert.Equal((5, 7, 8), (found.Attributes.SizeBytes, found.Attributes.UserId, found.Attributes.GroupId));
        Assert.Null(await f.Files.LookupAsync(1, "g", default));
    }

    [Fact]
    public async Task Requests_sent_again_count_as_done_when_they_are()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAsync(1, "f", 0x1A4, _root, default);
        Assert.Equal(made.Node, (await f.Files.CreateAsync(1, "f", 0x1A4, _again, default)).Node);
        await f.Files.MakeDirectoryAsync(1, "d", 0x1ED, _root, default);
        await f.Files.MakeDirectoryAsync(1, "d", 0x1ED, _again, default);
        await f.Files.LinkAsync(made.Node, 1, "l", _root, default);
        await f.Files.LinkAsync(made.Node, 1, "l", _again, default);
        await f.Files.RenameAsync(1, "f", 1, "r", RenameFlags.NoReplace, _root, default);
        await f.Files.RenameAsync(1, "f", 1, "r", RenameFlags.NoReplace, _again, default);
        await f.Files.UnlinkAsync(1, "r", _root, default);
        await f.Files.UnlinkAsync(1, "r", _again, default);
        await f.Files.RemoveDirectoryAsync(1, "d", _root, default);
        await f.Files.RemoveDirectoryAsync(1, "d", _again, default);
        Assert.Equal(ErrorCode.NotFound, await f.FaultAsync(() => f.Files.UnlinkAsync(1, "r", _root, default)));
        await f.Files.MakeDirectoryAsync(1, "x", 0x1ED, _root, default);
        Assert.Equal(
            ErrorCode.AlreadyExists,
            await f.FaultAsync(async () => await f.Files.CreateAsync(1, "x", 0x1A4, _again, default)));
    }

    [Fact]
    public async Task An_exchange_that_was_done_is_not_done_again()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry a = await f.Files.CreateAsync(1, "a", 0x1A4, _root, default);
        NodeEntry b = await f.Files.CreateAsync(1, "b", 0x1A4, _root, default);
        await f.Files.RenameAsync(1, "a", 1, "b", RenameFlags.Exchange, new Caller(0, 0, false, 10), default);
        await f.Files.RenameAsync(1, "a", 1, "b", RenameFlags.Exchange, new Caller(0, 0, true, 10), default);
        await f.Files.RenameAsync(1, "a", 1, "b", RenameFlags.Exchange, new Caller(0, 0, true, 10), default);
        Assert.Equal((b.Node, a.Node), (await NodeOf("a"), await NodeOf("b")));

        // Sent again, but the first time it did not get so far: it is done now.
        await f.Files.RenameAsync(1, "a", 1, "b", RenameFlags.Exchange, new Caller(0, 0, true, 12), default);
        await f.Files.RenameAsync(1, "a", 1, "b", RenameFlags.Exchange, new Caller(0, 0, true, 12), default);
        Assert.Equal((a.Node, b.Node), (await NodeOf("a"), await NodeOf("b")));
        Assert.Empty(await f.Files.ListXattrsAsync(1, default));

        async Task<ulong> NodeOf(string name) => Assert.NotNull(await f.Files.LookupAsync(1, name, default)).Node;
    }

    [Fact]
    public async Task An_unlinked_inode_lives_until_the_kernel_forgets_it()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAndOpenAsync(1, "f", 0x1A4, _root, default);
        await f.Files.WriteAsync(made.Node, 0, "kept"u8.ToArray(), killSetId: false, fromCache: false, default);
        await f.Files.UnlinkAsync(1, "f", _root, default);
        byte[] buffer = new byte[4];
        Assert.Equal(4, await f.Files.ReadAsync(made.Node, 0, buffer, default));
        Assert.Equal("kept", Encoding.UTF8.GetString(buffer));
        Assert.Equal(0, (await f.Files.GetAsync(made.Node, default)).LinkCount);
        await f.Files.ReleaseAsync(made.Node, 0);
        Assert.Equal(4, await f.Files.ReadAsync(made.Node, 0, buffer, default));
        await f.Files.ForgetAsync(made.Node, 1);
        Assert.Equal(ErrorCode.NotFound, await f.FaultAsync(async () => await f.Files.GetAsync(made.Node, default)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5_000)]
    [InlineData(100_000)]
    public async Task Pages_written_back_after_a_truncation_bring_nothing_back(int size)
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAndOpenAsync(1, "f", 0x1A4, _root, default);
        byte[] old = new byte[200_000];
        old.AsSpan().Fill(1);
        await f.Files.WriteAsync(made.Node, 0, old, killSetId: false, fromCache: false, default);
        await f.Files.SetAttributesAsync(made.Node, new NodeChanges { SizeBytes = size }, killSetId: false, default);
        await f.Files.WriteAsync(made.Node, 4096, old.AsMemory(4096, 8192), killSetId: false, fromCache: true, default);
        await f.Files.WriteAsync(made.Node, 196_608, old.AsMemory(0, 3_392), killSetId: false, fromCache: true, default);
        Assert.Equal(size, (await f.Files.GetAsync(made.Node, default)).SizeBytes);
        byte[] buffer = new byte[old.Length];
        Assert.Equal(size, await f.Files.ReadAsync(made.Node, 0, buffer, default));
        Assert.Equal(old[..size], buffer[..size]);
    }

    [Fact]
    public async Task A_listing_goes_on_after_its_cookie_in_another_service_too()
    {
        await using Fixture f = await Fixture.StartAsync();
        for (int i = 0; i < 300; i++)
        {
            await f.Files.CreateAsync(1, $"n{i:000}", 0x1A4, _root, default);
        }

        ulong handle = f.Files.OpenDirectory();
        List<string> names = [];
        ulong cookie = DirectoryCursor.ParentCookie;
        for (int call = 0; call < 100 && await TakeAsync(f, handle, 7) > 0; call++)
        {
            handle = call == 20 ? handle + 1_000 : handle; // A handle this service does not know.
        }

        Assert.Equal([.. Enumerable.Range(0, 300).Select(i => $"n{i:000}")], names);

        async Task<int> TakeAsync(Fixture fixture, ulong from, int limit)
        {
            int taken = 0;
            await fixture.Files.ListAsync(
                1, from, cookie, limit,
                (_, name, next) =>
                {
                    if (taken == limit)
                    {
                        return false;
                    }

                    taken++;
                    names.Add(name);
                    cookie = next;
                    return true;
                },
                default);
            return taken;
        }
    }

    [Fact]
    public async Task A_listing_shows_changes_made_between_its_calls_and_skips_nothing()
    {
        await using Fixture f = await Fixture.StartAsync();
        foreach (string name in (string[])["a", "b", "c", "d"])
        {
            await f.Files.CreateAsync(1, name, 0x1A4, _root, default);
        }

        ulong handle = f.Files.OpenDirectory();
        (string first, ulong cookie) = await OneAsync(DirectoryCursor.ParentCookie);
        Assert.Equal("a", first);
        await f.Files.UnlinkAsync(1, "a", _root, default);
        await f.Files.UnlinkAsync(1, "b", _root, default);
        (string second, cookie) = await OneAsync(cookie);
        Assert.Equal("c", second);
        await f.Files.RenameAsync(1, "d", 1, "e", RenameFlags.None, _root, default);
        Assert.Equal("e", (await OneAsync(cookie)).Name);

        async Task<(string Name, ulong Cookie)> OneAsync(ulong after)
        {
            (string, ulong) found = (string.Empty, 0);
            bool taken = false;
            await f.Files.ListAsync(
                1, handle, after, 1,
                (_, name, next) =>
                {
                    if (taken)
                    {
                        return false;
                    }

                    taken = true;
                    found = (name, next);
                    return true;
                },
                default);
            return found;
        }
    }

    [Fact]
    public async Task A_change_of_owner_takes_set_id_bits_and_capabilities_away()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAsync(1, "f", 0xDED, _root, default); // 06755
        await f.Files.SetXattrAsync(made.Node, "security.capability", new byte[20], default, _root, default);
        InodeAttributes changed = await f.Files.SetAttributesAsync(
            made.Node, new NodeChanges { UserId = 5 }, killSetId: false, default);
        Assert.Equal(0x1ED, changed.Mode);
        Assert.Null(await f.Files.GetXattrAsync(made.Node, "security.capability", default));
    }

    [Fact]
    public async Task A_read_only_mount_refuses_changes()
    {
        await using Fixture f = await Fixture.StartAsync(readOnly: true);
        Assert.Equal(
            ErrorCode.ReadOnly, await f.FaultAsync(async () => await f.Files.CreateAsync(1, "f", 0x1A4, _root, default)));
        Assert.Equal(ErrorCode.ReadOnly, await f.FaultAsync(() => f.Files.UnlinkAsync(1, "f", _root, default)));
    }

    [Fact]
    public async Task A_subtree_is_mounted_as_node_1_and_its_root_is_its_own_parent()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry folder = await f.Files.MakeDirectoryAsync(1, "sub", 0x1ED, _root, default);
        await f.Files.CreateAsync(folder.Node, "inside", 0x1A4, _root, default);
        FileSystem sub = new(f.Tree.Engine, new FileSystemOptions { Root = folder.Attributes.Inode });
        await using (sub.ConfigureAwait(false))
        {
            Assert.NotNull(await sub.LookupAsync(1, "inside", default));
            Assert.Equal(folder.Attributes.Inode, await sub.ParentOfAsync(1, default));
        }
    }

    [Fact]
    public async Task A_replaced_content_is_read_after_the_next_open_and_its_cache_is_dropped()
    {
        await using Fixture f = await Fixture.StartAsync();
        NodeEntry made = await f.Files.CreateAndOpenAsync(1, "f", 0x1A4, _root, default);
        await f.Files.WriteAsync(made.Node, 0, "first"u8.ToArray(), killSetId: false, fromCache: false, default);
        await f.Files.FsyncAsync(made.Node, dataOnly: false, default);
        Assert.True((await f.Files.OpenAsync(made.Node, 0, killSetId: false, default)).KeepCache);
        await using (var replacement = await f.Tree.Engine.ReplaceFileAsync("/f", new(), default))
        {
            await replacement.WriteAsync("second"u8.ToArray(), default);
            await replacement.CommitAsync(default);
        }

        Assert.False((await f.Files.OpenAsync(made.Node, 0, killSetId: false, default)).KeepCache);
        byte[] buffer = new byte[16];
        int read = await f.Files.ReadAsync(made.Node, 0, buffer, default);
        Assert.Equal("second", Encoding.UTF8.GetString(buffer, 0, read));
    }

    private sealed class Fixture : IAsyncDisposable
    {
        private Fixture(MountedTree tree, bool readOnly)
        {
            Tree = tree;
            Files = new FileSystem(tree.Engine, new FileSystemOptions { ReadOnly = readOnly });
        }

        public MountedTree Tree { get; }

        public FileSystem Files { get; }

        public static async Task<Fixture> StartAsync(bool readOnly = false) =>
            new(await MountedTree.StartAsync(new MountedTreeOptions { IsMounted = false }), readOnly);

        public async Task<ErrorCode> FaultAsync(Func<ValueTask> action) =>
            (await Assert.ThrowsAsync<DataLayerException>(() => action().AsTask())).Code;

        public async ValueTask DisposeAsync()
        {
            await Files.DisposeAsync();
            await Tree.DisposeAsync();
        }
    }
}
