using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// The structures of the kernel protocol, our own declarations of include/uapi/linux/fuse.h. All fields are in host
/// byte order and every structure is padded to 8 bytes, so that sequential layout is the layout on the wire.
/// </summary>
/// <remarks>This part: headers and what the kernel sends. What we send is in Abi.Replies.cs.</remarks>
internal static partial class Abi
{
    /// <summary>The node id of a mount's root.</summary>
    internal const ulong RootNode = 1;

    /// <summary>The protocol's major version.</summary>
    internal const uint Major = 7;

    /// <summary>The oldest minor version served: Linux 5.4.</summary>
    internal const uint OldestMinor = 31;

    /// <summary>The newest minor version spoken: Linux 6.18.</summary>
    internal const uint NewestMinor = 45;

    /// <summary>Set in the id of a request that the kernel sends again after RESEND.</summary>
    internal const ulong UniqueResend = 1UL << 63;

    /// <summary>The largest read or write that is negotiated, bytes.</summary>
    internal const int MaxTransferBytes = 1 << 20;

    // valid bits of SetAttributesIn
    internal const uint AttributeMode = 1 << 0;
    internal const uint AttributeUser = 1 << 1;
    internal const uint AttributeGroup = 1 << 2;
    internal const uint AttributeSize = 1 << 3;
    internal const uint AttributeAccessTime = 1 << 4;
    internal const uint AttributeModifyTime = 1 << 5;
    internal const uint AttributeAccessTimeNow = 1 << 7;
    internal const uint AttributeModifyTimeNow = 1 << 8;
    internal const uint AttributeChangeTime = 1 << 10;
    internal const uint AttributeKillSetId = 1 << 11;

    // flags of single requests
    internal const uint OpenKillSetId = 1 << 0;
    internal const uint WriteFromCache = 1 << 0;
    internal const uint WriteKillSetId = 1 << 2;
    internal const uint FsyncDataOnly = 1 << 0;

    [StructLayout(LayoutKind.Sequential)]
    internal struct InHeader
    {
        public uint Length;
        public Opcode Opcode;
        public ulong Unique;
        public ulong Node;
        public uint UserId;
        public uint GroupId;
        public uint ProcessId;
        public ushort ExtensionWords;
        public ushort Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct InitIn
    {
        public uint Major;
        public uint Minor;
        public uint MaxReadahead;
        public uint Flags;
        public uint Flags2;
        public fixed uint Unused[11];
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ForgetIn
    {
        public ulong LookupCount;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ForgetOne
    {
        public ulong Node;
        public ulong LookupCount;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct BatchForgetIn
    {
        public uint Count;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct GetAttributesIn
    {
        public uint Flags;
        public uint Padding;
        public ulong Handle;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct MakeNodeIn
    {
        public uint Mode;
        public uint Device;
        public uint Mask;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct MakeDirectoryIn
    {
        public uint Mode;
        public uint Mask;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct RenameIn
    {
        public ulong NewParent;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct Rename2In
    {
        public ulong NewParent;
        public uint Flags;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct LinkIn
    {
        public ulong OldNode;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct SetAttributesIn
    {
        public uint Valid;
        public uint Padding;
        public ulong Handle;
        public long SizeBytes;
        public ulong LockOwner;
        public long AccessSeconds;
        public long ModifySeconds;
        public long ChangeSeconds;
        public uint AccessNanoseconds;
        public uint ModifyNanoseconds;
        public uint ChangeNanoseconds;
        public uint Mode;
        public uint Unused4;
        public uint UserId;
        public uint GroupId;
        public uint Unused5;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct OpenIn
    {
        public uint Flags;
        public uint OpenFlags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CreateIn
    {
        public uint Flags;
        public uint Mode;
        public uint Mask;
        public uint OpenFlags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ReleaseIn
    {
        public ulong Handle;
        public uint Flags;
        public uint ReleaseFlags;
        public ulong LockOwner;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct FlushIn
    {
        public ulong Handle;
        public uint Unused;
        public uint Padding;
        public ulong LockOwner;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ReadIn
    {
        public ulong Handle;
        public long OffsetBytes;
        public uint SizeBytes;
        public uint ReadFlags;
        public ulong LockOwner;
        public uint Flags;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct WriteIn
    {
        public ulong Handle;
        public long OffsetBytes;
        public uint SizeBytes;
        public uint WriteFlags;
        public ulong LockOwner;
        public uint Flags;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct FsyncIn
    {
        public ulong Handle;
        public uint Flags;
        public uint Padding;
    }

    /// <summary>
    /// The long form: SETXATTR_EXT is always negotiated where the kernel has it, else the first 8 bytes.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SetXattrIn
    {
        public uint SizeBytes;
        public uint Flags;
        public uint SetXattrFlags;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct GetXattrIn
    {
        public uint SizeBytes;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct AccessIn
    {
        public uint Mask;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct InterruptIn
    {
        public ulong Unique;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct FallocateIn
    {
        public ulong Handle;
        public long OffsetBytes;
        public long LengthBytes;
        public uint Mode;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct SeekIn
    {
        public ulong Handle;
        public long OffsetBytes;
        public uint Whence;
        public uint Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CopyFileRangeIn
    {
        public ulong HandleIn;
        public long OffsetIn;
        public ulong NodeOut;
        public ulong HandleOut;
        public long OffsetOut;
        public ulong LengthBytes;
        public ulong Flags;
    }
}
