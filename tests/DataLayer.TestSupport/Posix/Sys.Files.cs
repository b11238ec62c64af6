using System.Buffers.Binary;
using System.Text;

namespace DataLayer.TestSupport.Posix;

/// <content>Calls on open files.</content>
public static partial class Sys
{
    public static long Read(int file, Span<byte> into) => R(Native.Read(file, into, (nuint)into.Length));

    public static long Read(int file, Span<byte> into, long offset) => R(Native.PRead(file, into, (nuint)into.Length, offset));

    public static long Write(int file, ReadOnlySpan<byte> bytes) => R(Native.Write(file, bytes, (nuint)bytes.Length));

    public static long Write(int file, ReadOnlySpan<byte> bytes, long offset) =>
        R(Native.PWrite(file, bytes, (nuint)bytes.Length, offset));

    /// <summary>pread(2) into memory of any alignment; for O_DIRECT.</summary>
    public static long ReadRaw(int file, nint into, nuint length, long offset) => R(Native.PReadRaw(file, into, length, offset));

    /// <summary>pwrite(2) from memory of any alignment; for O_DIRECT.</summary>
    public static long WriteRaw(int file, nint from, nuint length, long offset) => R(Native.PWriteRaw(file, from, length, offset));

    /// <summary>pwritev2(2) with RWF_APPEND, or other flags.</summary>
    public static unsafe long WriteFlagged(int file, ReadOnlySpan<byte> bytes, long offset, int flags)
    {
        fixed (byte* start = bytes)
        {
            var vector = stackalloc nint[2] { (nint)start, bytes.Length };
            return R(Native.PWriteV2(file, (nint)vector, 1, offset, flags));
        }
    }

    /// <summary>pwritev(2) of several pieces.</summary>
    public static unsafe long WriteVector(int file, long offset, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        fixed (byte* a = first)
        fixed (byte* b = second)
        {
            var vector = stackalloc nint[4] { (nint)a, first.Length, (nint)b, second.Length };
            return R(Native.PWriteV2(file, (nint)vector, 2, offset, 0));
        }
    }

    public static long Seek(int file, long offset, int from) => R(Native.LSeek(file, offset, from));

    public static long Allocate(int file, int mode, long offset, long length) => R(Native.FAllocate(file, mode, offset, length));

    public static long Sync(int file) => R(Native.FSync(file));

    public static long DataSync(int file) => R(Native.FDataSync(file));

    public static long SyncFileSystem(int file) => R(Native.SyncFs(file));

    public static long SyncRange(int file, long offset, long length) => R(Native.SyncFileRange(file, offset, length, 7));

    public static long Advise(int file, long offset, long length, int advice) =>
        -Native.FAdvise(file, offset, length, advice);

    public static unsafe long CopyRange(int from, long fromOffset, int to, long toOffset, nuint length) =>
        R(Native.CopyFileRange(from, (nint)(&fromOffset), to, (nint)(&toOffset), length, 0));

    /// <summary>copy_file_range(2) at the files' own positions.</summary>
    public static long CopyRange(int from, int to, nuint length) => R(Native.CopyFileRange(from, 0, to, 0, length, 0));

    public static unsafe long SendFile(int to, int from, long offset, nuint length) =>
        R(Native.SendFile(to, from, (nint)(&offset), length));

    /// <summary>pipe2(2).</summary>
    public static unsafe (int Reader, int Writer) Pipe()
    {
        var ends = stackalloc int[2];
        return R(Native.Pipe2((nint)ends, OpenFlags.CloseOnExec)) < 0 ? throw new InvalidOperationException("pipe2") : (ends[0], ends[1]);
    }

    public static long Splice(int from, int to, nuint length) => R(Native.Splice(from, 0, to, 0, length, 0));

    public static unsafe long SpliceAt(int from, long offset, int to, nuint length) =>
        R(Native.Splice(from, (nint)(&offset), to, 0, length, 0));

    public static long Map(nuint length, int protection, int flags, int file, long offset) =>
        R(Native.MMap(0, length, protection, flags, file, offset));

    public static long Unmap(long address, nuint length) => R(Native.MUnmap((nint)address, length));

    public static long SyncMap(long address, nuint length, int flags) => R(Native.MSync((nint)address, length, flags));

    /// <summary>fcntl(2) with a lock.</summary>
    public static long Lock(int file, int command, ref LockRange range) => R(Native.FcntlLock(file, command, ref range));

    /// <summary>fcntl(2) with a number.</summary>
    public static long Control(int file, int command, long argument = 0) => R(Native.Fcntl(file, command, argument));

    /// <summary>ioctl(2) without an argument.</summary>
    public static long DeviceControl(int file, nuint request) => R(Native.Ioctl(file, request, 0));

    public static long Flock(int file, int operation) => R(Native.Flock(file, operation));

    /// <summary>getdents64(2): one bufferful, or null at the end; the negative error number in <paramref name="result"/>.</summary>
    public static IReadOnlyList<FolderEntry>? ReadFolder(int folder, out long result, int capacity = 32 << 10)
    {
        var buffer = new byte[capacity];
        result = R(Native.GetDents(folder, buffer, (nuint)buffer.Length));
        if (result <= 0)
        {
            return null;
        }

        List<FolderEntry> entries = [];
        for (var at = 0; at < result;)
        {
            var entry = buffer.AsSpan(at);
            var length = BinaryPrimitives.ReadUInt16LittleEndian(entry[16..]);
            var name = entry[19..length];
            entries.Add(new FolderEntry(
                Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry),
                entry[18],
                BinaryPrimitives.ReadInt64LittleEndian(entry[8..])));
            at += length;
        }

        return entries;
    }

    public static long SetXattr(string path, string name, ReadOnlySpan<byte> value, int flags = 0) =>
        R(Native.SetXattr(path, name, value, (nuint)value.Length, flags));

    public static long SetLinkXattr(string path, string name, ReadOnlySpan<byte> value, int flags = 0) =>
        R(Native.LSetXattr(path, name, value, (nuint)value.Length, flags));

    public static long SetXattr(int file, string name, ReadOnlySpan<byte> value, int flags = 0) =>
        R(Native.FSetXattr(file, name, value, (nuint)value.Length, flags));

    public static long GetXattr(string path, string name, Span<byte> into) =>
        R(Native.GetXattr(path, name, into, (nuint)into.Length));

    public static long GetXattr(int file, string name, Span<byte> into) =>
        R(Native.FGetXattr(file, name, into, (nuint)into.Length));

    public static long ListXattrs(string path, Span<byte> into) => R(Native.ListXattr(path, into, (nuint)into.Length));

    public static long RemoveXattr(string path, string name) => R(Native.RemoveXattr(path, name));

    public static long RemoveXattr(int file, string name) => R(Native.FRemoveXattr(file, name));
}
