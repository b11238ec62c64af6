using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Interop;

/// <content>FUSE_STATX (7.39 and later): attributes that GETATTR has no room for.</content>
internal static partial class Abi
{
    /// <summary>STATX_BASIC_STATS.</summary>
    internal const uint StatxBasic = 0x7FF;

    /// <summary>STATX_BTIME.</summary>
    internal const uint StatxBirthTime = 0x800;

    [StructLayout(LayoutKind.Sequential)]
    internal struct StatxIn
    {
        public uint GetAttributesFlags;
        public uint Reserved;
        public ulong Handle;
        public uint Flags;
        public uint Mask;
    }

    /// <summary>struct fuse_sx_time.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct StatxTime
    {
        public long Seconds;
        public uint Nanoseconds;
        public int Reserved;
    }

    /// <summary>struct fuse_statx_out with its struct fuse_statx.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct StatxOut
    {
        public ulong Seconds;
        public uint Nanoseconds;
        public uint Flags;
        public fixed ulong Spare[2];
        public uint Mask;
        public uint BlockBytes;
        public ulong AttributeBits;
        public uint LinkCount;
        public uint UserId;
        public uint GroupId;
        public ushort Mode;
        public ushort Padding;
        public ulong Inode;
        public ulong SizeBytes;
        public ulong Blocks;
        public ulong AttributesMask;
        public StatxTime AccessTime;
        public StatxTime BirthTime;
        public StatxTime ChangeTime;
        public StatxTime ModifyTime;
        public uint DeviceMajor;
        public uint DeviceMinor;
        public uint OwnDeviceMajor;
        public uint OwnDeviceMinor;
        public fixed ulong Spare2[14];
    }
}
