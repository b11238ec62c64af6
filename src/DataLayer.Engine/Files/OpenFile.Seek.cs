using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files;

/// <content>Where data and holes are (lseek SEEK_DATA, SEEK_HOLE).</content>
public sealed partial class OpenFile
{
    /// <summary>A small content's pages that are zeros count as holes: that is cheap to see, bytes.</summary>
    private const int PageBytes = 4096;

    /// <summary>The largest content that is looked at, bytes; larger ones lie in stripes.</summary>
    private const int SmallBytes = 4 << 20;

    /// <summary>
    /// The first offset from <paramref name="offsetBytes"/> on that holds data (lseek SEEK_DATA), or -1 where there is
    /// none, or past the end. Where blocks are cold, everything counts as data: what an object holds is not known.
    /// </summary>
    public async ValueTask<long> SeekDataAsync(long offsetBytes, CancellationToken cancellationToken)
    {
        long size = _content.SizeBytes;
        if (offsetBytes < 0 || offsetBytes >= size)
        {
            return -1;
        }

        long found = await SeekAsync(offsetBytes, size, hole: false, cancellationToken).ConfigureAwait(false);
        return found < size ? found : -1;
    }

    /// <summary>
    /// The first hole from <paramref name="offsetBytes"/> on (lseek SEEK_HOLE), at the latest the end of the file; -1
    /// past it.
    /// </summary>
    public async ValueTask<long> SeekHoleAsync(long offsetBytes, CancellationToken cancellationToken)
    {
        long size = _content.SizeBytes;
        return offsetBytes < 0 || offsetBytes >= size
            ? -1
            : await SeekAsync(offsetBytes, size, hole: true, cancellationToken).ConfigureAwait(false);
    }

    private bool IsHot()
    {
        FileContent known = _content.Content;
        return known.Attributes.State == TierState.Hot || known.Residency.IsFull;
    }

    private async ValueTask<long> SeekAsync(
        long offsetBytes, long sizeBytes, bool hole, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        bool isStaged = _content.Staged is not null;
        Placement? placement = _content.Content.Placement;
        if (!isStaged && placement is StripedPlacement striped && IsHot())
        {
            return await _engine.Context.Hot
                .SeekAsync(_content.Id, striped, offsetBytes, sizeBytes, hole, cancellationToken).ConfigureAwait(false);
        }

        bool isSmall = isStaged || (placement is SegmentPlacement && IsHot());
        if (!isSmall || sizeBytes - offsetBytes > SmallBytes)
        {
            return hole ? sizeBytes : offsetBytes;
        }

        TransferBuffer buffer = _engine.Context.Buffers.Rent((int)Math.Max(1, sizeBytes - offsetBytes));
        try
        {
            int read = await ReadAsync(offsetBytes, buffer.Memory[..(int)(sizeBytes - offsetBytes)], cancellationToken)
                .ConfigureAwait(false);
            long found = SeekInBytes(buffer.Memory.Span[..read], offsetBytes, hole);
            return found < 0 ? sizeBytes : found;
        }
        finally
        {
            _engine.Context.Buffers.Return(buffer);
        }
    }

    /// <summary>The first page, or rest of one, that is all zeros or that is not; -1 if there is none.</summary>
    private static long SeekInBytes(ReadOnlySpan<byte> bytes, long offsetBytes, bool hole)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(bytes.Length - at, (int)(PageBytes - ((offsetBytes + at) % PageBytes)));
            if (bytes.Slice(at, length).ContainsAnyExcept((byte)0) != hole)
            {
                return offsetBytes + at;
            }

            at += length;
        }

        return -1;
    }
}
