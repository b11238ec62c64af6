using System.Runtime.CompilerServices;
using System.Threading.Channels;
using DataLayer.Client.Feeds.Devices;

namespace DataLayer.Client.Feeds;

/// <summary>
/// One loop over a feed with a device: copies batches ahead into a few buffers of the device and hands them out in
/// order.
/// </summary>
/// <remarks>
/// A buffer is free, or filled by a copy, or with the caller. A slab is released when its copy has ended, however it
/// ended, and a buffer is freed behind its copy: the loop ends only when all copies have. A loop that is left gives up
/// what it copied ahead, and the feed stands behind what was handed out.
/// </remarks>
internal sealed class DeviceFeed
{
    private readonly TrainingFeed _feed;
    private readonly IFeedDevice _device;
    private readonly int _depth;
    private readonly Channel<IDeviceMemory?> _free;
    private readonly Channel<Task<DeviceBatch>> _copied = Channel.CreateUnbounded<Task<DeviceBatch>>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    private readonly Lock _lock = new();
    private bool _over;

    public DeviceFeed(TrainingFeed feed, IFeedDevice device, int depth)
    {
        (_feed, _device, _depth) = (feed, device, depth);
        _free = Channel.CreateUnbounded<IDeviceMemory?>(new UnboundedChannelOptions { SingleReader = true });
    }

    /// <summary>The loop.</summary>
    public async IAsyncEnumerable<DeviceBatch> ReadAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_device.IsHost)
        {
            await foreach (Batch batch in _feed.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                batch.Keep();
                DeviceBatch wrapped = new(_feed, batch);
                try
                {
                    yield return wrapped;
                }
                finally
                {
                    wrapped.DisposeUnlessKept();
                }
            }

            yield break;
        }

        _feed.Enter();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task pump = PumpAsync(stop.Token);
        DeviceBatch? current = null;
        try
        {
            await foreach (Task<DeviceBatch> copy in _copied.Reader
                .ReadAllAsync(cancellationToken)
                .ConfigureAwait(false))
            {
                current = await copy.ConfigureAwait(false);
                _feed.HandOut(current.NextCursor);
                yield return current;
                current.DisposeUnlessKept();
                current = null;
            }
        }
        finally
        {
            current?.DisposeUnlessKept();
            await stop.CancelAsync().ConfigureAwait(false);
            await EndAsync(pump).ConfigureAwait(false);
            _feed.Leave();
        }
    }

    private async Task PumpAsync(CancellationToken cancellationToken)
    {
        Exception? reason = null;
        try
        {
            for (int i = 0; i < _depth; i++)
            {
                _free.Writer.TryWrite(null);
            }

            while (true)
            {
                IDeviceMemory? memory = await _free.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                Batch? batch;
                try
                {
                    batch = await _feed.ReadAsync(cancellationToken).ConfigureAwait(false);
                }
                catch
                {
                    memory?.Dispose();
                    throw;
                }

                if (batch is null)
                {
                    memory?.Dispose();
                    break;
                }

                _copied.Writer.TryWrite(CopyAsync(batch, memory));
            }
        }
        catch (Exception e)
        {
            reason = e;
        }
        finally
        {
            _copied.Writer.TryComplete(reason);
        }
    }

    private async Task<DeviceBatch> CopyAsync(Batch batch, IDeviceMemory? memory)
    {
        try
        {
            batch.Slab.PageLockFor(_device);
            if (memory is null || memory.LengthBytes < batch.LengthBytes)
            {
                memory?.Dispose();
                memory = null;

                // Batches of one feed differ little: a little more is not allocated anew each time.
                memory = _device.Allocate(Math.Min(batch.LengthBytes + (batch.LengthBytes / 8L), int.MaxValue));
            }

            await _device.CopyAsync(AddressOf(batch), memory, 0, batch.LengthBytes).ConfigureAwait(false);
            DeviceBatch copied = new(_feed, batch, _device, memory, GiveBack);
            memory = null;
            return copied;
        }
        finally
        {
            batch.Dispose();
            memory?.Dispose();
        }
    }

    private static unsafe nint AddressOf(Batch batch) => (nint)batch.Slab.Pointer;

    private void GiveBack(DeviceBatch batch)
    {
        lock (_lock)
        {
            if (!_over)
            {
                _free.Writer.TryWrite(batch.Memory);
                return;
            }
        }

        batch.Memory!.Dispose();
    }

    private async ValueTask EndAsync(Task pump)
    {
        await pump.ConfigureAwait(false);
        while (_copied.Reader.TryRead(out Task<DeviceBatch>? copy))
        {
            try
            {
                (await copy.ConfigureAwait(false)).Dispose();
            }
            catch (Core.Errors.DataLayerException)
            {
                // The caller has met the first fault, or does not want this batch any more.
            }
        }

        lock (_lock)
        {
            _over = true;
        }

        while (_free.Reader.TryRead(out IDeviceMemory? memory))
        {
            memory?.Dispose();
        }

        await _feed.RewindAsync().ConfigureAwait(false);
    }
}
