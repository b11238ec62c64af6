using System.Globalization;
using System.Runtime.InteropServices;

namespace DataLayer.Core.Identity;

/// <summary>
/// Names one block of one content: the unit of caching and transfer. 16 bytes without padding, so it is a cache key as
/// it stands.
/// </summary>
/// <param name="Inode">The file's number (<see cref="InodeId.Value"/>).</param>
/// <param name="Generation">The content's generation.</param>
/// <param name="Index">The block's position in the file: byte offset ÷
/// <see cref="Layout.BlockLayout.BlockBytes"/>.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct BlockId(long Inode, uint Generation, uint Index)
{
    /// <summary>Names block <paramref name="index"/> of <paramref name="content"/>.</summary>
    public BlockId(ContentId content, uint index)
        : this(content.Inode.Value, content.Generation, index)
    {
    }

    /// <summary>The content the block belongs to.</summary>
    public ContentId Content => new(new InodeId(Inode), Generation);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Inode}.{Generation}/{Index}");
}
