using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Reads that need more than one statement.</summary>
internal static class TreeReads
{
    private const int MaxSymbolicLinks = 40;

    /// <summary>Walks an absolute path; with a scope no link leads out of it.</summary>
    public static InodeAttributes Resolve(TreeTables tables, string path, bool followLast, TreeScope? scope = null)
    {
        CheckPath(path);
        InodeRow root = tables.Inodes.FindAttributes(InodeId.Root) ?? throw Folders.Dangling(InodeId.Root);
        List<InodeRow> trail = [root];
        List<string> names = [];
        Stack<string> rest = new();
        bool wantsFolder = PushComponents(rest, path);
        int links = 0;
        while (rest.TryPop(out string? name))
        {
            InodeRow here = trail[^1];
            if (here.Kind != FileKind.Directory)
            {
                throw new DataLayerException(ErrorCode.NotADirectory, $"'{path}': a part of the path before "
                    + $"'{name}' is not a folder.");
            }

            if (name == ".")
            {
                continue;
            }

            if (name == "..")
            {
                trail.RemoveRange(Math.Max(1, trail.Count - 1), trail.Count > 1 ? 1 : 0);
                names.RemoveRange(Math.Max(0, names.Count - 1), names.Count > 0 ? 1 : 0);
                continue;
            }

            names.Add(name);
            scope?.CheckStep(names, path);

            InodeRow next = tables.Dentries.Lookup(here.Inode, TreeName.Encode(name))
                ?? throw new DataLayerException(ErrorCode.NotFound, $"'{path}' does not exist: there is no '{name}'.");
            if (next.Kind != FileKind.SymbolicLink || (rest.Count == 0 && !followLast && !wantsFolder))
            {
                trail.Add(next);
                continue;
            }

            if (++links > MaxSymbolicLinks)
            {
                throw new DataLayerException(ErrorCode.TooManyLinks, $"'{path}' leads through more than "
                    + $"{MaxSymbolicLinks} symbolic links.");
            }

            string target = next.LinkTarget ?? string.Empty;
            names.RemoveAt(names.Count - 1);
            if (target.StartsWith('/'))
            {
                trail.RemoveRange(1, trail.Count - 1);
                names.Clear();
            }

            wantsFolder |= PushComponents(rest, target) && rest.Count == 0;
        }

        scope?.CheckEnd(names, path);
        return wantsFolder && trail[^1].Kind != FileKind.Directory
            ? throw new DataLayerException(ErrorCode.NotADirectory, $"'{path}' is not a folder.")
            : trail[^1].ToAttributes();
    }

    /// <summary>One path that leads to an inode, or null for an orphan.</summary>
    public static string? GetPath(TreeTables tables, InodeId inode)
    {
        if (inode == InodeId.Root)
        {
            return "/";
        }

        StringBuilder path = new();
        for (int depth = 0; depth <= TreeName.MaxPathBytes; depth++)
        {
            if (tables.Dentries.FirstOf(inode) is not { } name)
            {
                return null;
            }

            path.Insert(0, TreeName.Decode(name.Name)).Insert(0, '/');
            inode = name.Parent;
            if (inode == InodeId.Root)
            {
                return path.ToString();
            }
        }

        throw RowFault.Damaged($"inode {inode} lies below itself; the row");
    }

    /// <summary>A page of a folder.</summary>
    public static IReadOnlyList<DirectoryEntry> List(TreeTables tables, InodeId folder, string? after, int limit)
    {
        Folders.Get(tables, folder);
        return tables.Dentries.ListAttributes(folder, after is null ? [] : Encoding.UTF8.GetBytes(after), limit);
    }

    /// <summary>
    /// A page of the files below a folder, depth first in name order. The cursor is the relative path of the last
    /// file given, so it stays good whatever changes in between: files that stay are given once.
    /// </summary>
    public static (IReadOnlyList<FileContent> Files, string? Cursor) WalkFiles(
        TreeTables tables, InodeId folder, string? cursor, int limit)
    {
        Folders.Get(tables, folder);
        Stack<Level> levels = Descend(tables, folder, cursor);
        List<FileContent> files = [];
        while (levels.TryPeek(out Level? level))
        {
            if (level.Next(tables) is not { } name)
            {
                levels.Pop();
                continue;
            }

            if (name.Kind == FileKind.Directory)
            {
                levels.Push(new Level(name.Inode, [], level.PathOf(name) + "/"));
            }
            else if (name.Kind == FileKind.Regular && tables.Inodes.Find(name.Inode) is { } row)
            {
                files.Add(row.ToContent());
                if (files.Count == limit)
                {
                    return (files, level.PathOf(name));
                }
            }
        }

        return (files, null);
    }

    private static Stack<Level> Descend(TreeTables tables, InodeId folder, string? cursor)
    {
        Stack<Level> levels = new();
        string prefix = string.Empty;
        foreach (string part in (cursor ?? string.Empty).Split('/'))
        {
            byte[] name = Encoding.UTF8.GetBytes(part);
            levels.Push(new Level(folder, name, prefix));
            prefix += part + "/";
            if (part.Length == 0 || tables.Dentries.Find(folder, name) is not { Kind: FileKind.Directory } below)
            {
                break;
            }

            folder = below.Inode;
        }

        return levels;
    }

    private static void CheckPath(string path)
    {
        if (!path.StartsWith('/'))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"'{path}' is not an absolute path: it must "
                + "start with '/'.");
        }

        int bytes = TreeName.TryEncode(path)?.Length
            ?? throw new DataLayerException(ErrorCode.InvalidArgument, "The path is not valid Unicode.");
        if (bytes > TreeName.MaxPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"The path is {bytes} bytes long, {TreeName.MaxPathBytes} are allowed.");
        }
    }

    // Pushes the parts so that the first comes off first. True if the text ends in '/': it must be a folder.
    private static bool PushComponents(Stack<string> rest, string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            rest.Push(parts[i]);
        }

        return path.EndsWith('/');
    }

    /// <summary>One folder on the way down, read in pages.</summary>
    private sealed class Level(InodeId folder, byte[] after, string prefix)
    {
        private const int PageLength = 256;

        private List<DentryRow> _page = [];
        private byte[] _after = after;
        private int _next;

        public string PathOf(DentryRow name) => prefix + TreeName.Decode(name.Name);

        public DentryRow? Next(TreeTables tables)
        {
            if (_next == _page.Count)
            {
                _page = tables.Dentries.ListPage(folder, _after, PageLength);
                _next = 0;
                if (_page.Count == 0)
                {
                    return null;
                }

                _after = _page[^1].Name;
            }

            return _page[_next++];
        }
    }
}
