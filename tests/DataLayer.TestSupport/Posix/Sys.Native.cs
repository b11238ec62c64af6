using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Posix;

/// <content>The declarations, one a call of glibc.</content>
public static partial class Sys
{
    private static partial class Native
    {
        private const StringMarshalling Utf8 = StringMarshalling.Utf8;

        [LibraryImport(Library, EntryPoint = "open", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Open(string path, int flags, int mode);

        [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
        internal static partial int OpenRaw(byte[] path, int flags, int mode);

        [LibraryImport(Library, EntryPoint = "openat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int OpenAt(int folder, string path, int flags, int mode);

        [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
        internal static partial int Close(int file);

        [LibraryImport(Library, EntryPoint = "dup", SetLastError = true)]
        internal static partial int Dup(int file);

        [LibraryImport(Library, EntryPoint = "mkdir", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Mkdir(string path, int mode);

        [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int MkdirAt(int folder, string path, int mode);

        [LibraryImport(Library, EntryPoint = "rmdir", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Rmdir(string path);

        [LibraryImport(Library, EntryPoint = "unlink", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Unlink(string path);

        [LibraryImport(Library, EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int UnlinkAt(int folder, string path, int flags);

        [LibraryImport(Library, EntryPoint = "link", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Link(string path, string newPath);

        [LibraryImport(Library, EntryPoint = "linkat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int LinkAt(int folder, string path, int newFolder, string newPath, int flags);

        [LibraryImport(Library, EntryPoint = "symlink", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Symlink(string target, string path);

        [LibraryImport(Library, EntryPoint = "readlink", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial nint ReadLink(string path, byte[] buffer, nuint length);

        [LibraryImport(Library, EntryPoint = "rename", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Rename(string path, string newPath);

        [LibraryImport(Library, EntryPoint = "renameat2", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int RenameAt2(int folder, string path, int newFolder, string newPath, uint flags);

        [LibraryImport(Library, EntryPoint = "mknod", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Mknod(string path, int mode, ulong device);

        [LibraryImport(Library, EntryPoint = "statx", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Statx(int folder, string path, int flags, uint mask, out FileStatus status);

        [LibraryImport(Library, EntryPoint = "statvfs", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int StatVfs(string path, out SpaceStatus status);

        [LibraryImport(Library, EntryPoint = "chmod", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Chmod(string path, int mode);

        [LibraryImport(Library, EntryPoint = "fchmod", SetLastError = true)]
        internal static partial int FChmod(int file, int mode);

        [LibraryImport(Library, EntryPoint = "fchownat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int FChownAt(int folder, string path, int user, int group, int flags);

        [LibraryImport(Library, EntryPoint = "fchown", SetLastError = true)]
        internal static partial int FChown(int file, int user, int group);

        [LibraryImport(Library, EntryPoint = "faccessat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int FAccessAt(int folder, string path, int mode, int flags);

        [LibraryImport(Library, EntryPoint = "truncate", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Truncate(string path, long length);

        [LibraryImport(Library, EntryPoint = "ftruncate", SetLastError = true)]
        internal static partial int FTruncate(int file, long length);

        [LibraryImport(Library, EntryPoint = "utimensat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int UtimensAt(int folder, string path, FileTime[] times, int flags);

        [LibraryImport(Library, EntryPoint = "utimensat", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int UtimensAtNull(int folder, string path, nint times, int flags);

        [LibraryImport(Library, EntryPoint = "futimens", SetLastError = true)]
        internal static partial int FUtimens(int file, FileTime[] times);

        [LibraryImport(Library, EntryPoint = "umask")]
        internal static partial int Umask(int mask);

        [LibraryImport(Library, EntryPoint = "chdir", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int Chdir(string path);

        [LibraryImport(Library, EntryPoint = "getcwd", SetLastError = true)]
        internal static partial nint GetCwd(byte[] buffer, nuint length);

        [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
        internal static partial nint Read(int file, Span<byte> into, nuint length);

        [LibraryImport(Library, EntryPoint = "pread", SetLastError = true)]
        internal static partial nint PRead(int file, Span<byte> into, nuint length, long offset);

        [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
        internal static partial nint Write(int file, ReadOnlySpan<byte> bytes, nuint length);

        [LibraryImport(Library, EntryPoint = "pwrite", SetLastError = true)]
        internal static partial nint PWrite(int file, ReadOnlySpan<byte> bytes, nuint length, long offset);

        [LibraryImport(Library, EntryPoint = "pread", SetLastError = true)]
        internal static partial nint PReadRaw(int file, nint into, nuint length, long offset);

        [LibraryImport(Library, EntryPoint = "pwrite", SetLastError = true)]
        internal static partial nint PWriteRaw(int file, nint from, nuint length, long offset);

        [LibraryImport(Library, EntryPoint = "pwritev2", SetLastError = true)]
        internal static partial nint PWriteV2(int file, nint vector, int count, long offset, int flags);

        [LibraryImport(Library, EntryPoint = "lseek", SetLastError = true)]
        internal static partial long LSeek(int file, long offset, int from);

        [LibraryImport(Library, EntryPoint = "fallocate", SetLastError = true)]
        internal static partial int FAllocate(int file, int mode, long offset, long length);

        [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
        internal static partial int FSync(int file);

        [LibraryImport(Library, EntryPoint = "fdatasync", SetLastError = true)]
        internal static partial int FDataSync(int file);

        [LibraryImport(Library, EntryPoint = "syncfs", SetLastError = true)]
        internal static partial int SyncFs(int file);

        [LibraryImport(Library, EntryPoint = "sync_file_range", SetLastError = true)]
        internal static partial int SyncFileRange(int file, long offset, long length, uint flags);

        [LibraryImport(Library, EntryPoint = "posix_fadvise")]
        internal static partial int FAdvise(int file, long offset, long length, int advice);

        [LibraryImport(Library, EntryPoint = "copy_file_range", SetLastError = true)]
        internal static partial nint CopyFileRange(int from, nint fromOffset, int to, nint toOffset, nuint length, uint flags);

        [LibraryImport(Library, EntryPoint = "sendfile", SetLastError = true)]
        internal static partial nint SendFile(int to, int from, nint offset, nuint length);

        [LibraryImport(Library, EntryPoint = "pipe2", SetLastError = true)]
        internal static partial int Pipe2(nint ends, int flags);

        [LibraryImport(Library, EntryPoint = "splice", SetLastError = true)]
        internal static partial nint Splice(int from, nint fromOffset, int to, nint toOffset, nuint length, uint flags);

        [LibraryImport(Library, EntryPoint = "mmap", SetLastError = true)]
        internal static partial nint MMap(nint address, nuint length, int protection, int flags, int file, long offset);

        [LibraryImport(Library, EntryPoint = "munmap", SetLastError = true)]
        internal static partial int MUnmap(nint address, nuint length);

        [LibraryImport(Library, EntryPoint = "msync", SetLastError = true)]
        internal static partial int MSync(nint address, nuint length, int flags);

        [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
        internal static partial int FcntlLock(int file, int command, ref LockRange range);

        [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
        internal static partial int Fcntl(int file, int command, long argument);

        [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
        internal static partial int Flock(int file, int operation);

        [LibraryImport(Library, EntryPoint = "getdents64", SetLastError = true)]
        internal static partial nint GetDents(int folder, byte[] buffer, nuint length);

        [LibraryImport(Library, EntryPoint = "setxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int SetXattr(string path, string name, ReadOnlySpan<byte> value, nuint length, int flags);

        [LibraryImport(Library, EntryPoint = "lsetxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int LSetXattr(string path, string name, ReadOnlySpan<byte> value, nuint length, int flags);

        [LibraryImport(Library, EntryPoint = "fsetxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int FSetXattr(int file, string name, ReadOnlySpan<byte> value, nuint length, int flags);

        [LibraryImport(Library, EntryPoint = "getxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial nint GetXattr(string path, string name, Span<byte> into, nuint length);

        [LibraryImport(Library, EntryPoint = "fgetxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial nint FGetXattr(int file, string name, Span<byte> into, nuint length);

        [LibraryImport(Library, EntryPoint = "listxattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial nint ListXattr(string path, Span<byte> into, nuint length);

        [LibraryImport(Library, EntryPoint = "removexattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int RemoveXattr(string path, string name);

        [LibraryImport(Library, EntryPoint = "fremovexattr", SetLastError = true, StringMarshalling = Utf8)]
        internal static partial int FRemoveXattr(int file, string name);

        [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
        internal static partial int Ioctl(int file, nuint request, nint argument);

        [LibraryImport(Library, EntryPoint = "gettid")]
        internal static partial int GetThreadId();

        [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
        internal static partial int Unshare(int flags);

        // Raw: glibc's own wrappers change every thread of the process.
        [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
        internal static partial nint SysCall(nint number, nint first, nint second, nint third);
    }
}
