using System.Data.Common;
using System.Globalization;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// One prepared statement of one connection. Bind the parameters in order with <c>Add</c>, then run it; binding
/// starts over after each run. Not thread-safe: it belongs to whoever holds the connection.
/// </summary>
internal sealed class SqlStatement : IDisposable
{
    private readonly DbCommand _command;
    private readonly DbParameter[] _parameters;
    private int _bound;

    /// <summary>Prepares <paramref name="sql"/>, whose parameters are $1, $2, … .</summary>
    public SqlStatement(DbConnection connection, string sql)
    {
        _command = connection.CreateCommand();
        _command.CommandText = sql;
        _parameters = new DbParameter[CountParameters(sql)];
        for (int i = 0; i < _parameters.Length; i++)
        {
            _parameters[i] = _command.CreateParameter();
            _parameters[i].ParameterName = string.Create(CultureInfo.InvariantCulture, $"${i + 1}");
            _parameters[i].Value = DBNull.Value;
            _command.Parameters.Add(_parameters[i]);
        }

        _command.Prepare();
    }

    /// <summary>Binds the next parameter.</summary>
    public SqlStatement Add(long value) => AddValue(value);

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(long? value) => AddValue(value.HasValue ? value.GetValueOrDefault() : DBNull.Value);

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(string? value) => AddValue(value is null ? DBNull.Value : value);

    /// <summary>Binds the next parameter; null is NULL.</summary>
    public SqlStatement Add(byte[]? value) => AddValue(value is null ? DBNull.Value : value);

    /// <summary>Runs a statement that returns no rows.</summary>
    /// <returns>How many rows it changed.</returns>
    public int Execute()
    {
        CheckBound();
        return _command.ExecuteNonQuery();
    }

    /// <summary>Runs a query. Dispose the reader before the statement is used again.</summary>
    public DbDataReader Query()
    {
        CheckBound();
        return _command.ExecuteReader();
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
    public void Dispose() => _command.Dispose();

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

    private SqlStatement AddValue(object value)
    {
        _parameters[_bound++].Value = value;
        return this;
    }

    private void CheckBound()
    {
        int bound = _bound;
        _bound = 0;
        if (bound != _parameters.Length)
        {
            throw new InvalidOperationException($"{bound} of {_parameters.Length} parameters are bound: "
                + $"{_command.CommandText}");
        }
    }
}
