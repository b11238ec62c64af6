using System.Buffers.Binary;
using DataLayer.Core.Errors;

namespace DataLayer.Fuse.Interop;

/// <summary>What a mount wants from INIT.</summary>
/// <param name="MaxBackground">Asynchronous requests (readahead, direct I/O) in flight, a count.</param>
/// <param name="NoOpen">OPEN is to be answered with ENOSYS, so the kernel sends none.</param>
/// <param name="Passthrough">Files may be handed to the kernel.</param>
internal readonly record struct NegotiationWish(int MaxBackground, bool NoOpen, bool Passthrough);

/// <summary>
/// What kernel and service agreed on when the mount began. It holds for the life of the mount, over restarts of the
/// service, which is why the keeper stores it (<see cref="ToBytes"/>).
/// </summary>
/// <param name="Minor">The protocol's minor version in use.</param>
/// <param name="Offered">What the kernel offered.</param>
/// <param name="Agreed">What we took of it.</param>
internal sealed record Negotiation(uint Minor, Capabilities Offered, Capabilities Agreed)
{
    private const uint Magic = 0x4E464C44; // "DLFN"
    private const int RecordBytes = 32;

    /// <summary>
    /// What we take wherever the kernel has it. Left out on purpose: locks (then the kernel keeps them itself, and
    /// they survive the service), the write-back cache (then the kernel believes no other size than its own), data
    /// invalidated by time stamps (we say exactly what changed).
    /// </summary>
    private const Capabilities Wanted = Capabilities.AsyncRead | Capabilities.AtomicTruncate | Capabilities.BigWrites
        | Capabilities.DoReadDirectoryPlus | Capabilities.ReadDirectoryPlusAuto | Capabilities.AsyncDirectIo
        | Capabilities.ParallelDirectoryOperations | Capabilities.AbortError
        | Capabilities.MaxPages | Capabilities.CacheSymbolicLinks | Capabilities.ExplicitInvalidateData
        | Capabilities.HandleKillPrivilegesV2 | Capabilities.SetXattrExtended | Capabilities.InitExtended
        | Capabilities.HasExpireOnly | Capabilities.DirectIoAllowMap | Capabilities.HasResend;

    /// <summary>Whether all cached names can be expired by one message.</summary>
    internal bool HasEpoch => Minor >= 44;

    /// <summary>Bytes of the fixed part of SETXATTR.</summary>
    internal int SetXattrHeaderBytes => Agreed.HasFlag(Capabilities.SetXattrExtended) ? 16 : 8;

    /// <summary>Chooses from what the kernel offers.</summary>
    /// <exception cref="DataLayerException">NotSupported: the kernel is older than Linux 5.4.</exception>
    internal static Negotiation Choose(Abi.InitIn offer, NegotiationWish wish)
    {
        if (offer.Major < Abi.Major || (offer.Major == Abi.Major && offer.Minor < Abi.OldestMinor))
        {
            throw new DataLayerException(
                ErrorCode.NotSupported,
                $"The kernel speaks FUSE {offer.Major}.{offer.Minor}; {Abi.Major}.{Abi.OldestMinor} (Linux 5.4) is the "
                + "oldest served. Use a newer kernel.");
        }

        Capabilities offered = (Capabilities)offer.Flags;
        if (offered.HasFlag(Capabilities.InitExtended))
        {
            offered |= (Capabilities)((ulong)offer.Flags2 << 32);
        }

        Capabilities wanted = Wanted;
        wanted |= wish.NoOpen ? Capabilities.NoOpenSupport : Capabilities.None;
        wanted |= wish.Passthrough ? Capabilities.Passthrough : Capabilities.None;
        return new Negotiation(Math.Min(offer.Minor, Abi.NewestMinor), offered, offered & wanted);
    }

    /// <summary>The answer to INIT.</summary>
    internal Abi.InitOut ToReply(Abi.InitIn offer, NegotiationWish wish) => new()
    {
        Major = Abi.Major,
        Minor = Abi.NewestMinor,
        MaxReadahead = offer.MaxReadahead,
        Flags = (uint)Agreed,
        Flags2 = (uint)((ulong)Agreed >> 32),
        MaxBackground = (ushort)wish.MaxBackground,
        CongestionThreshold = (ushort)(wish.MaxBackground * 3 / 4),
        MaxWriteBytes = Abi.MaxTransferBytes,
        TimeGranularity = 1,
        MaxPages = Abi.MaxTransferBytes / 4096,
        MaxStackDepth = Agreed.HasFlag(Capabilities.Passthrough) ? 1u : 0u,
    };

    /// <summary>The record the keeper stores; docs/FORMATS/fuse-negotiation.md.</summary>
    internal byte[] ToBytes()
    {
        byte[] record = new byte[RecordBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(record, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Minor);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), (ulong)Offered);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(16), (ulong)Agreed);
        uint checksum = Core.Integrity.Crc32C.Compute(record.AsSpan(0, 24));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(24), checksum);
        return record;
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="DataLayerException">Corrupt: not such a record.</exception>
    internal static Negotiation FromBytes(ReadOnlySpan<byte> record)
    {
        if (record.Length != RecordBytes || BinaryPrimitives.ReadUInt32LittleEndian(record) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(record[24..]) != Core.Integrity.Crc32C.Compute(record[..24]))
        {
            throw new DataLayerException(
                ErrorCode.Corrupt,
                "What the keeper stored of the mount's negotiation is damaged. Unmount ('datalayer umount') and mount "
                + "again.");
        }

        return new Negotiation(
            BinaryPrimitives.ReadUInt32LittleEndian(record[4..]),
            (Capabilities)BinaryPrimitives.ReadUInt64LittleEndian(record[8..]),
            (Capabilities)BinaryPrimitives.ReadUInt64LittleEndian(record[16..]));
    }
}
