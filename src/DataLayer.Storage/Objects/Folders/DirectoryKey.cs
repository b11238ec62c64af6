using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// Which keys a folder can hold: a key is the file's path below it, so each part between slashes must be a possible
/// file name. The rest (empty parts, '.', '..', a trailing '/', NUL, parts over 255 bytes, our own temp folder) is
/// refused, not encoded: whoever looks into the folder sees exactly the keys.
/// </summary>
internal static class DirectoryKey
{
    /// <summary>The folder at the root that holds files being written. Never listed, no key starts with it.</summary>
    internal const string TemporaryFolder = ".datalayer-tmp";

    private const int MaxNameBytes = 255;

    /// <summary>Checks a key and returns it as a path below the root.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: says which part is refused and why.</exception>
    internal static string ToPath(string key)
    {
        ObjectKey.Check(key);
        foreach (Range range in key.AsSpan().Split('/'))
        {
            ReadOnlySpan<char> name = key.AsSpan()[range];
            string? why =
                name.Length == 0 ? "has an empty part between, before or after slashes"
                : name is "." or ".." ? $"has the part '{name}'"
                : name.Contains('\0') ? "has a NUL character"
                : Encoding.UTF8.GetByteCount(name) > MaxNameBytes ? $"has a part longer than {MaxNameBytes} bytes"
                : range.Start.Value == 0 && name is TemporaryFolder ? "is in the folder for files being written"
                : null;
            if (why is not null)
            {
                throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"The key '{key}' {why}; a directory store keeps each object as a file of that name "
                    + "and cannot hold it. "
                    + "Use another key or an S3 store.");
            }
        }

        return key;
    }

    /// <summary>Splits a path into its folder (empty at the root) and its name.</summary>
    internal static (string Folder, string Name) Split(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? ("", path) : (path[..slash], path[(slash + 1)..]);
    }
}
