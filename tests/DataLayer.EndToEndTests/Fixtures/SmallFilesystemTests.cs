using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Fixtures;

/// <summary>The small file systems do to a plain program what the fault tests count on.</summary>
public sealed class SmallFilesystemTests
{
    [Fact]
    public void A_tmpfs_is_full_after_its_size()
    {
        using var small = SmallFilesystem.Tmpfs(1);
        var error = Assert.Throws<IOException>(() => File.WriteAllBytes(small.Path + "/big", new byte[2 << 20]));
        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_system_can_run_out_of_inodes_with_blocks_to_spare()
    {
        using var small = SmallFilesystem.Tmpfs(8, inodeCount: 8);
        var error = Assert.Throws<IOException>(() =>
        {
            for (var i = 0; i < 16; i++)
            {
                File.WriteAllText($"{small.Path}/{i}", "");
            }
        });
        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_power_cut_keeps_what_was_synced_and_loses_the_rest()
    {
        using var disk = SmallFilesystem.Ext4(16);
        File.WriteAllText(disk.Path + "/kept", "kept");
        Command.Run("sync", disk.Path + "/kept");
        Command.Run("sync", disk.Path);
        File.WriteAllText(disk.Path + "/lost", "lost");

        disk.ShutDown();
        Assert.ThrowsAny<IOException>(() => File.WriteAllText(disk.Path + "/after", "x"));
        disk.Remount();

        Assert.Equal("kept", File.ReadAllText(disk.Path + "/kept"));
        Assert.False(File.Exists(disk.Path + "/lost"));
    }

    [Fact]
    public void A_shut_down_file_system_answers_reads_with_EIO()
    {
        using var disk = SmallFilesystem.Ext4(16);
        File.WriteAllText(disk.Path + "/f", "text");
        disk.ShutDown();
        var error = Assert.ThrowsAny<IOException>(() => File.ReadAllText(disk.Path + "/f"));
        Assert.Contains("Input/output error", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_system_turns_read_only_under_an_open_file()
    {
        using var disk = SmallFilesystem.Ext4(16);
        using var file = new FileStream(disk.Path + "/f", FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        file.WriteByte(1);
        disk.ForceReadOnly();
        var error = Assert.ThrowsAny<IOException>(() => file.WriteByte(2));
        Assert.Contains("Read-only file system", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_read_only_mount_refuses_writes_and_can_be_lifted()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.Combine("f"), "text");
        using (new ReadOnlyMount(folder.Path))
        {
            var error = Assert.ThrowsAny<IOException>(() => File.WriteAllText(folder.Combine("g"), "text"));
            Assert.Contains("Read-only file system", error.Message, StringComparison.Ordinal);
            Assert.Equal("text", File.ReadAllText(folder.Combine("f")));
        }

        File.WriteAllText(folder.Combine("g"), "text");
    }

    [Fact]
    public void Nothing_stays_mounted_after_dispose()
    {
        string path;
        using (var disk = SmallFilesystem.Ext4(16))
        {
            path = disk.Path;
            Assert.NotEmpty(MountTable.ListBelow(path));
        }

        Assert.Empty(MountTable.ListBelow(path));
        Assert.False(Directory.Exists(path));
    }
}
