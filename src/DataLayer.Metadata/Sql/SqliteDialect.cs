using System.Data.Common;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Transfer;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// SQLite in WAL mode. With <c>synchronous=FULL</c> a commit is on disk when it returns (NORMAL lost every acknowledged
/// row on simulated power loss); with NORMAL, for relaxed commits, it is in the log's page cache, in order, and the
/// next FULL commit syncs the log with all of them. A lock file beside the database keeps a second service away; it is
/// an
/// flock, so a killed process leaves none.
/// </summary>
internal sealed class SqliteDialect : ISqlDialect
{
    private const int BusyTimeoutMilliseconds = 5_000;

    /// <summary>
    /// Pages of the log after which it is moved into the database, by the commit that reaches it and with two syncs:
    /// SQLite's own 1,000 made every 200th relaxed creation of a file wait for them.
    /// </summary>
    private const int CheckpointPages = 4_096;

    /// <summary>How much of each file is read in search of a disk's fault, bytes.</summary>
    private const long ReadFaultSearchBytes = 256L << 20;

    private readonly Lock _search = new();
    private readonly TreeStoreOptions _options;
    private readonly FileStream _lock;
    private SafeFileHandle? _searched;

    /// <summary>Takes the database for this process.</summary>
    /// <exception cref="DataLayerException">Overloaded: another process holds it. TargetFailed: the folder cannot be
    /// used.</exception>
    public SqliteDialect(TreeStoreOptions options)
    {
        _options = options;
        try
        {
            string? folder = Path.GetDirectoryName(Path.GetFullPath(options.DatabasePath));
            Directory.CreateDirectory(folder!);
            FileStreamOptions exclusive = new()
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
            };
            if (!OperatingSystem.IsWindows())
            {
                exclusive.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            _lock = new FileStream(options.DatabasePath + ".lock", exclusive);
        }
        catch (IOException error) when (File.Exists(options.DatabasePath + ".lock"))
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"The metadata database '{options.DatabasePath}' is in use by another process. Stop the other "
                    + "service, or give this one a state directory of its own.",
                error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed,
                $"The metadata database '{options.DatabasePath}' cannot be opened: {error.Message} Check the state "
                    + "directory's path and owner.",
                error);
        }

        FileInfo log = new(options.DatabasePath + "-wal");
        WasStoppedUncleanly = log.Exists && log.Length > 0;
    }

    /// <inheritdoc/>
    public string DisplayName => "SQLite " + _options.DatabasePath;

    /// <inheritdoc/>
    public bool IsLocal => true;

    /// <inheritdoc/>
    public TimeSpan OutageWait => TimeSpan.Zero;

    /// <inheritdoc/>
    public string BeginWrite => "BEGIN IMMEDIATE";

    /// <inheritdoc/>
    public string BeginSnapshot => "BEGIN";

    /// <inheritdoc/>
    public string CommitMode(bool durable) => durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";

    /// <inheritdoc/>
    public string Int64Type => "INTEGER";

    /// <inheritdoc/>
    public string BlobType => "BLOB";

    /// <inheritdoc/>
    public string TextType => "TEXT";

    /// <inheritdoc/>
    public string ClusteredSuffix => "WITHOUT ROWID";

    /// <inheritdoc/>
    public bool WasStoppedUncleanly { get; }

    /// <inheritdoc/>
    public DbConnection Open(bool forWriting)
    {
        SqliteConnectionStringBuilder builder = new()
        {
            DataSource = _options.DatabasePath,
            Mode = SqliteOpenMode.ReadWriteCreate,
            Pooling = false,
            DefaultTimeout = BusyTimeoutMilliseconds / 1000,
        };
        SqliteConnection connection = new(builder.ConnectionString);
        try
        {
            connection.Open();
            long cacheKibibytes = (forWriting ? _options.WriteCacheBytes : _options.ReadCacheBytes) / 1024;
            using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // Numbers from validated options.
            command.CommandText = string.Create(
                CultureInfo.InvariantCulture,
                $"""
                PRAGMA busy_timeout={BusyTimeoutMilliseconds};
                PRAGMA journal_mode=WAL;
                PRAGMA synchronous=FULL;
                PRAGMA wal_autocheckpoint={CheckpointPages};
                PRAGMA foreign_keys=ON;
                PRAGMA cell_size_check=ON;
                PRAGMA temp_store=MEMORY;
                PRAGMA cache_size=-{cacheKibibytes};
                PRAGMA mmap_size={_options.MapBytes};
                PRAGMA journal_size_limit=67108864;
                """);
#pragma warning restore CA2100
            command.ExecuteNonQuery();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool HasTable(SqlSession session, string table) =>
        session.Get("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1").Add(table).QueryAny();

    /// <inheritdoc/>
    public IReadOnlyList<string> CheckIntegrity(SqlSession session, bool quick)
    {
        List<string> faults = [];
        using DbCommand command = session.Connection.CreateCommand();
        command.CommandText = quick ? "PRAGMA quick_check(20)" : "PRAGMA integrity_check(100)";
        using DbDataReader reader = command.ExecuteReader();
        while (reader.Read())
        {
            string line = reader.GetString(0);
            if (line != "ok")
            {
                faults.Add(line);
            }
        }

        return faults;
    }

    /// <inheritdoc/>
    public IReadOnlyList<TableColumn> ListColumns(SqlSession session, string table)
    {
        List<TableColumn> columns = [];
        using DbDataReader reader = session.Get("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")
            .Add(table).Query();
        while (reader.Read())
        {
            string type = reader.GetString(1);
            SqlKind kind = type == Int64Type ? SqlKind.Number : type == TextType ? SqlKind.Text : SqlKind.Bytes;
            columns.Add(new TableColumn(reader.GetString(0), kind, (int)reader.GetInt64(2)));
        }

        return columns;
    }

    // The lock file is held as long as the process lives: there is nothing to check or to leave behind.
    /// <inheritdoc/>
    public void EnterWrite(SqlSession session)
    {
    }

    /// <inheritdoc/>
    public void LogChanges(SqlSession session, byte[] changes)
    {
        // There are no other nodes.
    }

    /// <inheritdoc/>
    public void WriteCommitted()
    {
    }

    /// <inheritdoc/>
    public bool Rejoin(SqlSession session) => throw new NotSupportedException("A file does not get lost.");

    /// <inheritdoc/>
    public SqlFault Classify(DbException error) => SqlFault.Refused;

    /// <inheritdoc/>
    public DataLayerException Unreachable(Exception cause, bool isChange) =>
        throw new NotSupportedException("A file does not get lost.");

    /// <inheritdoc/>
    public void Checkpoint(SqlSession session) => session.ExecuteScript("PRAGMA wal_checkpoint(TRUNCATE)");

    /// <inheritdoc/>
    public DataLayerException Map(DbException error)
    {
        int code = error is SqliteException sqlite ? sqlite.SqliteErrorCode : 0;
        return code switch
        {
            11 or 26 => FindReadFault() is { } fault ? Unreadable(fault, error) : DamagedDatabase(error.Message, error),
            13 => new DataLayerException(
                ErrorCode.NoSpace,
                $"No space left for the metadata database '{_options.DatabasePath}'. Free space on its file system; "
                    + "nothing was lost.",
                error),
            5 or 6 => new DataLayerException(
                ErrorCode.Overloaded,
                $"The metadata database '{_options.DatabasePath}' is locked by another process. End that process (a "
                    + "database shell?) and try again.",
                error),
            8 => new DataLayerException(
                ErrorCode.TargetFailed,
                $"The metadata database '{_options.DatabasePath}' is read-only. Make its file system and files "
                    + "writable for the service.",
                error),
            10 or 14 => Unreadable(FindReadFault() ?? error.Message, error),
            _ => new DataLayerException(
                ErrorCode.Internal, $"The metadata database '{_options.DatabasePath}' refused a statement: "
                    + $"{error.Message}", error),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _searched?.Dispose();
        _lock.Dispose();
    }

    private DataLayerException Unreadable(string what, Exception error) => new(
        ErrorCode.TargetFailed,
        $"The metadata database '{_options.DatabasePath}' cannot be read or written: {what} Check the disk, then "
            + "restart the service.",
        error);

    /// <summary>
    /// Why the database's files cannot be read, or null if they can. SQLite reports a read that the disk failed (EIO)
    /// as "malformed", like damaged bytes, and keeps the errno to itself: so the files are read once more by
    /// ourselves, 256 MiB of each at most.
    /// </summary>
    private string? FindReadFault()
    {
        lock (_search)
        {
            try
            {
                // Closed with the dialect only: closing any handle of the file ends SQLite's own locks on it.
                _searched ??= OpenForSearch(_options.DatabasePath);
                ReadThrough(_searched);
                string log = _options.DatabasePath + "-wal";
                if (File.Exists(log))
                {
                    using SafeFileHandle handle = OpenForSearch(log);
                    ReadThrough(handle);
                }

                return null;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return error.Message.EndsWith('.') ? error.Message : error.Message + ".";
            }
        }
    }

    private static SafeFileHandle OpenForSearch(string path) =>
        File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);

    private static void ReadThrough(SafeFileHandle file)
    {
        byte[] buffer = new byte[1 << 20];
        int read;
        for (long offset = 0; offset < ReadFaultSearchBytes; offset += read)
        {
            read = RandomAccess.Read(file, buffer, offset);
            if (read == 0)
            {
                return;
            }
        }
    }

    /// <inheritdoc/>
    public DataLayerException DamagedDatabase(string what, Exception? error) => new(
        ErrorCode.Corrupt,
        $"The metadata database '{_options.DatabasePath}' is damaged: {what} Restore it from a backup, or move it "
            + "away and attach the buckets again.",
        error);
}
