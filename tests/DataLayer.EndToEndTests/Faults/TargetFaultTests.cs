using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Faults;

/// <summary>Targets that are full, missing, read-only, slow or broken: nothing acknowledged is lost, errors name the cause, and work goes on after the repair.</summary>
public sealed class TargetFaultTests
{
    private const int FileBytes = 400_000;

    [Fact]
    public async Task A_full_target_refuses_writes_loses_nothing_and_takes_writes_again_after_a_delete()
    {
        using var small = SmallFilesystem.Tmpfs(12);
        await using var it = await Installation.StartAsync(s => s with { TargetFolders = [small.Path + "/t"], Width = 1 });
        var count = await FillAsync(it);
        Assert.InRange(count, 5, 30);
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(Bytes(i), await it.ReadAsync($"/f{i}"));
        }

        await it.Client.TruncateAsync("/f0", 10);
        Assert.Equal(Bytes(0)[..10], await it.ReadAsync("/f0"));
        await it.Client.DeleteAsync("/f1");
        await it.Client.DeleteAsync("/f2");
        await it.CheckCleanAsync();
        await WriteOnceThereIsRoomAsync(it, "/after");
        Assert.Equal(Bytes(1000), await it.ReadAsync("/after"));
    }

    [Fact]
    public async Task A_write_in_place_on_a_full_target_fails_and_the_file_keeps_its_bytes()
    {
        using var small = SmallFilesystem.Tmpfs(12);
        await using var it = await Installation.StartAsync(s => s with { TargetFolders = [small.Path + "/t"], Width = 1 });
        await FillAsync(it);
        var failure = await Installation.FailureOf(async () => await it.Client.WriteAtAsync("/f0", FileBytes, new byte[4 << 20]));
        Assert.Equal(ErrorCode.NoSpace, failure.Code);
        Assert.Equal(Bytes(0), (await it.ReadAsync("/f0"))[..FileBytes]);
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_target_without_inodes_refuses_new_files_and_loses_nothing()
    {
        using var small = SmallFilesystem.Tmpfs(256, inodeCount: 64);
        await using var it = await Installation.StartAsync(
            s => s with { TargetFolders = [small.Path + "/t"], Width = 1, SegmentLimitBytes = 0 });
        var count = await FillAsync(it);
        Assert.InRange(count, 2, 64);
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(Bytes(i), await it.ReadAsync($"/f{i}"));
        }

        for (var i = 0; i < count; i++)
        {
            await it.Client.DeleteAsync($"/f{i}");
        }

        await it.CheckCleanAsync();
        await WriteOnceThereIsRoomAsync(it, "/after");
    }

    [Fact]
    public async Task A_full_disk_under_the_metadata_refuses_changes_and_loses_nothing()
    {
        using var small = SmallFilesystem.Tmpfs(72); // 65 MiB of it are for what mounts have not flushed.
        await using var it = await Installation.StartAsync(
            s => s with { StateFolder = small.Path + "/state", TargetFolders = [s.StateFolder + "/t"], Width = 1 });
        await it.Client.WriteFileAsync("/kept", Bytes(1));
        File.WriteAllBytes(small.Path + "/ballast", []);
        await FillUpAsync(small.Path + "/ballast");
        DataLayerException? failure = null;
        for (var i = 0; i < 2000 && failure is null; i++)
        {
            try
            {
                await it.Client.MakeDirectoryAsync($"/folder{i}");
            }
            catch (DataLayerException e)
            {
                failure = e;
            }
        }

        Assert.NotNull(failure);
        Assert.Equal(ErrorCode.NoSpace, failure.Code);
        Assert.Equal(Bytes(1), await it.ReadAsync("/kept"));
        File.Delete(small.Path + "/ballast");
        await it.Client.MakeDirectoryAsync("/after");
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_read_only_target_refuses_writes_and_serves_reads()
    {
        using var disk = SmallFilesystem.Ext4(64);
        await using var it = await Installation.StartAsync(s => s with { TargetFolders = [disk.Path + "/t"], Width = 1 });
        await it.Client.WriteFileAsync("/kept", Bytes(1));
        disk.ForceReadOnly();
        var failure = await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/new", Bytes(2)));
        Assert.True(failure.Code is ErrorCode.TargetFailed or ErrorCode.NoSpace, failure.ToString());
        await it.EvictAsync();
        Assert.Equal(Bytes(1), await it.ReadAsync("/kept"));
    }

    [Fact]
    public async Task An_EIO_target_fails_reads_and_writes_by_name_and_the_data_is_there_after_the_repair()
    {
        using var disk = SmallFilesystem.Ext4(64);
        await using var it = await Installation.StartAsync(s => s with { TargetFolders = [disk.Path + "/t"], Width = 1 });
        await it.Client.WriteFileAsync("/kept", Bytes(1));
        await it.EvictAsync();
        disk.ShutDown();
        var read = await Installation.FailureOf(() => it.ReadAsync("/kept"));
        Assert.Equal(ErrorCode.TargetFailed, read.Code);
        Assert.Contains(disk.Path, read.Message, StringComparison.Ordinal);
        var write = await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/new", Bytes(2)));
        Assert.True(write.Code is ErrorCode.TargetFailed or ErrorCode.NoSpace, write.ToString());

        await it.Service.KillAsync();
        disk.Remount();
        await it.Service.RestartAsync();
        Assert.Equal(Bytes(1), await it.ReadAsync("/kept"));
        await it.Client.WriteFileAsync("/new", Bytes(2));
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task With_two_copies_an_EIO_target_costs_no_read_and_no_byte()
    {
        using var disk = SmallFilesystem.Ext4(64);
        await using var it = await Installation.StartAsync(
            s => s with { TargetFolders = [disk.Path + "/t", s.StateFolder + "/t"], Width = 1, CopyCount = 2 });
        for (var i = 0; i < 8; i++)
        {
            await it.Client.WriteFileAsync($"/f{i}", Bytes(i));
        }

        await it.EvictAsync();
        disk.ShutDown();
        for (var i = 0; i < 8; i++)
        {
            Assert.Equal(Bytes(i), await it.ReadAsync($"/f{i}"));
        }
    }

    [Fact]
    public async Task A_hung_target_holds_up_only_what_needs_it()
    {
        using var disk = SmallFilesystem.Ext4(64);
        await using var it = await Installation.StartAsync(s => s with { TargetFolders = [disk.Path + "/t"], Width = 1 });
        await it.Client.WriteFileAsync("/kept", Bytes(1));
        disk.Freeze();
        try
        {
            var write = it.Client.WriteFileAsync("/new", Bytes(2)).AsTask();
            Assert.Equal(Bytes(1), await it.ReadAsync("/kept"));
            await it.Client.MakeDirectoryAsync("/folder");
            Assert.Equal(FileBytes, (await it.Client.StatAsync("/kept")).SizeBytes);
            Assert.False(write.IsCompleted);
            disk.Thaw();
            await write;
            Assert.Equal(Bytes(2), await it.ReadAsync("/new"));
        }
        finally
        {
            disk.TryThaw();
        }
    }

    [Fact]
    public async Task A_target_that_is_missing_at_start_is_named_and_its_files_are_back_with_it()
    {
        await using var it = await Installation.StartAsync(s => s with { CopyCount = 1, Width = 1 });
        for (var i = 0; i < 8; i++)
        {
            await it.Client.WriteFileAsync($"/f{i}", Bytes(i));
        }

        await it.Service.KillAsync();
        var (target, aside) = (it.Service.Settings.Targets[0], it.Folder.Combine("aside"));
        Directory.Move(target, aside);
        var message = await StartWithoutAsync(it);
        Assert.Contains(target, message, StringComparison.Ordinal);

        await it.Service.KillAsync();
        if (Directory.Exists(target))
        {
            Directory.Delete(target, recursive: true);
        }

        Directory.Move(aside, target);
        await it.Service.RestartAsync();
        for (var i = 0; i < 8; i++)
        {
            Assert.Equal(Bytes(i), await it.ReadAsync($"/f{i}"));
        }

        await it.CheckCleanAsync();
    }

    /// <summary>Starts without a target: either refused with a message, or up with errors for its files only. Returns what was said of the target.</summary>
    private static async Task<string> StartWithoutAsync(Installation it)
    {
        try
        {
            await it.Service.RestartAsync();
        }
        catch (InvalidOperationException e)
        {
            return e.Message;
        }

        var said = "";
        for (var i = 0; i < 8; i++)
        {
            try
            {
                Assert.Equal(Bytes(i), await it.ReadAsync($"/f{i}"));
            }
            catch (DataLayerException e)
            {
                Assert.NotEqual(ErrorCode.Internal, e.Code);
                said += e.Message;
            }
        }

        return said;
    }

    /// <summary>Writes files until there is no space; returns how many there are.</summary>
    private static async Task<int> FillAsync(Installation it)
    {
        for (var i = 0; ; i++)
        {
            try
            {
                await it.Client.WriteFileAsync($"/f{i}", Bytes(i));
            }
            catch (DataLayerException e)
            {
                Assert.Equal(ErrorCode.NoSpace, e.Code);
                Assert.Null(await it.Client.TryStatAsync($"/f{i}"));
                return i;
            }
        }
    }

    /// <summary>Writes a file. What a delete gave up is freed behind it, so a few tries may still find the target full.</summary>
    private static async Task WriteOnceThereIsRoomAsync(Installation it, string path)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await it.Client.WriteFileAsync(path, Bytes(1000));
                return;
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NoSpace && tries < 1000)
            {
                // Each try takes a round trip, which is time for the deletion.
            }
        }
    }

    private static async Task FillUpAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true)
            {
                await file.WriteAsync(new byte[4096]);
            }
        }
        catch (IOException)
        {
            // Full, as wanted.
        }
    }

    private static byte[] Bytes(int file) => new Content((ulong)file + 1, FileBytes).ToBytes();
}
