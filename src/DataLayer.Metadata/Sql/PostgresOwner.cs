using System.Data.Common;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Nodes;
using Npgsql;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// Whose a tree in PostgreSQL is, and which of its transactions are committed.
/// </summary>
/// <remarks>
/// An advisory lock, held by the writer's connection, keeps two services from one tree: it ends with the connection,
/// and so after the last commit that connection can make. The one row of <c>tree_owner</c> says who has it, counts the
/// owners (the epoch) and the transactions. Each transaction begins by writing its number there, provided the epoch is
/// still its own: a service that lost its connection and its lock to another is refused by the database, whatever it
/// believes. After a lost connection the number tells whether the last transaction was committed, and whether the
/// database has lost some that it had acknowledged (relaxed ones in a crash, or a failover to a server behind).
/// <para>
/// Belongs to the writer thread. A transaction: <see cref="Enter"/> → COMMIT → <see cref="Committed"/>, or
/// <see cref="Rejoin"/> decides.
/// </para>
/// </remarks>
internal sealed class PostgresOwner(PostgresOptions options, TimeProvider time)
{
    // "DLTR": the first half of the advisory lock's key; the second is the schema's number.
    private const int LockClass = 0x444C5452;

    private const string Table =
        """
        CREATE TABLE IF NOT EXISTS tree_owner (
            id BIGINT NOT NULL PRIMARY KEY,
            epoch BIGINT NOT NULL,
            commits BIGINT NOT NULL,
            owner TEXT COLLATE "C" NOT NULL)
        """;

    private const string TakeLock =
        "SELECT pg_advisory_lock($1::int, "
            + "(SELECT (oid::bigint - 2147483648)::int FROM pg_namespace WHERE nspname = $2))";

    private const int TrimInterval = 256;

    private const string LockNotAvailable = "55P03";

    private const string Become =
        """
        INSERT INTO tree_owner (id, epoch, commits, owner) VALUES (1, 1, 0, $1)
        ON CONFLICT (id) DO UPDATE SET epoch = tree_owner.epoch + 1, owner = excluded.owner
        RETURNING epoch, commits
        """;

    private const string Write = "UPDATE tree_owner SET commits = $1 WHERE id = 1 AND epoch = $2";

    private const string Select = "SELECT epoch, commits, owner FROM tree_owner WHERE id = 1";

    // Only the connection that was ours: its process number may have gone to another since.
    private const string EndBefore =
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid = $1::int AND backend_start::text = $2 AND usename = current_user
        """;

    private const string SelectStart =
        "SELECT pg_backend_pid(), backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";

    private long _epoch;
    private long _committed;
    private long _pending;
    private long _logged;
    private int _process;
    private string _processStart = string.Empty;

    /// <summary>The number of this owner, from 1.</summary>
    public long Epoch => _epoch;

    /// <summary>Takes the tree.</summary>
    /// <exception cref="DataLayerException">Overloaded: another service has it.</exception>
    public void Take(SqlSession session)
    {
        // Asked first: who may not make tables (any more) may own them.
        MakeTable(session, "tree_owner", Table);
        MakeTable(session, ChangeRows.Name, ChangeRows.Create);
        MakeTable(session, NodeTable.Name, NodeTable.Create);

        if (!WaitForLock(session))
        {
            (long epoch, _, string owner) = Read(session);
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"The tree in schema '{options.Schema}' of the {options.DisplayName} is in use by another service: "
                    + $"{owner}, epoch {epoch}. Stop that one, or give this one a schema of its own.");
        }

        using (DbDataReader reader = session.Get(Become).Add(NameOfOwner()).Query())
        {
            reader.Read();
            _epoch = reader.GetInt64(0);
            _committed = reader.GetInt64(1);
        }

        Remember(session);
    }

    /// <summary>Writes the number of the transaction that begins.</summary>
    /// <exception cref="DataLayerException">TargetFailed: another service has the tree.</exception>
    public void Enter(SqlSession session)
    {
        _pending = _committed + 1;
        if (session.Get(Write).Add(_pending).Add(_epoch).Execute() != 1)
        {
            _pending = 0;
            throw Fenced(Read(session));
        }
    }

    /// <summary>Leaves what the transaction that <see cref="Enter"/> began touched, under its number.</summary>
    public void LogChanges(SqlSession session, byte[] changes, string channel)
    {
        session.Get(ChangeRows.Insert).Add(_pending).Add(_epoch).Add(changes).Add(channel).QueryAny();
        if (++_logged % TrimInterval == 0)
        {
            session.Get(ChangeRows.Trim).Add(_pending - ChangeLog.RetainedTransactions - TrimInterval).Execute();
        }
    }

    /// <summary>The transaction is committed.</summary>
    public void Committed()
    {
        _committed = Math.Max(_committed, _pending);
        _pending = 0;
    }

    /// <summary>Takes the tree back over a new connection.</summary>
    /// <returns>Whether the transaction that was under way is committed.</returns>
    /// <exception cref="DataLayerException">TargetFailed: another service has it, or commits are lost.</exception>
    /// <exception cref="DbException">Not yet.</exception>
    public bool Rejoin(SqlSession session)
    {
        session.Get(EndBefore).Add(_process).Add(_processStart).QueryAny();
        if (!WaitForLock(session))
        {
            (long Epoch, long Commits, string Owner) other = Read(session);
            throw other.Epoch != _epoch ? Fenced(other)
                : new NpgsqlException("The server has not ended the connection of before yet.");
        }

        (long Epoch, long Commits, string Owner) found = Read(session);
        if (found.Epoch != _epoch)
        {
            throw Fenced(found);
        }

        if (found.Commits < _committed)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed,
                $"The {options.DisplayName} came back without the last {_committed - found.Commits} transactions it "
                    + "had acknowledged: it crashed with changes that did not wait for the disk, or failed over to a "
                    + "server that was behind. Restart the service, so that it forgets them too.");
        }

        // Nothing is forgotten before all is asked: this connection may be lost as well.
        Remember(session);
        bool isCommitted = _pending != 0 && found.Commits == _pending;
        _committed = found.Commits;
        _pending = 0;
        return isCommitted;
    }

    private static void MakeTable(SqlSession session, string name, string script)
    {
        if (!session.Dialect.HasTable(session, name))
        {
            session.ExecuteScript(script);
        }
    }

    private bool WaitForLock(SqlSession session)
    {
        SetLockTimeout(session, options.OwnerWait);
        try
        {
            return session.Get(TakeLock).Add((long)LockClass).Add(options.Schema).QueryAny();
        }
        catch (PostgresException error) when (error.SqlState == LockNotAvailable)
        {
            return false;
        }
        finally
        {
            if (session.IsOpen)
            {
                SetLockTimeout(session, options.LockTimeout);
            }
        }
    }

    // 0 would wait for good.
    private static void SetLockTimeout(SqlSession session, TimeSpan time) => session.ExecuteScript(string.Create(
        CultureInfo.InvariantCulture, $"SET lock_timeout = {Math.Max(1, (long)time.TotalMilliseconds)}"));

    private void Remember(SqlSession session)
    {
        using DbDataReader reader = session.Get(SelectStart).Query();
        reader.Read();
        _process = (int)reader.GetInt64(0);
        _processStart = reader.GetString(1);
    }

    private static (long Epoch, long Commits, string Owner) Read(SqlSession session)
    {
        using DbDataReader reader = session.Get(Select).Query();
        return reader.Read() ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetString(2)) : (0, 0, "nobody known");
    }

    private DataLayerException Fenced((long Epoch, long Commits, string Owner) other) => new(
        ErrorCode.TargetFailed,
        $"Another service has taken the tree in schema '{options.Schema}' of the {options.DisplayName}: {other.Owner}, "
            + $"epoch {other.Epoch}; this one has epoch {_epoch} and writes no more. Stop one of them, then restart "
            + "the other.");

    private string NameOfOwner() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Environment.MachineName}, process {Environment.ProcessId}, since {time.GetUtcNow():yyyy-MM-dd HH:mm:ss}Z");
}
