using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Fuse.Interop;

namespace DataLayer.Tests.Fuse;

/// <summary>Our declarations against the sizes and offsets of include/uapi/linux/fuse.h (protocol 7.45, 64-bit).</summary>
public sealed class AbiTests
{
    public static TheoryData<string, int, int> Sizes => new()
    {
        { nameof(Abi.InHeader), Unsafe.SizeOf<Abi.InHeader>(), 40 },
        { nameof(Abi.OutHeader), Unsafe.SizeOf<Abi.OutHeader>(), 16 },
        { nameof(Abi.InitIn), Unsafe.SizeOf<Abi.InitIn>(), 64 },
        { nameof(Abi.InitOut), Unsafe.SizeOf<Abi.InitOut>(), 64 },
        { nameof(Abi.Attributes), Unsafe.SizeOf<Abi.Attributes>(), 88 },
        { nameof(Abi.EntryOut), Unsafe.SizeOf<Abi.EntryOut>(), 128 },
        { nameof(Abi.AttributesOut), Unsafe.SizeOf<Abi.AttributesOut>(), 104 },
        { nameof(Abi.OpenOut), Unsafe.SizeOf<Abi.OpenOut>(), 16 },
        { nameof(Abi.CreateOut), Unsafe.SizeOf<Abi.CreateOut>(), 144 },
        { nameof(Abi.ReadIn), Unsafe.SizeOf<Abi.ReadIn>(), 40 },
        { nameof(Abi.WriteIn), Unsafe.SizeOf<Abi.WriteIn>(), 40 },
        { nameof(Abi.WriteOut), Unsafe.SizeOf<Abi.WriteOut>(), 8 },
        { nameof(Abi.SetAttributesIn), Unsafe.SizeOf<Abi.SetAttributesIn>(), 88 },
        { nameof(Abi.GetAttributesIn), Unsafe.SizeOf<Abi.GetAttributesIn>(), 16 },
        { nameof(Abi.CreateIn), Unsafe.SizeOf<Abi.CreateIn>(), 16 },
        { nameof(Abi.OpenIn), Unsafe.SizeOf<Abi.OpenIn>(), 8 },
        { nameof(Abi.ReleaseIn), Unsafe.SizeOf<Abi.ReleaseIn>(), 24 },
        { nameof(Abi.FlushIn), Unsafe.SizeOf<Abi.FlushIn>(), 24 },
        { nameof(Abi.FsyncIn), Unsafe.SizeOf<Abi.FsyncIn>(), 16 },
        { nameof(Abi.MakeNodeIn), Unsafe.SizeOf<Abi.MakeNodeIn>(), 16 },
        { nameof(Abi.MakeDirectoryIn), Unsafe.SizeOf<Abi.MakeDirectoryIn>(), 8 },
        { nameof(Abi.RenameIn), Unsafe.SizeOf<Abi.RenameIn>(), 8 },
        { nameof(Abi.Rename2In), Unsafe.SizeOf<Abi.Rename2In>(), 16 },
        { nameof(Abi.LinkIn), Unsafe.SizeOf<Abi.LinkIn>(), 8 },
        { nameof(Abi.StatFsOut), Unsafe.SizeOf<Abi.StatFsOut>(), 80 },
        { nameof(Abi.SetXattrIn), Unsafe.SizeOf<Abi.SetXattrIn>(), 16 },
        { nameof(Abi.GetXattrIn), Unsafe.SizeOf<Abi.GetXattrIn>(), 8 },
        { nameof(Abi.FallocateIn), Unsafe.SizeOf<Abi.FallocateIn>(), 32 },
        { nameof(Abi.SeekIn), Unsafe.SizeOf<Abi.SeekIn>(), 24 },
        { nameof(Abi.SeekOut), Unsafe.SizeOf<Abi.SeekOut>(), 8 },
        { nameof(Abi.CopyFileRangeIn), Unsafe.SizeOf<Abi.CopyFileRangeIn>(), 56 },
        { nameof(Abi.InterruptIn), Unsafe.SizeOf<Abi.InterruptIn>(), 8 },
        { nameof(Abi.StatxIn), Unsafe.SizeOf<Abi.StatxIn>(), 24 },
        { nameof(Abi.StatxOut), Unsafe.SizeOf<Abi.StatxOut>(), 288 },
        { nameof(Abi.ForgetIn), Unsafe.SizeOf<Abi.ForgetIn>(), 8 },
        { nameof(Abi.ForgetOne), Unsafe.SizeOf<Abi.ForgetOne>(), 16 },
        { nameof(Abi.BatchForgetIn), Unsafe.SizeOf<Abi.BatchForgetIn>(), 8 },
        { nameof(Abi.DirectoryEntryOut), Unsafe.SizeOf<Abi.DirectoryEntryOut>(), 24 },
        { nameof(Abi.InvalidateInodeOut), Unsafe.SizeOf<Abi.InvalidateInodeOut>(), 24 },
        { nameof(Abi.InvalidateEntryOut), Unsafe.SizeOf<Abi.InvalidateEntryOut>(), 16 },
        { nameof(Abi.StoreOut), Unsafe.SizeOf<Abi.StoreOut>(), 24 },
        { nameof(Abi.BackingMap), Unsafe.SizeOf<Abi.BackingMap>(), 16 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_structure_has_the_kernels_size(string name, int size, int expected) =>
        Assert.True(size == expected, $"{name}: {size} bytes, the kernel's has {expected}");

    [Fact]
    public void Fields_lie_where_the_kernel_has_them()
    {
        Assert.Equal(28, (int)Marshal.OffsetOf<Abi.InHeader>(nameof(Abi.InHeader.GroupId)));
        Assert.Equal(36, (int)Marshal.OffsetOf<Abi.InHeader>(nameof(Abi.InHeader.ExtensionWords)));
        Assert.Equal(32, (int)Marshal.OffsetOf<Abi.InitOut>(nameof(Abi.InitOut.Flags2)));
        Assert.Equal(36, (int)Marshal.OffsetOf<Abi.InitOut>(nameof(Abi.InitOut.MaxStackDepth)));
        Assert.Equal(40, (int)Marshal.OffsetOf<Abi.InitOut>(nameof(Abi.InitOut.RequestTimeoutSeconds)));
        Assert.Equal(60, (int)Marshal.OffsetOf<Abi.Attributes>(nameof(Abi.Attributes.Mode)));
        Assert.Equal(68, (int)Marshal.OffsetOf<Abi.SetAttributesIn>(nameof(Abi.SetAttributesIn.Mode)));
        Assert.Equal(12, (int)Marshal.OffsetOf<Abi.OpenOut>(nameof(Abi.OpenOut.BackingId)));
    }

    [Fact]
    public void Negotiation_takes_what_both_have_and_leaves_locks_to_the_kernel()
    {
        Abi.InitIn offer = new() { Major = 7, Minor = 45, Flags = uint.MaxValue & ~(uint)Capabilities.CacheSymbolicLinks, Flags2 = uint.MaxValue };
        Negotiation agreed = Negotiation.Choose(offer, new NegotiationWish(64, NoOpen: false, Passthrough: false));
        Assert.True(agreed.Agreed.HasFlag(Capabilities.HasResend | Capabilities.MaxPages | Capabilities.ParallelDirectoryOperations));
        Assert.False(agreed.Agreed.HasFlag(Capabilities.CacheSymbolicLinks));
        Assert.Equal(Capabilities.None, agreed.Agreed & (Capabilities.PosixLocks | Capabilities.FlockLocks));
        Assert.Equal(Capabilities.None, agreed.Agreed & (Capabilities.WritebackCache | Capabilities.AutoInvalidateData));
        Assert.Equal(Capabilities.None, agreed.Agreed & (Capabilities.NoOpenSupport | Capabilities.Passthrough));
    }

    [Fact]
    public void The_oldest_kernel_served_is_spoken_to_in_its_version()
    {
        Abi.InitIn offer = new() { Major = 7, Minor = 31, Flags = (uint)Capabilities.BigWrites, Flags2 = uint.MaxValue };
        Negotiation agreed = Negotiation.Choose(offer, new NegotiationWish(64, NoOpen: true, Passthrough: true));
        Assert.Equal(31u, agreed.Minor);
        Assert.Equal(Capabilities.BigWrites, agreed.Agreed);
        Assert.Equal(8, agreed.SetXattrHeaderBytes);
    }

    [Fact]
    public void A_kernel_that_is_too_old_is_refused_with_the_remedy()
    {
        DataLayerException error = Assert.Throws<DataLayerException>(() => Negotiation.Choose(
            new Abi.InitIn { Major = 7, Minor = 30 }, new NegotiationWish(64, false, false)));
        Assert.Equal(ErrorCode.NotSupported, error.Code);
        Assert.Contains("newer kernel", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_record_of_a_negotiation_is_read_back_and_a_damaged_one_is_refused()
    {
        Negotiation agreed = new(45, Capabilities.AsyncRead | Capabilities.HasResend, Capabilities.HasResend);
        byte[] record = agreed.ToBytes();
        Assert.Equal(agreed, Negotiation.FromBytes(record));
        record[9] ^= 1;
        Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => Negotiation.FromBytes(record)).Code);
        Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => Negotiation.FromBytes(record.AsSpan(1))).Code);
    }
}
