using DataLayer.Engine.Feeds.Serving;

namespace DataLayer.Server.Feeds;

/// <summary>Frames over the stream of an upgraded HTTP connection; batches travel in theirs.</summary>
internal sealed class StreamFeedWire(Stream stream, TimeProvider time) : FeedWire
{
    /// <summary>What has to be taken within the time limit at once, bytes.</summary>
    private const int PieceBytes = 1 << 20;

    /// <inheritdoc/>
    public override bool HasSharedMemory => false;

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override async ValueTask SendBytesAsync(
        ReadOnlyMemory<byte> bytes, Slab? descriptor, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(SendTimeout, time);
        using CancellationTokenSource either =
            CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            while (!bytes.IsEmpty)
            {
                ReadOnlyMemory<byte> piece = bytes[..Math.Min(PieceBytes, bytes.Length)];
                limit.CancelAfter(SendTimeout);
                await stream.WriteAsync(piece, either.Token);
                bytes = bytes[piece.Length..];
            }

            await stream.FlushAsync(either.Token);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Gone(e);
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            int filled = await stream.ReadAtLeastAsync(
                buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
            return filled == buffer.Length || (filled == 0 ? false : throw Gone(null));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw Gone(e);
        }
    }
}
