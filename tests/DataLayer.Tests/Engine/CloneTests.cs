using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Metadata;
using DataLayer.Storage.Interop;
using DataLayer.Tests.Stripes;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.Tests.Engine;

/// <summary>Clones of files: what they share, and that each is a file of its own.</summary>
public sealed class CloneTests
{
    private const int Large = 3_000_000;
    private static readonly CloneOptions _keep = new() { KeepAttributes = true };
    private static readonly CancellationToken _none = CancellationToken.None;

    [Fact]
    public async Task A_clone_of_a_large_file_has_its_bytes_and_takes_none_of_its_own()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, Large);
        await fixture.WriteFileAsync("/a", bytes);
        long written = fixture.Engine.GetStatistics().WrittenBytes;
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        Assert.Equal(written, fixture.Engine.GetStatistics().WrittenBytes);
        Assert.Equal(4, Backing(fixture).Count);
        Assert.Equal(2, Backing(fixture).Select(InodeOf).Distinct().Count());
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData("/a")]
    [InlineData("/b")]
    public async Task A_change_of_either_is_not_seen_by_the_other(string changed)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(2, Large);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        byte[] patch = HotTierFixture.RandomBytes(3, 5_000);
        await using (OpenFile file = await fixture.Engine.OpenFileAsync(changed, write: true, _none))
        {
            await file.WriteAsync(1_000_000, patch, _none);
            await file.TruncateAsync(Large - 100_000, _none);
        }

        byte[] after = bytes[..(Large - 100_000)];
        patch.CopyTo(after, 1_000_000);
        string other = changed == "/a" ? "/b" : "/a";
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync(other));
        Assert.Equal(after, await fixture.ReadAllAsync(changed));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_clone_outlives_its_original_and_the_last_one_frees_the_bytes()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(4, Large);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        await fixture.Engine.CloneFileAsync("/b", "/c", _keep, _none);
        await fixture.Engine.RemoveAsync("/a", recursive: false, ifMatch: null, _none);
        await fixture.JournalDoneAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/c"));
        await fixture.Engine.RemoveAsync("/b", recursive: false, ifMatch: null, _none);
        await fixture.Engine.RemoveAsync("/c", recursive: false, ifMatch: null, _none);
        await fixture.JournalDoneAsync();
        Assert.Empty(Backing(fixture));
    }

    [Fact]
    public async Task Mode_owner_times_and_user_attributes_go_along_where_asked_for()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", new byte[100_000]);
        AttributeChanges changes = new() { Mode = 0x1C0, UserId = 7, GroupId = 8, ModifyTimeNanoseconds = 12_345_678_900 };
        await fixture.Engine.SetAttributesAsync("/a", changes, _none);
        await fixture.Engine.SetXattrAsync("/a", "user.origin", "here"u8.ToArray(), XattrCondition.None, _none);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        await fixture.Engine.CloneFileAsync("/a", "/c", new CloneOptions(), _none);
        await fixture.ReopenAsync();
        InodeAttributes kept = await fixture.Engine.StatAsync("/b", followLast: true, _none);
        Assert.Equal((0x1C0, 7, 8, 12_345_678_900), (kept.Mode & 0xFFF, kept.UserId, kept.GroupId, kept.ModifyTimeNanoseconds));
        Assert.Equal("here"u8.ToArray(), await fixture.Engine.GetXattrAsync("/b", "user.origin", _none));
        InodeAttributes plain = await fixture.Engine.StatAsync("/c", followLast: true, _none);
        Assert.Equal((0x1A4, 0), (plain.Mode & 0xFFF, plain.UserId));
        Assert.Null(await fixture.Engine.GetXattrAsync("/c", "user.origin", _none));
    }

    [Fact]
    public async Task What_a_clone_replaces_goes_at_once_and_a_taken_name_is_kept_where_asked_for()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(5, Large);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.WriteFileAsync("/b", new byte[Large]);
        DataLayerException taken = await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Engine.CloneFileAsync("/a", "/b", new CloneOptions { IfAbsent = true }, _none));
        Assert.Equal(ErrorCode.AlreadyExists, taken.Code);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));

        // Onto itself: the same bytes under a new generation.
        await fixture.Engine.CloneFileAsync("/b", "/b", _keep, _none);
        await fixture.JournalDoneAsync();
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Small_empty_and_sparse_files_are_cloned_too()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] small = HotTierFixture.RandomBytes(6, 10_000);
        await fixture.WriteFileAsync("/small", small);
        await fixture.WriteFileAsync("/empty", []);
        await fixture.WriteFileAsync("/sparse", []);
        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/sparse", write: true, _none))
        {
            await file.WriteAsync(200L << 20, small, _none);
        }

        foreach (string name in (string[])["small", "empty", "sparse"])
        {
            await fixture.Engine.CloneFileAsync("/" + name, "/c-" + name, _keep, _none);
        }

        await fixture.ReopenAsync();
        Assert.Equal(small, await fixture.ReadAllAsync("/c-small"));
        Assert.Empty(await fixture.ReadAllAsync("/c-empty"));
        Assert.Equal(small, await fixture.ReadAsync("/c-sparse", 200L << 20, 20_000));
        Assert.Equal(new byte[100], await fixture.ReadAsync("/c-sparse", 100L << 20, 100));
        Assert.All(Backing(fixture), path => Assert.True(AllocatedOf(path) < 1 << 20));
    }

    [Fact]
    public async Task What_was_written_through_a_mount_and_not_flushed_is_in_the_clone()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOwner owner = new(0x1A4, 0, 0);
        byte[] bytes = HotTierFixture.RandomBytes(7, Large);
        (_, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "a", owner, _none);
        await using (file)
        {
            await file.WriteAsync(0, bytes, _none);
            await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
            await file.WriteAsync(0, new byte[100_000], _none);
        }

        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
    }

    [Fact]
    public async Task A_copied_range_that_is_the_whole_file_is_shared_and_any_other_is_copied()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOwner owner = new(0x1A4, 0, 0);
        byte[] bytes = HotTierFixture.RandomBytes(8, Large);
        await fixture.WriteFileAsync("/a", bytes);
        await using OpenFile source = await fixture.Engine.Nodes.OpenAsync(
            (await fixture.Engine.StatAsync("/a", followLast: true, _none)).Inode, write: false, _none);
        long written = fixture.Engine.GetStatistics().WrittenBytes;
        (_, OpenFile whole) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "b", owner, _none);
        await using (whole)
        {
            Assert.Equal(Large, await whole.CopyRangeAsync(source, 0, 0, long.MaxValue >> 8, _none));
            Assert.Equal(written, fixture.Engine.GetStatistics().WrittenBytes);
            Assert.Equal(bytes, await EngineFixture.ReadAllAsync(whole));
            await whole.WriteAsync(0, new byte[10], _none);
        }

        (_, OpenFile part) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "c", owner, _none);
        await using (part)
        {
            Assert.Equal(Large - 1, await part.CopyRangeAsync(source, 1, 0, Large, _none));
        }

        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        byte[] changed = [.. new byte[10], .. bytes[10..]];
        Assert.Equal(changed, await fixture.ReadAllAsync("/b"));
        byte[] tail = bytes[1..];
        Assert.Equal(tail, await fixture.ReadAllAsync("/c"));
        await fixture.Engine.Nodes.SyncAsync(_none);
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_released_file_is_cloned_from_its_object()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(9, Large);
        await fixture.PutObjectAsync("x", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.CloneFileAsync("/data/x", "/b", _keep, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Engine.CloneFileAsync("/b", "/data/y", _keep, _none));
        Assert.Equal(ErrorCode.ReadOnly, refused.Code);
    }

    [Fact]
    public async Task A_clone_counts_in_full_in_its_quota()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", HotTierFixture.RandomBytes(1, Large));
        await fixture.Engine.MakeDirectoryAsync("/q", 0x1ED, parents: false, _none);
        await fixture.Engine.SetXattrAsync(
            "/q", "trusted.datalayer.quota", System.Text.Encoding.ASCII.GetBytes($"{Large + 10}"), XattrCondition.None, _none);
        await fixture.Engine.CloneFileAsync("/a", "/q/one", _keep, _none);
        DataLayerException full = await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Engine.CloneFileAsync("/a", "/q/two", _keep, _none));
        Assert.Equal(ErrorCode.QuotaExceeded, full.Code);
        await fixture.JournalDoneAsync();
        Assert.Equal(4, Backing(fixture).Count);
    }

    [Fact]
    public async Task Where_a_target_makes_no_hard_links_the_bytes_are_copied()
    {
        await using EngineFixture fixture = new() { DecorateTarget = target => new FaultyTarget(target, 1) { SharesNothing = true } };
        await fixture.StartAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, Large);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        Assert.Equal(4, Backing(fixture).Select(InodeOf).Distinct().Count());
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_target_that_drains_takes_no_clone()
    {
        await using EngineFixture fixture = new() { Width = 1 };
        await fixture.StartAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, Large);
        await fixture.WriteFileAsync("/a", bytes);
        int target = Backing(fixture)[0].StartsWith(fixture.Target(0), StringComparison.Ordinal) ? 0 : 1;
        int number = fixture.Hot.GetTargets().Single(status => status.Location == fixture.Target(target)).Target;
        fixture.Hot.SetDraining(number, true);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        Assert.Single(Backing(fixture), path => path.StartsWith(fixture.Target(target), StringComparison.Ordinal));
        await fixture.Engine.DrainTargetAsync(number, null, _none);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
    }

    [Fact]
    public async Task A_change_of_a_shared_file_that_has_no_room_fails_and_loses_nothing()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        await using EngineFixture fixture = new() { TargetRoot = disk.Path, Width = 1 };
        await fixture.StartAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, 24_000_000);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.Engine.CloneFileAsync("/a", "/b", _keep, _none);
        await fixture.WriteFileAsync("/fill", HotTierFixture.RandomBytes(2, 20_000_000));
        DataLayerException full = await Assert.ThrowsAsync<DataLayerException>(async () => await WriteOneAsync(fixture, "/b"));
        Assert.Equal(ErrorCode.NoSpace, full.Code);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/b"));
        await fixture.Engine.RemoveAsync("/fill", recursive: false, ifMatch: null, _none);
        await fixture.JournalDoneAsync();
        await fixture.Hot.CheckTargetsAsync(_none);
        await WriteOneAsync(fixture, "/b");
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        byte[] after = (byte[])bytes.Clone();
        after[100] = 1;
        Assert.Equal(after, await fixture.ReadAllAsync("/b"));
    }

    private static async Task WriteOneAsync(EngineFixture fixture, string path)
    {
        await using OpenFile file = await fixture.Engine.OpenFileAsync(path, write: true, _none);
        await file.WriteAsync(100, new byte[] { 1 }, _none);
    }

    private static List<string> Backing(EngineFixture fixture) =>
        [.. new[] { fixture.Target(0), fixture.Target(1) }
            .SelectMany(target => Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories))
            .Where(path => path.Contains("/files/", StringComparison.Ordinal) && !path.EndsWith(".sum", StringComparison.Ordinal))];

    private static ulong InodeOf(string path)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = DurableFile.Open(path, write: false);
        return FileStatus.Of(file, path).Inode;
    }

    private static long AllocatedOf(string path)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = DurableFile.Open(path, write: false);
        return FileStatus.Of(file, path).AllocatedBytes;
    }
}
