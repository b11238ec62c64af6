using System.Data.Common;

namespace DataLayer.Metadata.Sql;

/// <summary>One connection with its prepared statements. Owned by one thread at a time.</summary>
internal sealed class SqlSession : IDisposable
{
    private readonly Dictionary<string, SqlStatement> _statements = new(StringComparer.Ordinal);

    /// <summary>Opens a connection of <paramref name="dialect"/>.</summary>
    public SqlSession(ISqlDialect dialect, bool forWriting)
    {
        Dialect = dialect;
        Connection = dialect.Open(forWriting);
    }

    /// <summary>The database's dialect.</summary>
    public ISqlDialect Dialect { get; }

    /// <summary>The connection.</summary>
    public DbConnection Connection { get; }

    /// <summary>The prepared form of <paramref name="sql"/>, made at first use and kept.</summary>
    public SqlStatement Get(string sql)
    {
        if (!_statements.TryGetValue(sql, out SqlStatement? statement))
        {
            statement = new SqlStatement(Connection, sql);
            _statements.Add(sql, statement);
        }

        return statement;
    }

    /// <summary>Runs text that is not worth keeping, perhaps several statements.</summary>
    public void ExecuteScript(string sql)
    {
        using DbCommand command = Connection.CreateCommand();
#pragma warning disable CA2100 // Scripts are constants of this assembly and the dialect's type words.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SqlStatement statement in _statements.Values)
        {
            statement.Dispose();
        }

        _statements.Clear();
        Connection.Dispose();
    }
}
