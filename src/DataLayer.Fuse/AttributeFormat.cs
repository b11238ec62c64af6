using DataLayer.Core.Tree;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <summary>Attributes of the tree as the kernel wants them.</summary>
internal static class AttributeFormat
{
    private const long Second = 1_000_000_000;

    /// <summary>The type bits of a kind (S_IFMT).</summary>
    internal static uint TypeBits(FileKind kind) => kind switch
    {
        FileKind.Directory => 0x4000,
        FileKind.SymbolicLink => 0xA000,
        FileKind.Fifo => 0x1000,
        FileKind.Socket => 0xC000,
        FileKind.CharacterDevice => 0x2000,
        FileKind.BlockDevice => 0x6000,
        _ => 0x8000,
    };

    /// <summary>struct fuse_attr.</summary>
    internal static Abi.Attributes ToAttributes(InodeAttributes from)
    {
        (long accessSeconds, uint accessRest) = Split(from.AccessTimeNanoseconds);
        (long modifySeconds, uint modifyRest) = Split(from.ModifyTimeNanoseconds);
        (long changeSeconds, uint changeRest) = Split(from.ChangeTimeNanoseconds);
        bool isFolder = from.Kind == FileKind.Directory;
        return new Abi.Attributes
        {
            Inode = (ulong)from.Inode.Value,
            SizeBytes = isFolder ? 4096 : (ulong)from.SizeBytes,
            Blocks = isFolder ? 8 : ((ulong)from.SizeBytes + 511) / 512,
            AccessSeconds = accessSeconds,
            ModifySeconds = modifySeconds,
            ChangeSeconds = changeSeconds,
            AccessNanoseconds = accessRest,
            ModifyNanoseconds = modifyRest,
            ChangeNanoseconds = changeRest,
            Mode = TypeBits(from.Kind) | (uint)from.Mode,
            LinkCount = (uint)from.LinkCount,
            UserId = (uint)from.UserId,
            GroupId = (uint)from.GroupId,
            Device = from.Device,
            BlockBytes = 4096,
        };
    }

    /// <summary>struct fuse_entry_out.</summary>
    internal static Abi.EntryOut ToEntry(in NodeEntry from)
    {
        (ulong entrySeconds, uint entryRest) = Split(from.EntryTimeout);
        (ulong attributeSeconds, uint attributeRest) = Split(from.AttributeTimeout);
        return new Abi.EntryOut
        {
            Node = from.Node,
            Generation = 0, // Inode numbers are never used again.
            EntrySeconds = entrySeconds,
            EntryNanoseconds = entryRest,
            AttributeSeconds = attributeSeconds,
            AttributeNanoseconds = attributeRest,
            Attributes = ToAttributes(from.Attributes),
        };
    }

    /// <summary>struct fuse_attr_out.</summary>
    internal static Abi.AttributesOut ToAttributesOut(InodeAttributes from, TimeSpan timeout)
    {
        (ulong seconds, uint rest) = Split(timeout);
        return new Abi.AttributesOut { Seconds = seconds, Nanoseconds = rest, Attributes = ToAttributes(from) };
    }

    /// <summary>struct fuse_statx_out.</summary>
    internal static Abi.StatxOut ToStatxOut(InodeAttributes from, TimeSpan timeout)
    {
        (ulong seconds, uint rest) = Split(timeout);
        Abi.Attributes basic = ToAttributes(from);
        return new Abi.StatxOut
        {
            Seconds = seconds,
            Nanoseconds = rest,
            Mask = Abi.StatxBasic | (from.BirthTimeNanoseconds == 0 ? 0 : Abi.StatxBirthTime),
            BlockBytes = basic.BlockBytes,
            LinkCount = basic.LinkCount,
            UserId = basic.UserId,
            GroupId = basic.GroupId,
            Mode = (ushort)basic.Mode,
            Inode = basic.Inode,
            SizeBytes = basic.SizeBytes,
            Blocks = basic.Blocks,
            AccessTime = ToStatx(from.AccessTimeNanoseconds),
            BirthTime = ToStatx(from.BirthTimeNanoseconds),
            ChangeTime = ToStatx(from.ChangeTimeNanoseconds),
            ModifyTime = ToStatx(from.ModifyTimeNanoseconds),
            DeviceMajor = (from.Device >> 8) & 0xFFF,
            DeviceMinor = (from.Device & 0xFF) | ((from.Device >> 12) & 0xFFF00),
        };
    }

    private static Abi.StatxTime ToStatx(long nanoseconds)
    {
        (long seconds, uint rest) = Split(nanoseconds);
        return new Abi.StatxTime { Seconds = seconds, Nanoseconds = rest };
    }

    /// <summary>Seconds and nanoseconds of a length of time.</summary>
    internal static (ulong Seconds, uint Nanoseconds) Split(TimeSpan time)
    {
        long ticks = Math.Clamp(time.Ticks, 0, TimeSpan.TicksPerDay * 365);
        return ((ulong)(ticks / TimeSpan.TicksPerSecond), (uint)(ticks % TimeSpan.TicksPerSecond * 100));
    }

    private static (long Seconds, uint Nanoseconds) Split(long nanoseconds)
    {
        long seconds = Math.DivRem(nanoseconds, Second, out long rest);
        return rest < 0 ? (seconds - 1, (uint)(rest + Second)) : (seconds, (uint)rest);
    }
}
