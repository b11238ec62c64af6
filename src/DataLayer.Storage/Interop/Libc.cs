using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Interop;

/// <summary>
/// The libc calls behind <see cref="DurableFile"/>, as they are declared in the Linux manual. Nothing else calls them:
/// there every errno is turned into a fault that names the file.
/// </summary>
/// <remarks>
/// Constants of asm-generic; the ones that differ on arm64 are tabled in <see cref="OpenDirectory"/> and <see
/// cref="OpenNoFollow"/>. Sizes and offsets are 64-bit: only 64-bit Linux is supported.
/// </remarks>
internal static unsafe partial class Libc
{
    internal const int OpenReadOnly = 0;
    internal const int OpenReadWrite = 2;
    internal const int OpenCreate = 0x40;
    internal const int OpenExclusive = 0x80;
    internal const int OpenTruncate = 0x200;
    internal const int OpenCloseOnExec = 0x80000;
    internal const int RenameNoReplace = 1;
    internal const int FallocateKeepSize = 1;
    internal const int FallocatePunchHole = 2;
    internal const int AdviseSequential = 2;
    internal const int AdviseWillNeed = 3;
    internal const int AdviseDontNeed = 4;
    internal const int SyncRangeWrite = 2;
    internal const int CurrentDirectory = -100;
    internal const int SeekData = 3;
    internal const int SeekHole = 4;

    /// <summary>O_DIRECTORY.</summary>
    internal static readonly int OpenDirectory = IsArm64 ? 0x4000 : 0x10000;

    /// <summary>O_NOFOLLOW.</summary>
    internal static readonly int OpenNoFollow = IsArm64 ? 0x8000 : 0x20000;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    internal static partial int Fdatasync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    internal static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    internal static partial nint Pread(SafeFileHandle file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    internal static partial nint Pwrite(SafeFileHandle file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "preadv", SetLastError = true)]
    internal static partial nint Preadv(SafeFileHandle file, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", EntryPoint = "pwritev", SetLastError = true)]
    internal static partial nint Pwritev(SafeFileHandle file, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    internal static partial int Ftruncate(SafeFileHandle file, long length);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int Fallocate(SafeFileHandle file, int mode, long offset, long length);

    /// <summary>posix_fadvise: returns the errno instead of setting it.</summary>
    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    internal static partial int Fadvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Rename(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "dup3", SetLastError = true)]
    internal static partial int Duplicate(SafeFileHandle from, SafeFileHandle over, int flags);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MakeDirectory(string path, int mode);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StatFileSystem(string path, StatVfs* result);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct statvfs of 64-bit glibc and musl.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct StatVfs
    {
        public ulong BlockSize;
        public ulong FragmentSize;
        public ulong Blocks;
        public ulong FreeBlocks;
        public ulong AvailableBlocks;
        public ulong Files;
        public ulong FreeFiles;
        public ulong AvailableFiles;
        public ulong FileSystemId;
        public ulong Flags;
        public ulong MaxNameLength;
        public fixed int Spare[8];
    }
}
