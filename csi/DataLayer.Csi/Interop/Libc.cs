using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Csi.Interop;

/// <summary>
/// The calls of Linux that bind mounts need. Those newer than the C library some images carry go by number; the numbers
/// are the same on x86-64 and arm64.
/// </summary>
internal static partial class Libc
{
    public const int AtCurrentFolder = -100;
    public const int AtSymlinkNoFollow = 0x100;
    public const int AtRemoveDirectory = 0x200;
    public const int AtEmptyPath = 0x1000;
    public const int UnmountDetach = 2;
    public const int UnmountNoFollow = 8;

    private const long OpenTreeNumber = 428;
    private const long MoveMountNumber = 429;
    private const long OpenAt2Number = 437;
    private const long MountSetAttrNumber = 442;

    /// <summary>struct open_how of openat2(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>struct mount_attr of mount_setattr(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MountAttributes
    {
        public ulong Set;
        public ulong Clear;
        public ulong Propagation;
        public ulong UserNamespace;
    }

    /// <summary>struct statvfs of the C library, 64-bit.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public unsafe struct FileSystemSpace
    {
        public ulong BlockBytes;
        public ulong FragmentBytes;
        public ulong Blocks;
        public ulong BlocksFree;
        public ulong BlocksAvailable;
        public ulong Files;
        public ulong FilesFree;
        public ulong FilesAvailable;
        public ulong Id;
        public ulong Flags;
        public ulong MaxNameBytes;
        private fixed int _spare[8];
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, int folder, string path, in OpenHow how, nint howBytes);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenTree(long number, SafeFileHandle folder, string path, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long MoveMount(
        long number, SafeFileHandle from, string fromPath, SafeFileHandle to, string toPath, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long MountSetAttr(
        long number, SafeFileHandle mount, string path, uint flags, in MountAttributes attributes, nint bytes);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MakeDirectoryAt(SafeFileHandle folder, string name, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int UnlinkAt(SafeFileHandle folder, string name, int flags);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unmount(string path, int flags);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GetSpace(string path, out FileSystemSpace space);

    /// <summary>openat2(2) of a path; null where it fails, with the error number.</summary>
    public static SafeFileHandle? OpenAt2(int folder, string path, OpenHow how, out int errno) =>
        ToHandle(OpenAt2(OpenAt2Number, folder, path, how, 24), out errno);

    /// <summary>open_tree(2); null where it fails, with the error number.</summary>
    public static SafeFileHandle? OpenTree(SafeFileHandle folder, string path, uint flags, out int errno) =>
        ToHandle(OpenTree(OpenTreeNumber, folder, path, flags), out errno);

    /// <summary>move_mount(2); 0, or the error number.</summary>
    public static int MoveMount(
        SafeFileHandle from, string fromPath, SafeFileHandle to, string toPath, uint flags) =>
        MoveMount(MoveMountNumber, from, fromPath, to, toPath, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>mount_setattr(2) of the mount a handle stands for; 0, or the error number.</summary>
    public static int SetMountAttributes(SafeFileHandle mount, MountAttributes attributes) =>
        MountSetAttr(MountSetAttrNumber, mount, string.Empty, AtEmptyPath, attributes, 32) == 0
            ? 0 : Marshal.GetLastPInvokeError();

    private static SafeFileHandle? ToHandle(long result, out int errno)
    {
        errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        return result < 0 ? null : new SafeFileHandle((nint)result, ownsHandle: true);
    }
}
