using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>Reads.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Reads exactly <paramref name="destination"/>.Length bytes that the caller knows to be resident; verifies the
    /// checksum and identity of every 64 KiB touched; a bad copy is read from the other and repaired. Holes read as
    /// zeros.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="placement">Where it lies.</param>
    /// <param name="contentSizeBytes">Its size, bytes; the range must lie inside.</param>
    /// <param name="offsetBytes">The first byte.</param>
    /// <param name="destination">The caller's buffer.</param>
    /// <param name="cancellationToken">Gives up where no kernel call is under way.</param>
    /// <exception cref="DataLayerException">
    /// Corrupt: no copy of a chunk is good; the message names the range. NotFound: the hot copy is gone. TargetFailed:
    /// its target is.
    /// </exception>
    public ValueTask ReadAsync(ContentId content, Placement placement, long contentSizeBytes, long offsetBytes,
        Memory<byte> destination,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offsetBytes, contentSizeBytes - destination.Length);
        if (destination.IsEmpty)
        {
            return ValueTask.CompletedTask;
        }

        _meter.ReadBytes.Add(destination.Length);
        return placement switch
        {
            StripedPlacement { KeyId: not 0 } hidden => ReadSealedAsync(
                content, hidden, offsetBytes, destination, cancellationToken),
            StripedPlacement striped => ReadStripedAsync(content, striped, offsetBytes, destination, cancellationToken),
            SegmentPlacement segment => _segments.ReadAsync(content, segment, offsetBytes, destination,
                cancellationToken),
            _ => throw new DataLayerException(ErrorCode.Internal, $"Placement '{placement}' is of no known kind."),
        };
    }

    private ValueTask ReadStripedAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, Memory<byte> destination,
            CancellationToken cancellationToken)
    {
        if (ColumnRange.IsOneColumn(placement, offsetBytes, destination.Length, out int column))
        {
            ColumnRange range = ColumnRange.Of(placement, column, offsetBytes, destination.Length);
            return ReadColumnAsync(content, placement, range, new StripeView(destination, offsetBytes, placement,
                column), cancellationToken);
        }

        return FanOutAsync(placement, offsetBytes, destination.Length, (range, stop) => ReadColumnAsync(
            content, placement, range, new StripeView(destination, offsetBytes, placement, range.Column), stop),
                cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadColumnAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, StripeView view,
            CancellationToken cancellationToken)
    {
        int copy = ChooseCopy(placement, range.Column);
        try
        {
            await _targets.Get(placement.TargetOf(range.Column, copy))
                .ReadAsync(new ColumnId(content, range.Column, copy), range.OffsetBytes, range.LengthBytes, view,
                    cancellationToken)
                .ConfigureAwait(false);
            return;
        }
        catch (UncleanColumnException)
        {
            await RecoverAsync(content, placement, range.Column, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException) when (placement.CopyCount > 1)
        {
            // Below, chunk by chunk, from whichever copy is good.
        }

        await ReadColumnSlowAsync(content, placement, range, view, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads chunk by chunk from the first good copy, and mends the bad ones before it.</summary>
    private async ValueTask ReadColumnSlowAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, StripeView view,
            CancellationToken cancellationToken)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        long end = range.OffsetBytes + range.LengthBytes;
        for (long offset = range.OffsetBytes; offset < end;)
        {
            long chunk = offset / ChunkEntry.ChunkBytes;
            long start = chunk * ChunkEntry.ChunkBytes;
            int length = await ReadGoodChunkAsync(
                content, placement, range.Column, chunk, buffer, checksPages: false, cancellationToken)
                .ConfigureAwait(false);
            int from = (int)(offset - start);
            int to = (int)Math.Min(ChunkEntry.ChunkBytes, end - start);
            Copy(buffer.AsSpan(0, length), from, view.Slice(offset, to - from));
            offset = start + to;
        }

        static void Copy(ReadOnlySpan<byte> chunk, int from, Span<byte> wanted)
        {
            int copied = Math.Clamp(chunk.Length - from, 0, wanted.Length);
            chunk.Slice(Math.Min(from, chunk.Length), copied).CopyTo(wanted);
            wanted[copied..].Clear();
        }
    }

    /// <summary>One chunk from the first copy that has it whole; copies found bad on the way are mended.</summary>
    /// <returns>The chunk's length, 0 for a hole.</returns>
    /// <exception cref="DataLayerException">The fault of the first copy if none is good; Corrupt with the range if all
    /// are damaged.</exception>
    private async ValueTask<int> ReadGoodChunkAsync(
        ContentId content, StripedPlacement placement, int column, long chunk, byte[] buffer, bool checksPages,
        CancellationToken cancellationToken)
    {
        DataLayerException? first = null;
        for (int copy = 0; copy < placement.CopyCount; copy++)
        {
            ITarget target = _targets.Get(placement.TargetOf(column, copy));
            try
            {
                int length = await ReadChunkAsync(content, placement, column, copy, chunk, buffer, cancellationToken)
                    .ConfigureAwait(false);
                if (checksPages)
                {
                    CheckPages(content, placement, column, chunk, buffer.AsSpan(0, length));
                }

                for (int bad = 0; bad < copy; bad++)
                {
                    await TryRepairAsync(content, placement, column, bad, chunk, buffer.AsMemory(0, length),
                        cancellationToken)
                        .ConfigureAwait(false);
                }

                return length;
            }
            catch (DataLayerException fault)
            {
                first ??= fault;
                _meter.BadCopies.Add(1);
            }
        }

        _meter.Lost.Add(1);
        throw first!;
    }

    private async ValueTask<int> ReadChunkAsync(ContentId content, StripedPlacement placement, int column, int copy,
        long chunk,
        Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ITarget target = _targets.Get(placement.TargetOf(column, copy));
        ColumnId id = new(content, column, copy);
        try
        {
            return await target.ReadChunkAsync(id, chunk, buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (UncleanColumnException)
        {
            await RecoverAsync(content, placement, column, cancellationToken).ConfigureAwait(false);
            return await target.ReadChunkAsync(id, chunk, buffer, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The copy whose target is well and has least to do; the first if they are alike.</summary>
    private int ChooseCopy(StripedPlacement placement, int column)
    {
        if (placement.CopyCount == 1)
        {
            return 0;
        }

        int best = 0;
        int bestLoad = int.MaxValue;
        for (int copy = 0; copy < placement.CopyCount; copy++)
        {
            ITarget target = _targets.Get(placement.TargetOf(column, copy));
            int load = target.State switch
            {
                TargetState.Missing => int.MaxValue - 1,
                TargetState.Fenced => int.MaxValue / 2,
                _ => target.LoadCount,
            };
            if (load < bestLoad)
            {
                best = copy;
                bestLoad = load;
            }
        }

        return best;
    }

    /// <summary>Runs an operation on every column a range touches, in parallel; waits for all and throws the first
    /// fault.</summary>
    private static async ValueTask FanOutAsync(StripedPlacement placement, long offsetBytes, long lengthBytes,
        Func<ColumnRange, CancellationToken, ValueTask> run, CancellationToken cancellationToken)
    {
        Task[] tasks = new Task[placement.Width];
        int count = 0;
        for (int column = 0; column < placement.Width; column++)
        {
            ColumnRange range = ColumnRange.Of(placement, column, offsetBytes, lengthBytes);
            if (range.LengthBytes > 0)
            {
                tasks[count++] = run(range, cancellationToken).AsTask();
            }
        }

        await Gather.AllAsync(tasks.AsMemory(0, count)).ConfigureAwait(false);
    }
}
