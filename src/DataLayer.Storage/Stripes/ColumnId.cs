using System.Buffers.Binary;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes;

/// <summary>Names one copy of one column of a striped content: one backing file of a directory target.</summary>
/// <param name="Content">The content.</param>
/// <param name="Column">Which column, from 0.</param>
/// <param name="Copy">Which copy of the column, from 0.</param>
internal readonly record struct ColumnId(ContentId Content, int Column, int Copy)
{
    /// <summary>
    /// The part of a chunk's checksum that says who the chunk is: the CRC-32C of inode, generation, column, chunk index
    /// and length, never 0. The copy is left out, so copies are byte for byte the same and one repairs the other.
    /// </summary>
    /// <param name="chunkIndex">The chunk's position in its column.</param>
    /// <param name="lengthBytes">How many of its bytes are covered, from the chunk's start.</param>
    internal uint Bind(long chunkIndex, int lengthBytes)
    {
        Span<byte> identity = stackalloc byte[32];
        BinaryPrimitives.WriteInt64LittleEndian(identity, Content.Inode.Value);
        BinaryPrimitives.WriteInt64LittleEndian(identity[8..], chunkIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(identity[16..], Content.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(identity[20..], Column);
        BinaryPrimitives.WriteInt32LittleEndian(identity[24..], lengthBytes);
        BinaryPrimitives.WriteInt32LittleEndian(identity[28..], 0x4B_4E_48_43);
        uint bound = Crc32C.Compute(identity);
        return bound == 0 ? 1 : bound;
    }

    /// <summary>The name of the backing file; its side file has <c>.sum</c> after it.</summary>
    internal string FileName => string.Create(CultureInfo.InvariantCulture,
        $"{Content.Inode.Value:x16}.{Content.Generation:x8}.{Column:x2}.{Copy}");

    /// <summary>Reads a backing file's name.</summary>
    internal static bool TryParse(ReadOnlySpan<char> name, out ColumnId id)
    {
        id = default;
        if (name.Length != 30 || name[16] != '.' || name[25] != '.' || name[28] != '.'
            || !long.TryParse(name[..16], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long inode)
            || !uint.TryParse(name[17..25], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out uint generation)
            || !int.TryParse(name[26..28], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int column)
            || !int.TryParse(name[29..], NumberStyles.None, CultureInfo.InvariantCulture, out int copy))
        {
            return false;
        }

        id = new ColumnId(new ContentId(new InodeId(inode), generation), column, copy);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => FileName;
}
