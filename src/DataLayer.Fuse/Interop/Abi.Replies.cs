using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Interop;

/// <content>What we send: replies and notifications.</content>
internal static partial class Abi
{
    // flags of OpenOut
    internal const uint OpenDirectIo = 1 << 0;
    internal const uint OpenKeepCache = 1 << 1;
    internal const uint OpenNonSeekable = 1 << 2;
    internal const uint OpenCacheDirectory = 1 << 3;
    internal const uint OpenNoFlush = 1 << 5;
    internal const uint OpenParallelDirectWrites = 1 << 6;
    internal const uint OpenPassthrough = 1 << 7;

    /// <summary>_IOW(229, 1, struct fuse_backing_map).</summary>
    internal const nuint BackingOpen = 0x4010E501;

    /// <summary>_IOW(229, 2, uint32_t).</summary>
    internal const nuint BackingClose = 0x4004E502;

    [StructLayout(LayoutKind.Sequential)]
    internal struct OutHeader
    {
        public uint Length;
        public int Error;
        public ulong Unique;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct InitOut
    {
        public uint Major;
        public uint Minor;
        public uint MaxReadahead;
        public uint Flags;
        public ushort MaxBackground;
        public ushort CongestionThreshold;
        public uint MaxWriteBytes;
        public uint TimeGranularity;
        public ushort MaxPages;
        public ushort MapAlignment;
        public uint Flags2;
        public uint MaxStackDepth;
        public ushort RequestTimeoutSeconds;
        public fixed ushort Unused[11];
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct Attributes
    {
        public ulong Inode;
        public ulong SizeBytes;
        public ulong Blocks;
        public long AccessSeconds;
        public long ModifySeconds;
        public long ChangeSeconds;
        public uint AccessNanoseconds;
        public uint ModifyNanoseconds;
        public uint ChangeNanoseconds;
        public uint Mode;
        public uint LinkCount;
        public uint UserId;
        public uint GroupId;
        public uint Device;
        public uint BlockBytes;
        public uint Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct EntryOut
    {
        public ulong Node;
        public ulong Generation;
        public ulong EntrySeconds;
        public ulong AttributeSeconds;
        public uint EntryNanoseconds;
        public uint AttributeNanoseconds;
        public Attributes Attributes;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct AttributesOut
    {
        public ulong Seconds;
        public uint Nanoseconds;
        public uint Padding;
        public Attributes Attributes;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct OpenOut
    {
        public ulong Handle;
        public uint Flags;
        public int BackingId;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CreateOut
    {
        public EntryOut Entry;
        public OpenOut Open;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct WriteOut
    {
        public uint SizeBytes;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct SeekOut
    {
        public long OffsetBytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct GetXattrOut
    {
        public uint SizeBytes;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct StatFsOut
    {
        public ulong Blocks;
        public ulong FreeBlocks;
        public ulong AvailableBlocks;
        public ulong Files;
        public ulong FreeFiles;
        public uint BlockBytes;
        public uint MaxNameBytes;
        public uint FragmentBytes;
        public uint Padding;
        public fixed uint Spare[6];
    }

    /// <summary>One name in a listing; the name follows, padded to 8 bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct DirectoryEntryOut
    {
        public ulong Inode;
        public ulong Cookie;
        public uint NameBytes;
        public uint Kind;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct InvalidateInodeOut
    {
        public ulong Node;
        public long OffsetBytes;
        public long LengthBytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct InvalidateEntryOut
    {
        public ulong Parent;
        public uint NameBytes;
        public uint Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct StoreOut
    {
        public ulong Node;
        public long OffsetBytes;
        public uint SizeBytes;
        public uint Padding;
    }

    /// <summary>struct fuse_backing_map.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct BackingMap
    {
        public int Descriptor;
        public uint Flags;
        public ulong Padding;
    }
}
