using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Nodes;
using DataLayer.Metadata.Transfer;
using Npgsql;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// PostgreSQL 13 or newer, one schema a tree. A durable commit waits for <c>synchronous_commit=on</c>, a relaxed one
/// does not (<c>off</c>): it survives the end of this process, and is lost with up to a second of others where the
/// server crashes.
/// </summary>
/// <remarks>
/// Text is compared by code point whatever the database's collation is, since every text column says COLLATE "C"; the
/// encoding must be UTF-8. Sessions are kept by the writer and the readers themselves, so nothing is pooled here:
/// prepared statements, the advisory lock and the settings belong to one connection. A pooler in between must keep
/// sessions whole. <see cref="PostgresOwner"/> says whose a tree is.
/// </remarks>
internal sealed class PostgresDialect : ISqlDialect
{
    private const int OldestVersion = 13;

    private const string SelectServer =
        """
        SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),
            to_regnamespace($1) IS NOT NULL, current_setting('synchronous_commit')
        """;

    private const string SelectCollated =
        """
        SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_collation o ON o.oid = a.attcollation
        WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND o.collname <> 'C'
        LIMIT 1
        """;

    private const string SelectColumns =
        """
        SELECT a.attname::text, t.typname::text, COALESCE(array_position(x.indkey::int2[], a.attnum), -1) + 1
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary
        WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """;

    private const string SelectInvalid =
        """
        SELECT c.relname::text FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND NOT x.indisvalid
        """;

    private readonly PostgresOptions _options;
    private readonly PostgresOwner _owner;
    private readonly List<(string Host, int Port)> _hosts = [];
    private int _lastHost;
    private bool _isRemoteApply;

    /// <summary>A tree in a PostgreSQL database; nothing is connected yet.</summary>
    public PostgresDialect(PostgresOptions options, TimeProvider time)
    {
        _options = options;
        _owner = new PostgresOwner(options, time);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(options.Schema));
        Channel = "datalayer_" + Convert.ToHexStringLower(hash.AsSpan(0, 8)); // A schema's name may be too long.
        foreach (string host in options.Hosts)
        {
            _hosts.Add(PostgresOptions.ParseHost(host)!.Value);
        }
    }

    /// <inheritdoc/>
    public string DisplayName => _options.DisplayName;

    /// <inheritdoc/>
    public bool IsLocal => false;

    /// <inheritdoc/>
    public TimeSpan OutageWait => _options.OutageWait;

    /// <inheritdoc/>
    public string BeginWrite => "BEGIN";

    /// <inheritdoc/>
    public string BeginSnapshot =>
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; "
            + "SET LOCAL idle_in_transaction_session_timeout = 0";

    /// <inheritdoc/>
    public string Int64Type => "BIGINT";

    /// <inheritdoc/>
    public string BlobType => "BYTEA";

    /// <inheritdoc/>
    public string TextType => "TEXT COLLATE \"C\"";

    /// <inheritdoc/>
    public string ClusteredSuffix => string.Empty;

    /// <inheritdoc/>
    public bool WasStoppedUncleanly => false;

    /// <inheritdoc/>
    public string CommitMode(bool durable) =>
        !durable ? "SET synchronous_commit = off"
        : _isRemoteApply ? "SET synchronous_commit = remote_apply"
        : "SET synchronous_commit = on";

    /// <summary>What the database notifies of changes of this tree: a channel belongs to the database.</summary>
    public string Channel { get; }

    /// <summary>The number of this owner of the tree, from 1; 0 where it only reads.</summary>
    public long OwnerEpoch => _owner.Epoch;

    /// <inheritdoc/>
    public DbConnection Open(bool forWriting) => Open(
        forWriting, forWriting ? "datalayer writer" : "datalayer reader", _options.StatementTimeout,
        TimeSpan.FromSeconds(10));

    /// <summary>Opens a connection whose statements fail soon where the server does not answer.</summary>
    public NpgsqlConnection OpenPrompt(string application, TimeSpan patience)
    {
        TimeSpan time = patience < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : patience;
        return Open(forWriting: true, application, time, TimeSpan.FromSeconds(1));
    }

    /// <summary>
    /// Whether a fault of a connection of <see cref="OpenPrompt"/> passes when the database is there again. A
    /// password's file may be away for a moment too.
    /// </summary>
    public static bool IsAway(Exception fault) =>
        fault is DbException or TimeoutException or IOException or DataLayerException;

    private NpgsqlConnection Open(bool forWriting, string application, TimeSpan statement, TimeSpan grace)
    {
        DbException? first = null;
        for (int i = 0; i < _hosts.Count; i++)
        {
            int at = (Volatile.Read(ref _lastHost) + i) % _hosts.Count;
            try
            {
                NpgsqlConnection connection = Open(
                    _hosts[at], ConnectionString(_hosts[at], forWriting, application, statement, grace));
                Volatile.Write(ref _lastHost, at);
                return connection;
            }
            catch (DbException error)
            {
                first ??= error;
            }
        }

        throw first!;
    }

    /// <summary>Checks the server and takes the tree for this service.</summary>
    /// <exception cref="DataLayerException">NotSupported: the server is too old or the database has another encoding.
    /// PermissionDenied. Overloaded: another service has the tree.</exception>
    public void Take(SqlSession session)
    {
        bool hasSchema = CheckServer(session);
        if (!hasSchema && !MayMakeSchema(session))
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"The {DisplayName} has no schema '{_options.Schema}', and user '{_options.User}' may not make it. "
                    + $"Run as its owner: CREATE SCHEMA {_options.Schema} AUTHORIZATION \"{_options.User}\".");
        }

        session.ExecuteScript($"CREATE SCHEMA IF NOT EXISTS {_options.Schema}");
        CheckCollation(session);
        _owner.Take(session);
    }

    /// <summary>Checks the server for a service that only reads the tree, which must be there.</summary>
    /// <exception cref="DataLayerException">As <see cref="Take"/>; NotFound: there is no tree, or it was never opened
    /// by a service that other nodes can follow.</exception>
    public void Watch(SqlSession session)
    {
        if (!CheckServer(session) || !HasTable(session, "inodes") || !HasTable(session, ChangeRows.Name)
            || !HasTable(session, NodeTable.Name))
        {
            throw new DataLayerException(
                ErrorCode.NotFound,
                $"Schema '{_options.Schema}' of the {DisplayName} has no tree that could be followed. Start the node "
                    + "that writes (node.role: writer) first.");
        }

        CheckCollation(session);
    }

    /// <summary>Checks version and encoding; returns whether the schema is there.</summary>
    private bool CheckServer(SqlSession session)
    {
        using (DbDataReader reader = session.Get(SelectServer).Add(_options.Schema).Query())
        {
            reader.Read();
            int version = (int)reader.GetInt64(0);
            if (version < OldestVersion * 10_000)
            {
                throw new DataLayerException(
                    ErrorCode.NotSupported,
                    $"The {DisplayName} is served by version {version / 10_000}; {OldestVersion} is the oldest that "
                        + "will do. Upgrade the server.");
            }

            if (reader.GetString(1) != "UTF8")
            {
                throw new DataLayerException(
                    ErrorCode.NotSupported,
                    $"The {DisplayName} has the encoding {reader.GetString(1)}. Make one in UTF-8: CREATE DATABASE "
                        + $"\"{_options.Database}\" ENCODING 'UTF8' TEMPLATE template0.");
            }

            _isRemoteApply = reader.GetString(4) == "remote_apply";
            return reader.GetBoolean(3);
        }
    }

    private static bool MayMakeSchema(SqlSession session) =>
        session.Get("SELECT 1 WHERE has_database_privilege(current_database(), 'CREATE')").QueryAny();

    private void CheckCollation(SqlSession session)
    {
        using (DbDataReader reader = session.Get(SelectCollated).Add(_options.Schema).Query())
        {
            if (reader.Read())
            {
                throw new DataLayerException(
                    ErrorCode.NotSupported,
                    $"The column {reader.GetString(0)} in schema '{_options.Schema}' of the {DisplayName} is not "
                        + "compared by code point. Load the tree with 'datalayer metadata', which makes the tables.");
            }
        }
    }

    /// <inheritdoc/>
    public void EnterWrite(SqlSession session) => _owner.Enter(session);

    /// <inheritdoc/>
    public void LogChanges(SqlSession session, byte[] changes) => _owner.LogChanges(session, changes, Channel);

    /// <inheritdoc/>
    public void WriteCommitted() => _owner.Committed();

    /// <inheritdoc/>
    public bool Rejoin(SqlSession session)
    {
        try
        {
            session.Reopen();
        }
        catch (DataLayerException error)
        {
            // The password's file is being written anew, say: no reason to give up for good.
            throw new NpgsqlException(error.Message, error);
        }

        try
        {
            return _owner.Rejoin(session);
        }
        catch
        {
            session.Break();
            throw;
        }
    }

    /// <inheritdoc/>
    public SqlFault Classify(DbException error)
    {
        if (error is not PostgresException refused)
        {
            return SqlFault.Lost;
        }

        return refused.SqlState switch
        {
            // Serialization failure, deadlock, lock not available, cancelled by a timeout.
            "40001" or "40P01" or "55P03" or "57014" => SqlFault.Again,

            // Shut down, crashed, starting, dropped; idle too long; too many connections; the server became a standby.
            "57P01" or "57P02" or "57P03" or "57P04" or "57P05" or "25P03" or "53300" or "25006" => SqlFault.Lost,
            _ when refused.SqlState.StartsWith("08", StringComparison.Ordinal) => SqlFault.Lost,
            _ when refused.InvariantSeverity is "FATAL" or "PANIC" => SqlFault.Lost,
            _ => SqlFault.Refused,
        };
    }

    /// <inheritdoc/>
    public DataLayerException Unreachable(Exception cause, bool isChange) => new(
        ErrorCode.Overloaded,
        $"The {DisplayName} has not answered for {_options.OutageWait.TotalSeconds:0.#} s: {cause.Message} "
            + (isChange ? "The change was not made. " : string.Empty)
            + "Start the server or mend the network, then try again; metadata.postgres.hosts says where it is looked "
            + "for.",
        cause)
    {
        RetryAfter = TimeSpan.FromSeconds(5),
    };

    /// <inheritdoc/>
    public bool HasTable(SqlSession session, string table) =>
        session.Get("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2")
            .Add(_options.Schema).Add(table).QueryAny();

    /// <inheritdoc/>
    public IReadOnlyList<TableColumn> ListColumns(SqlSession session, string table)
    {
        List<TableColumn> columns = [];
        using DbDataReader reader = session.Get(SelectColumns).Add(_options.Schema).Add(table).Query();
        while (reader.Read())
        {
            SqlKind kind = reader.GetString(1) switch
            {
                "int8" => SqlKind.Number,
                "text" => SqlKind.Text,
                _ => SqlKind.Bytes,
            };
            columns.Add(new TableColumn(reader.GetString(0), kind, (int)reader.GetInt64(2)));
        }

        return columns;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> CheckIntegrity(SqlSession session, bool quick)
    {
        // The server vouches for its pages (initdb --data-checksums), our rows for themselves.
        List<string> faults = [];
        using DbDataReader reader = session.Get(SelectInvalid).Add(_options.Schema).Query();
        while (reader.Read())
        {
            faults.Add($"The index {reader.GetString(0)} is not valid: REINDEX it.");
        }

        return faults;
    }

    /// <inheritdoc/>
    public void Checkpoint(SqlSession session)
    {
        // The server does it.
    }

    /// <inheritdoc/>
    public DataLayerException Map(DbException error)
    {
        if (error is not PostgresException refused)
        {
            return CannotConnect(error);
        }

        // 28: a refused log-in; 3D: no such database; 42501: a missing privilege.
        return refused.SqlState switch
        {
            _ when refused.SqlState.StartsWith("28", StringComparison.Ordinal) => new DataLayerException(
                ErrorCode.PermissionDenied,
                $"The {DisplayName} refuses user '{_options.User}': {refused.MessageText}. Check "
                    + "metadata.postgres.user, passwordFile or passwordEnv, and the server's pg_hba.conf.",
                error),
            "3D000" => new DataLayerException(
                ErrorCode.NotFound,
                $"The {DisplayName} does not exist. Make it: CREATE DATABASE \"{_options.Database}\" OWNER "
                    + $"\"{_options.User}\" ENCODING 'UTF8' TEMPLATE template0.",
                error),
            "42501" => new DataLayerException(
                ErrorCode.PermissionDenied,
                $"User '{_options.User}' may not do this in the {DisplayName}: {refused.MessageText}. Make it the "
                    + $"owner of schema '{_options.Schema}'.",
                error),
            "53100" => new DataLayerException(
                ErrorCode.NoSpace,
                $"No space left for the {DisplayName}. Free space on the server; nothing was lost.",
                error),
            "XX001" or "XX002" => DamagedDatabase(refused.MessageText, error),
            "58030" => new DataLayerException(
                ErrorCode.TargetFailed,
                $"The server of the {DisplayName} cannot read or write: {refused.MessageText}. Check its disk, then "
                    + "restart the service.",
                error),
            _ when Classify(error) == SqlFault.Again => new DataLayerException(
                ErrorCode.Overloaded,
                $"The {DisplayName} gave up a transaction again and again: {refused.MessageText}. Nothing was changed; "
                    + "find what holds its locks (a database shell?) and try again.",
                error),
            _ when Classify(error) == SqlFault.Lost => CannotConnect(error),
            _ => new DataLayerException(
                ErrorCode.Internal,
                $"The {DisplayName} refused a statement: {refused.MessageText} ({refused.SqlState})",
                error),
        };
    }

    /// <inheritdoc/>
    public DataLayerException DamagedDatabase(string what, Exception? error) => new(
        ErrorCode.Corrupt,
        $"The {DisplayName} is damaged: {what} Restore it from a backup, or load a dump ('datalayer metadata load').",
        error);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private DataLayerException CannotConnect(DbException error) => new(
        ErrorCode.TargetFailed,
        $"The {DisplayName} cannot be reached as user '{_options.User}': {error.Message} Start the server, or correct "
            + "metadata.postgres.hosts.",
        error);

    private NpgsqlConnection Open((string Host, int Port) host, string settings)
    {
        NpgsqlConnection connection = new(settings);
        try
        {
            connection.Open();
            using NpgsqlCommand command = connection.CreateCommand();

            // Here and not among the settings of the connection: the driver reads the server's types once for each
            // text of those.
#pragma warning disable CA2100 // A checked name.
            command.CommandText = $"SET search_path = {_options.Schema}; SELECT pg_is_in_recovery()";
#pragma warning restore CA2100
            if ((bool)command.ExecuteScalar()!)
            {
                throw new NpgsqlException($"{host.Host}:{host.Port} is a standby and takes no writes.");
            }

            return connection;
        }
        catch (Exception error) when (error is TimeoutException or IOException)
        {
            connection.Dispose();
            throw new NpgsqlException(error.Message, error);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private string ConnectionString(
        (string Host, int Port) host, bool forWriting, string application, TimeSpan statement, TimeSpan grace)
    {
        // keepalives: a server whose client is gone with its machine ends the connection, and its lock, in half a
        // minute.
        string settings = string.Create(
            CultureInfo.InvariantCulture,
            $"-c statement_timeout={Milliseconds(statement)} "
                + $"-c lock_timeout={Milliseconds(_options.LockTimeout)} -c idle_in_transaction_session_timeout=60000 "
                + $"-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4 "
                + $"-c tcp_user_timeout=30000 -c jit=off -c client_min_messages=warning "
                + $"-c default_transaction_read_only={(forWriting ? "off" : "on")}");
        NpgsqlConnectionStringBuilder builder = new()
        {
            Host = host.Host,
            Port = host.Port,
            Database = _options.Database,
            Username = _options.User,
            Password = _options.ReadPassword(),
            ApplicationName = application,
            Pooling = false,
            Timeout = (int)Math.Ceiling(_options.ConnectTimeout.TotalSeconds),
            CommandTimeout = (int)Math.Ceiling((statement + grace).TotalSeconds),
            PersistSecurityInfo = false,
            IncludeErrorDetail = false,
            Options = settings,
            SslMode = _options.Tls switch
            {
                PostgresTls.Disable => SslMode.Disable,
                PostgresTls.Prefer => SslMode.Prefer,
                PostgresTls.Require => SslMode.Require,
                _ => SslMode.VerifyFull,
            },
        };
        if (!host.Host.StartsWith('/'))
        {
            builder.TcpKeepAlive = true;
            builder.TcpKeepAliveTime = 10;
            builder.TcpKeepAliveInterval = 5;
        }

        if (_options.CertificateAuthorityFile is { } authorities)
        {
            builder.RootCertificate = authorities;
        }

        return builder.ConnectionString;
    }

    private static long Milliseconds(TimeSpan time) => (long)time.TotalMilliseconds;
}
