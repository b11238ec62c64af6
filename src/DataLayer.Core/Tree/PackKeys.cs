namespace DataLayer.Core.Tree;

/// <summary>Where packs lie in a bucket: below each attachment's key prefix, out of sight of its listings.</summary>
public static class PackKeys
{
    /// <summary>The folder below the key prefix.</summary>
    public const string Folder = ".datalayer/packs/";

    /// <summary>What follows a pack's key in its index's.</summary>
    public const string IndexSuffix = ".index.json";

    /// <summary>Whether a key, without the attachment's prefix, is of a pack or of an index.</summary>
    public static bool IsPackPath(ReadOnlySpan<char> relativePath) =>
        relativePath.StartsWith(Folder, StringComparison.Ordinal);
}
