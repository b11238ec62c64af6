using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Interop;

/// <summary>
/// The libc calls of this assembly, as the Linux manual declares them. Callers read errno at once. Structures are those
/// of 64-bit Linux; only the constants tabled here differ between x86-64 and arm64.
/// </summary>
internal static unsafe partial class Libc
{
    internal const int OpenReadWrite = 2;
    internal const int OpenReadOnly = 0;
    internal const int OpenCreate = 0x40;
    internal const int OpenExclusive = 0x80;
    internal const int OpenCloseOnExec = 0x80000;

    internal const int CurrentDirectory = -100;
    internal const uint StatXInode = 0x100;

    internal const int LockExclusive = 2;
    internal const int LockShared = 1;
    internal const int LockNoWait = 4;

    internal const short PollIn = 1;
    internal const short PollError = 8;

    internal const nuint MountReadOnly = 1;
    internal const nuint MountNoSetUserId = 2;
    internal const nuint MountNoDevices = 4;
    internal const int UnmountForce = 1;
    internal const int UnmountDetach = 2;
    internal const int UnmountNoFollow = 8;

    /// <summary>FUSE_DEV_IOC_BACKING_OPEN: <c>_IOW(229, 1, struct fuse_backing_map)</c>, linux/fuse.h.</summary>
    internal const nuint BackingOpen = 0x4010_E501;

    /// <summary>FUSE_DEV_IOC_BACKING_CLOSE: <c>_IOW(229, 2, uint32_t)</c>, linux/fuse.h.</summary>
    internal const nuint BackingClose = 0x4004_E502;

    internal static readonly int OpenDirectory = IsArm64 ? 0x4000 : 0x10000;
    internal static readonly int OpenNoFollow = IsArm64 ? 0x8000 : 0x20000;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int GetStatus(int directory, string path, int flags, uint mask, StatX* result);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollDescriptor* descriptors, ulong count, int timeoutMilliseconds);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int Lock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(SafeFileHandle file, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(SafeFileHandle file, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Mount(string source, string target, string type, nuint flags, string data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Unmount(string target, int flags);

    /// <summary>realpath(3): the result is <c>malloc</c>ed.</summary>
    [LibraryImport("libc", EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial byte* RealPath(string path, byte* resolved);

    [LibraryImport("libc", EntryPoint = "getegid")]
    internal static partial uint GetGroupId();

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    internal static partial int StartSession();

    /// <summary>struct statx (linux/stat.h), of which only these members are read; 256 bytes on all machines.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatX
    {
        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short ReturnedEvents;
    }

    /// <summary>struct fuse_backing_map of linux/fuse.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct BackingMap
    {
        public int Descriptor;
        public uint Flags;
        public ulong Padding;
    }
}
