using System.Globalization;
using DataLayer.Metadata;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;
using Npgsql;

namespace DataLayer.TestSupport.Postgres;

/// <summary>
/// A real PostgreSQL server with a folder of its own, reached over a Unix socket there and a free port on loopback. It may be stopped, killed
/// and started again. As root it runs as "nobody", since it refuses root. It ends with this process, however that ends.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "datalayer";
    private static readonly Lazy<Task<PostgresServer>> _shared = new(() => StartAsync(isDurable: false));
    private static int _schemas;

    private readonly string _folder;
    private readonly bool _isDurable;
    private readonly bool _isKept;
    private ReadyProcess? _process;
    private ProcessLog _log = new();

    private PostgresServer(string folder, bool isDurable, bool isKept)
    {
        _folder = folder;
        _isDurable = isDurable;
        _isKept = isKept;
        Port = FreePort.Next();
    }

    /// <summary>The port on loopback; it stays over restarts.</summary>
    public int Port { get; }

    /// <summary>What it wrote since it was started last.</summary>
    public string Log => _log.ToString();

    /// <summary>
    /// The server of this process for tests that neither stop it nor rely on its disk: it does not sync. Started by the first caller.
    /// </summary>
    public static Task<PostgresServer> GetSharedAsync() => _shared.Value;

    /// <summary>Starts a server of the caller's own.</summary>
    /// <param name="isDurable">Whether it syncs what it commits; without, everything is quicker.</param>
    /// <param name="keptFolder">Where its files stay for the next start; null for a folder that goes with it.</param>
    public static async Task<PostgresServer> StartAsync(bool isDurable = true, string? keptFolder = null)
    {
        // The short temporary folder: a socket's path has room for 107 bytes.
        string folder = keptFolder is null
            ? Directory.CreateTempSubdirectory("datalayer-pg-").FullName : Directory.CreateDirectory(keptFolder).FullName;
        PostgresServer server = new(folder, isDurable, keptFolder is not null);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.Remove();
        if (Environment.IsPrivilegedProcess)
        {
            Command.Run("chown", "65534:65534", folder);
        }

        if (Directory.Exists(Path.Combine(folder, "data")))
        {
            await server.StartAgainAsync();
            return server;
        }

        string[] make =
        [
            .. AsUser(), Program("initdb"), "-D", Path.Combine(folder, "data"), "-U", User, "-A", "trust", "-E", "UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        ];
        CommandResult made = Command.TryRun(make[0], make[1..]);
        if (made.ExitCode != 0)
        {
            throw new InvalidOperationException($"initdb failed (Debian package postgresql-15): {made.Error}{made.Output}");
        }

        await server.StartAgainAsync();
        return server;
    }

    /// <summary>Starts the server after it was stopped or killed.</summary>
    public async Task StartAgainAsync()
    {
        string port = Port.ToString(CultureInfo.InvariantCulture);
        string sync = _isDurable ? "on" : "off";
        _log = new ProcessLog();
        _process = await ReadyProcess.StartAsync(
            "postgres",
            [
                .. AsUser(), Program("postgres"), "-D", Path.Combine(_folder, "data"), "-k", _folder, "-p", port,
                "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB", "-c", "max_connections=200", "-c", "autovacuum=off",
                "-c", "fsync=" + sync, "-c", "full_page_writes=" + sync, "-c", "synchronous_commit=on", "-c", "max_wal_size=256MB",
            ],
            environment: null,
            line => line.Contains("database system is ready to accept connections", StringComparison.Ordinal),
            _log);
    }

    /// <summary>Stops the server as an administrator does who is in a hurry: connections are cut, the rest is written.</summary>
    public Task StopAsync() => EndAsync(Signals.Interrupt);

    /// <summary>Kills the server between two instructions; its other processes end when they see it.</summary>
    public Task KillAsync() => EndAsync(Signals.Kill);

    private async Task EndAsync(int signal)
    {
        ReadyProcess process = _process ?? throw new InvalidOperationException("The server does not run.");
        string id = process.Id.ToString(CultureInfo.InvariantCulture);
        string[] children = File.ReadAllText($"/proc/{id}/task/{id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        _process = null;
        Signals.Send(process.Id, signal);
        await process.WaitForEndAsync();
        await process.DisposeAsync();

        // Those of a killed server end by themselves; a new one does not start beside them.
        foreach (string child in children)
        {
            Command.Run("tail", "--pid=" + child, "-s", "0.02", "-f", "/dev/null");
        }
    }

    /// <summary>Options for a tree of its own, over the Unix socket.</summary>
    public PostgresOptions NewTree() => OptionsFor(
        "tree_" + Interlocked.Increment(ref _schemas).ToString(CultureInfo.InvariantCulture));

    /// <summary>Options for a tree in a schema.</summary>
    public PostgresOptions OptionsFor(string schema, TimeSpan? outageWait = null, TimeSpan? ownerWait = null) => new()
    {
        Hosts = [string.Create(CultureInfo.InvariantCulture, $"{_folder}:{Port}")],
        Database = "postgres",
        User = User,
        Schema = schema,
        Tls = PostgresTls.Disable,
        OutageWait = outageWait ?? TimeSpan.FromSeconds(60),
        OwnerWait = ownerWait ?? TimeSpan.FromSeconds(5),
    };

    /// <summary>Runs statements as the server's owner.</summary>
    /// <returns>The first column of the first row as text, or null.</returns>
    public async Task<string?> QueryAsync(string sql, string database = "postgres")
    {
        NpgsqlConnectionStringBuilder builder = new()
        {
            Host = _folder,
            Port = Port,
            Username = User,
            Database = database,
            Pooling = false,
            SslMode = SslMode.Disable,
        };
        await using NpgsqlConnection connection = new(builder.ConnectionString);
        await connection.OpenAsync();
        await using NpgsqlCommand command = connection.CreateCommand();
        command.CommandText = sql;
        object? found = await command.ExecuteScalarAsync();
        return found is null or DBNull ? null : Convert.ToString(found, CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await (_isKept ? StopAsync() : KillAsync());
        }

        Remove();
    }

    private void Remove()
    {
        if (_process is { } process)
        {
            Signals.Send(process.Id, Signals.Kill);
        }

        if (_isKept)
        {
            return;
        }

        try
        {
            Directory.Delete(_folder, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The last of its processes may still write; what is left lies in the temporary folder.
        }
    }

    private static string[] AsUser() =>
        Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

    private static string Program(string name)
    {
        foreach (string version in Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [])
        {
            string path = Path.Combine(version, "bin", name);
            if (File.Exists(path))
            {
                return path;
            }
        }

        return name;
    }
}
