using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// A prepared statement run on SQLite's own interface: the provider's parameters, looked up by name and boxed, and its
/// readers cost several times what SQLite takes (docs/decisions/0056).
/// </summary>
internal sealed class SqliteExecution : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private readonly SqliteRows _rows;

    /// <summary>Prepares <paramref name="sql"/>.</summary>
    /// <exception cref="SqliteException">SQLite refuses it.</exception>
    public SqliteExecution(SqliteConnection connection, string sql)
    {
        _database = connection.Handle ?? throw new InvalidOperationException("The connection is closed.");
        Check(raw.sqlite3_prepare_v2(_database, sql, out _statement));
        _rows = new SqliteRows(this, _statement);
    }

    /// <summary>Binds parameter <paramref name="index"/>, from 0.</summary>
    public void Bind(int index, in SqlValue value)
    {
        int at = index + 1;
        Check(value switch
        {
            { Text: { } text } => raw.sqlite3_bind_text(_statement, at, text),
            { Bytes.Length: 0 } => raw.sqlite3_bind_zeroblob(_statement, at, 0),
            { Bytes: { } bytes } => raw.sqlite3_bind_blob(_statement, at, bytes),
            { IsNull: true } => raw.sqlite3_bind_null(_statement, at),
            _ => raw.sqlite3_bind_int64(_statement, at, value.Number),
        });
    }

    /// <summary>Runs it.</summary>
    /// <returns>How many rows it changed.</returns>
    /// <exception cref="SqliteException">What SQLite says.</exception>
    public int Run()
    {
        int result = raw.sqlite3_step(_statement);
        while (result == raw.SQLITE_ROW)
        {
            result = raw.sqlite3_step(_statement);
        }

        if (result == raw.SQLITE_DONE)
        {
            raw.sqlite3_reset(_statement);
            return raw.sqlite3_changes(_database);
        }

        SqliteException error = ErrorOf(result);
        raw.sqlite3_reset(_statement);
        throw error;
    }

    /// <summary>Begins a run whose rows are read; they are disposed before the next run.</summary>
    public SqliteRows Query()
    {
        _rows.Open();
        return _rows;
    }

    /// <summary>Goes on to the next row; false after the last.</summary>
    /// <exception cref="SqliteException">What SQLite says.</exception>
    public bool Step()
    {
        int result = raw.sqlite3_step(_statement);
        return result == raw.SQLITE_ROW || (result == raw.SQLITE_DONE ? false : throw ErrorOf(result));
    }

    /// <summary>Ends a run.</summary>
    public void Reset() => raw.sqlite3_reset(_statement);

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _statement.Dispose();
    }

    private void Check(int result)
    {
        if (result != raw.SQLITE_OK)
        {
            throw ErrorOf(result);
        }
    }

    private SqliteException ErrorOf(int result) =>
        new(
            $"SQLite Error {result}: '{raw.sqlite3_errmsg(_database).utf8_to_string()}'.", result & 0xFF,
            raw.sqlite3_extended_errcode(_database));
}
