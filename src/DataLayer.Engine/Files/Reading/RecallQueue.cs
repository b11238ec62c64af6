using System.Threading.Channels;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Takes whole blocks read from objects to the hot tier, behind the readers' backs. Bounded in bytes: what does not
/// fit is dropped and counted, so a slow target never slows a reader.
/// </summary>
/// <remarks>
/// One writer loop serves the contents whose inode falls to it, so no two write the same content. A loop takes what
/// waits, writes it, flushes it, and only then commits residency (<see cref="RecallWriter"/>). While the targets have
/// no room, offers are refused for a while.
/// </remarks>
internal sealed class RecallQueue : IAsyncDisposable
{
    private const int BatchLimit = 256;
    private static readonly TimeSpan _pauseAfterFailure = TimeSpan.FromSeconds(5);
    private readonly EngineContext _context;
    private readonly RecallWriter _writer;
    private readonly Channel<BlockFetch>[] _channels;
    private readonly Task[] _loops;
    private long _queuedBytes;
    private long _pausedUntil;

    public RecallQueue(EngineContext context, RecallWriter writer)
    {
        _context = context;
        _writer = writer;
        int writers = context.Options.RecallWriters;
        _channels = new Channel<BlockFetch>[writers];
        _loops = new Task[writers];
        for (int i = 0; i < writers; i++)
        {
            _channels[i] = Channel.CreateUnbounded<BlockFetch>(new UnboundedChannelOptions { SingleReader = true });
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

    /// <summary>Offers a cold fetch that succeeded. Takes a reference of its own if it accepts.</summary>
    public void Offer(BlockFetch fetch)
    {
        ContentState content = fetch.Content;
        if (!HoldsWholeBlocks(fetch) || content.IsDirty
            || content.Content.Attributes.State is not (TierState.Released or TierState.Recalling)
            || _context.Time.GetTimestamp() < Volatile.Read(ref _pausedUntil))
        {
            return;
        }

        if (Interlocked.Add(ref _queuedBytes, fetch.LengthBytes) > _context.Options.RecallQueueBytes)
        {
            Interlocked.Add(ref _queuedBytes, -fetch.LengthBytes);
            _context.Counters.Add(Counter.RecallsDroppedBytes, fetch.LengthBytes);
            return;
        }

        fetch.AddReference();
        _context.Fetches.Begin();
        int writer = (int)((ulong)content.Id.Inode.Value % (uint)_channels.Length);
        if (!_channels[writer].Writer.TryWrite(fetch))
        {
            Done(fetch);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Channel<BlockFetch> channel in _channels)
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

    private async Task LoopAsync(ChannelReader<BlockFetch> reader)
    {
        List<BlockFetch> batch = new(BatchLimit);
        while (await reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
        {
            while (batch.Count < BatchLimit && reader.TryRead(out BlockFetch? fetch))
            {
                batch.Add(fetch);
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

            foreach (BlockFetch fetch in batch)
            {
                Done(fetch);
            }

            batch.Clear();
        }
    }

    private void Pause(Exception error)
    {
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

    private void Done(BlockFetch fetch)
    {
        Interlocked.Add(ref _queuedBytes, -fetch.LengthBytes);
        fetch.Release();
        _context.Fetches.End();
    }
}
