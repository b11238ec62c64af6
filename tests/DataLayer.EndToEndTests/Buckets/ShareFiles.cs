using System.Security.Cryptography;

namespace DataLayer.EndToEndTests.Buckets;

/// <summary>
/// Real files of this machine, from <c>/usr/share</c>: at least 20,000 of at most 64 KiB. Where there are fewer, they come again under
/// another prefix.
/// </summary>
internal static class ShareFiles
{
    private const string Root = "/usr/share";
    private const int MaxBytes = 64 << 10;

    /// <summary>Keys with the files they come from, in key order.</summary>
    internal static IReadOnlyList<(string Key, string Path)> Take(int count)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        var files = Directory.EnumerateFiles(Root, "*", options)
            .Where(path => new FileInfo(path) is { Exists: true, Length: <= MaxBytes, UnixFileMode: var mode } && mode.HasFlag(UnixFileMode.OtherRead))
            .Where(path => path.All(c => c is > ' ' and < '\x7f'))
            .Order(StringComparer.Ordinal)
            .ToArray();
        var found = new List<(string Key, string Path)>(count);
        for (var copy = 0; found.Count < count; copy++)
        {
            found.AddRange(files.Take(count - found.Count).Select(path => ($"share{copy}{path[Root.Length..]}", path)));
        }

        found.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        return found;
    }

    /// <summary>The checksum of bytes.</summary>
    internal static string Sum(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
