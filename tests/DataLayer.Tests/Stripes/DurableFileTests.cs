using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Stripes;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class DurableFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("datalayer-durable-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Writes_and_reads_back_at_an_offset()
    {
        string path = Path.Combine(_folder, "file");
        using SafeFileHandle file = DurableFile.Open(path, write: true, create: true);
        DurableFile.Write(file, path, [1, 2, 3], 10);
        DurableFile.Flush(file, path);
        DurableFile.FlushData(file, path);
        DurableFile.FlushDirectory(_folder);

        byte[] bytes = new byte[20];
        Assert.Equal(13, DurableFile.Read(file, path, bytes, 0));
        Assert.Equal([0, 1, 2, 3], bytes[9..13]);
    }

    [Fact]
    public void A_new_file_is_private()
    {
        string path = Path.Combine(_folder, "secret");
        DurableFile.Open(path, write: true, create: true).Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void Opening_a_missing_file_says_which()
    {
        string path = Path.Combine(_folder, "absent");
        DataLayerException fault = Assert.Throws<DataLayerException>(() => DurableFile.Open(path, write: false));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
        Assert.Contains(path, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Does_not_follow_a_link_in_the_last_component()
    {
        string target = Path.Combine(_folder, "target");
        string link = Path.Combine(_folder, "link");
        File.WriteAllText(target, "x");
        File.CreateSymbolicLink(link, target);
        Assert.Throws<DataLayerException>(() => DurableFile.Open(link, write: true));
    }

    [Fact]
    public void Exclusive_creation_fails_on_an_existing_file()
    {
        string path = Path.Combine(_folder, "file");
        DurableFile.Open(path, write: true, create: true, exclusive: true).Dispose();
        DataLayerException fault = Assert.Throws<DataLayerException>(
            () => DurableFile.Open(path, write: true, create: true, exclusive: true));
        Assert.Equal(ErrorCode.AlreadyExists, fault.Code);
    }

    [Fact]
    public void Rename_without_replace_keeps_both_files()
    {
        string from = Path.Combine(_folder, "from");
        string to = Path.Combine(_folder, "to");
        File.WriteAllText(from, "new");
        File.WriteAllText(to, "old");
        DataLayerException fault = Assert.Throws<DataLayerException>(() =>
            DurableFile.Rename(from, to, replace: false));
        Assert.Equal(ErrorCode.AlreadyExists, fault.Code);
        Assert.Equal("old", File.ReadAllText(to));
        DurableFile.Rename(from, to, replace: true);
        Assert.Equal("new", File.ReadAllText(to));
    }

    [Fact]
    public void A_write_to_a_full_device_is_NoSpace()
    {
        using SafeFileHandle full = DurableFile.Open("/dev/full", write: true);
        DataLayerException fault = Assert.Throws<DataLayerException>(() => DurableFile.Write(full, "/dev/full", [1],
            0));
        Assert.Equal(ErrorCode.NoSpace, fault.Code);
    }

    [Fact]
    public void A_flush_that_cannot_work_is_reported()
    {
        using SafeFileHandle device = DurableFile.Open("/dev/null", write: true);
        Assert.Throws<DataLayerException>(() => DurableFile.Flush(device, "/dev/null"));
    }

    [Fact]
    public void A_punched_range_reads_as_zeros_and_the_size_stays()
    {
        string path = Path.Combine(_folder, "file");
        using SafeFileHandle file = DurableFile.Open(path, write: true, create: true);
        byte[] bytes = new byte[1 << 16];
        Array.Fill(bytes, (byte)7);
        DurableFile.Write(file, path, bytes, 0);
        Assert.True(DurableFile.TryPunchHole(file, path, 4096, 8192));
        DurableFile.Read(file, path, bytes, 0);
        Assert.Equal(7, bytes[4095]);
        Assert.Equal(0, bytes[4096]);
        Assert.Equal(7, bytes[4096 + 8192]);
        Assert.Equal(1 << 16, new FileInfo(path).Length);
    }

    [Fact]
    public void Atomic_writes_replace_only_when_told()
    {
        string path = Path.Combine(_folder, "identity");
        DurableFile.WriteAtomically(path, "one"u8, replace: false);
        Assert.Throws<DataLayerException>(() => DurableFile.WriteAtomically(path, "two"u8, replace: false));
        Assert.Equal("one", File.ReadAllText(path));
        DurableFile.WriteAtomically(path, "two"u8, replace: true);
        Assert.Equal("two", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder));
    }

    [Fact]
    public void Space_of_a_file_system_is_plausible()
    {
        FileSystemSpace space = DurableFile.GetSpace(_folder);
        Assert.InRange(space.AvailableBytes, 1, space.CapacityBytes);
        Assert.False(space.IsReadOnly);
    }

    [Fact]
    public void Unlink_and_mkdir_say_whether_they_did_something()
    {
        string folder = Path.Combine(_folder, "sub");
        Assert.True(DurableFile.MakeDirectory(folder));
        Assert.False(DurableFile.MakeDirectory(folder));
        string path = Path.Combine(folder, "file");
        File.WriteAllText(path, string.Empty);
        Assert.True(DurableFile.Unlink(path));
        Assert.False(DurableFile.Unlink(path));
    }
}
