using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Posix;

/// <summary>A point in time as statx(2) and utimensat(2) speak it.</summary>
/// <param name="Seconds">Seconds since 1970.</param>
/// <param name="Nanoseconds">0 to 999,999,999, or <see cref="Now"/> or <see cref="Omit"/>.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct FileTime(long Seconds, long Nanoseconds) : IComparable<FileTime>
{
    /// <summary>UTIME_NOW.</summary>
    public const long Now = (1 << 30) - 1;

    /// <summary>UTIME_OMIT.</summary>
    public const long Omit = (1 << 30) - 2;

    /// <inheritdoc/>
    public int CompareTo(FileTime other) =>
        Seconds != other.Seconds ? Seconds.CompareTo(other.Seconds) : Nanoseconds.CompareTo(other.Nanoseconds);

    public static bool operator <(FileTime left, FileTime right) => left.CompareTo(right) < 0;

    public static bool operator >(FileTime left, FileTime right) => left.CompareTo(right) > 0;

    public static bool operator <=(FileTime left, FileTime right) => left.CompareTo(right) <= 0;

    public static bool operator >=(FileTime left, FileTime right) => left.CompareTo(right) >= 0;
}

/// <summary>What statx(2) says of a file (struct statx, include/uapi/linux/stat.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
public readonly struct FileStatus
{
    [FieldOffset(0)] public readonly uint Mask;
    [FieldOffset(4)] public readonly uint BlockSize;
    [FieldOffset(16)] public readonly uint LinkCount;
    [FieldOffset(20)] public readonly uint UserId;
    [FieldOffset(24)] public readonly uint GroupId;
    [FieldOffset(28)] private readonly ushort _mode;
    [FieldOffset(32)] public readonly ulong Inode;
    [FieldOffset(40)] public readonly long Size;
    [FieldOffset(48)] public readonly long Blocks;
    [FieldOffset(64)] private readonly long _accessSeconds;
    [FieldOffset(72)] private readonly uint _accessNanoseconds;
    [FieldOffset(80)] private readonly long _birthSeconds;
    [FieldOffset(88)] private readonly uint _birthNanoseconds;
    [FieldOffset(96)] private readonly long _changeSeconds;
    [FieldOffset(104)] private readonly uint _changeNanoseconds;
    [FieldOffset(112)] private readonly long _modifySeconds;
    [FieldOffset(120)] private readonly uint _modifyNanoseconds;
    [FieldOffset(128)] public readonly uint NodeMajor;
    [FieldOffset(132)] public readonly uint NodeMinor;
    [FieldOffset(136)] public readonly uint DeviceMajor;
    [FieldOffset(140)] public readonly uint DeviceMinor;

    /// <summary>Type and permission bits.</summary>
    public int Mode => _mode;

    /// <summary>The file's type, one of <see cref="ModeBits"/>.</summary>
    public int Kind => _mode & ModeBits.TypeMask;

    /// <summary>The twelve permission bits.</summary>
    public int Permissions => _mode & 0xFFF;

    public FileTime Accessed => new(_accessSeconds, _accessNanoseconds);

    public FileTime Born => new(_birthSeconds, _birthNanoseconds);

    public FileTime Changed => new(_changeSeconds, _changeNanoseconds);

    public FileTime Modified => new(_modifySeconds, _modifyNanoseconds);
}

/// <summary>struct statvfs of glibc on 64-bit Linux.</summary>
[StructLayout(LayoutKind.Explicit, Size = 112)]
public readonly struct SpaceStatus
{
    [FieldOffset(0)] public readonly ulong BlockSize;
    [FieldOffset(8)] public readonly ulong FragmentSize;
    [FieldOffset(16)] public readonly ulong Blocks;
    [FieldOffset(24)] public readonly ulong FreeBlocks;
    [FieldOffset(32)] public readonly ulong AvailableBlocks;
    [FieldOffset(40)] public readonly ulong Files;
    [FieldOffset(48)] public readonly ulong FreeFiles;
    [FieldOffset(72)] public readonly ulong Flags;
    [FieldOffset(80)] public readonly ulong LongestName;
}

/// <summary>struct flock of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
public struct LockRange
{
    [FieldOffset(0)] public short Kind;
    [FieldOffset(2)] public short From;
    [FieldOffset(8)] public long Start;
    [FieldOffset(16)] public long Length;
    [FieldOffset(24)] public int ProcessId;
}

/// <summary>One entry of a directory as getdents64(2) gives it.</summary>
/// <param name="Name">The name.</param>
/// <param name="Inode">The inode number.</param>
/// <param name="Kind">DT_…: 4 folder, 8 file, 10 link, 1 fifo, 12 socket, 2 and 6 devices; 0 unknown.</param>
/// <param name="NextOffset">Where lseek(2) goes on after it.</param>
public sealed record FolderEntry(string Name, ulong Inode, byte Kind, long NextOffset);
