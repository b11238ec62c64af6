using DataLayer.Core.Errors;
using DataLayer.Core.Tree;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>
/// A POSIX tree as plain dictionaries: what the store must behave like. Each operation gives null or the error it ends with. Nodes carry the number of
/// the operation that made them instead of an inode.
/// </summary>
internal sealed class TreeModel
{
    private readonly Node _root = new(0, FileKind.Directory);

    /// <summary>A file, link or folder.</summary>
    internal sealed class Node(int id, FileKind kind)
    {
        public int Id { get; } = id;

        public FileKind Kind { get; } = kind;

        public SortedDictionary<string, Node> Names { get; } = new(StringComparer.Ordinal);

        public int Links { get; set; }

        public long Size { get; set; }

        public uint Generation { get; set; } = 1;

        public long Version { get; set; } = 1;
    }

    public ErrorCode? Create(string path, FileKind kind, int id) => InFolder(path, (folder, name) =>
    {
        if (folder.Names.ContainsKey(name))
        {
            return ErrorCode.AlreadyExists;
        }

        folder.Names.Add(name, new Node(id, kind) { Links = 1 });
        return null;
    });

    public ErrorCode? Link(string existing, string path) => InFolder(path, (folder, name) =>
    {
        Node? node = null;
        ErrorCode? error = InFolder(existing, (other, otherName) =>
            other.Names.TryGetValue(otherName, out node) ? null : ErrorCode.NotFound);
        if (node is null)
        {
            return error;
        }

        if (node.Kind == FileKind.Directory)
        {
            return ErrorCode.PermissionDenied;
        }

        if (!folder.Names.TryAdd(name, node))
        {
            return ErrorCode.AlreadyExists;
        }

        node.Links++;
        return null;
    });

    public ErrorCode? Unlink(string path) => InFolder(path, (folder, name) =>
    {
        if (!folder.Names.TryGetValue(name, out Node? node))
        {
            return ErrorCode.NotFound;
        }

        if (node.Kind == FileKind.Directory)
        {
            return ErrorCode.IsADirectory;
        }

        folder.Names.Remove(name);
        node.Links--;
        return null;
    });

    public ErrorCode? RemoveDirectory(string path) => InFolder(path, (folder, name) =>
    {
        if (!folder.Names.TryGetValue(name, out Node? node))
        {
            return ErrorCode.NotFound;
        }

        if (node.Kind != FileKind.Directory)
        {
            return ErrorCode.NotADirectory;
        }

        if (node.Names.Count > 0)
        {
            return ErrorCode.NotEmpty;
        }

        folder.Names.Remove(name);
        return null;
    });

    public ErrorCode? Publish(string path, long size, int id) => InFolder(path, (folder, name) =>
    {
        if (!folder.Names.TryGetValue(name, out Node? node))
        {
            folder.Names.Add(name, new Node(id, FileKind.Regular) { Links = 1, Size = size });
            return null;
        }

        if (node.Kind != FileKind.Regular)
        {
            return node.Kind == FileKind.Directory ? ErrorCode.IsADirectory : ErrorCode.InvalidArgument;
        }

        node.Size = size;
        node.Generation++;
        node.Version++;
        return null;
    });

    public ErrorCode? Rename(string from, string to, RenameFlags flags) => InFolder(from, (fromFolder, fromName) =>
        InFolder(to, (toFolder, toName) =>
        {
            if (!fromFolder.Names.TryGetValue(fromName, out Node? moved))
            {
                return ErrorCode.NotFound;
            }

            toFolder.Names.TryGetValue(toName, out Node? taken);
            return flags == RenameFlags.Exchange
                ? Exchange((fromFolder, fromName, moved), (toFolder, toName, taken))
                : Move((fromFolder, fromName, moved), (toFolder, toName, taken), flags);
        }));

    /// <summary>Every path with what it is, in order; files with size, links and the id of their node.</summary>
    public List<string> Describe()
    {
        List<string> lines = [];
        Describe(_root, string.Empty, lines);
        return lines;
    }

    private static ErrorCode? Move(
        (Node Folder, string Name, Node Node) from, (Node Folder, string Name, Node? Node) to, RenameFlags flags)
    {
        if (to.Node is not null && flags == RenameFlags.NoReplace)
        {
            return ErrorCode.AlreadyExists;
        }

        if (to.Node == from.Node)
        {
            return null;
        }

        if (IsBelow(to.Folder, from.Node))
        {
            return ErrorCode.InvalidArgument;
        }

        if (to.Node is { } victim)
        {
            if (from.Node.Kind == FileKind.Directory && victim.Kind != FileKind.Directory)
            {
                return ErrorCode.NotADirectory;
            }

            if (from.Node.Kind != FileKind.Directory && victim.Kind == FileKind.Directory)
            {
                return ErrorCode.IsADirectory;
            }

            if (victim.Names.Count > 0)
            {
                return ErrorCode.NotEmpty;
            }

            victim.Links--;
        }

        from.Folder.Names.Remove(from.Name);
        to.Folder.Names[to.Name] = from.Node;
        return null;
    }

    private static ErrorCode? Exchange((Node Folder, string Name, Node Node) from, (Node Folder, string Name, Node? Node) to)
    {
        if (to.Node is null)
        {
            return ErrorCode.NotFound;
        }

        if (to.Node == from.Node)
        {
            return null;
        }

        if (IsBelow(to.Folder, from.Node) || IsBelow(from.Folder, to.Node))
        {
            return ErrorCode.InvalidArgument;
        }

        from.Folder.Names[from.Name] = to.Node;
        to.Folder.Names[to.Name] = from.Node;
        return null;
    }

    private static bool IsBelow(Node folder, Node ancestor)
    {
        if (folder == ancestor)
        {
            return true;
        }

        foreach (Node child in ancestor.Names.Values)
        {
            if (child.Kind == FileKind.Directory && IsBelow(folder, child))
            {
                return true;
            }
        }

        return false;
    }

    private ErrorCode? InFolder(string path, Func<Node, string, ErrorCode?> action)
    {
        int slash = path.LastIndexOf('/');
        string parent = path[..slash];
        Node node = _root;
        foreach (string part in parent.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (node.Kind != FileKind.Directory)
            {
                return ErrorCode.NotADirectory;
            }

            // The links of the tests lead nowhere.
            if (!node.Names.TryGetValue(part, out Node? next) || next.Kind == FileKind.SymbolicLink)
            {
                return ErrorCode.NotFound;
            }

            node = next;
        }

        return node.Kind == FileKind.Directory ? action(node, path[(slash + 1)..]) : ErrorCode.NotADirectory;
    }

    private static void Describe(Node folder, string path, List<string> lines)
    {
        foreach ((string name, Node node) in folder.Names)
        {
            lines.Add(node.Kind == FileKind.Directory
                ? $"{path}/{name} folder"
                : $"{path}/{name} {node.Kind} links {node.Links} size {node.Size} gen {node.Generation} version {node.Version}");
            Describe(node, path + "/" + name, lines);
        }
    }
}
