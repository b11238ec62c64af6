using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Interop;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Mounts;

/// <summary>
/// The file <c>mounts/ID</c> in the state folder: a keeper's sign of life. The keeper holds a lock (flock) on it, which
/// the kernel drops with the process, so whoever can take the lock knows that the keeper is gone; also from another
/// container, where process ids mean nothing. Its path is the mount's source in the kernel's table.
/// </summary>
public sealed class MountRecord : IDisposable
{
    private const string FolderName = "mounts";
    private const int FileMode = 0x1A4; // rw-r--r--: the service may run as another user
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly SafeFileHandle _lock;

    private MountRecord(string path, SafeFileHandle held)
    {
        Path = path;
        _lock = held;
    }

    /// <summary>The file; also the source of the mount in the kernel's table.</summary>
    public string Path { get; }

    /// <summary>Makes and locks the record of a mount.</summary>
    /// <exception cref="DataLayerException">TargetFailed or PermissionDenied: the state folder cannot be
    /// written.</exception>
    public static MountRecord Create(string stateFolder, KeeperHello mount)
    {
        ArgumentNullException.ThrowIfNull(mount);
        string folder = System.IO.Path.Combine(stateFolder, FolderName);
        string path = System.IO.Path.Combine(folder, mount.MountId);
        try
        {
            Directory.CreateDirectory(folder, FolderMode);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed,
                $"The keeper cannot write to the state folder '{stateFolder}': {e.Message} Run as the service's user "
                + "or as root, on the same machine.", e);
        }

        // It gets its name only when it is locked: nobody ever sees a living mount's record without its lock.
        string unnamed = path + ".new";
        SafeFileHandle file = Open(
            unnamed, Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenExclusive, FileMode, out int errno)
            ?? throw FailedCall.Fault(
                errno, $"Making '{unnamed}'", "Give the keeper write access to the state folder.");
        try
        {
            if (Libc.Lock(file, Libc.LockExclusive | Libc.LockNoWait) != 0)
            {
                throw FailedCall.Fault(
                    FailedCall.Last, $"Locking '{unnamed}'", "Use a state folder whose file system has locks.");
            }

            RandomAccess.Write(file, KeeperPayload.Write(mount, KeeperJson.Default.KeeperHello), 0);
            if (Libc.Rename(unnamed, path) != 0)
            {
                throw FailedCall.Fault(
                    FailedCall.Last, $"Naming '{path}'", "Give the keeper write access to the state folder.");
            }

            return new MountRecord(path, file);
        }
        catch
        {
            file.Dispose();
            File.Delete(unnamed);
            throw;
        }
    }

    /// <summary>
    /// Whether the keeper of a record lives. False where there is no such record; true where that cannot be seen, for
    /// want of rights: a living keeper's mount must never be taken for a dead one's.
    /// </summary>
    public static bool IsAlive(string path)
    {
        using SafeFileHandle? file = Open(path, Libc.OpenReadOnly | Libc.OpenNoFollow, 0, out int errno);
        if (file is null)
        {
            return errno is not (Errno.NoEntry or Errno.NotADirectory);
        }

        // A lock that is taken here goes with the handle.
        return Libc.Lock(file, Libc.LockShared | Libc.LockNoWait) != 0;
    }

    /// <summary>What a record says of its mount; null where it is gone or damaged.</summary>
    public static KeeperHello? TryRead(string path)
    {
        // Not by File: it would ask for the lock.
        using SafeFileHandle? file = Open(path, Libc.OpenReadOnly | Libc.OpenNoFollow, 0, out _);
        if (file is null)
        {
            return null;
        }

        byte[] bytes = new byte[Math.Min(RandomAccess.GetLength(file), KeeperFrameHeader.MaxPayloadBytes)];
        int count = RandomAccess.Read(file, bytes, 0);
        try
        {
            return KeeperPayload.Read(bytes.AsSpan(0, count), KeeperJson.Default.KeeperHello);
        }
        catch (DataLayerException)
        {
            return null;
        }
    }

    /// <summary>The records whose keepers live.</summary>
    public static IReadOnlyList<string> ListAlive(string stateFolder)
    {
        List<string> alive = [];
        foreach (string path in List(stateFolder))
        {
            if (IsAlive(path))
            {
                alive.Add(path);
            }
        }

        return alive;
    }

    /// <summary>A name for a new mount: the state folder's mark and eight random digits, all hexadecimal.</summary>
    /// <exception cref="DataLayerException">NotFound or PermissionDenied: the state folder.</exception>
    public static string NewId(string stateFolder) =>
        MarkOf(stateFolder) + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));

    /// <summary>Whether a mount's source names a record of this state folder.</summary>
    /// <param name="source">The source in the kernel's table.</param>
    /// <param name="stateFolder">The state folder.</param>
    /// <param name="mark">Its mark, from <see cref="MarkOf"/>.</param>
    public static bool IsOf(string source, string stateFolder, string mark) =>
        System.IO.Path.GetDirectoryName(source) == System.IO.Path.Combine(stateFolder, FolderName)
        && System.IO.Path.GetFileName(source).StartsWith(mark, StringComparison.Ordinal);

    /// <summary>
    /// What tells a state folder from another at the same path: two containers see each other's mounts where these are
    /// propagated, and both call their folder <c>/var/lib/datalayer</c>. Eight digits from the folder's device and
    /// inode (FNV-1a).
    /// </summary>
    /// <exception cref="DataLayerException">NotFound or PermissionDenied: the folder.</exception>
    public static unsafe string MarkOf(string stateFolder)
    {
        Libc.StatX status = default;
        if (Libc.GetStatus(Libc.CurrentDirectory, stateFolder, 0, Libc.StatXInode, &status) != 0)
        {
            throw FailedCall.Fault(
                FailedCall.Last, $"Looking at the state folder '{stateFolder}'",
                "Run on the service's machine, as its user or as root.");
        }

        uint hash = 2166136261;
        ReadOnlySpan<ulong> identity = [status.Inode, status.DeviceMajor, status.DeviceMinor];
        foreach (byte one in MemoryMarshal.AsBytes(identity))
        {
            hash = unchecked((hash ^ one) * 16777619);
        }

        return hash.ToString("x8", CultureInfo.InvariantCulture);
    }

    /// <summary>All records, also of keepers that are gone.</summary>
    internal static IEnumerable<string> List(string stateFolder)
    {
        string folder = System.IO.Path.Combine(stateFolder, FolderName);
        return Directory.Exists(folder) ? Directory.EnumerateFiles(folder) : [];
    }

    /// <summary>Removes the record and lets go of the lock.</summary>
    public void Dispose()
    {
        if (!_lock.IsClosed)
        {
            try
            {
                File.Delete(Path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // An unlocked record is a dead keeper's; the next keeper removes it.
            }

            _lock.Dispose();
        }
    }

    private static SafeFileHandle? Open(string path, int flags, int mode, out int errno)
    {
        int descriptor = Libc.Open(path, flags | Libc.OpenCloseOnExec, mode);
        errno = descriptor < 0 ? FailedCall.Last : 0;
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }
}
