using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// A walk over the files below a folder with their heat: one statement reads the names of a page with their inodes and
/// heat, so that a million files cost about four thousand statements.
/// </summary>
internal static class FactWalk
{
    private const string SelectPage =
        $"""
        SELECT d.name, d.kind, {InodeTable.AttributeColumns}, {InodeTable.ContentColumns}, {HeatTable.Columns}
        FROM dentries d JOIN inodes i ON i.inode = d.inode LEFT JOIN heat h ON h.inode = d.inode
        WHERE d.parent = $1 AND d.name > $2 ORDER BY d.name LIMIT $3
        """;

    private const int FirstInode = 2;
    private const int FirstHeat = FirstInode + InodeTable.RowColumnCount;

    /// <summary>A page of the files below a folder; see <see cref="FileWalk"/>.</summary>
    public static (IReadOnlyList<FileFactRow> Files, string? Cursor) Run(
        TreeTables tables, InodeId folder, string? cursor, int limit) =>
        FileWalk.Run(
            tables, folder, cursor, limit, ReadPage,
            static entry => (entry.Name, entry.Row.Inode, entry.Row.Kind),
            static (List<FileFactRow> files, Entry entry, string path) => files.Add(new FileFactRow(
                path, entry.Row.ToAttributes(), entry.Row.Placement, entry.Row.ResidentBytes, entry.Row.Object,
                entry.Heat)));

    private static List<Entry> ReadPage(TreeTables tables, InodeId folder, byte[] after, int limit)
    {
        List<Entry> page = new(limit);
        using DbDataReader reader = tables.Session.Get(SelectPage)
            .Add(folder.Value).Add(after).Add((long)limit).Query();
        while (reader.Read())
        {
            HeatRecord? heat = !reader.IsDBNull(FirstHeat)
                && HeatTable.TryRead(reader, FirstHeat, out HeatRecord known) ? known : null;
            byte[] name = reader.GetFieldValue<byte[]>(0);
            InodeRow row = (FileKind)reader.GetInt64(1) == FileKind.Regular
                ? InodeTable.ReadRow(reader, FirstInode)
                : InodeTable.ReadAttributes(reader, FirstInode);
            page.Add(new Entry(name, row, heat));
        }

        return page;
    }

    private readonly record struct Entry(byte[] Name, InodeRow Row, HeatRecord? Heat);
}
