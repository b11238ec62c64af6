using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Posix;

/// <summary>
/// System calls as they are, for tests of a file system: what the kernel answers, nothing smoothed over. Each returns its value, or the
/// negative error number.
/// </summary>
public static partial class Sys
{
    private const string Library = "libc";

    public static long Open(string path, int flags, int mode = 0) => R(Native.Open(path, flags | OpenFlags.CloseOnExec, mode));

    public static long OpenAt(int folder, string path, int flags, int mode = 0) =>
        R(Native.OpenAt(folder, path, flags | OpenFlags.CloseOnExec, mode));

    /// <summary>open(2) with a name that need not be text: bytes without the terminating zero.</summary>
    public static long OpenBytes(ReadOnlySpan<byte> path, int flags, int mode = 0) =>
        R(Native.OpenRaw([.. path, 0], flags | OpenFlags.CloseOnExec, mode));

    public static long Close(int file) => R(Native.Close(file));

    public static long Duplicate(int file) => R(Native.Dup(file));

    public static long Mkdir(string path, int mode) => R(Native.Mkdir(path, mode));

    public static long MkdirAt(int folder, string path, int mode) => R(Native.MkdirAt(folder, path, mode));

    public static long Rmdir(string path) => R(Native.Rmdir(path));

    public static long Unlink(string path) => R(Native.Unlink(path));

    public static long UnlinkAt(int folder, string path, int flags) => R(Native.UnlinkAt(folder, path, flags));

    public static long Link(string path, string newPath) => R(Native.Link(path, newPath));

    public static long LinkAt(int folder, string path, int newFolder, string newPath, int flags) =>
        R(Native.LinkAt(folder, path, newFolder, newPath, flags));

    public static long Symlink(string target, string path) => R(Native.Symlink(target, path));

    /// <summary>readlink(2): the target, or null with the negative error number in <paramref name="result"/>.</summary>
    public static string? ReadLink(string path, out long result, int capacity = 4096)
    {
        var buffer = new byte[capacity];
        result = R(Native.ReadLink(path, buffer, (nuint)buffer.Length));
        return result < 0 ? null : System.Text.Encoding.UTF8.GetString(buffer, 0, (int)result);
    }

    public static long Rename(string path, string newPath) => R(Native.Rename(path, newPath));

    public static long Rename(string path, string newPath, uint flags) =>
        R(Native.RenameAt2(AtFlags.CurrentDirectory, path, AtFlags.CurrentDirectory, newPath, flags));

    public static long RenameAt(int folder, string path, int newFolder, string newPath, uint flags = 0) =>
        R(Native.RenameAt2(folder, path, newFolder, newPath, flags));

    public static long MakeNode(string path, int mode, uint major = 0, uint minor = 0) =>
        R(Native.Mknod(path, mode, ((ulong)major << 8) | minor));

    public static long Stat(string path, out FileStatus status, bool follow = false) =>
        R(Native.Statx(AtFlags.CurrentDirectory, path, follow ? 0 : AtFlags.SymlinkNoFollow, 0xFFF, out status));

    public static long Stat(int file, out FileStatus status) => R(Native.Statx(file, "", AtFlags.EmptyPath, 0xFFF, out status));

    public static long Space(string path, out SpaceStatus status) => R(Native.StatVfs(path, out status));

    public static long ChangeMode(string path, int mode) => R(Native.Chmod(path, mode));

    public static long ChangeMode(int file, int mode) => R(Native.FChmod(file, mode));

    public static long ChangeOwner(string path, int user, int group, bool follow = true) =>
        R(Native.FChownAt(AtFlags.CurrentDirectory, path, user, group, follow ? 0 : AtFlags.SymlinkNoFollow));

    public static long ChangeOwner(int file, int user, int group) => R(Native.FChown(file, user, group));

    public static long Access(string path, int mode, int flags = 0) =>
        R(Native.FAccessAt(AtFlags.CurrentDirectory, path, mode, flags));

    public static long Truncate(string path, long length) => R(Native.Truncate(path, length));

    public static long Truncate(int file, long length) => R(Native.FTruncate(file, length));

    public static long SetTimes(string path, FileTime access, FileTime modify, bool follow = true) =>
        R(Native.UtimensAt(AtFlags.CurrentDirectory, path, [access, modify], follow ? 0 : AtFlags.SymlinkNoFollow));

    /// <summary>futimens(2).</summary>
    public static long SetTimes(int file, FileTime access, FileTime modify) => R(Native.FUtimens(file, [access, modify]));

    /// <summary>utimensat(2) without times: both become now.</summary>
    public static long SetTimesToNow(string path) => R(Native.UtimensAtNull(AtFlags.CurrentDirectory, path, 0, 0));

    public static int SetUmask(int mask) => Native.Umask(mask);

    public static long ChangeFolder(string path) => R(Native.Chdir(path));

    /// <summary>getcwd(2).</summary>
    public static string? CurrentFolder(out long result)
    {
        var buffer = new byte[4096];
        result = Native.GetCwd(buffer, (nuint)buffer.Length) == 0 ? -Marshal.GetLastPInvokeError() : 0;
        return result < 0 ? null : System.Text.Encoding.UTF8.GetString(buffer.AsSpan()[..buffer.AsSpan().IndexOf((byte)0)]);
    }

    private static long R(long result) => result == -1 ? -Marshal.GetLastPInvokeError() : result;
}
