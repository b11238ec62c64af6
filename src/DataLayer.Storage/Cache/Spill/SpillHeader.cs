using System.Runtime.InteropServices;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Cache.Spill;

/// <summary>
/// What stands before a block in the spill: 48 bytes, of which the last four are the CRC32C of the others. Layout in
/// docs/FORMATS/cache.md.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct SpillHeader(
    ulong Magic, long Address, BlockId Block, int Length, uint Checksum, int DatasetId, uint HeaderChecksum)
{
    /// <summary>Its size, bytes.</summary>
    public const int Bytes = 48;

    private const ulong MagicNumber = 0x31_4C_4C_49_50_53_4C_44;

    /// <summary>Writes the header of a block that goes to <paramref name="address"/>.</summary>
    public static void Write(
        Span<byte> destination, long address, BlockId block, int length, uint checksum, int datasetId)
    {
        SpillHeader header = new(MagicNumber, address, block, length, checksum, datasetId, 0);
        MemoryMarshal.Write(destination, header);
        uint sum = Crc32C.Compute(destination[..(Bytes - 4)]);
        MemoryMarshal.Write(destination[(Bytes - 4)..], sum);
    }

    /// <summary>
    /// Whether these bytes are the block's header for this address, and the bytes after it the block's.
    /// </summary>
    public static bool TryVerify(ReadOnlySpan<byte> record, long address, BlockId block, int length, out int datasetId)
    {
        SpillHeader header = MemoryMarshal.Read<SpillHeader>(record);
        datasetId = header.DatasetId;
        return header.HeaderChecksum == Crc32C.Compute(record[..(Bytes - 4)])
            && header.Magic == MagicNumber && header.Address == address && header.Block == block
                && header.Length == length
            && header.Checksum == Crc32C.Compute(record.Slice(Bytes, length));
    }
}
