using DataLayer.Core.Errors;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Protocol.Feeds;

namespace DataLayer.Server.Feeds;

/// <summary>A frame that a client sent.</summary>
/// <param name="Kind">What it says.</param>
/// <param name="Payload">What follows; bounded.</param>
internal readonly record struct FeedFrame(FeedFrameKind Kind, ReadOnlyMemory<byte> Payload);

/// <summary>
/// The service's end of one feed connection: whole frames both ways. One receiver at a time; senders may be many, each
/// frame goes out whole. A peer that takes nothing for <see cref="SendTimeout"/> counts as gone.
/// </summary>
internal abstract class FeedWire : IAsyncDisposable
{
    /// <summary>How long a peer may take nothing of a frame.</summary>
    public static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _sending = new(1, 1);
    private bool _isTorn;

    /// <summary>Whether batches lie in memory that the client maps.</summary>
    public abstract bool HasSharedMemory { get; }

    /// <summary>Sends a frame without descriptor.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection is over.</exception>
    public async ValueTask SendAsync(
        FeedFrameKind kind, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[FeedFrameHeader.SizeBytes + payload.Length];
        new FeedFrameHeader(kind, payload.Length, 0).Write(frame);
        payload.CopyTo(frame.AsMemory(FeedFrameHeader.SizeBytes));
        await _sending.WaitAsync(cancellationToken);
        try
        {
            await SendPartAsync(frame, null, cancellationToken);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Sends a batch: where it lies, with its slab where the client does not know it; or all of it.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection is over.</exception>
    public async ValueTask SendBatchAsync(FeedBatch batch, CancellationToken cancellationToken)
    {
        const int head = FeedFrameHeader.SizeBytes + FeedSlabMessage.SizeBytes;
        byte[] frame = new byte[head];
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (HasSharedMemory && !batch.Slab.IsAnnounced)
            {
                new FeedFrameHeader(FeedFrameKind.Slab, FeedSlabMessage.SizeBytes, 1).Write(frame);
                new FeedSlabMessage(batch.Slab.Number, batch.Slab.LengthBytes)
                    .Write(frame.AsSpan(FeedFrameHeader.SizeBytes));
                await SendPartAsync(frame, batch.Slab, cancellationToken);
                batch.Slab.IsAnnounced = true;
            }

            int follows = HasSharedMemory ? 0 : batch.LengthBytes;
            if (follows > int.MaxValue - FeedSlabMessage.SizeBytes)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"A batch of {batch.LengthBytes} bytes does not fit a frame: take fewer samples in a batch.");
            }

            new FeedFrameHeader(FeedFrameKind.Batch, FeedSlabMessage.SizeBytes + follows, 0).Write(frame);
            new FeedSlabMessage(HasSharedMemory ? batch.Slab.Number : FeedSlabMessage.NoSlab, batch.LengthBytes)
                .Write(frame.AsSpan(FeedFrameHeader.SizeBytes));
            await SendPartAsync(frame, null, cancellationToken);
            if (follows > 0)
            {
                await SendPartAsync(batch.Slab.Memory[..follows], null, cancellationToken);
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The next frame; null where the client closed between two frames.</summary>
    /// <exception cref="DataLayerException">
    /// OriginUnavailable: the connection broke. InvalidArgument or NotSupported: what came is no frame.
    /// </exception>
    public async ValueTask<FeedFrame?> ReceiveAsync(CancellationToken cancellationToken)
    {
        byte[] header = new byte[FeedFrameHeader.SizeBytes];
        if (!await FillAsync(header, cancellationToken))
        {
            return null;
        }

        FeedFrameHeader read = FeedFrameHeader.Read(header);
        if (read.DescriptorCount != 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A client sent the frame {read.Kind}, which only the service sends.");
        }

        byte[] payload = new byte[read.PayloadBytes];
        return payload.Length == 0 || await FillAsync(payload, cancellationToken)
            ? new FeedFrame(read.Kind, payload)
            : throw Gone(null);
    }

    /// <summary>Of a frame that was cut off nothing can follow: then the connection is over.</summary>
    private async ValueTask SendPartAsync(
        ReadOnlyMemory<byte> bytes, Slab? descriptor, CancellationToken cancellationToken)
    {
        if (_isTorn)
        {
            throw Gone(null);
        }

        _isTorn = true;
        await SendBytesAsync(bytes, descriptor, cancellationToken);
        _isTorn = false;
    }

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        _sending.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>The error of a connection that is over.</summary>
    protected static DataLayerException Gone(Exception? inner) => new(
        ErrorCode.OriginUnavailable,
        "The client of the feed is gone" + (inner is null ? "." : $": {inner.Message}"), inner);

    /// <summary>Sends all of the bytes; a slab's descriptor goes with the first.</summary>
    protected abstract ValueTask SendBytesAsync(
        ReadOnlyMemory<byte> bytes, Slab? descriptor, CancellationToken cancellationToken);

    /// <summary>Reads until the buffer is full; false where the connection ended before the first byte.</summary>
    protected abstract ValueTask<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}
