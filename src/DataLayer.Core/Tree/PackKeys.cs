using System.Globalization;

namespace DataLayer.Core.Tree;

/// <summary>Where packs lie in a bucket: below each attachment's key prefix, out of sight of its listings.</summary>
public static class PackKeys
{
    /// <summary>The folder below the key prefix.</summary>
    public const string Folder = ".datalayer/packs/";

    /// <summary>What follows a pack's key in its index's.</summary>
    public const string IndexSuffix = ".index.json";

    /// <summary>What follows a pack's key in that of the object that says which members are gone or renamed.</summary>
    public const string NamesSuffix = ".names.json";

    /// <summary>What a pack's key ends in.</summary>
    public const string TarSuffix = ".tar";

    /// <summary>When the pack at a key was begun: a newer one beats an older.</summary>
    /// <param name="key">The key, with or without the attachment's prefix.</param>
    /// <param name="nanoseconds">Nanoseconds since 1970 UTC; 0 where it is no pack's key.</param>
    /// <returns>Whether it is a pack's key.</returns>
    public static bool TryGetTime(string key, out long nanoseconds)
    {
        ArgumentNullException.ThrowIfNull(key);
        nanoseconds = 0;
        ReadOnlySpan<char> name = key.AsSpan(key.LastIndexOf('/') + 1);
        if (!name.EndsWith(TarSuffix, StringComparison.Ordinal))
        {
            return false;
        }

        name = name[..^TarSuffix.Length];
        int dash = name.IndexOf('-');
        return dash > 0
            && long.TryParse(name[..dash], NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && long.TryParse(
                name[(dash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nanoseconds)
            && nanoseconds > 0;
    }

    /// <summary>Whether a key, without the attachment's prefix, is of a pack or of an index.</summary>
    public static bool IsPackPath(ReadOnlySpan<char> relativePath) =>
        relativePath.StartsWith(Folder, StringComparison.Ordinal);
}
