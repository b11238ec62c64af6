using System.IO.Enumeration;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// Walks the files below a folder in key order (UTF-8 bytes of the path with '/'), from any key on.
/// </summary>
/// <remarks>
/// Keeps one sorted list of names for each folder on the way down, so memory grows with the largest folder and the
/// depth, not with the tree. In a folder a subfolder sorts as its name with '/' appended, which makes the walk's order
/// the order of keys. Names that are not UTF-8 cannot be keys and links are not followed: both are passed over. A
/// folder that vanishes on the way is empty. Not thread-safe.
/// </remarks>
internal sealed class DirectoryCursor
{
    private static readonly Comparer<string> _keyOrder = Comparer<string>.Create(ObjectKey.Compare);

    private static readonly EnumerationOptions _allEntries = new()
    {
        AttributesToSkip = FileAttributes.None,
        IgnoreInaccessible = false,
        ReturnSpecialDirectories = false,
    };

    private readonly string _root;
    private readonly Stack<Level> _levels = new();
    private string? _pushedBack;

    /// <summary>Starts before the first key that is not less than <paramref name="from"/>.</summary>
    internal DirectoryCursor(string root, string from)
    {
        _root = root;
        Seek(from);
    }

    /// <summary>Whether the folders on the way are as they were when their names were read.</summary>
    internal bool IsCurrent()
    {
        foreach (Level level in _levels)
        {
            if (level.Modified != Directory.GetLastWriteTimeUtc(Path.Combine(_root, level.Path)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The next key, or null at the end. Whether it is a plain file shows only when it is opened.</summary>
    internal string? Next()
    {
        if (_pushedBack is { } key)
        {
            _pushedBack = null;
            return key;
        }

        while (_levels.TryPeek(out Level? level))
        {
            if (level.Index == level.Names.Count)
            {
                _levels.Pop();
                continue;
            }

            string name = level.Names[level.Index++];
            if (!name.EndsWith('/'))
            {
                return level.Path + name;
            }

            _levels.Push(Read(level.Path + name));
        }

        return null;
    }

    /// <summary>Makes the key that <see cref="Next"/> just returned the next one again.</summary>
    internal void PushBack(string key) => _pushedBack = key;

    /// <summary>
    /// Goes on after all keys that start with <paramref name="prefix"/>, which the last key returned starts with.
    /// </summary>
    internal void SkipPrefix(string prefix)
    {
        while (_levels.TryPeek(out Level? level) && level.Path.StartsWith(prefix, StringComparison.Ordinal))
        {
            _levels.Pop();
        }

        if (_levels.TryPeek(out Level? rest))
        {
            while (rest.Index < rest.Names.Count
                && (rest.Path + rest.Names[rest.Index]).StartsWith(prefix, StringComparison.Ordinal))
            {
                rest.Index++;
            }
        }
    }

    /// <summary>Stacks the folders that lead to <paramref name="from"/>, each positioned at it.</summary>
    private void Seek(string from)
    {
        string path = "";
        while (true)
        {
            Level level = Read(path);
            _levels.Push(level);
            string rest = from[path.Length..];
            int slash = rest.IndexOf('/', StringComparison.Ordinal);
            string wanted = slash < 0 ? rest : rest[..(slash + 1)];
            level.Index = level.Names.BinarySearch(wanted, _keyOrder);
            if (level.Index < 0)
            {
                level.Index = ~level.Index;
                return;
            }

            if (slash < 0)
            {
                return;
            }

            path += wanted;
            level.Index++;
        }
    }

    private Level Read(string path)
    {
        // The time first: a change while the names are read shows as one.
        DateTime modified = Directory.GetLastWriteTimeUtc(Path.Combine(_root, path));
        return new Level(path, ReadNames(path), modified);
    }

    private List<string> ReadNames(string path)
    {
        List<string> names = [];
        try
        {
            FileSystemEnumerable<string> entries = new(
                Path.Combine(_root, path), static (ref entry) => NameOf(ref entry), _allEntries)
            {
                ShouldIncludePredicate = static (ref entry) => !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
            };
            foreach (string name in entries)
            {
                if (!name.Contains('\uFFFD', StringComparison.Ordinal)
                    && !(path.Length == 0 && name == DirectoryKey.TemporaryFolder + "/"))
                {
                    names.Add(name);
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (UnauthorizedAccessException)
        {
            throw LinuxError.Create(13, "read", Path.Combine(_root, path));
        }

        names.Sort(ObjectKey.Compare);
        return names;
    }

    private static string NameOf(ref FileSystemEntry entry) =>
        entry.IsDirectory ? string.Concat(entry.FileName, "/") : entry.FileName.ToString();

    private sealed class Level(string path, List<string> names, DateTime modified)
    {
        /// <summary>The folder's path with a trailing '/', empty at the root.</summary>
        public string Path { get; } = path;

        public List<string> Names { get; } = names;

        public DateTime Modified { get; } = modified;

        public int Index { get; set; }
    }
}
