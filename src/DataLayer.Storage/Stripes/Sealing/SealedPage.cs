using System.Buffers.Binary;
using System.Security.Cryptography;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes.Sealing;

/// <summary>
/// How an encrypted column lies in its backing file: pages of 4 KiB, each 4,064 bytes of the column with the nonce and
/// the tag of their encryption. docs/FORMATS/stripes.md has the layout.
/// </summary>
/// <remarks>
/// <para>A page lies on one page of the file and never crosses a chunk: file systems and disks write it as a whole, so
/// a write in place that a crash cut short left each page old or new, as it left each byte without encryption. Where a
/// device tears pages all the same, the tag tells.</para>
/// <para>1 MiB of the column, a cell, is 259 pages (the last with 64 bytes) in 17 chunks of file, of which the rest is
/// never written and takes no room: so a block of the tree has pages of its own, and bringing one touches no
/// other.</para>
/// <para>Each encryption of a page takes a new random nonce; the key is the column's. A page of zeros is a hole and
/// reads as zeros. The tag binds inode, generation, column and page: none can stand in another's place.</para>
/// </remarks>
internal static class SealedPage
{
    /// <summary>A page in the file, bytes.</summary>
    internal const int Bytes = 4096;

    /// <summary>Before a page's bytes: <c>DLE1</c>, nonce, tag.</summary>
    internal const int HeadBytes = 32;

    /// <summary>What of the column a page holds, bytes.</summary>
    internal const int PlainBytes = Bytes - HeadBytes;

    internal const int NonceBytes = 12;

    internal const int TagBytes = 16;

    /// <summary>Bytes of the column that have pages of their own.</summary>
    internal const int CellPlainBytes = BlockLayout.BlockBytes;

    /// <summary>Pages of a cell.</summary>
    internal const int CellPages = (CellPlainBytes + PlainBytes - 1) / PlainBytes;

    /// <summary>From cell to cell in the file, bytes: whole chunks.</summary>
    internal const int CellFileBytes =
        ((CellPages * Bytes) + ChunkEntry.ChunkBytes - 1) / ChunkEntry.ChunkBytes * ChunkEntry.ChunkBytes;

    /// <summary>Bytes of what tells a column's key from another's.</summary>
    internal const int KeyLabelBytes = 32;

    private const uint Magic = 0x31_45_4C_44; // "DLE1"
    private const int NonceAt = 4;
    private const int TagAt = NonceAt + NonceBytes;
    private const int AboutBytes = 28;

    private static ReadOnlySpan<byte> KeyLabel => "datalayer-col/1\n"u8;

    /// <summary>The page that holds a byte of the column, counted over all cells.</summary>
    internal static long PageOf(long columnOffset)
    {
        (long cell, long inCell) = Math.DivRem(columnOffset, CellPlainBytes);
        return (cell * CellPages) + (inCell / PlainBytes);
    }

    /// <summary>Where a page's bytes start in the column.</summary>
    internal static long PlainStart(long page)
    {
        (long cell, long inCell) = Math.DivRem(page, CellPages);
        return (cell * CellPlainBytes) + (inCell * PlainBytes);
    }

    /// <summary>How many bytes of the column a page holds: the last of a cell has few.</summary>
    internal static int PlainLength(long page) => page % CellPages == CellPages - 1
        ? CellPlainBytes - ((CellPages - 1) * PlainBytes)
        : PlainBytes;

    /// <summary>Where a page lies in the file.</summary>
    internal static long FileStart(long page)
    {
        (long cell, long inCell) = Math.DivRem(page, CellPages);
        return (cell * CellFileBytes) + (inCell * Bytes);
    }

    /// <summary>How long the file of a column of a length is.</summary>
    internal static long FileLength(long columnLength) =>
        columnLength == 0 ? 0 : FileStart(PageOf(columnLength - 1)) + Bytes;

    /// <summary>Where what lies from an offset of the file on starts in the column; in the unused end of a cell, the
    /// next cell.</summary>
    internal static long ToColumn(long fileOffset)
    {
        (long cell, long inCell) = Math.DivRem(fileOffset, CellFileBytes);
        return (cell * CellPlainBytes) + Math.Min(inCell / Bytes * PlainBytes, CellPlainBytes);
    }

    /// <summary>The range of the file with all pages that a range of the column touches.</summary>
    internal static ColumnRange ToFile(ColumnRange range)
    {
        if (range.LengthBytes == 0)
        {
            return range with { OffsetBytes = FileStart(PageOf(range.OffsetBytes)) };
        }

        long start = FileStart(PageOf(range.OffsetBytes));
        long end = FileStart(PageOf(range.OffsetBytes + range.LengthBytes - 1)) + Bytes;
        return range with { OffsetBytes = start, LengthBytes = checked((int)(end - start)) };
    }

    /// <summary>Fills what a column's key is derived with: 32 bytes.</summary>
    internal static void WriteKeyLabel(Span<byte> about, in ColumnId column)
    {
        KeyLabel.CopyTo(about);
        BinaryPrimitives.WriteInt64LittleEndian(about[16..], column.Content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(about[24..], column.Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(about[28..], column.Column);
    }

    /// <summary>Encrypts a page.</summary>
    /// <param name="cipher">The column's.</param>
    /// <param name="column">The column; its copy does not count.</param>
    /// <param name="page">Which page.</param>
    /// <param name="nonce">Random, for this call alone.</param>
    /// <param name="plain">4,064 bytes.</param>
    /// <param name="made">4,096 bytes.</param>
    internal static void Seal(
        AesGcm cipher, in ColumnId column, long page, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plain,
        Span<byte> made)
    {
        Span<byte> about = stackalloc byte[AboutBytes];
        WriteAbout(about, column, page);
        BinaryPrimitives.WriteUInt32LittleEndian(made, Magic);
        nonce.CopyTo(made[NonceAt..]);
        cipher.Encrypt(nonce, plain, made[HeadBytes..], made.Slice(TagAt, TagBytes), about);
    }

    /// <summary>Whether a page was never written: it reads as zeros.</summary>
    internal static bool IsHole(ReadOnlySpan<byte> page) =>
        BinaryPrimitives.ReadUInt32LittleEndian(page) == 0 && !page[..HeadBytes].ContainsAnyExcept((byte)0);

    /// <summary>Decrypts a page that is no hole.</summary>
    /// <param name="cipher">The column's.</param>
    /// <param name="column">The column; its copy does not count.</param>
    /// <param name="page">Which page.</param>
    /// <param name="made">4,096 bytes.</param>
    /// <param name="plain">4,064 bytes.</param>
    /// <returns>False if it is not the page it should be, torn, or of another key; the bytes mean nothing then.
    /// </returns>
    internal static bool TryOpen(
        AesGcm cipher, in ColumnId column, long page, ReadOnlySpan<byte> made, Span<byte> plain)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(made) != Magic)
        {
            return false;
        }

        Span<byte> about = stackalloc byte[AboutBytes];
        WriteAbout(about, column, page);
        try
        {
            cipher.Decrypt(
                made.Slice(NonceAt, NonceBytes), made[HeadBytes..], made.Slice(TagAt, TagBytes), plain, about);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    private static void WriteAbout(Span<byte> about, in ColumnId column, long page)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(about, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(about[4..], column.Content.Inode.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(about[12..], column.Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(about[16..], column.Column);
        BinaryPrimitives.WriteInt64LittleEndian(about[20..], page);
    }
}
