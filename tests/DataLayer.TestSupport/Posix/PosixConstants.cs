using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Posix;

/// <summary>Flags of open(2) (include/uapi/asm-generic/fcntl.h); four of them differ between x86-64 and arm64.</summary>
public static class OpenFlags
{
    private static readonly bool _isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int Truncate = 0x200;
    public const int Append = 0x400;
    public const int NonBlocking = 0x800;
    public const int DataSync = 0x1000;
    public const int Sync = 0x101000;
    public const int NoAccessTime = 0x40000;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;

    public static int Direct { get; } = _isArm ? 0x10000 : 0x4000;

    public static int Directory { get; } = _isArm ? 0x4000 : 0x10000;

    public static int NoFollow { get; } = _isArm ? 0x8000 : 0x20000;

    public static int Temporary { get; } = 0x400000 | (_isArm ? 0x4000 : 0x10000);
}

/// <summary>Flags of renameat2(2) (include/uapi/linux/fs.h).</summary>
public static class RenameMode
{
    public const uint NoReplace = 1;
    public const uint Exchange = 2;
    public const uint Whiteout = 4;
}

/// <summary>Flags of the …at calls (include/uapi/linux/fcntl.h).</summary>
public static class AtFlags
{
    public const int CurrentDirectory = -100;
    public const int SymlinkNoFollow = 0x100;
    public const int RemoveDirectory = 0x200;
    public const int SymlinkFollow = 0x400;
    public const int EmptyPath = 0x1000;
    public const int EffectiveAccess = 0x200;
}

/// <summary>Modes of fallocate(2) (include/uapi/linux/falloc.h).</summary>
public static class AllocateMode
{
    public const int KeepSize = 1;
    public const int PunchHole = 2;
    public const int CollapseRange = 8;
    public const int ZeroRange = 16;
    public const int InsertRange = 32;
}

/// <summary>Origins of lseek(2).</summary>
public static class SeekFrom
{
    public const int Start = 0;
    public const int Current = 1;
    public const int End = 2;
    public const int Data = 3;
    public const int Hole = 4;
}

/// <summary>File types and bits of a mode.</summary>
public static class ModeBits
{
    public const int TypeMask = 0xF000;
    public const int Socket = 0xC000;
    public const int Link = 0xA000;
    public const int Regular = 0x8000;
    public const int Block = 0x6000;
    public const int Directory = 0x4000;
    public const int Character = 0x2000;
    public const int Fifo = 0x1000;
    public const int SetUser = 0x800;
    public const int SetGroup = 0x400;
    public const int Sticky = 0x200;
}

/// <summary>Protections and kinds of mmap(2), flags of msync(2).</summary>
public static class MapFlags
{
    public const int None = 0;
    public const int Read = 1;
    public const int Write = 2;
    public const int Execute = 4;
    public const int Shared = 1;
    public const int Private = 2;
    public const int Asynchronous = 1;
    public const int Invalidate = 2;
    public const int Synchronous = 4;
}

/// <summary>Types and commands of fcntl(2) locks, commands of flock(2).</summary>
public static class LockFlags
{
    public const short Read = 0;
    public const short Write = 1;
    public const short Unlock = 2;
    public const int GetLock = 5;
    public const int SetLock = 6;
    public const int SetLockWait = 7;
    public const int GetOwned = 36;
    public const int SetOwned = 37;
    public const int SetOwnedWait = 38;
    public const int FlockShared = 1;
    public const int FlockExclusive = 2;
    public const int FlockNonBlocking = 4;
    public const int FlockUnlock = 8;
}

/// <summary>Conditions of setxattr(2).</summary>
public static class XattrFlags
{
    public const int Create = 1;
    public const int Replace = 2;
}
