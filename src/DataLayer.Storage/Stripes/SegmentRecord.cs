using System.Buffers.Binary;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The record of a small content in a segment (docs/FORMATS/stripes.md): a 48-byte header whose checksum covers the
/// content and says who it is and where it belongs, then the content, padded to 16 bytes.
/// </summary>
internal static class SegmentRecord
{
    internal const int HeaderBytes = 48;
    internal const int AlignmentBytes = 16;
    private const uint Magic = 0x31_52_4C_44; // "DLR1"

    /// <summary>Bytes a record of a content takes.</summary>
    internal static int RecordBytes(int contentBytes) => (HeaderBytes + contentBytes
        + AlignmentBytes - 1) / AlignmentBytes * AlignmentBytes;

    /// <summary>The inode a sealed record says it is of.</summary>
    internal static InodeId InodeOf(ReadOnlySpan<byte> record) =>
        new(BinaryPrimitives.ReadInt64LittleEndian(record[8..]));

    /// <summary>Writes header and padding around the content, which lies at <see cref="HeaderBytes"/>
    /// already.</summary>
    internal static void Seal(Span<byte> record, ContentId content, long segment, long offsetBytes, int contentBytes)
    {
        record[..HeaderBytes].Clear();
        record[(HeaderBytes + contentBytes)..].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(record, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(record[16..], content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(record[20..], contentBytes);
        BinaryPrimitives.WriteInt64LittleEndian(record[24..], segment);
        BinaryPrimitives.WriteInt64LittleEndian(record[32..], offsetBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], Crc32C.Compute(record.Slice(8, HeaderBytes - 8
            + contentBytes)));
    }

    /// <summary>Whether header and content are the whole record that should be there.</summary>
    internal static bool IsValid(ReadOnlySpan<byte> header, ReadOnlySpan<byte> bytes, ContentId content, long segment,
        long offsetBytes) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic
        && BinaryPrimitives.ReadInt64LittleEndian(header[8..]) == content.Inode.Value
        && BinaryPrimitives.ReadUInt32LittleEndian(header[16..]) == content.Generation
        && BinaryPrimitives.ReadInt32LittleEndian(header[20..]) == bytes.Length
        && BinaryPrimitives.ReadInt64LittleEndian(header[24..]) == segment
        && BinaryPrimitives.ReadInt64LittleEndian(header[32..]) == offsetBytes
        && BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == Crc32C.Append(
            Crc32C.Compute(header[8..HeaderBytes]), bytes);

    /// <summary>Who a record says it is, if the header at this place of this segment is one; its content is not
    /// checked.</summary>
    internal static bool TryReadHeader(ReadOnlySpan<byte> header, long segment, long offsetBytes,
        out ContentId content, out int contentBytes)
    {
        content = new ContentId(new InodeId(BinaryPrimitives.ReadInt64LittleEndian(header[8..])),
            BinaryPrimitives.ReadUInt32LittleEndian(header[16..]));
        contentBytes = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        return BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic && contentBytes >= 0
            && BinaryPrimitives.ReadInt64LittleEndian(header[24..]) == segment
            && BinaryPrimitives.ReadInt64LittleEndian(header[32..]) == offsetBytes;
    }
}
