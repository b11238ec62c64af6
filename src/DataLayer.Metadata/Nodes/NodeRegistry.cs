using System.Data.Common;
using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataLayer.Metadata.Nodes;

/// <summary>
/// The nodes of a tree in PostgreSQL: says at intervals that this one is alive, and learns by the same statement which
/// others are.
/// </summary>
/// <remarks>
/// A node is alive until its expiry after its last heartbeat, both by the database's clock. It counts from before it
/// sent a heartbeat, and by four fifths only, so it is fenced (<see cref="IsFenced"/>) before others take it for dead,
/// unless its clock runs a quarter slower than the database's. The fence lifts when a heartbeat succeeds: then nobody
/// took over, since that changes the epoch of the node or of the tree, which every heartbeat asks for.
/// <para>
/// Life: <see cref="JoinAsync"/> → heartbeats over a connection of its own → <see cref="DisposeAsync"/>, which takes
/// the node out at once. A writer joins only when whoever had the tree before it has left or is certainly fenced.
/// </para>
/// </remarks>
public sealed partial class NodeRegistry : INodeDirectory, IAsyncDisposable
{
    private static readonly TimeSpan _leaveTime = TimeSpan.FromSeconds(2);

    private readonly PostgresDialect _dialect;
    private readonly NodeOptions _options;
    private readonly long _treeEpoch;
    private readonly TimeProvider _time;
    private readonly ILogger<NodeRegistry> _log;
    private readonly CancellationTokenSource _stopping = new();
    private NpgsqlConnection? _connection;
    private Task _beating = Task.CompletedTask;
    private IReadOnlyList<ClusterNode> _live = [];
    private long _heardAt;
    private bool _isReplaced;
    private bool _isAway;
    private int _disposed;

    private NodeRegistry(
        PostgresDialect dialect, NodeOptions options, TimeProvider time, ILogger<NodeRegistry> log)
    {
        _dialect = dialect;
        _options = options;
        _treeEpoch = options.Role == NodeRole.Writer ? dialect.OwnerEpoch : 0;
        _time = time;
        _log = log;
        Self = new ClusterNode(options.Id, options.Name);
    }

    /// <inheritdoc/>
    public event EventHandler? Changed;

    /// <inheritdoc/>
    public ClusterNode Self { get; private set; }

    /// <inheritdoc/>
    public IReadOnlyList<ClusterNode> Live => Volatile.Read(ref _live);

    /// <inheritdoc/>
    public bool IsFenced => Volatile.Read(ref _isReplaced) || HeartbeatAge >= _options.FenceTime;

    /// <summary>How long ago the last heartbeat was sent that the database took.</summary>
    public TimeSpan HeartbeatAge => _time.GetElapsedTime(Volatile.Read(ref _heardAt));

    /// <summary>Joins the nodes of a tree; of a tree in a file this node is the only one.</summary>
    /// <param name="tree">The tree, open.</param>
    /// <param name="options">Who the node is; its role is the one that the tree was opened with.</param>
    /// <param name="time">The clock of heartbeats.</param>
    /// <param name="log">Gets a message when heartbeats are lost and when they are back.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: options. What the database says.</exception>
    public static async ValueTask<INodeDirectory> JoinAsync(
        TreeStore tree, NodeOptions options, TimeProvider time, ILogger<NodeRegistry> log,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        options.Validate();
        if (tree.Dialect is not PostgresDialect postgres)
        {
            return new SoleNode(new ClusterNode(options.Id, options.Name)
            {
                PeerEndpoint = options.PeerEndpoint,
                Zone = options.Zone,
                Epoch = 1,
                StartedAt = time.GetUtcNow(),
            });
        }

        NodeRegistry registry = new(postgres, options, time, log);
        try
        {
            await registry.EnterAsync(cancellationToken).ConfigureAwait(false);
            await registry.BeatAsync().ConfigureAwait(false);
            registry._beating = Task.Run(registry.BeatOnAsync, CancellationToken.None);
            return registry;
        }
        catch (DbException error)
        {
            await registry.DisposeAsync().ConfigureAwait(false);
            throw postgres.Map(error);
        }
        catch
        {
            await registry.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the heartbeats and takes the node out, so that nobody waits for its expiry.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _beating.ConfigureAwait(false);
        using (CancellationTokenSource patience = new(_leaveTime))
        {
            try
            {
                await LeaveAsync(patience.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (PostgresDialect.IsAway(error) || error is OperationCanceledException)
            {
                LogNotLeft(error.Message);
            }
        }

        await DropConnectionAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        NpgsqlConnection connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        if (_options.Role == NodeRole.Writer)
        {
            await ExecuteAsync(connection, NodeTable.DeleteOld, cancellationToken).ConfigureAwait(false);
            await WaitForWritersAsync(connection, cancellationToken).ConfigureAwait(false);
        }

        long asked = _time.GetTimestamp();
        NpgsqlCommand join = Command(
            connection, NodeTable.Join, _options.Id, _options.Name, _options.PeerEndpoint?.ToString(), _options.Zone,
            (long)_options.Role, (long)_options.Expiry.TotalMilliseconds);
        await using (join.ConfigureAwait(false))
        {
            NpgsqlDataReader reader = await join.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                Self = Self with
                {
                    PeerEndpoint = _options.PeerEndpoint,
                    Zone = _options.Zone,
                    Role = _options.Role,
                    Epoch = reader.GetInt64(0),
                    StartedAt = reader.GetFieldValue<DateTimeOffset>(1),
                };
            }
        }

        Volatile.Write(ref _heardAt, asked);
        Volatile.Write(ref _live, [Self]);
    }

    /// <summary>
    /// Waits until those that had the tree before are gone or fenced: what they still write to shared targets is over
    /// then. They cannot prolong it, since their heartbeats ask whose the tree is.
    /// </summary>
    private async ValueTask WaitForWritersAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        while (true)
        {
            string name;
            TimeSpan rest;
            NpgsqlCommand query = Command(connection, NodeTable.SelectWriters, _options.Id);
            await using (query.ConfigureAwait(false))
            {
                NpgsqlDataReader reader = await query.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    {
                        return;
                    }

                    name = reader.GetString(0);
                    rest = TimeSpan.FromMilliseconds(Math.Max(1, reader.GetInt64(1)));
                }
            }

            LogWaits(name, rest.TotalSeconds);
            await Task.Delay(rest, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task BeatOnAsync()
    {
        using PeriodicTimer timer = new(_options.Heartbeat, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                await BeatAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async ValueTask BeatAsync()
    {
        try
        {
            long asked = _time.GetTimestamp();
            NpgsqlConnection connection = await ConnectAsync(_stopping.Token).ConfigureAwait(false);
            bool made = false;
            List<ClusterNode> live = [];
            NpgsqlCommand beat = Command(connection, NodeTable.Beat, _options.Id, Self.Epoch, _treeEpoch);
            await using (beat.ConfigureAwait(false))
            {
                NpgsqlDataReader reader = await beat.ExecuteReaderAsync(_stopping.Token).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    while (await reader.ReadAsync(_stopping.Token).ConfigureAwait(false))
                    {
                        NodeStatus found = NodeTable.Read(reader);
                        made = reader.GetInt64(9) == 1;
                        if (found.Node.Id == Self.Id)
                        {
                            live.Add(Self);
                        }
                        else if (found.IsLive)
                        {
                            live.Add(found.Node);
                        }
                    }
                }
            }

            if (!made)
            {
                if (!Volatile.Read(ref _isReplaced))
                {
                    LogReplaced();
                }

                Publish([Self]);
                Volatile.Write(ref _isReplaced, true);
                return;
            }

            Volatile.Write(ref _heardAt, asked);
            if (_isAway)
            {
                _isAway = false;
                LogBack();
            }

            Publish(live);
        }
        catch (Exception error) when (PostgresDialect.IsAway(error))
        {
            await DropConnectionAsync().ConfigureAwait(false);
            if (!_isAway)
            {
                _isAway = true;
                LogAway(error.Message, _options.FenceTime.TotalSeconds);
            }

            if (IsFenced)
            {
                Publish([Self]);
            }
        }
    }

    private void Publish(List<ClusterNode> live)
    {
        IReadOnlyList<ClusterNode> before = _live;
        bool isSame = live.Count == before.Count;
        for (int i = 0; isSame && i < live.Count; i++)
        {
            isSame = live[i] == before[i];
        }

        if (!isSame)
        {
            Volatile.Write(ref _live, live);
            Changed?.Invoke(this, EventArgs.Empty);
        }
    }

    private async ValueTask LeaveAsync(CancellationToken cancellationToken)
    {
        if (_connection is { } connection && Self.Epoch > 0)
        {
            NpgsqlCommand leave = Command(connection, NodeTable.Leave, Self.Id, Self.Epoch);
            await using (leave.ConfigureAwait(false))
            {
                await leave.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken) =>
        _connection ??= await Task.Run(
            () => _dialect.OpenPrompt("datalayer node", _options.Heartbeat), cancellationToken)
            .ConfigureAwait(false);

    private async ValueTask DropConnectionAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async ValueTask ExecuteAsync(
        NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        NpgsqlCommand command = Command(connection, sql);
        await using (command.ConfigureAwait(false))
        {
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object?[] values)
    {
        NpgsqlCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this assembly.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (object? value in values)
        {
            NpgsqlParameter parameter = command.CreateParameter();
            parameter.Value = value ?? DBNull.Value;
            if (value is null)
            {
                parameter.NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text;
            }

            command.Parameters.Add(parameter);
        }

        return command;
    }

    [LoggerMessage(20, LogLevel.Warning, "The node's heartbeats do not reach the database; after {FenceSeconds:0.#} s "
        + "without one it changes nothing. {Cause}")]
    private partial void LogAway(string cause, double fenceSeconds);

    [LoggerMessage(21, LogLevel.Information, "The node's heartbeats reach the database again")]
    private partial void LogBack();

    [LoggerMessage(22, LogLevel.Critical, "Another service has this node's identity or its tree; this one changes "
        + "nothing any more. Restart it")]
    private partial void LogReplaced();

    [LoggerMessage(23, LogLevel.Warning, "Node {Name} had the tree and did not leave: waiting up to {Seconds:0.#} s, "
        + "until it is certainly fenced")]
    private partial void LogWaits(string name, double seconds);

    [LoggerMessage(24, LogLevel.Information, "The node could not say that it leaves; others learn it by its expiry. "
        + "{Cause}")]
    private partial void LogNotLeft(string cause);
}
