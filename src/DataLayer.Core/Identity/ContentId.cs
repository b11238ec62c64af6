using System.Globalization;

namespace DataLayer.Core.Identity;

/// <summary>
/// One content of one file. Replacing a file's content as a whole gives a new generation, so no read mixes two
/// versions.
/// </summary>
/// <param name="Inode">The file.</param>
/// <param name="Generation">Which content of the file, from 1. Grows by replacement only.</param>
public readonly record struct ContentId(InodeId Inode, uint Generation)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Inode.Value}.{Generation}");
}
