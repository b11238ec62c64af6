using System.Threading.Channels;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Takes whole blocks read from objects to the hot tier, behind the readers' backs. Bounded in bytes held and in items:
/// what does not fit is dropped and counted, so a slow target never slows a reader.
/// </summary>
/// <remarks>
/// A batch waits while objects are being read, or a sequential reader goes on through what they brought, for
/// readers need the processors and the network now, and the hot tier can have the bytes a little later: at most a
/// second, and not once the queue is half full, so that a stream of cold reads fills the hot tier too. One writer
/// loop serves the contents whose inode falls to it, so no two write the same content. A loop takes what waits,
/// writes it, flushes it, and only then commits residency (<see cref="RecallWriter"/>). While the targets have no
/// room, offers are refused for a while.
/// </remarks>
internal sealed class RecallQueue : IAsyncDisposable
{
    private const int BatchLimit = 256;
    private const int BatchBytes = 32 << 20;
    private const int ItemLimit = 1 << 16;
    private const int PatientItems = 4096;
    private const int StreamPauseMilliseconds = 40;
    private static readonly TimeSpan _pauseAfterFailure = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(20);
    private readonly EngineContext _context;
    private readonly RecallWriter _writer;
    private readonly Channel<RecallItem>[] _channels;
    private readonly Task[] _loops;
    private long _cachedBytes;
    private long _heldBytes;
    private int _queuedItems;
    private long _pausedUntil;

    public RecallQueue(EngineContext context, RecallWriter writer)
    {
        _context = context;
        _writer = writer;
        int writers = context.Options.RecallWriters;
        _channels = new Channel<RecallItem>[writers];
        _loops = new Task[writers];
        for (int i = 0; i < writers; i++)
        {
            _channels[i] = Channel.CreateUnbounded<RecallItem>(new UnboundedChannelOptions { SingleReader = true });
        }
    }

    public void Start()
    {
        for (int i = 0; i < _loops.Length; i++)
        {
            int index = i;
            _loops[i] = Task.Run(() => LoopAsync(_channels[index].Reader));
        }
    }

    /// <summary>
    /// Offers a cold fetch that succeeded. Takes a reference of its own if it accepts; true then.
    /// </summary>
    public bool Offer(BlockFetch fetch)
    {
        ContentState content = fetch.Content;
        if (_context.IsReader || !HoldsWholeBlocks(fetch) || content.IsDirty
            || content.Content.Attributes.State is not (TierState.Released or TierState.Recalling)
            || _context.Time.GetTimestamp() < Volatile.Read(ref _pausedUntil))
        {
            return false;
        }

        if (TryReserve(fetch) is not { } item)
        {
            _context.Counters.Add(Counter.RecallsDroppedBytes, fetch.LengthBytes);
            return false;
        }

        item.Held?.AddReference();
        _context.Fetches.Begin();
        int writer = (int)((ulong)content.Id.Inode.Value % (uint)_channels.Length);
        if (!_channels[writer].Writer.TryWrite(item))
        {
            Done(item);
            return false;
        }

        return true;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Channel<RecallItem> channel in _channels)
        {
            channel.Writer.TryComplete();
        }

        foreach (Task loop in _loops)
        {
            if (loop is not null)
            {
                await loop.ConfigureAwait(false);
            }
        }
    }

    private static bool HoldsWholeBlocks(BlockFetch fetch)
    {
        long size = fetch.Content.SizeBytes;
        return fetch.OffsetBytes % BlockLayout.BlockBytes == 0
            && (fetch.EndBytes % BlockLayout.BlockBytes == 0 || fetch.EndBytes == size);
    }

    private async Task LoopAsync(ChannelReader<RecallItem> reader)
    {
        List<RecallItem> batch = new(BatchLimit);
        while (await reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
        {
            await WaitForReadersAsync().ConfigureAwait(false);
            long bytes = 0;
            while (batch.Count < BatchLimit && bytes < BatchBytes && reader.TryRead(out RecallItem? item))
            {
                batch.Add(item);
                bytes += item.LengthBytes;
            }

            try
            {
                if (!_context.Stopping.IsCancellationRequested)
                {
                    await _writer.WriteAsync(batch, _context.Stopping).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_context.Stopping.IsCancellationRequested)
            {
                // What was written without residency is written again some day.
            }
            catch (Exception error)
            {
                Pause(error);
            }

            foreach (RecallItem item in batch)
            {
                Done(item);
            }

            batch.Clear();
        }
    }

    private async ValueTask WaitForReadersAsync()
    {
        long started = _context.Time.GetTimestamp();
        while (Volatile.Read(ref _heldBytes) * 2 < _context.Options.RecallQueueBytes
            && Volatile.Read(ref _queuedItems) < PatientItems
            && _context.Time.GetElapsedTime(started) < _context.Options.RecallPatience
            && IsRead(out Task idle))
        {
            try
            {
                await (idle.IsCompleted
                    ? Task.Delay(_look, _context.Time, _context.Stopping)
                    : idle.WaitAsync(_look, _context.Time, _context.Stopping)).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // The queue may have filled meanwhile.
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Whether objects are being read, or a sequential reader is still busy with what they brought.</summary>
    private bool IsRead(out Task idle)
    {
        idle = _context.Fetches.WhenColdIdleAsync();
        return !idle.IsCompleted
            || _context.NowMilliseconds - _context.Fetches.StreamReadAt < StreamPauseMilliseconds;
    }

    private void Pause(Exception error)
    {
        _context.Counters.Add(Counter.RecallsFailed, 1);
        if (error is DataLayerException { Code: ErrorCode.NoSpace or ErrorCode.QuotaExceeded })
        {
            _context.Counters.Add(Counter.RecallsWithoutSpace, 1);
        }

        long ticks = (long)(_pauseAfterFailure.TotalSeconds * _context.Time.TimestampFrequency);
        Volatile.Write(ref _pausedUntil, _context.Time.GetTimestamp() + ticks);
        if (error is DataLayerException)
        {
            EngineLog.RecallFailed(_context.Log, error.Message);
        }
        else
        {
            EngineLog.BackgroundFailed(_context.Log, "recall", error);
        }
    }

    /// <summary>Room for a fetch: in the cache as far as it can be counted on, or else among what is held.</summary>
    private RecallItem? TryReserve(BlockFetch fetch)
    {
        long limit = _context.Options.RecallQueueBytes;
        if (limit == 0)
        {
            return null;
        }

        if (Interlocked.Increment(ref _queuedItems) > ItemLimit)
        {
            Interlocked.Decrement(ref _queuedItems);
            return null;
        }

        if (fetch.IsCached && TryAdd(ref _cachedBytes, fetch.LengthBytes, CacheShareBytes()))
        {
            return new RecallItem(fetch, inCache: true);
        }

        if (TryAdd(ref _heldBytes, fetch.LengthBytes, limit))
        {
            return new RecallItem(fetch, inCache: false);
        }

        Interlocked.Decrement(ref _queuedItems);
        return null;
    }

    /// <summary>
    /// What may be left in the cache until it is written: while feeds run nothing, for what a feed has read is what
    /// goes first.
    /// </summary>
    private long CacheShareBytes() => !_context.Futures.IsEmpty ? 0
        : _context.Cache.KeepsAdmitted ? _context.Cache.CapacityBytes : _context.Cache.CapacityBytes / 4;

    private static bool TryAdd(ref long sum, long bytes, long limit)
    {
        if (Interlocked.Add(ref sum, bytes) <= limit)
        {
            return true;
        }

        Interlocked.Add(ref sum, -bytes);
        return false;
    }

    private void Done(RecallItem item)
    {
        Interlocked.Decrement(ref _queuedItems);
        if (item.Held is { } held)
        {
            Interlocked.Add(ref _heldBytes, -item.LengthBytes);
            held.Release();
        }
        else
        {
            Interlocked.Add(ref _cachedBytes, -item.LengthBytes);
        }

        _context.Fetches.End();
    }
}
