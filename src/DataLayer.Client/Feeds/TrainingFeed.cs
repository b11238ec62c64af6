using DataLayer.Client.Feeds.Connections;
using DataLayer.Client.Feeds.Devices;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Feeds;

namespace DataLayer.Client.Feeds;

/// <summary>
/// The samples of a dataset, in a known order, as batches that the service has assembled ahead: the training loop's own
/// door.
/// </summary>
/// <remarks>
/// One reader at a time; a process may have many feeds. The feed outlives its service: it goes on from its cursor as
/// soon as the service is back within <see cref="TrainingFeedOptions.ReconnectTime"/>, with no sample lost or seen
/// twice. Disposing it releases its batches.
/// </remarks>
public sealed class TrainingFeed : IAsyncEnumerable<Batch>, IAsyncDisposable
{
    private static readonly TimeSpan _firstWait = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _longestWait = TimeSpan.FromSeconds(1);
    private readonly RetrySchedule _schedule;
    private readonly List<FeedConnection> _former = [];
    private FeedConnection? _connection;
    private RankSlice _slice = null!;
    private byte[] _indexHash = [];
    private long _position;
    private long _handedOut;
    private int _readers;
    private bool _ended;
    private volatile bool _disposed;

    private TrainingFeed(TrainingFeedOptions options)
    {
        Options = options;
        _schedule = new RetrySchedule(_firstWait, _longestWait, options.JitterSeed ?? options.Rank);
    }

    /// <summary>What the feed is: identity, index, order, samples, classes, element type, shape, layout.</summary>
    public FeedOpened Description { get; private set; } = null!;

    /// <summary>
    /// What to keep to go on behind the batch that was handed out last. A job that reads ahead itself keeps the
    /// <see cref="FeedBatch.State"/> of the batch it used last.
    /// </summary>
    public FeedState State => StateAt(Volatile.Read(ref _handedOut));

    /// <summary>How often the feed has found its service again, a count.</summary>
    public int ReconnectCount { get; private set; }

    /// <summary>What was asked for.</summary>
    internal TrainingFeedOptions Options { get; }

    /// <summary>Opens a feed.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: an option. NotFound: no such dataset. Stale: the state or the expected index is of another
    /// index
    /// or order. WrongState: the dataset has no index yet. OriginUnavailable: no service there.
    /// </exception>
    public static async ValueTask<TrainingFeed> OpenAsync(
        TrainingFeedOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        TrainingFeed feed = new(options);
        long cursor = options.State?.Cursor ?? 0;
        FeedConnection connection = await FeedConnection
            .OpenAsync(feed, cursor, options.Index, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            feed.Take(connection);
            feed._position = feed._handedOut = cursor;
            return feed;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// The batches, from where the feed stands. Each is released when the next one is asked for, unless it was kept. A
    /// loop that was left may be entered again, and goes on.
    /// </summary>
    /// <exception cref="DataLayerException">The service refused to go on, or did not come back in time.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another loop reads the feed, or all its slabs are held by batches that were kept.
    /// </exception>
    public async IAsyncEnumerator<Batch> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        Enter();
        Batch? current = null;
        try
        {
            while (true)
            {
                ThrowIfAllHeld();
                current = await ReadAsync(cancellationToken).ConfigureAwait(false);
                if (current is null)
                {
                    yield break;
                }

                HandOut(current.NextCursor);
                yield return current;
                current.DisposeUnlessKept();
                current = null;
            }
        }
        finally
        {
            current?.DisposeUnlessKept();
            Leave();
        }
    }

    /// <summary>
    /// The batches in a device's memory, copied there ahead: while one is used the next ones are copied, and a slab
    /// goes back to the service when its copy has ended. Of the host nothing is copied.
    /// </summary>
    /// <param name="device">A GPU (<see cref="Cuda.CudaDevice"/>), or the host.</param>
    /// <param name="depth">Buffers on the device, a count, 2 to 16: one is used, the others are filled.</param>
    /// <param name="cancellationToken">Ends the loop.</param>
    /// <exception cref="DataLayerException">As of the feed, and the device's faults.</exception>
    public IAsyncEnumerable<DeviceBatch> ToDeviceAsync(
        IFeedDevice device, int depth = 2, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(depth, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(depth, 16);
        return new DeviceFeed(this, device, depth).ReadAsync(cancellationToken);
    }

    /// <summary>Ends the feed and releases its batches.</summary>
    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        FeedConnection? connection = Interlocked.Exchange(ref _connection, null);
        if (connection is not null)
        {
            _former.Add(connection);
        }

        foreach (FeedConnection former in _former)
        {
            await former.DisposeAsync().ConfigureAwait(false);
            former.ReleaseAll();
        }
    }

    /// <summary>The state at a cursor.</summary>
    internal FeedState StateAt(long cursor) => FeedState.Save(Options.Order, _indexHash, cursor);

    /// <summary>A loop begins.</summary>
    internal void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.CompareExchange(ref _readers, 1, 0) != 0)
        {
            throw new InvalidOperationException(
                "Another loop reads this feed. Open a feed for each reader: rank and world divide the samples.");
        }
    }

    /// <summary>A loop ends.</summary>
    internal void Leave() => Volatile.Write(ref _readers, 0);

    /// <summary>A batch goes to the caller: the state stands behind it.</summary>
    internal void HandOut(long nextCursor) => Volatile.Write(ref _handedOut, nextCursor);

    /// <summary>
    /// Gives up what was read and not handed out, so that the next loop begins behind what was.
    /// </summary>
    internal async ValueTask RewindAsync()
    {
        if (_position != _handedOut)
        {
            _position = _handedOut;
            _ended = false;
            await DropAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The next batch, also across restarts of the service; null at the end.</summary>
    internal async ValueTask<Batch?> ReadAsync(CancellationToken cancellationToken)
    {
        DataLayerException? lost = null;
        long since = 0;
        for (int retry = 0; ; retry++)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_ended)
            {
                return null;
            }

            try
            {
                FeedConnection connection = _connection
                    ?? await ReopenAsync(cancellationToken).ConfigureAwait(false);
                Batch? batch = await connection.ReadAsync(cancellationToken).ConfigureAwait(false);
                _ended = batch is null;
                return batch is null ? null : Check(batch);
            }
            catch (DataLayerException e) when (MayPass(e.Code))
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                since = lost is null ? Options.Time.GetTimestamp() : since;
                lost = e;
                await DropAsync().ConfigureAwait(false);
                TimeSpan wait = _schedule.Next(Math.Min(retry, 10), null);
                if (Options.Time.GetElapsedTime(since) + wait > Options.ReconnectTime)
                {
                    throw new DataLayerException(
                        e.Code,
                        $"The feed was lost at cursor {_position} and could not go on within {Options.ReconnectTime}: "
                            + $"{e.Message} Open it again with the last State when the service is back.", e);
                }

                await Task.Delay(wait, Options.Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static bool MayPass(ErrorCode code) => code
        is ErrorCode.OriginUnavailable or ErrorCode.ShuttingDown or ErrorCode.Overloaded or ErrorCode.TimedOut;

    private void ThrowIfAllHeld()
    {
        if (_connection is { } connection && connection.HeldCount >= Options.Slabs)
        {
            throw new InvalidOperationException(
                $"All {Options.Slabs} slabs of the feed are held by batches that were kept, so no other can come. "
                    + "Dispose some of them, or open the feed with more Slabs.");
        }
    }

    private async ValueTask<FeedConnection> ReopenAsync(CancellationToken cancellationToken)
    {
        // The same index as before: samples of another one would be others.
        FeedConnection connection = await FeedConnection
            .OpenAsync(this, _position, Description.Index, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            Take(connection);
            ObjectDisposedException.ThrowIf(_disposed, this);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        ReconnectCount++;
        return connection;
    }

    private void Take(FeedConnection connection)
    {
        FeedOpened opened = connection.Opened;
        try
        {
            _indexHash = Convert.FromHexString(opened.Index);
        }
        catch (FormatException e)
        {
            throw new DataLayerException(ErrorCode.Internal, $"The service names an index '{opened.Index}'.", e);
        }

        _ = Options.State?.Load(Options.Order, _indexHash);
        _slice = new RankSlice(opened.PassLength, Options.World, Options.Rank, Options.Batch, Options.Last);
        Description = opened;
        _connection = connection;
    }

    /// <summary>Whether a batch is the one that the order has here: the last guard of "exactly once".</summary>
    private Batch Check(Batch batch)
    {
        FeedStep step = _slice.StepAt(_position);
        if (batch.NextCursor != step.NextCursor || batch.Count != step.Count || batch.Pass != step.Pass)
        {
            batch.Dispose();
            throw new DataLayerException(
                ErrorCode.Internal,
                $"At cursor {_position} a batch of {step.Count} samples up to {step.NextCursor} is due, and one of "
                    + $"{batch.Count} up to {batch.NextCursor} came. Please report it with this text.");
        }

        _position = batch.NextCursor;
        return batch;
    }

    private async ValueTask DropAsync()
    {
        FeedConnection? connection = Interlocked.Exchange(ref _connection, null);
        if (connection is null)
        {
            return;
        }

        await connection.DisposeAsync().ConfigureAwait(false);
        _former.RemoveAll(former => former.HeldCount == 0);
        if (connection.HeldCount > 0)
        {
            _former.Add(connection);
        }
    }
}
