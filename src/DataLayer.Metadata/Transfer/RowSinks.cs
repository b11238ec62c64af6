using System.Buffers;
using System.Text.Json.Nodes;
using DataLayer.Metadata.Sql;
using Npgsql;
using NpgsqlTypes;

namespace DataLayer.Metadata.Transfer;

/// <summary>Where the rows of tables go, one table after the other.</summary>
internal interface IRowSink : IDisposable
{
    /// <summary>A table begins.</summary>
    void Begin(TreeTable table);

    /// <summary>A row, as values and as bytes.</summary>
    void Add(SqlValue[] row, ReadOnlySpan<byte> bytes);

    /// <summary>The table ends.</summary>
    void End(TableTransfer done);
}

/// <summary>Rows into a dump.</summary>
internal sealed class DumpSink(Stream stream) : IRowSink
{
    private const int FrameBytes = 256 << 10;
    private readonly ArrayBufferWriter<byte> _frame = new(FrameBytes + 4096);

    /// <inheritdoc/>
    public void Begin(TreeTable table)
    {
        JsonArray columns = [];
        foreach (TableColumn column in table.Columns)
        {
            columns.Add((JsonNode)new JsonObject { ["name"] = column.Name, ["kind"] = (int)column.Kind + 1 });
        }

        DumpFile.Write(stream, DumpFile.Table, new JsonObject { ["table"] = table.Name, ["columns"] = columns });
    }

    /// <inheritdoc/>
    public void Add(SqlValue[] row, ReadOnlySpan<byte> bytes)
    {
        if (_frame.WrittenCount > 0 && _frame.WrittenCount + bytes.Length > FrameBytes)
        {
            Flush();
        }

        _frame.Write(bytes);
    }

    /// <inheritdoc/>
    public void End(TableTransfer done)
    {
        Flush();
        DumpFile.Write(
            stream, DumpFile.TableEnd, new JsonObject { ["rows"] = done.RowCount, ["sha256"] = done.Sha256 });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Flush()
    {
        if (_frame.WrittenCount > 0)
        {
            DumpFile.Write(stream, DumpFile.Rows, _frame.WrittenSpan);
            _frame.ResetWrittenCount();
        }
    }
}

/// <summary>Rows into a database by a statement a row.</summary>
internal sealed class InsertSink(SqlSession session) : IRowSink
{
    private string _insert = string.Empty;

    /// <inheritdoc/>
    public void Begin(TreeTable table)
    {
        string[] values = new string[table.Columns.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = $"${i + 1}";
        }

        _insert = $"INSERT INTO {table.Name} ({table.ColumnList}) VALUES ({string.Join(", ", values)})";
    }

    /// <inheritdoc/>
    public void Add(SqlValue[] row, ReadOnlySpan<byte> bytes)
    {
        SqlStatement statement = session.Get(_insert);
        foreach (SqlValue value in row)
        {
            statement.Add(value);
        }

        statement.Execute();
    }

    /// <inheritdoc/>
    public void End(TableTransfer done)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>
/// Rows into PostgreSQL by COPY. A new COPY begins every so often: the checks of references wait for its end, in the
/// server's memory.
/// </summary>
internal sealed class CopySink(NpgsqlConnection connection) : IRowSink
{
    private const int RowsACopy = 50_000;
    private TreeTable? _table;
    private NpgsqlBinaryImporter? _copy;
    private int _rows;

    /// <inheritdoc/>
    public void Begin(TreeTable table) => _table = table;

    /// <inheritdoc/>
    public void Add(SqlValue[] row, ReadOnlySpan<byte> bytes)
    {
        _copy ??= connection.BeginBinaryImport(
            $"COPY {_table!.Name} ({_table.ColumnList}) FROM STDIN (FORMAT BINARY)");
        _copy.StartRow();
        foreach (SqlValue value in row)
        {
            if (value.IsNull)
            {
                _copy.WriteNull();
            }
            else if (value.Kind == SqlKind.Number)
            {
                _copy.Write(value.Number, NpgsqlDbType.Bigint);
            }
            else if (value.Kind == SqlKind.Text)
            {
                _copy.Write(value.Text!, NpgsqlDbType.Text);
            }
            else
            {
                _copy.Write(value.Bytes!, NpgsqlDbType.Bytea);
            }
        }

        if (++_rows % RowsACopy == 0)
        {
            Complete();
        }
    }

    /// <inheritdoc/>
    public void End(TableTransfer done) => Complete();

    /// <inheritdoc/>
    public void Dispose() => _copy?.Dispose();

    private void Complete()
    {
        _copy?.Complete();
        _copy?.Dispose();
        _copy = null;
    }
}
