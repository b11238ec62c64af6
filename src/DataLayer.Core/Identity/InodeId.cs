namespace DataLayer.Core.Identity;

/// <summary>
/// A file's identity in the tree. Persistent over restarts and never used again, so it can serve as the FUSE node id.
/// </summary>
/// <param name="Value">The number; 1 is the root of the tree, 0 is no inode.</param>
public readonly record struct InodeId(long Value)
{
    /// <summary>The root folder of the tree.</summary>
    public static InodeId Root => new(1);

    /// <summary>No inode: the value of a field that is not set.</summary>
    public static InodeId None => default;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
