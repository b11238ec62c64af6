using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Metadata;

namespace DataLayer.Tests.Engine;

/// <summary>The tree by inode numbers: what POSIX promises, without a kernel.</summary>
public sealed class NodesTests
{
    private static readonly NodeOwner _owner = new(0x1A4, 1000, 1001);
    private static readonly CancellationToken _none = CancellationToken.None;

    [Fact]
    public async Task A_folder_counts_its_folders_and_its_times_move_with_its_names()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes folder = await nodes.MakeDirectoryAsync(InodeId.Root, "a", _owner, _none);
        Assert.Equal((2, 1000, 1001), (folder.LinkCount, folder.UserId, folder.GroupId));
        await nodes.SetAttributesAsync(folder.Inode, new NodeChanges { ModifyTime = new NodeTime(5) }, _none);
        await nodes.MakeDirectoryAsync(folder.Inode, "b", _owner, _none);
        await nodes.CreateAsync(folder.Inode, "f", _owner, _none);
        InodeAttributes after = (await nodes.GetAsync(folder.Inode, _none))!;
        Assert.Equal(3, after.LinkCount);
        Assert.True(after.ModifyTimeNanoseconds > 5);
        Assert.Equal(folder.Inode, (await nodes.GetParentAsync((await nodes.LookupAsync(folder.Inode, "b", _none))!.Inode, _none)).Inode);
        Assert.Equal(InodeId.Root, (await nodes.GetParentAsync(InodeId.Root, _none)).Inode);
        await FailsAsync(ErrorCode.NotEmpty, () => nodes.RemoveDirectoryAsync(InodeId.Root, "a", _none).AsTask());
        await FailsAsync(ErrorCode.NotADirectory, () => nodes.RemoveDirectoryAsync(folder.Inode, "f", _none).AsTask());
        await FailsAsync(ErrorCode.IsADirectory, () => nodes.UnlinkAsync(folder.Inode, "b", _none).AsTask());
        await nodes.RemoveDirectoryAsync(folder.Inode, "b", _none);
        Assert.Equal(2, (await nodes.GetAsync(folder.Inode, _none))!.LinkCount);
    }

    [Fact]
    public async Task What_is_made_below_a_setgid_folder_gets_its_group()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes shared = await nodes.MakeDirectoryAsync(InodeId.Root, "s", new NodeOwner(0x5ED, 1, 77), _none);
        InodeAttributes file = await nodes.CreateAsync(shared.Inode, "f", _owner, _none);
        InodeAttributes below = await nodes.MakeDirectoryAsync(shared.Inode, "d", new NodeOwner(0x1ED, 1000, 1001), _none);
        InodeAttributes link = await nodes.MakeSymbolicLinkAsync(shared.Inode, "l", "f", _owner, _none);
        Assert.Equal((77, 0x1A4), (file.GroupId, file.Mode));
        Assert.Equal((77, 0x5ED), (below.GroupId, below.Mode));
        Assert.Equal(77, link.GroupId);
    }

    [Theory]
    [InlineData(FileKind.Fifo, 0u)]
    [InlineData(FileKind.Socket, 0u)]
    [InlineData(FileKind.CharacterDevice, 0x0103u)]
    [InlineData(FileKind.BlockDevice, 0xFFFFFFFFu)]
    public async Task Special_files_keep_their_kind_and_device_and_have_hard_links(FileKind kind, uint device)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeAttributes made = await fixture.Engine.Nodes.MakeNodeAsync(InodeId.Root, "n", _owner, kind, device, _none);
        await fixture.Engine.Nodes.LinkAsync(made.Inode, InodeId.Root, "m", _none);
        await fixture.ReopenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes found = (await nodes.LookupAsync(InodeId.Root, "m", _none))!;
        Assert.Equal((kind, device, 2), (found.Kind, found.Device, found.LinkCount));
        await nodes.UnlinkAsync(InodeId.Root, "n", _none);
        Assert.Equal(1, (await nodes.GetAsync(made.Inode, _none))!.LinkCount);
        await nodes.UnlinkAsync(InodeId.Root, "m", _none);
        Assert.Null(await nodes.GetAsync(made.Inode, _none));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Links_of_links_and_the_longest_names_and_targets_are_kept()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        string name = new('ä', 127);
        string target = new('t', 4095);
        InodeAttributes made = await nodes.MakeSymbolicLinkAsync(InodeId.Root, name, target, _owner, _none);
        await nodes.LinkAsync(made.Inode, InodeId.Root, "again", _none);
        InodeAttributes found = (await nodes.LookupAsync(InodeId.Root, "again", _none))!;
        Assert.Equal((target, 4095L, 2), (found.LinkTarget, found.SizeBytes, found.LinkCount));
        await FailsAsync(ErrorCode.NameTooLong, () => nodes.CreateAsync(InodeId.Root, name + "ää", _owner, _none).AsTask());
        await FailsAsync(
            ErrorCode.NameTooLong, () => nodes.MakeSymbolicLinkAsync(InodeId.Root, "x", target + "t", _owner, _none).AsTask());
        await FailsAsync(ErrorCode.AlreadyExists, () => nodes.CreateAsync(InodeId.Root, "again", _owner, _none).AsTask());
        await FailsAsync(ErrorCode.NotADirectory, () => nodes.CreateAsync(made.Inode, "x", _owner, _none).AsTask());
        await FailsAsync(ErrorCode.PermissionDenied, () => nodes.LinkAsync(InodeId.Root, InodeId.Root, "r", _none).AsTask());
    }

    [Fact]
    public async Task Attributes_are_set_to_the_nanosecond_and_to_now()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes made = await nodes.CreateAsync(InodeId.Root, "f", _owner, _none);
        NodeChanges changes = new()
        {
            Mode = 0xFFF,
            UserId = 5,
            GroupId = 6,
            AccessTime = new NodeTime(1_234_567_891),
            ModifyTime = new NodeTime(-7),
        };
        InodeAttributes set = await nodes.SetAttributesAsync(made.Inode, changes, _none);
        Assert.Equal((0xFFF, 5, 6), (set.Mode, set.UserId, set.GroupId));
        Assert.Equal((1_234_567_891L, -7L), (set.AccessTimeNanoseconds, set.ModifyTimeNanoseconds));
        Assert.True(set.ChangeTimeNanoseconds >= made.ChangeTimeNanoseconds);
        InodeAttributes now = await nodes.SetAttributesAsync(made.Inode, new NodeChanges { AccessTime = NodeTime.Now, ModifyTime = NodeTime.Now }, _none);
        Assert.Equal(now.ChangeTimeNanoseconds, now.ModifyTimeNanoseconds);
        Assert.Equal(now.ChangeTimeNanoseconds, now.AccessTimeNanoseconds);
    }

    [Fact]
    public async Task A_time_that_was_set_stays_when_the_bytes_written_before_are_flushed()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, new byte[100], _none);
        await nodes.SetAttributesAsync(made.Inode, new NodeChanges { ModifyTime = new NodeTime(42) }, _none);
        await file.FlushAsync(dataOnly: false, _none);
        await file.DisposeAsync();
        await fixture.ReopenAsync();
        InodeAttributes found = (await fixture.Engine.Nodes.LookupAsync(InodeId.Root, "f", _none))!;
        Assert.Equal((100L, 42L), (found.SizeBytes, found.ModifyTimeNanoseconds));
    }

    [Fact]
    public async Task What_was_written_and_closed_is_seen_by_all_and_is_there_after_a_restart()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        byte[] bytes = Bytes(300_000);
        foreach (int size in new[] { 1, 4096, 16 << 10, 70_000, 300_000 })
        {
            (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(InodeId.Root, $"f{size}", _owner, _none);
            await file.WriteAsync(0, bytes.AsMemory(0, size), _none);
            Assert.Equal(size, (await file.PublishAsync(_none)).SizeBytes);
            await file.DisposeAsync();
            Assert.Equal(size, (await nodes.GetAsync(made.Inode, _none))!.SizeBytes);
            Assert.Equal(size, (await fixture.Engine.StatAsync($"/f{size}", false, _none)).SizeBytes);
            Assert.Equal(bytes[..size], await fixture.ReadAllAsync($"/f{size}"));
        }

        Assert.All(await nodes.ListAsync(InodeId.Root, null, 100, _none), e => Assert.Equal($"f{e.Attributes.SizeBytes}", e.Name));
        await fixture.ReopenAsync();
        foreach (int size in new[] { 1, 4096, 16 << 10, 70_000, 300_000 })
        {
            Assert.Equal(bytes[..size], await fixture.ReadAllAsync($"/f{size}"));
        }

        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Appends_of_many_do_not_overlap()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes made = await nodes.CreateAsync(InodeId.Root, "log", _owner, _none);
        long[][] offsets = await Task.WhenAll(Enumerable.Range(0, 4).Select(w => Task.Run(async () =>
        {
            await using OpenFile file = await nodes.OpenAsync(made.Inode, write: true, _none);
            long[] landed = new long[50];
            byte[] line = new byte[1000];
            line.AsSpan().Fill((byte)('a' + w));
            for (int i = 0; i < landed.Length; i++)
            {
                landed[i] = await file.AppendAsync(line, _none);
            }

            return landed;
        })));
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i * 1000L), offsets.SelectMany(o => o).Order());
        byte[] all = await fixture.ReadAllAsync("/log");
        for (int w = 0; w < 4; w++)
        {
            Assert.All(offsets[w], o => Assert.False(all.AsSpan((int)o, 1000).ContainsAnyExcept((byte)('a' + w))));
        }
    }

    [Fact]
    public async Task Allocation_extends_punches_and_zeroes()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        (InodeAttributes _, OpenFile file) = await nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        byte[] model = Bytes(400_000);
        await file.WriteAsync(0, model, _none);
        await file.AllocateAsync(399_000, 2_000, FallocateMode.KeepSize, _none);
        Assert.Equal(400_000, file.Attributes.SizeBytes);
        await file.AllocateAsync(399_000, 2_000, FallocateMode.Extend, _none);
        Array.Resize(ref model, 401_000);
        await file.AllocateAsync(1_000, 200_000, FallocateMode.PunchHole, _none);
        model.AsSpan(1_000, 200_000).Clear();
        await file.AllocateAsync(300_000, 10, FallocateMode.ZeroRangeKeepSize, _none);
        model.AsSpan(300_000, 10).Clear();
        await file.AllocateAsync(400_500, 1_000, FallocateMode.ZeroRange, _none);
        Array.Resize(ref model, 401_500);
        Assert.Equal(model, await EngineFixture.ReadAllAsync(file));
        Assert.Equal((5L, 65_536L), (await file.SeekDataAsync(5, _none), await file.SeekHoleAsync(5, _none)));
        Assert.Equal((196_608L, 401_000L), (await file.SeekDataAsync(65_536, _none), await file.SeekHoleAsync(196_608, _none)));
        Assert.Equal((-1L, -1L), (await file.SeekDataAsync(401_000, _none), await file.SeekHoleAsync(401_500, _none)));
        await FailsAsync(ErrorCode.FileTooLarge, () => file.AllocateAsync(BlockLayout.MaxFileBytes, 1, FallocateMode.Extend, _none).AsTask());
        await FailsAsync(ErrorCode.FileTooLarge, () => file.TruncateAsync(BlockLayout.MaxFileBytes + 1, _none).AsTask());
        await file.DisposeAsync();
        await fixture.ReopenAsync();
        Assert.Equal(model, await fixture.ReadAllAsync("/f"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_range_is_copied_between_files_and_within_one()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        byte[] bytes = Bytes(2_500_000);
        await fixture.WriteFileAsync("/from", bytes);
        await using OpenFile from = await nodes.OpenAsync((await nodes.LookupAsync(InodeId.Root, "from", _none))!.Inode, true, _none);
        (InodeAttributes _, OpenFile to) = await nodes.CreateAndOpenAsync(InodeId.Root, "to", _owner, _none);
        Assert.Equal(2_499_900, await to.CopyRangeAsync(from, 100, 10, 5_000_000, _none));
        Assert.Equal(bytes[100..], (await EngineFixture.ReadAllAsync(to))[10..]);
        Assert.Equal(50, await to.CopyRangeAsync(to, 10, 3_000_000, 50, _none));
        await FailsAsync(ErrorCode.InvalidArgument, () => to.CopyRangeAsync(to, 10, 30, 50, _none).AsTask());
        await to.DisposeAsync();
        Assert.Equal(3_000_050, (await fixture.ReadAllAsync("/to")).Length);
    }

    [Fact]
    public async Task A_file_without_names_lives_while_it_is_open_or_held()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        nodes.Hold(made.Inode);
        nodes.Hold(made.Inode);
        await file.WriteAsync(0, "alive"u8.ToArray(), _none);
        Assert.Equal(0, (await nodes.UnlinkAsync(InodeId.Root, "f", _none)).LinkCount);
        await file.AppendAsync("!"u8.ToArray(), _none);
        Assert.Equal("alive!", Encoding.UTF8.GetString(await EngineFixture.ReadAllAsync(file)));
        await file.DisposeAsync();
        Assert.Equal((0, 6L), ((await nodes.GetAsync(made.Inode, _none))!.LinkCount, (await nodes.GetAsync(made.Inode, _none))!.SizeBytes));
        await nodes.ReleaseHoldAsync(made.Inode);
        await using (OpenFile again = await nodes.OpenAsync(made.Inode, write: false, _none))
        {
            Assert.Equal("alive!", Encoding.UTF8.GetString(await EngineFixture.ReadAllAsync(again)));
            await nodes.ReleaseHoldAsync(made.Inode);
        }

        Assert.Null(await nodes.GetAsync(made.Inode, _none));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_removed_folder_or_link_still_has_attributes_while_it_is_held()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes folder = await nodes.MakeDirectoryAsync(InodeId.Root, "d", _owner, _none);
        InodeAttributes link = await nodes.MakeSymbolicLinkAsync(InodeId.Root, "l", "x", _owner, _none);
        nodes.Hold(folder.Inode);
        nodes.Hold(link.Inode);
        await nodes.RemoveDirectoryAsync(InodeId.Root, "d", _none);
        await nodes.UnlinkAsync(InodeId.Root, "l", _none);
        Assert.Equal(0, (await nodes.GetAsync(folder.Inode, _none))!.LinkCount);
        Assert.Equal("x", (await nodes.GetAsync(link.Inode, _none))!.LinkTarget);
        await FailsAsync(ErrorCode.NotFound, () => nodes.CreateAsync(folder.Inode, "x", _owner, _none).AsTask());
        await nodes.ForgetAsync(folder.Inode);
        await nodes.ForgetAsync(link.Inode);
        Assert.Null(await nodes.GetAsync(folder.Inode, _none));
        Assert.Null(await nodes.GetAsync(link.Inode, _none));
    }

    [Fact]
    public async Task Renames_replace_exchange_and_refuse()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes a = await nodes.CreateAsync(InodeId.Root, "a", _owner, _none);
        InodeAttributes b = await nodes.CreateAsync(InodeId.Root, "b", _owner, _none);
        InodeAttributes d = await nodes.MakeDirectoryAsync(InodeId.Root, "d", _owner, _none);
        await FailsAsync(ErrorCode.AlreadyExists, () => RenameAsync(nodes, "a", "b", RenameFlags.NoReplace));
        await FailsAsync(ErrorCode.IsADirectory, () => RenameAsync(nodes, "a", "d", RenameFlags.None));
        await FailsAsync(ErrorCode.NotADirectory, () => RenameAsync(nodes, "d", "a", RenameFlags.None));
        await FailsAsync(ErrorCode.NotFound, () => RenameAsync(nodes, "x", "a", RenameFlags.None));
        await FailsAsync(ErrorCode.InvalidArgument, () => nodes.RenameAsync(InodeId.Root, "d", d.Inode, "e", RenameFlags.None, _none).AsTask());
        await RenameAsync(nodes, "a", "d", RenameFlags.Exchange);
        Assert.Equal(a.Inode, (await nodes.LookupAsync(InodeId.Root, "d", _none))!.Inode);
        Assert.Equal(FileKind.Directory, (await nodes.LookupAsync(InodeId.Root, "a", _none))!.Kind);
        NodeRename replaced = await RenameAsync(nodes, "d", "b", RenameFlags.None);
        Assert.Equal((a.Inode, b.Inode, 0), (replaced.Moved.Inode, replaced.Replaced!.Inode, replaced.Replaced.LinkCount));
        Assert.Null(await nodes.LookupAsync(InodeId.Root, "d", _none));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Extended_attributes_are_set_by_inode()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeAttributes made = await nodes.CreateAsync(InodeId.Root, "f", _owner, _none);
        await nodes.SetXattrAsync(made.Inode, "user.k", "v"u8.ToArray(), XattrCondition.Create, _none);
        await FailsAsync(ErrorCode.AlreadyExists, () => nodes.SetXattrAsync(made.Inode, "user.k", default, XattrCondition.Create, _none).AsTask());
        Assert.Equal(["user.k"], await nodes.ListXattrsAsync(made.Inode, _none));
        Assert.Equal("v"u8.ToArray(), await nodes.GetXattrAsync(made.Inode, "user.k", _none));
        await nodes.RemoveXattrAsync(made.Inode, "user.k", _none);
        Assert.Null(await nodes.GetXattrAsync(made.Inode, "user.k", _none));
        NodeSpace space = await nodes.GetSpaceAsync(made.Inode, _none);
        Assert.True(space.TotalBytes >= space.AvailableBytes && space.AvailableBytes > 0);
    }

    [Fact]
    public async Task An_observer_hears_of_others_changes_and_not_of_its_own()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations ours = fixture.Engine.OpenNodes();
        NodeOperations theirs = fixture.Engine.OpenNodes();
        Heard heard = new();
        IDisposable subscription = ours.Subscribe(heard);
        (InodeAttributes made, OpenFile file) = await ours.CreateAndOpenAsync(InodeId.Root, "mine", _owner, _none);
        await file.WriteAsync(0, new byte[10], _none);
        Assert.Empty(heard.What);
        await using (OpenFile other = await theirs.OpenAsync(made.Inode, write: true, _none))
        {
            await other.WriteAsync(0, new byte[10], _none);
        }

        await theirs.CreateAsync(InodeId.Root, "theirs", _owner, _none);
        await fixture.WriteFileAsync("/api", [1]);
        Assert.Contains($"content {made.Inode}", heard.What);
        Assert.Contains($"name {InodeId.Root} theirs", heard.What);
        Assert.Contains($"name {InodeId.Root} api", heard.What);
        subscription.Dispose();
        heard.What.Clear();
        await theirs.CreateAsync(InodeId.Root, "later", _owner, _none);
        Assert.Empty(heard.What);
        await file.DisposeAsync();
    }

    [Fact]
    public async Task Orphans_are_kept_over_a_restart_for_a_mount_that_outlived_it()
    {
        await using EngineFixture fixture = new() { Options = () => new FileEngineOptions { KeepOrphans = true } };
        await fixture.StartAsync();
        (InodeAttributes made, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, "kept"u8.ToArray(), _none);
        fixture.Engine.Nodes.Hold(made.Inode);
        await file.FlushAsync(dataOnly: false, _none);
        await fixture.Engine.Nodes.UnlinkAsync(InodeId.Root, "f", _none);
        await file.DisposeAsync();
        await fixture.ReopenAsync();
        await using (OpenFile again = await fixture.Engine.Nodes.OpenAsync(made.Inode, write: false, _none))
        {
            Assert.Equal("kept", Encoding.UTF8.GetString(await EngineFixture.ReadAllAsync(again)));
        }

        await fixture.Engine.Nodes.ForgetAsync(made.Inode);
        Assert.Null(await fixture.Engine.Nodes.GetAsync(made.Inode, _none));
    }

    private static Task<NodeRename> RenameAsync(NodeOperations nodes, string from, string to, RenameFlags flags) =>
        nodes.RenameAsync(InodeId.Root, from, InodeId.Root, to, flags, _none).AsTask();

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);

    private static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private sealed class Heard : INodeObserver
    {
        public List<string> What { get; } = [];

        public void ContentChanged(InodeId inode) => What.Add($"content {inode}");

        public void AttributesChanged(InodeId inode) => What.Add($"attributes {inode}");

        public void NameChanged(InodeId folder, string name) => What.Add($"name {folder} {name}");

        public void AllChanged() => What.Add("all");
    }
}
