using System.Globalization;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Mounts;

/// <summary>
/// A small file system of its own, mounted in a temporary folder: for full targets (blocks or inodes), read-only targets, EIO and
/// power loss. Needs root. Unmounted on dispose; the sweep of <see cref="TempFolder"/> gets what a killed test leaves.
/// </summary>
/// <remarks>
/// Life cycle of an ext4: mounted, then any number of (remounted read-only | shut down, remounted), then disposed. After
/// <see cref="ShutDown"/> every access fails with EIO until <see cref="Remount"/>, which replays the file system's journal as
/// after a loss of power: what was not fsynced before is gone (mounted with a commit interval of 300 s and without the
/// heuristics that flush on rename, so nothing becomes durable by luck).
/// </remarks>
public sealed class SmallFilesystem : IDisposable
{
    private const string Ext4Options = "loop,noatime,commit=300,noauto_da_alloc,errors=continue";
    private readonly TempFolder _folder;
    private readonly string? _image;

    private SmallFilesystem(TempFolder folder, string? image)
    {
        _folder = folder;
        _image = image;
        Path = folder.MakeFolder("mnt");
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>A file system in memory of so many MiB, with a bound on inodes where given.</summary>
    public static SmallFilesystem Tmpfs(int sizeMebibytes, int? inodeCount = null)
    {
        var made = new SmallFilesystem(new TempFolder("tmpfs"), image: null);
        var options = FormattableString.Invariant($"size={sizeMebibytes}m");
        options += inodeCount is { } count ? FormattableString.Invariant($",nr_inodes={count}") : "";
        return made.MountOrDispose(() => Command.Run("mount", "-t", "tmpfs", "-o", options, "tmpfs", made.Path));
    }

    /// <summary>An ext4 of so many MiB on a loop device over a sparse file, with a bound on inodes where given.</summary>
    public static SmallFilesystem Ext4(int sizeMebibytes, int? inodeCount = null)
    {
        var folder = new TempFolder("ext4");
        var made = new SmallFilesystem(folder, folder.Combine("image"));
        return made.MountOrDispose(() =>
        {
            using (var file = File.Create(made._image!))
            {
                file.SetLength((long)sizeMebibytes << 20);
            }

            string[] inodes = inodeCount is { } count ? ["-N", count.ToString(CultureInfo.InvariantCulture)] : [];
            Command.Run("mkfs.ext4", ["-q", "-F", "-m", "0", .. inodes, made._image!]);
            Command.Run("mount", "-t", "ext4", "-o", Ext4Options, made._image!, made.Path);
        });
    }

    /// <summary>Makes it read-only in place, or writable again. Fails where a file is open for writing.</summary>
    public void SetReadOnly(bool readOnly) => Command.Run("mount", "-o", readOnly ? "remount,ro" : "remount,rw", Path);


    /// <summary>
    /// Cuts the power of an ext4: what was not flushed never reaches the image, and every access fails with EIO from now on
    /// (EXT4_IOC_SHUTDOWN without a log flush, include/uapi/linux/ext4.h).
    /// </summary>
    public void ShutDown() => FilesystemShutdown.WithoutLogFlush(Path);

    /// <summary>
    /// Makes an ext4 read-only under open files, as the kernel does on finding an error on the disk: writes and flushes fail with
    /// EROFS, reads go on. Ends with <see cref="Remount"/>.
    /// </summary>
    public void ForceReadOnly() => Command.Run("mount", "-o", "remount,abort", Path);

    /// <summary>Stops all writes (they hang, not fail) until <see cref="Thaw"/>; reads go on. For a target that hangs.</summary>
    public void Freeze() => Command.Run("fsfreeze", "--freeze", Path);

    /// <summary>Ends <see cref="Freeze"/>.</summary>
    public void Thaw() => Command.Run("fsfreeze", "--unfreeze", Path);

    /// <summary>Ends <see cref="Freeze"/> where it holds: for the end of a test that may have failed.</summary>
    public void TryThaw() => Command.TryRun("fsfreeze", "--unfreeze", Path);

    /// <summary>Unmounts an ext4 and mounts it again, with the page cache dropped. Nothing may be open in it.</summary>
    public void Remount()
    {
        Unmount();
        Command.Run("mount", "-t", "ext4", "-o", Ext4Options, _image ?? throw new InvalidOperationException("A tmpfs forgets."), Path);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    // A child process that another test is just starting holds this process's descriptors until it execs: busy for a moment.
    private void Unmount()
    {
        var result = Command.TryRun("umount", Path);
        var isGone = result.ExitCode == 0 || SpinWait.SpinUntil(() => (result = Command.TryRun("umount", Path)).ExitCode == 0, 5_000);
        if (!isGone)
        {
            throw new InvalidOperationException($"'{Path}' cannot be unmounted: {result.Error}");
        }

        // A mount namespace that another test has just made has a copy of the mount, and keeps the file system as it is: mounted
        // again it would still be shut down. It is gone when its loop device is.
        if (_image is not null && !SpinWait.SpinUntil(() => Command.Run("losetup", "--associated", _image).Length == 0, 10_000))
        {
            throw new InvalidOperationException($"'{Path}' was unmounted, but somebody still has its file system.");
        }
    }

    private SmallFilesystem MountOrDispose(Action mount)
    {
        try
        {
            mount();
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }
}
