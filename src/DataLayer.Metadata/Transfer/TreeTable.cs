using System.Data.Common;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Transfer;

/// <summary>One table as it is copied: its columns by position, and those its rows are in order of.</summary>
internal sealed class TreeTable
{
    private const string CreateTable = "CREATE TABLE ";

    private TreeTable(string name, IReadOnlyList<TableColumn> columns)
    {
        Name = name;
        Columns = columns;
        StringBuilder list = new();
        SortedDictionary<int, string> keys = [];
        foreach (TableColumn column in columns)
        {
            list.Append(list.Length == 0 ? string.Empty : ", ").Append(column.Name);
            if (column.KeyPosition > 0)
            {
                keys.Add(column.KeyPosition, column.Name);
            }
        }

        ColumnList = list.ToString();
        SelectAll = $"SELECT {ColumnList} FROM {name} ORDER BY {string.Join(", ", keys.Values)}";
    }

    public string Name { get; }

    public IReadOnlyList<TableColumn> Columns { get; }

    /// <summary>The columns' names, separated by commas.</summary>
    public string ColumnList { get; }

    /// <summary>Reads all rows in the order of their keys.</summary>
    public string SelectAll { get; }

    /// <summary>
    /// All tables of the tree, those that others refer to first: the order they were made in. The table of versions
    /// belongs to the database, not to the tree.
    /// </summary>
    public static IReadOnlyList<TreeTable> List(SqlSession session)
    {
        List<TreeTable> tables = [];
        foreach (string name in Names())
        {
            IReadOnlyList<TableColumn> columns = session.Dialect.ListColumns(session, name);
            tables.Add(columns.Count > 0 ? new TreeTable(name, columns) : throw new DataLayerException(
                ErrorCode.Corrupt, $"{session.Dialect.DisplayName} has no table '{name}'. Restore a backup."));
        }

        return tables;
    }

    /// <summary>The tables' names in the order the schema's steps make them.</summary>
    public static IEnumerable<string> Names()
    {
        foreach (SchemaStep step in TreeSchema.Steps)
        {
            int at = step.Script.IndexOf(CreateTable, StringComparison.Ordinal);
            while (at >= 0)
            {
                at += CreateTable.Length;
                yield return step.Script[at..step.Script.IndexOf(' ', at)];
                at = step.Script.IndexOf(CreateTable, at, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>Checks that a dump's table is this one, column by column.</summary>
    /// <exception cref="DataLayerException">Corrupt: it is another.</exception>
    public void CheckSame(JsonNode head)
    {
        bool isSame = head is JsonObject && head["table"]?.ToString() == Name
            && head["columns"] is JsonArray columns && columns.Count == Columns.Count;
        for (int i = 0; isSame && i < Columns.Count; i++)
        {
            isSame = head["columns"]![i] is JsonObject column && column["name"]?.ToString() == Columns[i].Name;
        }

        if (!isSame)
        {
            throw RowBytes.Damaged($"table '{Name}' is missing or has other columns");
        }
    }

    /// <summary>Reads the columns of the row a reader is at.</summary>
    public void Read(DbDataReader reader, SqlValue[] row)
    {
        for (int i = 0; i < Columns.Count; i++)
        {
            SqlKind kind = Columns[i].Kind;
            row[i] = reader.IsDBNull(i) ? new SqlValue(0, null, null, IsNull: true, kind) : kind switch
            {
                SqlKind.Number => new SqlValue(reader.GetInt64(i), null, null, IsNull: false, kind),
                SqlKind.Text => new SqlValue(0, reader.GetString(i), null, IsNull: false, kind),
                _ => new SqlValue(0, null, reader.GetFieldValue<byte[]>(i), IsNull: false, kind),
            };
        }
    }
}

/// <summary>One column.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="KeyPosition">Its place in the primary key from 1, or 0.</param>
internal sealed record TableColumn(string Name, SqlKind Kind, int KeyPosition);
