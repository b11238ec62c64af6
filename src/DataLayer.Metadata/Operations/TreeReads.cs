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
        TreeTables tables, InodeId folder, string? cursor, int limit) =>
        FileWalk.Run(
            tables, folder, cursor, limit,
            static (tables, folder, after, limit) => tables.Dentries.ListPage(folder, after, limit),
            static name => (name.Name, name.Inode, name.Kind),
            (List<FileContent> files, DentryRow name, string _) =>
            {
                if (tables.Inodes.Find(name.Inode) is { } row)
                {
                    files.Add(row.ToContent());
                }
            });

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
}
