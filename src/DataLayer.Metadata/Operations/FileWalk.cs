using System.Text;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// A walk over the files below a folder, depth first in name order, in pages. What a page of a folder is made of, and
/// what is told of a file, is the caller's.
/// </summary>
internal static class FileWalk
{
    private const int PageLength = 256;

    /// <summary>Reads a page of a folder: entries after a name, in the order of names.</summary>
    public delegate List<TEntry> ReadPage<TEntry>(TreeTables tables, InodeId folder, byte[] after, int limit);

    /// <summary>
    /// A page of the files below a folder. The cursor is the relative path of the last file given, so it stays good
    /// whatever changes in between: files that stay are given once for each of their names.
    /// </summary>
    /// <param name="tables">The tree.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="cursor">Where the page before ended; null for the first.</param>
    /// <param name="limit">At most so many files.</param>
    /// <param name="read">Reads entries of a folder.</param>
    /// <param name="nameOf">What an entry is called, leads to, and is.</param>
    /// <param name="add">Adds what is told of a file at a relative path; nothing for one that is gone.</param>
    public static (IReadOnlyList<TFile> Files, string? Cursor) Run<TEntry, TFile>(
        TreeTables tables, InodeId folder, string? cursor, int limit, ReadPage<TEntry> read,
        Func<TEntry, (byte[] Name, InodeId Inode, FileKind Kind)> nameOf, Action<List<TFile>, TEntry, string> add)
    {
        Folders.Get(tables, folder);
        Stack<Level<TEntry>> levels = Descend<TEntry>(tables, folder, cursor);
        List<TFile> files = [];
        while (levels.TryPeek(out Level<TEntry>? level))
        {
            if (!level.TryNext(tables, read, nameOf, out TEntry? entry))
            {
                levels.Pop();
                continue;
            }

            (byte[] name, InodeId inode, FileKind kind) = nameOf(entry!);
            string path = level.PathOf(name);
            if (kind == FileKind.Directory)
            {
                levels.Push(new Level<TEntry>(inode, [], path + "/"));
            }
            else if (kind == FileKind.Regular)
            {
                add(files, entry!, path);
                if (files.Count == limit)
                {
                    return (files, path);
                }
            }
        }

        return (files, null);
    }

    private static Stack<Level<TEntry>> Descend<TEntry>(TreeTables tables, InodeId folder, string? cursor)
    {
        Stack<Level<TEntry>> levels = new();
        string prefix = string.Empty;
        foreach (string part in (cursor ?? string.Empty).Split('/'))
        {
            byte[] name = Encoding.UTF8.GetBytes(part);
            levels.Push(new Level<TEntry>(folder, name, prefix));
            prefix += part + "/";
            if (part.Length == 0 || tables.Dentries.Find(folder, name) is not { Kind: FileKind.Directory } below)
            {
                break;
            }

            folder = below.Inode;
        }

        return levels;
    }

    /// <summary>One folder on the way down, read in pages.</summary>
    private sealed class Level<TEntry>(InodeId folder, byte[] after, string prefix)
    {
        private List<TEntry> _page = [];
        private byte[] _after = after;
        private int _next;

        public string PathOf(byte[] name) => prefix + TreeName.Decode(name);

        public bool TryNext(
            TreeTables tables, ReadPage<TEntry> read,
            Func<TEntry, (byte[] Name, InodeId Inode, FileKind Kind)> nameOf, out TEntry? entry)
        {
            if (_next == _page.Count)
            {
                _page = read(tables, folder, _after, PageLength);
                _next = 0;
                if (_page.Count == 0)
                {
                    entry = default;
                    return false;
                }

                _after = nameOf(_page[^1]).Name;
            }

            entry = _page[_next++];
            return true;
        }
    }
}
