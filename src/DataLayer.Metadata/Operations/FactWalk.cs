using System.Data.Common;
using System.Text;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// A walk over the files below a folder with their heat, in pages: one statement reads the names of up to 256 entries
/// with their inodes and heat, so that a million files cost about four thousand statements.
/// </summary>
internal static class FactWalk
{
    private const int PageLength = 256;

    private const string SelectPage =
        $"""
        SELECT d.name, d.kind, {InodeTable.AttributeColumns}, {InodeTable.ContentColumns}, {HeatTable.Columns}
        FROM dentries d JOIN inodes i ON i.inode = d.inode LEFT JOIN heat h ON h.inode = d.inode
        WHERE d.parent = $1 AND d.name > $2 ORDER BY d.name LIMIT $3
        """;

    private const int FirstInode = 2;
    private const int FirstHeat = FirstInode + InodeTable.RowColumnCount;

    /// <summary>
    /// A page of the files below a folder, depth first in name order. The cursor is the relative path of the last file
    /// given, so it stays good whatever changes in between: files that stay are given once for each of their names.
    /// </summary>
    public static (IReadOnlyList<FileFactRow> Files, string? Cursor) Run(
        TreeTables tables, InodeId folder, string? cursor, int limit)
    {
        Folders.Get(tables, folder);
        Stack<Level> levels = Descend(tables, folder, cursor);
        List<FileFactRow> files = [];
        while (levels.TryPeek(out Level? level))
        {
            if (!level.TryNext(tables, out Entry entry))
            {
                levels.Pop();
            }
            else if (entry.Row.Kind == FileKind.Directory)
            {
                levels.Push(new Level(entry.Row.Inode, [], level.PathOf(entry) + "/"));
            }
            else if (entry.Row.Kind == FileKind.Regular)
            {
                string path = level.PathOf(entry);
                InodeRow row = entry.Row;
                files.Add(new FileFactRow(
                    path, row.ToAttributes(), row.Placement, row.ResidentBytes, row.Object, entry.Heat));
                if (files.Count == limit)
                {
                    return (files, path);
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

    private readonly record struct Entry(byte[] Name, InodeRow Row, HeatRecord? Heat);

    /// <summary>One folder on the way down, read in pages.</summary>
    private sealed class Level(InodeId folder, byte[] after, string prefix)
    {
        private readonly List<Entry> _page = new(PageLength);
        private byte[] _after = after;
        private int _next;

        public string PathOf(in Entry entry) => prefix + TreeName.Decode(entry.Name);

        public bool TryNext(TreeTables tables, out Entry entry)
        {
            if (_next == _page.Count)
            {
                ReadPage(tables);
                if (_page.Count == 0)
                {
                    entry = default;
                    return false;
                }
            }

            entry = _page[_next++];
            return true;
        }

        private void ReadPage(TreeTables tables)
        {
            _page.Clear();
            _next = 0;
            using DbDataReader reader = tables.Session.Get(SelectPage)
                .Add(folder.Value).Add(_after).Add((long)PageLength).Query();
            while (reader.Read())
            {
                HeatRecord? heat = !reader.IsDBNull(FirstHeat)
                    && HeatTable.TryRead(reader, FirstHeat, out HeatRecord known) ? known : null;
                byte[] name = reader.GetFieldValue<byte[]>(0);
                InodeRow row = (FileKind)reader.GetInt64(1) == FileKind.Regular
                    ? InodeTable.ReadRow(reader, FirstInode)
                    : InodeTable.ReadAttributes(reader, FirstInode);
                _page.Add(new Entry(name, row, heat));
            }

            if (_page.Count > 0)
            {
                _after = _page[^1].Name;
            }
        }
    }
}
