using System.Buffers.Binary;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The head of 1,024 entry pages in a side file: which column this is, and two bits a page. <c>settled</c>: the page
/// was flushed, so an absent entry in it is damage; before that it is a hole. <c>intent</c>: durable chunks of the
/// page's 16 MiB may be half overwritten, so after an unclean stop those that match no checksum are taken as they are.
/// </summary>
/// <remarks>Stored twice in its 4 KiB block, at 0 and 2,048, each within one 512-byte sector: a torn write leaves one
/// of them whole.</remarks>
internal sealed class SideBook
{
    internal const int PageBytes = 4096;
    internal const int GroupCount = 1024;
    internal const int PageEntryCount = PageBytes / ChunkEntry.EntryBytes;
    internal const long BookBytes = (1L + GroupCount) * PageBytes;
    private const uint Magic = 0x31_53_4C_44; // "DLS1"
    private const int SectorBytes = 512;
    private const int SecondCopyOffset = 2048;
    private const int WordCount = GroupCount / 64;
    private readonly ulong[] _settled = new ulong[WordCount];
    private readonly ulong[] _intent = new ulong[WordCount];
    private long _sequence;

    /// <summary>How many books the side file has; only book 0's value counts.</summary>
    internal int BookCount { get; set; } = 1;

    /// <summary>Whether there were writes since the last flush; only book 0's value counts.</summary>
    internal bool IsUnflushed { get; set; }

    /// <summary>Whether any page is marked as being overwritten.</summary>
    internal bool HasIntent => Array.Exists(_intent, static word => word != 0);

    /// <summary>Whether nothing under it was ever flushed or marked.</summary>
    internal bool IsFresh => IsUnflushed && !HasIntent && Array.TrueForAll(_settled, static word => word == 0);

    internal bool IsSettled(int group) => (_settled[group >> 6] & (1UL << group)) != 0;

    internal void Settle(int group) => _settled[group >> 6] |= 1UL << group;

    internal bool IsIntended(int group) => (_intent[group >> 6] & (1UL << group)) != 0;

    internal void Intend(int group) => _intent[group >> 6] |= 1UL << group;

    internal void ClearIntent() => Array.Clear(_intent);

    /// <summary>Writes both copies into a 4 KiB block and counts the sequence up.</summary>
    internal void Encode(Span<byte> block, in ColumnId column, int bookIndex)
    {
        block.Clear();
        Span<byte> sector = block[..SectorBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(sector, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(sector[8..], column.Content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(sector[16..], column.Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(sector[20..], column.Column);
        BinaryPrimitives.WriteInt32LittleEndian(sector[24..], bookIndex);
        BinaryPrimitives.WriteInt32LittleEndian(sector[28..], BookCount);
        BinaryPrimitives.WriteInt64LittleEndian(sector[32..], ++_sequence);
        sector[40] = IsUnflushed ? (byte)1 : (byte)0;
        for (int i = 0; i < WordCount; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(sector[(64 + (8 * i))..], _settled[i]);
            BinaryPrimitives.WriteUInt64LittleEndian(sector[(192 + (8 * i))..], _intent[i]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(sector[4..], Crc32C.Compute(sector[8..]));
        sector.CopyTo(block[SecondCopyOffset..]);
    }

    /// <summary>Reads the newer whole copy; null if there is none or it belongs to another column.</summary>
    internal static SideBook? Decode(ReadOnlySpan<byte> block, in ColumnId column, int bookIndex)
    {
        SideBook? first = DecodeSector(block[..SectorBytes], column, bookIndex);
        SideBook? second = DecodeSector(block.Slice(SecondCopyOffset, SectorBytes), column, bookIndex);
        if (first is null || (second is not null && second._sequence > first._sequence))
        {
            first = second;
        }

        return first;
    }

    /// <summary>The book of another column with the same bytes: flushed, nothing marked.</summary>
    internal SideBook ForOther(int bookCount)
    {
        SideBook book = new() { BookCount = bookCount };
        _settled.CopyTo(book._settled, 0);
        return book;
    }

    /// <summary>The book in place of one that was lost: every page counts as settled, so absent entries are damage, not
    /// holes.</summary>
    internal static SideBook Damaged()
    {
        SideBook book = new();
        Array.Fill(book._settled, ulong.MaxValue);
        return book;
    }

    private static SideBook? DecodeSector(ReadOnlySpan<byte> sector, in ColumnId column, int bookIndex)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(sector) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(sector[4..]) != Crc32C.Compute(sector[8..])
            || BinaryPrimitives.ReadInt64LittleEndian(sector[8..]) != column.Content.Inode.Value
            || BinaryPrimitives.ReadUInt32LittleEndian(sector[16..]) != column.Content.Generation
            || BinaryPrimitives.ReadInt32LittleEndian(sector[20..]) != column.Column
            || BinaryPrimitives.ReadInt32LittleEndian(sector[24..]) != bookIndex)
        {
            return null;
        }

        SideBook book = new()
        {
            BookCount = Math.Max(1, BinaryPrimitives.ReadInt32LittleEndian(sector[28..])),
            _sequence = BinaryPrimitives.ReadInt64LittleEndian(sector[32..]),
            IsUnflushed = sector[40] != 0,
        };
        for (int i = 0; i < WordCount; i++)
        {
            book._settled[i] = BinaryPrimitives.ReadUInt64LittleEndian(sector[(64 + (8 * i))..]);
            book._intent[i] = BinaryPrimitives.ReadUInt64LittleEndian(sector[(192 + (8 * i))..]);
        }

        return book;
    }
}
