using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;
using Npgsql;

namespace DataLayer.Metadata.Transfer;

/// <summary>One database that rows are copied from or to, held so that no service uses it meanwhile.</summary>
internal sealed class TransferDatabase : IDisposable
{
    private readonly ISqlDialect _dialect;

    private TransferDatabase(ISqlDialect dialect, SqlSession session)
    {
        _dialect = dialect;
        Session = session;
    }

    public SqlSession Session { get; }

    /// <summary>Takes a database; its schema becomes current.</summary>
    /// <exception cref="DataLayerException">Overloaded: a service runs. Else as when a tree is opened.</exception>
    public static TransferDatabase Open(TreeStoreOptions options, TimeProvider time)
    {
        options.Validate();
        PostgresDialect? postgres = options.Postgres is null ? null : new PostgresDialect(options.Postgres, time);
        ISqlDialect dialect = postgres ?? (ISqlDialect)new SqliteDialect(options);
        SqlSession? session = null;
        try
        {
            session = new SqlSession(dialect, forWriting: true);
            if (postgres is not null)
            {
                postgres.Take(session);
                session.ExecuteScript("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0");
            }

            TreeSchema.Migrate(session, TreeSchema.Steps);
            return new TransferDatabase(dialect, session);
        }
        catch (Exception error)
        {
            session?.Dispose();
            dialect.Dispose();
            throw error is DbException database ? dialect.Map(database) : error;
        }
    }

    /// <summary>Whether a tree is in it.</summary>
    public bool HoldsTree => Session.Get("SELECT 1 FROM inodes LIMIT 1").QueryAny();

    /// <summary>Runs something, with the database's errors in our terms.</summary>
    public T Run<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (DbException error)
        {
            throw _dialect.Map(error);
        }
        catch (Exception error) when (error is InvalidCastException or InvalidOperationException or OverflowException)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, $"{_dialect.DisplayName} has a value of the wrong type: {error.Message} Run "
                    + "'datalayer fsck'.", error);
        }
    }

    /// <summary>Fills an empty database in one transaction: all of it is there afterwards, or nothing.</summary>
    public void Fill(Action<IRowSink> fill)
    {
        if (HoldsTree)
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists, $"{_dialect.DisplayName} holds a tree already. Give an empty one: another "
                    + "metadata.postgres.schema, or another stateDirectory.");
        }

        Session.Get(_dialect.BeginWrite).Execute();
        try
        {
            foreach (string table in TreeTable.Names())
            {
                Session.ExecuteScript($"DELETE FROM {table}");
            }

            using (IRowSink sink = Session.Connection is NpgsqlConnection postgres
                ? new CopySink(postgres) : new InsertSink(Session))
            {
                fill(sink);
            }

            Session.Get("COMMIT").Execute();
        }
        catch
        {
            if (Session.IsOpen)
            {
                Session.Get("ROLLBACK").Execute();
            }

            throw;
        }

        if (!_dialect.IsLocal)
        {
            Session.ExecuteScript("ANALYZE");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Session.Dispose();
        _dialect.Dispose();
    }
}
