using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Interop;

/// <summary>
/// File calls whose errors count: open, positional read and write, fsync of files and folders, atomic rename,
/// allocation, space. Every failure is a <see cref="DataLayerException"/> with the errno's code, read at once.
/// </summary>
/// <remarks>
/// .NET's own <c>FileStream.Flush(true)</c> and <c>RandomAccess.FlushToDisk</c> return normally on EIO, ENOSPC, EDQUOT
/// and EROFS, .NET cannot open a folder, and <c>File.Move</c> checks and then renames. Calls restart on EINTR. Nothing
/// here retries an fsync: after a failed one the kernel drops the dirty pages and the next call would lie. A call
/// blocks its thread; callers run it where that is wanted.
/// </remarks>
internal static unsafe class DurableFile
{
    /// <summary>Mode of new files: the service's user alone (rw-------).</summary>
    internal const int PrivateFileMode = 0x180;

    /// <summary>Mode of new folders (rwx------).</summary>
    internal const int PrivateDirectoryMode = 0x1C0;

    /// <summary>
    /// Opens a file without following a link in its last component and without the advisory lock that
    /// <c>File.OpenHandle</c> takes.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Read and write, else read only.</param>
    /// <param name="create">Make it (mode 0600) if it is missing.</param>
    /// <param name="exclusive">With <paramref name="create"/>: it must not exist.</param>
    /// <exception cref="DataLayerException">NotFound, AlreadyExists, NoSpace (also of inodes), TargetFailed,
    /// ….</exception>
    internal static SafeFileHandle Open(string path, bool write, bool create = false, bool exclusive = false)
    {
        SafeFileHandle? handle = TryOpen(path, write, create, exclusive, out int errno);
        return handle ?? throw LinuxError.Create(errno, "open", path);
    }

    /// <summary>As <see cref="Open"/>, but null and the errno where it fails.</summary>
    internal static SafeFileHandle? TryOpen(string path, bool write, bool create, bool exclusive, out int errno)
    {
        int flags = (write ? Libc.OpenReadWrite : Libc.OpenReadOnly) | Libc.OpenCloseOnExec | Libc.OpenNoFollow
            | (create ? Libc.OpenCreate : 0) | (exclusive ? Libc.OpenExclusive : 0);
        int descriptor;
        do
        {
            descriptor = Libc.Open(path, flags, PrivateFileMode);
            errno = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        while (errno == Errno.Interrupted);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>fsync: data and attributes of an open file are on the device when it returns.</summary>
    /// <exception cref="DataLayerException">TargetFailed (EIO, EROFS), NoSpace, QuotaExceeded. The data may be lost:
    /// write it again.</exception>
    internal static void Flush(SafeFileHandle file, string path)
    {
        if (Libc.Fsync(file) != 0)
        {
            throw LinuxError.Last("fsync", path);
        }
    }

    /// <summary>fdatasync: as <see cref="Flush"/> without time stamps; the size is included.</summary>
    internal static void FlushData(SafeFileHandle file, string path)
    {
        if (Libc.Fdatasync(file) != 0)
        {
            throw LinuxError.Last("fdatasync", path);
        }
    }

    /// <summary>fsync of a folder: makes created, renamed and deleted names in it durable.</summary>
    internal static void FlushDirectory(string directory)
    {
        int descriptor = Libc.Open(directory, Libc.OpenReadOnly | Libc.OpenDirectory | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0)
        {
            throw LinuxError.Last("open", directory);
        }

        using SafeFileHandle handle = new(descriptor, ownsHandle: true);
        Flush(handle, directory);
    }

    /// <summary>Starts write-back of a range without waiting; a hint, errors show at the flush.</summary>
    internal static void StartWriteback(SafeFileHandle file, long offsetBytes, long lengthBytes) =>
        _ = Libc.SyncFileRange(file, offsetBytes, lengthBytes, Libc.SyncRangeWrite);

    /// <summary>Renames atomically; the target is replaced only if <paramref name="replace"/>. Flush both folders to
    /// make it durable.</summary>
    /// <exception cref="DataLayerException">AlreadyExists if the name is taken and must not be replaced.</exception>
    internal static void Rename(string from, string to, bool replace)
    {
        if (Libc.Rename(Libc.CurrentDirectory, from, Libc.CurrentDirectory, to, replace ? 0u
            : Libc.RenameNoReplace) != 0)
        {
            throw LinuxError.Last("rename", to);
        }
    }

    /// <summary>
    /// Writes a whole small file so that after a crash there is the old or the new content: temp file, fsync, rename,
    /// folder fsync.
    /// </summary>
    /// <param name="path">The file; replaced if <paramref name="replace"/>, else it must not exist.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="replace">Whether an existing file is replaced.</param>
    internal static void WriteAtomically(string path, ReadOnlySpan<byte> bytes, bool replace)
    {
        string temporary = path + ".tmp";
        _ = Unlink(temporary);
        try
        {
            using (SafeFileHandle file = Open(temporary, write: true, create: true, exclusive: true))
            {
                Write(file, temporary, bytes, 0);
                Flush(file, temporary);
            }

            Rename(temporary, path, replace);
        }
        catch
        {
            _ = Libc.Unlink(temporary);
            throw;
        }

        FlushDirectory(Path.GetDirectoryName(path) ?? "/");
    }

    /// <summary>Removes a file; false if there is none.</summary>
    internal static bool Unlink(string path)
    {
        if (Libc.Unlink(path) == 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.NoEntry ? false : throw LinuxError.Create(errno, "unlink", path);
    }

    /// <summary>Gives a file one more name, which must be free; flush its folder to make it durable.</summary>
    /// <param name="from">The file.</param>
    /// <param name="to">The new name.</param>
    /// <returns>False where the file system cannot: no hard links, another file system, as many names as it
    /// can.</returns>
    /// <exception cref="DataLayerException">AlreadyExists, NotFound, NoSpace, TargetFailed, ….</exception>
    internal static bool TryLink(string from, string to)
    {
        if (Libc.Link(from, to) == 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.NotPermitted or Errno.NotSupported or Errno.NotImplemented or Errno.CrossDevice
            or Errno.TooManyNames ? false : throw LinuxError.Create(errno, "link", to);
    }

    /// <summary>
    /// Makes an open handle one of another open file: calls under way end on the file they began on, later ones are
    /// made on the other. Both handles stay open.
    /// </summary>
    internal static void Exchange(SafeFileHandle handle, SafeFileHandle by, string path)
    {
        while (Libc.Duplicate(by, handle, Libc.OpenCloseOnExec) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno is not (Errno.Interrupted or Errno.Busy))
            {
                throw LinuxError.Create(errno, "dup3", path);
            }
        }
    }

    /// <summary>
    /// The next part of a file that may be data, from an offset on; what is left out is a hole. All of it where the
    /// file system cannot tell.
    /// </summary>
    /// <returns>Where it begins and ends, within the range; both its end if there is none.</returns>
    internal static (long From, long To) FindData(SafeFileHandle file, string path, long offsetBytes, long endBytes)
    {
        long from = Libc.Seek(file, offsetBytes, Libc.SeekData);
        if (from < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            return errno == Errno.NoSuchDevice ? (endBytes, endBytes)
                : errno is Errno.Invalid or Errno.NotSupported ? (offsetBytes, endBytes)
                : throw LinuxError.Create(errno, "lseek", path);
        }

        if (from >= endBytes)
        {
            return (endBytes, endBytes);
        }

        long to = Libc.Seek(file, from, Libc.SeekHole);
        return (from, to <= from || to > endBytes ? endBytes : to);
    }

    /// <summary>Makes one folder (mode 0700); false if it exists. The parent must exist; flush it to make the name
    /// durable.</summary>
    internal static bool MakeDirectory(string path)
    {
        if (Libc.MakeDirectory(path, PrivateDirectoryMode) == 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno == Errno.Exists ? false : throw LinuxError.Create(errno, "mkdir", path);
    }

    /// <summary>Reads at an offset until the buffer is full or the file ends; returns the count of bytes
    /// read.</summary>
    internal static int Read(SafeFileHandle file, string path, Span<byte> destination, long offsetBytes)
    {
        int done = 0;
        fixed (byte* start = destination)
        {
            while (done < destination.Length)
            {
                nint count = Libc.Pread(file, start + done, (nuint)(destination.Length - done), offsetBytes + done);
                if (count == 0)
                {
                    break;
                }

                done += (int)CheckTransfer(count, "read", path);
            }
        }

        return done;
    }

    /// <summary>
    /// Reads at an offset into two buffers, one after the other, until both are full or the file ends; one preadv
    /// where the kernel gives everything at once. Returns the count of bytes read.
    /// </summary>
    internal static int ReadTwo(
        SafeFileHandle file, string path, Span<byte> first, Span<byte> second, long offsetBytes)
    {
        int done;
        fixed (byte* firstStart = first, secondStart = second)
        {
            Libc.IoVector* vectors = stackalloc Libc.IoVector[2];
            vectors[0] = new Libc.IoVector { Base = firstStart, Length = (nuint)first.Length };
            vectors[1] = new Libc.IoVector { Base = secondStart, Length = (nuint)second.Length };
            done = ReadVectors(file, path, vectors, 2, offsetBytes);
        }

        if (done > 0 && done < first.Length)
        {
            done += Read(file, path, first[done..], offsetBytes + done);
        }

        return done >= first.Length && done < first.Length + second.Length
            ? done + Read(file, path, second[(done - first.Length)..], offsetBytes + done)
            : done;
    }

    /// <summary>Writes all bytes at an offset, extending the file as needed.</summary>
    internal static void Write(SafeFileHandle file, string path, ReadOnlySpan<byte> source, long offsetBytes)
    {
        int done = 0;
        fixed (byte* start = source)
        {
            while (done < source.Length)
            {
                nint count = Libc.Pwrite(file, start + done, (nuint)(source.Length - done), offsetBytes + done);
                done += (int)CheckTransfer(count, "write", path);
            }
        }
    }

    /// <summary>One preadv into pinned pieces; returns the bytes read, which may be fewer than asked, 0 at the
    /// end.</summary>
    internal static int ReadVectors(SafeFileHandle file, string path, Libc.IoVector* vectors, int count,
        long offsetBytes)
    {
        while (true)
        {
            nint moved = Libc.Preadv(file, vectors, count, offsetBytes);
            if (moved >= 0)
            {
                return (int)moved;
            }

            ThrowUnlessInterrupted("read", path);
        }
    }

    /// <summary>One pwritev from pinned pieces; returns the bytes written, which may be fewer than asked.</summary>
    internal static int WriteVectors(SafeFileHandle file, string path, Libc.IoVector* vectors, int count,
        long offsetBytes)
    {
        while (true)
        {
            nint moved = Libc.Pwritev(file, vectors, count, offsetBytes);
            if (moved >= 0)
            {
                return (int)moved;
            }

            ThrowUnlessInterrupted("write", path);
        }
    }

    /// <summary>Sets the file's size; growth is a hole.</summary>
    internal static void SetLength(SafeFileHandle file, string path, long lengthBytes)
    {
        while (Libc.Ftruncate(file, lengthBytes) != 0)
        {
            ThrowUnlessInterrupted("truncate", path);
        }
    }

    /// <summary>Reserves space for a range, which then cannot fail with NoSpace; the size stays. False where the file
    /// system cannot.</summary>
    internal static bool TryAllocate(SafeFileHandle file, string path, long offsetBytes, long lengthBytes) =>
        TryFallocate(file, path, Libc.FallocateKeepSize, offsetBytes, lengthBytes);

    /// <summary>Gives back the space of a range, which then reads as zeros; the size stays. False where the file system
    /// cannot.</summary>
    internal static bool TryPunchHole(SafeFileHandle file, string path, long offsetBytes, long lengthBytes) =>
        TryFallocate(file, path, Libc.FallocateKeepSize | Libc.FallocatePunchHole, offsetBytes, lengthBytes);

    /// <summary>Tells the kernel that a range is read soon, in order, or no more (which drops clean pages). A
    /// hint.</summary>
    internal static void Advise(SafeFileHandle file, long offsetBytes, long lengthBytes, int advice) =>
        _ = Libc.Fadvise(file, offsetBytes, lengthBytes, advice);

    /// <summary>Capacity and free space of the file system a path is on.</summary>
    /// <exception cref="DataLayerException">NotFound if the path is gone; TargetFailed if its device does not
    /// answer.</exception>
    internal static FileSystemSpace GetSpace(string path)
    {
        Libc.StatVfs stat;
        while (Libc.StatFileSystem(path, &stat) != 0)
        {
            ThrowUnlessInterrupted("statvfs", path);
        }

        long unit = (long)stat.FragmentSize;
        return new FileSystemSpace((long)stat.Blocks * unit, (long)stat.AvailableBlocks * unit, (long)stat.Files,
            (long)stat.AvailableFiles, (stat.Flags & 1) != 0, stat.FileSystemId);
    }

    private static bool TryFallocate(SafeFileHandle file, string path, int mode, long offsetBytes, long lengthBytes)
    {
        while (Libc.Fallocate(file, mode, offsetBytes, lengthBytes) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.NotSupported)
            {
                return false;
            }

            if (errno != Errno.Interrupted)
            {
                throw LinuxError.Create(errno, "fallocate", path);
            }
        }

        return true;
    }

    /// <summary>The count of a transfer, 0 if it was interrupted and is to be tried again.</summary>
    private static nint CheckTransfer(nint count, string call, string path)
    {
        if (count < 0)
        {
            ThrowUnlessInterrupted(call, path);
            return 0;
        }

        return count;
    }

    private static void ThrowUnlessInterrupted(string call, string path)
    {
        int errno = Marshal.GetLastPInvokeError();
        if (errno != Errno.Interrupted)
        {
            throw LinuxError.Create(errno, call, path);
        }
    }
}
