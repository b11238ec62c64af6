using System.Buffers.Binary;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes;

/// <summary>A dead record: 16 bytes in the segment's <c>.dead</c> file.</summary>
/// <param name="OffsetBytes">Where the record starts in the segment.</param>
/// <param name="RecordBytes">How many bytes it takes with header and padding.</param>
internal readonly record struct SegmentTombstone(uint OffsetBytes, uint RecordBytes)
{
    internal const int EncodedBytes = 16;

    internal void Encode(Span<byte> destination, long segment)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, OffsetBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], RecordBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], (uint)segment);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], Crc32C.Compute(destination[..12]));
    }

    /// <summary>Reads one; false if it is torn or of another segment: then the record merely stays alive until the next
    /// reconciliation.</summary>
    internal static bool TryDecode(ReadOnlySpan<byte> source, long segment, out SegmentTombstone tombstone)
    {
        tombstone = new SegmentTombstone(BinaryPrimitives.ReadUInt32LittleEndian(source),
            BinaryPrimitives.ReadUInt32LittleEndian(source[4..]));
        return BinaryPrimitives.ReadUInt32LittleEndian(source[8..]) == (uint)segment
            && BinaryPrimitives.ReadUInt32LittleEndian(source[12..]) == Crc32C.Compute(source[..12]);
    }
}
