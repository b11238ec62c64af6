using DataLayer.Core.Tree;
using DataLayer.EndToEndTests.Faults;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Posix;
using DataLayer.TestSupport.Processes;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Promises;

/// <summary>
/// The promises as a program on a mount sees them, where the POSIX suite cannot show them: faults below, other mounts beside. Service and
/// keeper are processes of their own.
/// </summary>
public sealed class MountPromiseTests
{
    private const int CreateToWrite = OpenFlags.WriteOnly | OpenFlags.Create;

    [Fact]
    public async Task What_was_fsynced_on_a_mount_survives_a_power_cut()
    {
        using var disk = SmallFilesystem.Ext4(768);
        await using var it = await Installation.StartAsync(settings => settings with { StateFolder = disk.Path + "/state" });
        await using (var mount = await MountAsync(it))
        {
            for (var i = 0; i < 20; i++)
            {
                Write(mount, $"synced-{i}", new Content((ulong)i, 1000 * (i + 1) * (i + 1)), sync: true);
                Write(mount, $"unsynced-{i}", new Content((ulong)i, 50_000), sync: false);
            }

            Assert.Equal(0, Sys.Rename($"{mount.Path}/synced-0", $"{mount.Path}/renamed"));
            Assert.Equal(0, WithOpen(mount.Path, OpenFlags.ReadOnly, Sys.Sync));
            disk.ShutDown();
            await it.Service.KillAsync();
        }

        disk.Remount();
        await it.Service.RestartAsync();
        Assert.Equal(new Content(0, 1000).ToBytes(), await it.ReadAsync("/renamed"));
        for (var i = 1; i < 20; i++)
        {
            Assert.Equal(new Content((ulong)i, 1000 * (i + 1) * (i + 1)).ToBytes(), await it.ReadAsync($"/synced-{i}"));
        }

        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task What_was_closed_on_one_mount_is_read_on_another_and_by_the_api()
    {
        await using var it = await Installation.StartAsync();
        await using var one = await MountAsync(it, "one");
        await using var other = await MountAsync(it, "other");
        for (var i = 0; i < 10; i++)
        {
            var content = new Content((ulong)i, 200_000 + i);
            Write(one, "f", content, sync: false);
            Assert.Equal(content.ToBytes(), await it.ReadAsync("/f"));
            Assert.Equal(content.ToBytes(), await File.ReadAllBytesAsync(other.Path + "/f"));
        }
    }

    [Fact]
    public async Task A_change_by_another_mount_or_the_api_is_seen_within_the_bound()
    {
        await using var it = await Installation.StartAsync();
        await using var one = await MountAsync(it, "one");
        await using var other = await MountAsync(it, "other");
        await it.Client.WriteFileAsync("/f", "old"u8.ToArray());
        Assert.Equal("old", await File.ReadAllTextAsync(one.Path + "/f"));
        Assert.False(File.Exists(one.Path + "/new"));

        await it.Client.WriteFileAsync("/f", "newer"u8.ToArray());
        Write(other, "new", new Content(1, 10), sync: false);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(one.Path + "/new") && new FileInfo(one.Path + "/f").Length == 5, 10_000));
        Assert.Equal("newer", await File.ReadAllTextAsync(one.Path + "/f"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Damage_below_a_mount_is_never_wrong_bytes(int copies)
    {
        await using var it = await Installation.StartAsync(settings => settings with { CopyCount = copies, SegmentLimitBytes = 0 });
        var bytes = new Content(7, 3_000_000).ToBytes();
        await it.Client.WriteFileAsync("/f", bytes);
        await it.Service.StopAsync();
        var files = Damage.FilesBelow(it.Service.Settings.Targets[0], "*").Where(file => file.Contains("/files/", StringComparison.Ordinal));
        foreach (var file in files)
        {
            Damage.Do(file, DamageKind.Flip, file, new Random(1));
        }

        await it.Service.RestartAsync();
        await using var mount = await MountAsync(it);
        var found = new byte[bytes.Length];
        long read = 0;
        WithOpen(mount.Path + "/f", OpenFlags.ReadOnly, file =>
        {
            for (var at = 0; read >= 0 && at < bytes.Length; at += (int)Math.Max(read, 0))
            {
                read = Sys.Read(file, found.AsSpan(at), at);
                Assert.True(read is -(long)EIO or > 0, $"{read} at {at}");
                var length = (int)Math.Max(read, 0);
                Assert.True(found.AsSpan(at, length).SequenceEqual(bytes.AsSpan(at, length)), $"wrong bytes at {at}");
            }

            return 0;
        });
        Assert.Equal(copies == 1, read == -(long)EIO);
    }

    [Fact]
    public async Task A_file_written_on_a_mount_is_uploaded_released_and_recalled()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var content = new Content(3, 700_000);
        await using (var mount = await MountAsync(it))
        {
            Write(mount, "data/f", content, sync: true);
            Assert.Equal(0, await mount.SignalAsync(Signals.Terminate));
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        Assert.Equal(content.ToBytes(), it.Origin.Get(Installation.Bucket, "data/f")!.Bytes);
        await it.EvictAsync("/data", hot: true);
        Assert.Equal(TierState.Released, (await it.Client.StatAsync("/data/f")).State);
        await using var again = await MountAsync(it);
        Assert.Equal(content.ToBytes(), await File.ReadAllBytesAsync(again.Path + "/data/f"));
    }

    [Fact]
    public async Task A_failed_fsync_reaches_every_descriptor_and_a_retry_does_not_clear_it()
    {
        await using var it = await Installation.StartAsync(settings => settings with { SegmentLimitBytes = 0 });
        await using var mount = await MountAsync(it);
        Write(mount, "f", new Content(1, 3_000_000), sync: true);
        var one = (int)Sys.Open(mount.Path + "/f", OpenFlags.ReadWrite);
        var other = (int)Sys.Open(mount.Path + "/f", OpenFlags.ReadWrite);
        try
        {
            Assert.Equal(5000, Sys.Write(other, new byte[5000], 0));
            await using (await StraceInjector.AttachAsync(it.Service.ProcessId, StraceInjector.FlushCalls + ":error=EIO"))
            {
                Assert.Equal(5000, Sys.Write(one, new byte[5000], 100_000));
                Assert.Equal(-(long)EIO, Sys.Sync(one));
            }

            Assert.Equal(-(long)EIO, Sys.Sync(other));
            Assert.Equal(-(long)EIO, Sys.Sync(one));
        }
        finally
        {
            Sys.Close(one);
            Sys.Close(other);
        }
    }

    [Fact]
    public async Task A_full_pool_is_ENOSPC_loses_nothing_and_takes_writes_again_after_an_unlink()
    {
        using var small = SmallFilesystem.Tmpfs(24);
        await using var it = await Installation.StartAsync(settings => settings with { TargetFolders = [small.Path], Width = 1 });
        await using var mount = await MountAsync(it);
        List<Content> kept = [];
        long failure = 0;
        for (var i = 0; i < 40 && failure == 0; i++)
        {
            var content = new Content((ulong)i, 1_000_000);
            failure = TryWrite(mount, $"f{i}", content, sync: true);
            if (failure == 0)
            {
                kept.Add(content);
            }
        }

        Assert.Equal(-(long)ENOSPC, failure);
        for (var i = 0; i < kept.Count; i++)
        {
            Assert.Equal(kept[i].ToBytes(), await File.ReadAllBytesAsync($"{mount.Path}/f{i}"));
        }

        Assert.Equal(0, Sys.Truncate(mount.Path + "/f0", 0));
        Assert.Equal(0, Sys.Unlink(mount.Path + "/f1"));
        Assert.Equal(0, Sys.Unlink(mount.Path + "/f2"));
        Assert.True(SpinWait.SpinUntil(() => TryWrite(mount, "again", new Content(99, 500_000), sync: true) == 0, 20_000));
        Assert.Equal(new Content(99, 500_000).ToBytes(), await File.ReadAllBytesAsync(mount.Path + "/again"));
    }

    [Fact]
    public async Task Writers_side_by_side_on_a_mount_never_see_ENOSPC_while_premigrated_data_is_left_to_release()
    {
        using var small = SmallFilesystem.Tmpfs(32);
        await using var it = await Installation.StartWithOriginAsync(
            settings => settings with { TargetFolders = [small.Path + "/t"], Width = 1 });
        await it.AttachAsync(AttachmentMode.ReadWrite);
        await using var mount = await MountAsync(it);
        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            long failure = 0;
            for (var i = 0; i < 12 && failure == 0; i++)
            {
                var bytes = writer == 0 ? 40_000 : 2_000_000;
                failure = TryWrite(mount, $"data/w{writer}-{i}", new Content((ulong)((writer * 100) + i), bytes), sync: i % 2 == 0);
            }

            return failure;
        })));
        Assert.Equal([0L, 0L, 0L, 0L], results);
        for (var writer = 0; writer < 4; writer++)
        {
            for (var i = 0; i < 12; i++)
            {
                var expected = new Content((ulong)((writer * 100) + i), writer == 0 ? 40_000 : 2_000_000).ToBytes();
                Assert.Equal(expected, await File.ReadAllBytesAsync($"{mount.Path}/data/w{writer}-{i}"));
            }
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        Assert.Equal(48, it.Origin.Keys(Installation.Bucket).Count);
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task What_a_mount_does_not_have_fails_at_once()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        Write(mount, "f", new Content(1, 100_000), sync: false);
        WithOpen(mount.Path + "/f", OpenFlags.ReadWrite, file =>
        {
            Assert.Equal(-(long)EOPNOTSUPP, Sys.Allocate(file, AllocateMode.CollapseRange, 0, 65536));
            Assert.Equal(-(long)EOPNOTSUPP, Sys.Allocate(file, AllocateMode.InsertRange, 0, 65536));
            Assert.Equal(-(long)ENOTTY, Sys.DeviceControl(file, 0x5401));
            Assert.Equal(-(long)EFBIG, Sys.Truncate(file, 1L << 44));
            Assert.Equal(-(long)EFBIG, Sys.Allocate(file, 0, 1L << 44, 1));
            Assert.Equal(-(long)EFBIG, Sys.Write(file, "x"u8, 1L << 44));
            return 0;
        });
        Assert.Equal(-(long)EINVAL, Sys.Rename(mount.Path + "/f", mount.Path + "/g", 64));
        Assert.Equal(-(long)EOPNOTSUPP, Sys.SetXattr(mount.Path + "/f", "system.posix_acl_access", new byte[4]));
        Assert.Equal(new Content(1, 100_000).ToBytes(), await File.ReadAllBytesAsync(mount.Path + "/f"));
    }

    private static Task<KeptMount> MountAsync(Installation it, string name = "mnt") =>
        KeptMount.StartAsync(it.Service.Endpoint, "/", it.Folder.Combine(name));

    private static void Write(KeptMount mount, string name, Content content, bool sync) =>
        Assert.Equal(0, TryWrite(mount, name, content, sync));

    /// <summary>Writes a file from its start; 0, or the first negative error number of write, fsync or close.</summary>
    private static long TryWrite(KeptMount mount, string name, Content content, bool sync)
    {
        var opened = Sys.Open($"{mount.Path}/{name}", CreateToWrite | OpenFlags.Truncate, 420);
        if (opened < 0)
        {
            return opened;
        }

        var bytes = content.ToBytes();
        var result = Sys.Write((int)opened, bytes, 0);
        result = result == bytes.Length ? 0 : result < 0 ? result : -(long)ENOSPC;
        if (result == 0 && sync)
        {
            result = Sys.Sync((int)opened);
        }

        var closed = Sys.Close((int)opened);
        return result == 0 ? closed : result;
    }

    private static long WithOpen(string path, int flags, Func<int, long> use)
    {
        var file = Sys.Open(path, flags);
        Assert.True(file >= 0, $"open {path}: {(Errno)(-file)}");
        try
        {
            return use((int)file);
        }
        finally
        {
            Sys.Close((int)file);
        }
    }
}
