using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataLayer.Metadata.Nodes;

/// <summary>Takes over what other nodes changed.</summary>
/// <param name="changes">What they changed, in order; null where anything may have changed.</param>
/// <param name="sinceNanoseconds">With null: since when, nanoseconds since 1970 UTC.</param>
public delegate ValueTask ApplyTreeChanges(IReadOnlyList<TreeChange>? changes, long sinceNanoseconds);

/// <summary>
/// Follows the changes that the writing node makes to a tree in PostgreSQL.
/// </summary>
/// <remarks>
/// Each transaction of the writer has a number and leaves a row of what it touched, if anything; the number of the last
/// one stands in the tree's owner row. A catch-up reads, in one statement and so of one moment, that number and the
/// rows that are new. It runs when the database notifies, each <see cref="Interval"/> without that, after every loss of
/// the connection, and before each open (<see cref="ConfirmAsync"/>); so a lost notification costs time only. Who was
/// away for more transactions than are kept is told that anything may have changed.
/// <para>
/// If the row it read last is not there any more, the database has lost what it had acknowledged: caches hold what
/// never was, and the node has to start anew (<see cref="ErrorCode.TargetFailed"/> from then on).
/// </para>
/// Life: <see cref="OpenAsync"/> remembers where the tree is, before anything is cached → <see cref="Start"/> →
/// <see cref="DisposeAsync"/>. Catch-ups run one at a time; a confirmation shares one that begins after it was asked
/// for.
/// </remarks>
public sealed partial class TreeFollower : IAsyncDisposable
{
    /// <summary>How often it looks without being notified.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);

    private readonly TreeStore _tree;
    private readonly PostgresDialect _dialect;
    private readonly TimeProvider _time;
    private readonly ILogger<TreeFollower> _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private ApplyTreeChanges? _apply;
    private ChangePosition _position;
    private Task _following = Task.CompletedTask;
    private DataLayerException? _fault;
    private long _reached;
    private long _asked;
    private long _answered;
    private long _confirmedAt;
    private long _confirmedNanoseconds;
    private long _notified;

    private TreeFollower(TreeStore tree, PostgresDialect dialect, TimeProvider time, ILogger<TreeFollower> log)
    {
        _tree = tree;
        _dialect = dialect;
        _time = time;
        _log = log;
        _confirmedAt = time.GetTimestamp();
        _confirmedNanoseconds = Core.Tree.UnixTime.ToNanoseconds(time.GetUtcNow());
    }

    /// <summary>The number of the last transaction that is taken over.</summary>
    public long Position => Volatile.Read(ref _reached);

    /// <summary>How long ago this node knew all that the others had committed.</summary>
    public TimeSpan Age => _time.GetElapsedTime(Volatile.Read(ref _confirmedAt));

    /// <summary>Remembers where the tree is. Call before anything of it is cached.</summary>
    /// <exception cref="DataLayerException">What the database says.</exception>
    public static async ValueTask<TreeFollower> OpenAsync(
        TreeStore tree, TimeProvider time, ILogger<TreeFollower> log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        if (tree.Dialect is not PostgresDialect postgres)
        {
            throw new DataLayerException(
                ErrorCode.NotSupported, "Only a tree in PostgreSQL has changes of other nodes to follow.");
        }

        TreeFollower follower = new(tree, postgres, time, log);
        follower._position = await tree.FindChangePositionAsync(cancellationToken).ConfigureAwait(false);
        follower._reached = follower._position.Commits;
        return follower;
    }

    /// <summary>Begins to follow.</summary>
    /// <param name="apply">Takes changes over; called by one at a time.</param>
    public void Start(ApplyTreeChanges apply)
    {
        ArgumentNullException.ThrowIfNull(apply);
        _apply = apply;
        _following = Task.Run(FollowAsync, CancellationToken.None);
    }

    /// <summary>
    /// Returns once everything is taken over that was committed when it was called: one round trip, shared by all who
    /// ask meanwhile.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Overloaded: the database has not answered for its outage wait. TargetFailed: it lost what it had acknowledged.
    /// </exception>
    public async ValueTask ConfirmAsync(CancellationToken cancellationToken)
    {
        long ticket = Interlocked.Increment(ref _asked);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_answered < ticket)
            {
                long upTo = Volatile.Read(ref _asked);
                await CatchUpAsync(cancellationToken).ConfigureAwait(false);
                _answered = upTo;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends following.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _following.ConfigureAwait(false);
    }

    private async ValueTask CatchUpAsync(CancellationToken cancellationToken)
    {
        if (_fault is { } fault)
        {
            throw fault;
        }

        ChangePosition known = _position;
        long asked = _time.GetTimestamp();
        long now = Core.Tree.UnixTime.ToNanoseconds(_time.GetUtcNow());
        (long commits, List<(long Number, long Epoch, byte[] Body)> rows) =
            await _tree.ListChangesAsync(known.Row, cancellationToken).ConfigureAwait(false);
        bool keepsRow = known.Row > 0 && commits - known.Row < ChangeLog.RetainedTransactions;
        if (commits < known.Commits
            || (keepsRow && (rows.Count == 0 || rows[0].Number != known.Row || rows[0].Epoch != known.Epoch)))
        {
            _fault = new DataLayerException(
                ErrorCode.TargetFailed,
                $"The {_dialect.DisplayName} lost transactions it had acknowledged: it crashed with changes that did "
                    + "not wait for the disk, or failed over to a server that was behind. Restart this service, so "
                    + "that it forgets them too.");
            LogLost(_fault.Message);
            throw _fault;
        }

        List<TreeChange>? changes = [];
        bool isWhole = commits - known.Commits < ChangeLog.RetainedTransactions && rows.Count <= ChangeRows.Limit;
        ChangePosition reached = known with { Commits = commits };
        foreach ((long number, long epoch, byte[] body) in rows)
        {
            if (number > known.Row)
            {
                isWhole = isWhole && (number <= known.Commits || ChangeLog.TryRead(body, changes));
                reached = reached with { Row = number, Epoch = epoch };
            }
        }

        if (!isWhole)
        {
            // Rows beyond those that were read are taken for read: what they say is part of "anything".
            reached = await _tree.FindChangePositionAsync(cancellationToken).ConfigureAwait(false);
            LogGap(known.Commits, reached.Commits);
            changes = null;
        }

        if (changes is not { Count: 0 })
        {
            await _apply!(changes, _confirmedNanoseconds).ConfigureAwait(false);
        }

        _position = reached;
        Volatile.Write(ref _reached, reached.Commits);
        Volatile.Write(ref _confirmedAt, asked);
        _confirmedNanoseconds = now;
    }

    private async Task FollowAsync()
    {
        bool isAway = false;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                NpgsqlConnection connection = await Task.Run(
                    () => _dialect.OpenPrompt("datalayer follower", TimeSpan.FromSeconds(5)),
                    _stopping.Token).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    await ListenAsync(connection).ConfigureAwait(false);
                    if (isAway)
                    {
                        isAway = false;
                        LogBack();
                    }

                    await WatchAsync(connection).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error) when (PostgresDialect.IsAway(error))
            {
                if (_fault is not null)
                {
                    return;
                }

                if (!isAway)
                {
                    isAway = true;
                    LogAway(error.Message);
                }
            }

            await Task.Delay(_pause, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async ValueTask ListenAsync(NpgsqlConnection connection)
    {
        connection.Notification += OnNotification;
        NpgsqlCommand listen = connection.CreateCommand();
        await using (listen.ConfigureAwait(false))
        {
#pragma warning disable CA2100 // A name made of hexadecimal digits.
            listen.CommandText = $"LISTEN \"{_dialect.Channel}\"";
#pragma warning restore CA2100
            await listen.ExecuteNonQueryAsync(_stopping.Token).ConfigureAwait(false);
        }
    }

    private async ValueTask WatchAsync(NpgsqlConnection connection)
    {
        bool isNotified = false;
        while (true)
        {
            // Of many notifications for what is taken over already, one look was enough.
            if (!isNotified || Volatile.Read(ref _notified) > Position)
            {
                await ConfirmAsync(_stopping.Token).ConfigureAwait(false);
            }

            isNotified = await connection.WaitAsync((int)Interval.TotalMilliseconds, _stopping.Token)
                .ConfigureAwait(false);
        }
    }

    private void OnNotification(object sender, NpgsqlNotificationEventArgs notification)
    {
        if (long.TryParse(notification.Payload, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
        {
            Volatile.Write(ref _notified, Math.Max(number, Volatile.Read(ref _notified)));
        }
    }

    [LoggerMessage(30, LogLevel.Warning, "Changes of other nodes cannot be followed; what is opened waits for the "
        + "database. {Cause}")]
    private partial void LogAway(string cause);

    [LoggerMessage(31, LogLevel.Information, "Changes of other nodes are followed again")]
    private partial void LogBack();

    [LoggerMessage(32, LogLevel.Warning, "Transactions {From} to {To} of other nodes were too many to follow: what "
        + "changed since is forgotten")]
    private partial void LogGap(long from, long to);

    [LoggerMessage(33, LogLevel.Critical, "The node stops following the tree. {Cause}")]
    private partial void LogLost(string cause);
}
