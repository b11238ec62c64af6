using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Interop;

/// <summary>
/// Opens names below a folder so that neither '..' nor any symbolic link on the way leads out of it (openat2 with
/// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, Linux 5.6), and reads and sets what tells contents apart.
/// </summary>
internal static unsafe partial class BeneathFile
{
    internal const int EmptyPath = 0x1000;
    internal const int NoFollow = 0x100;

    /// <summary>AT_STATX_FORCE_SYNC.</summary>
    internal const int ForceSync = 0x2000;
    private const int OpenPathOnly = 0x200000;
    private const int OpenNonBlocking = 0x800;
    private const int RemoveDirectory = 0x200;
    private const ulong ResolveBeneath = 8;
    private const ulong ResolveNoSymlinks = 4;
    private const int NotPermitted = 1;
    private const int AccessDenied = 13;
    private const int Busy = 16;
    private const int TooManyLinks = 40;

    /// <summary>EXDEV: what openat2 says of a path out of the root, also where it was moved out meanwhile.</summary>
    private const int LedOut = 18;
    private const nint SyscallOpenAt2 = 437;
    private const uint StatBasic = 0x7FF;

    /// <summary>Opens a folder by its path, as the root of what is below. Null if there is none.</summary>
    internal static SafeFileHandle? TryOpenRoot(string path)
    {
        int descriptor = Libc.Open(path, Libc.OpenReadOnly | Libc.OpenDirectory | Libc.OpenCloseOnExec, 0);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : NullIfMissing("open", path);
    }

    /// <summary>Opens a folder below the root for names in it; null if there is none.</summary>
    /// <exception cref="DataLayerException">PermissionDenied: a symbolic link is on the way.</exception>
    internal static SafeFileHandle? TryOpenFolder(SafeFileHandle root, string relative) =>
        TryOpen(root, relative, OpenPathOnly | Libc.OpenDirectory);

    /// <summary>Opens a file below the root for reading; never blocks on a pipe. Null if there is none.</summary>
    /// <exception cref="DataLayerException">PermissionDenied: it is, or is reached by, a symbolic link.</exception>
    internal static SafeFileHandle? TryOpenFile(SafeFileHandle root, string relative) =>
        TryOpen(root, relative, Libc.OpenReadOnly | OpenNonBlocking);

    /// <summary>What is at a path below the root; null if there is nothing, or a symbolic link leads there.</summary>
    internal static FileStatus? TryStatBelow(SafeFileHandle root, string relative)
    {
        using SafeFileHandle? found = Resolve(root, relative, OpenPathOnly | Libc.OpenNoFollow);
        int errno = found is null ? Marshal.GetLastPInvokeError() : 0;
        return found is not null ? FileStatus.Of(found, relative)
            : errno is Errno.NoEntry or Errno.NotADirectory or TooManyLinks ? null
            : throw LinuxError.Create(errno, "openat2", relative);
    }

    /// <summary>
    /// The path of an open folder for calls that take paths: names below it resolve from the descriptor.
    /// </summary>
    internal static string PathOf(SafeFileHandle folder, string name) =>
        $"/proc/self/fd/{(int)folder.DangerousGetHandle()}/{name}";

    /// <summary>Removes a folder if it is empty; false if it is not, or is gone.</summary>
    internal static bool TryRemoveEmptyFolder(SafeFileHandle folder, string name)
    {
        if (UnlinkAt(folder, name, RemoveDirectory) == 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.NotEmpty or Errno.Exists or Errno.NoEntry or Errno.NotADirectory
            or NotPermitted or AccessDenied or Busy
            ? false
            : throw LinuxError.Create(errno, "rmdir", name);
    }

    /// <summary>Sets the permission bits of an open file.</summary>
    internal static void SetMode(SafeFileHandle file, string path, uint mode)
    {
        if (ChangeModeOf(file, mode) != 0)
        {
            throw LinuxError.Last("fchmod", path);
        }
    }

    /// <summary>Sets the permission bits of a file or folder.</summary>
    internal static void SetMode(string path, uint mode)
    {
        if (ChangeMode(path, mode) != 0)
        {
            throw LinuxError.Last("chmod", path);
        }
    }

    /// <summary>Sets the modification time of an open file.</summary>
    internal static void SetModified(SafeFileHandle file, string path, long seconds, long nanoseconds)
    {
        Span<long> times = [0, 0x3FFFFFFE, seconds, nanoseconds]; // Access time: UTIME_OMIT, leave it.
        fixed (long* start = times)
        {
            if (SetTimes(file, start) != 0)
            {
                throw LinuxError.Last("futimens", path);
            }
        }
    }

    internal static FileStatus? TryStat(SafeFileHandle folder, string name, int flags, out int errno)
    {
        Statx result = default;
        if (StatAt(folder, name, flags, StatBasic, &result) != 0)
        {
            errno = Marshal.GetLastPInvokeError();
            return null;
        }

        errno = 0;
        return new FileStatus(
            result.Inode, (long)result.Size, result.ModifiedSeconds, result.ModifiedNanoseconds,
                (result.Mode & 0xF000) == 0x8000)
        {
            LinkCount = result.LinkCount,
            AllocatedBytes = (long)result.Sectors * 512,
        };
    }

    private static SafeFileHandle? TryOpen(SafeFileHandle root, string relative, int flags) =>
        Resolve(root, relative, flags) ?? NullIfMissing("openat2", relative);

    /// <summary>Opens; null with the errno as the last error.</summary>
    private static SafeFileHandle? Resolve(SafeFileHandle root, string relative, int flags)
    {
        OpenHow how = new()
        {
            Flags = (ulong)(uint)(flags | Libc.OpenCloseOnExec),
            Resolve = ResolveBeneath | ResolveNoSymlinks,
        };
        nint descriptor;
        do
        {
            descriptor = OpenAt2(SyscallOpenAt2, root, relative, &how, (nuint)Unsafe.SizeOf<OpenHow>());
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : null;
    }

    private static SafeFileHandle? NullIfMissing(string call, string path)
    {
        int errno = Marshal.GetLastPInvokeError();
        return errno switch
        {
            Errno.NoEntry or Errno.NotADirectory => null,
            TooManyLinks => throw new DataLayerException(ErrorCode.PermissionDenied,
                $"'{path}' is, or is reached by, a symbolic link; links are not followed. Put the file itself there."),
            LedOut => throw new DataLayerException(ErrorCode.PermissionDenied,
                $"'{path}' leads out of its folder, or was moved out of it a moment ago. Leave the folder's names "
                + "alone while it is a store."),
            _ => throw LinuxError.Create(errno, call, path),
        };
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenAt2(nint number, SafeFileHandle folder, string path, OpenHow* how, nuint size);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatAt(SafeFileHandle folder, string path, int flags, uint mask, Statx* result);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnlinkAt(SafeFileHandle folder, string name, int flags);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeMode(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    private static partial int ChangeModeOf(SafeFileHandle file, uint mode);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    private static partial int SetTimes(SafeFileHandle file, long* times);

    /// <summary>struct open_how (linux/openat2.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>struct statx (linux/stat.h), the same on every architecture; 256 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(16)]
        public uint LinkCount;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(48)]
        public ulong Sectors;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;
    }
}
