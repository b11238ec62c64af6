using System.Data;
using System.Data.Common;

namespace DataLayer.Metadata.Sql;

/// <summary>One connection with its prepared statements. Owned by one thread at a time.</summary>
internal sealed class SqlSession : IDisposable
{
    private readonly bool _forWriting;
    private readonly Dictionary<string, SqlStatement> _statements = new(StringComparer.Ordinal);

    /// <summary>Opens a connection of <paramref name="dialect"/>.</summary>
    public SqlSession(ISqlDialect dialect, bool forWriting)
    {
        Dialect = dialect;
        _forWriting = forWriting;
        Connection = dialect.Open(forWriting);
    }

    /// <summary>The database's dialect.</summary>
    public ISqlDialect Dialect { get; }

    /// <summary>The connection.</summary>
    public DbConnection Connection { get; private set; }

    /// <summary>Whether the connection is up, as far as is known without asking.</summary>
    public bool IsOpen => Connection.State == ConnectionState.Open;

    /// <summary>Gives up the connection, which is not worth asking any more.</summary>
    public void Break()
    {
        Forget();
        Connection.Dispose();
    }

    /// <summary>Puts a new connection in the place of one that is gone.</summary>
    /// <exception cref="DbException">There is none to be had.</exception>
    public void Reopen()
    {
        Break();
        Connection = Dialect.Open(_forWriting);
    }

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
    public void Dispose() => Break();

    private void Forget()
    {
        foreach (SqlStatement statement in _statements.Values)
        {
            statement.Dispose();
        }

        _statements.Clear();
    }
}
