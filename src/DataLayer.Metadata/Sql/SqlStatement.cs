using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using NpgsqlTypes;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// One prepared statement of one connection. Bind the parameters in order with <c>Add</c>, then run it; binding
/// starts over after each run. Not thread-safe: it belongs to whoever holds the connection.
/// </summary>
internal sealed class SqlStatement : IDisposable
{
    private readonly DbConnection _connection;
    private readonly string _sql;
    private readonly SqlValue[] _values;
    private DbCommand? _command;
    private SqliteExecution? _execution;
    private int _bound;

    /// <summary>A statement whose parameters are $1, $2, … ; prepared at its first run.</summary>
    public SqlStatement(DbConnection connection, string sql)
    {
        _connection = connection;
        _sql = sql;
        _values = new SqlValue[CountParameters(sql)];
    }

    /// <summary>Binds the next parameter.</summary>
    public SqlStatement Add(long value) => AddValue(new SqlValue(value, null, null, IsNull: false, SqlKind.Number));

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(long? value) =>
        AddValue(new SqlValue(value.GetValueOrDefault(), null, null, IsNull: !value.HasValue, SqlKind.Number));

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(string? value) =>
        AddValue(new SqlValue(0, value, null, IsNull: value is null, SqlKind.Text));

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(byte[]? value) =>
        AddValue(new SqlValue(0, null, value, IsNull: value is null, SqlKind.Bytes));

    /// <summary>Runs a statement that returns no rows.</summary>
    /// <returns>How many rows it changed.</returns>
    public int Execute()
    {
        CheckBound();
        return _connection is SqliteConnection sqlite ? Bound(sqlite).Run() : Command().ExecuteNonQuery();
    }

    /// <summary>Runs a query. Dispose the reader before the statement is used again.</summary>
    public DbDataReader Query()
    {
        CheckBound();
        return _connection is SqliteConnection sqlite ? Bound(sqlite).Query() : Command().ExecuteReader();
    }

    /// <summary>Runs a query for one number.</summary>
    /// <returns>The first column of the first row, or null without a row or value.</returns>
    public long? QueryInt64()
    {
        using DbDataReader reader = Query();
        return reader.Read() && !reader.IsDBNull(0) ? reader.GetInt64(0) : null;
    }

    /// <summary>Whether a query has at least one row.</summary>
    public bool QueryAny()
    {
        using DbDataReader reader = Query();
        return reader.Read();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _command?.Dispose();
        _execution?.Dispose();
    }

    private SqliteExecution Bound(SqliteConnection sqlite)
    {
        _execution ??= new SqliteExecution(sqlite, _sql);
        for (int i = 0; i < _values.Length; i++)
        {
            _execution.Bind(i, _values[i]);
        }

        return _execution;
    }

    private DbCommand Command()
    {
        DbCommand command = _command ?? Prepare();
        for (int i = 0; i < _values.Length; i++)
        {
            command.Parameters[i].Value = _values[i].ToObject();
        }

        return command;
    }

    private DbCommand Prepare()
    {
        DbCommand command = _connection.CreateCommand();
#pragma warning disable CA2100 // Statements are constants of this assembly.
        command.CommandText = _sql;
#pragma warning restore CA2100
        for (int i = 0; i < _values.Length; i++)
        {
            // Parameters without a name are the positional ones of PostgreSQL. Their kinds are the same at each run.
            command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = TypeOf(_values[i].Kind) });
        }

        command.Prepare();
        _command = command;
        return command;
    }

    private static NpgsqlDbType TypeOf(SqlKind kind) => kind switch
    {
        SqlKind.Number => NpgsqlDbType.Bigint,
        SqlKind.Text => NpgsqlDbType.Text,
        _ => NpgsqlDbType.Bytea,
    };

    private static int CountParameters(string sql)
    {
        int count = 0;
        for (int i = 0; i < sql.Length - 1; i++)
        {
            if (sql[i] != '$')
            {
                continue;
            }

            int number = 0;
            for (int j = i + 1; j < sql.Length && char.IsAsciiDigit(sql[j]); j++)
            {
                number = (number * 10) + (sql[j] - '0');
            }

            count = Math.Max(count, number);
        }

        return count;
    }

    private SqlStatement AddValue(in SqlValue value)
    {
        _values[_bound++] = value;
        return this;
    }

    private void CheckBound()
    {
        int bound = _bound;
        _bound = 0;
        if (bound != _values.Length)
        {
            throw new InvalidOperationException($"{bound} of {_values.Length} parameters are bound: {_sql}");
        }
    }
}
