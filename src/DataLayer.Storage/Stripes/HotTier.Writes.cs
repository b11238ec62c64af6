using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>Writes, flush, truncation, deletion.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Writes at any offset; parallel over columns and copies; not durable until <see cref="FlushAsync"/>. Extends as
    /// needed; gaps are holes that read as zeros. The first write makes the files of all columns and copies.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="placement">Where it lies.</param>
    /// <param name="offsetBytes">The first byte.</param>
    /// <param name="bytes">What to write; read until the call has ended.</param>
    /// <param name="cancellationToken">Gives up where no kernel call is under way; part of the range may be written
    /// then.</param>
    /// <exception cref="DataLayerException">
    /// NoSpace: nothing that was there is lost. TargetFailed: a copy could not be written. Corrupt: part of a chunk
    /// without a good copy was to be replaced, or a column is gone; rewrite or recall the content.
    /// </exception>
    public async ValueTask WriteAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes,
            CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offsetBytes, BlockLayout.MaxFileBytes - bytes.Length);
        if (bytes.IsEmpty)
        {
            return;
        }

        for (int tries = 0; ; tries++)
        {
            try
            {
                await WriteOnceAsync(content, placement, offsetBytes, bytes, cancellationToken).ConfigureAwait(false);
                break;
            }
            catch (UncleanColumnException unclean) when (tries < 3)
            {
                await RecoverAsync(content, placement, unclean.Column.Column, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException fault) when (tries < 3 && fault.Code == ErrorCode.NotFound)
            {
                await EnsureColumnsAsync(content, placement, create: true, cancellationToken).ConfigureAwait(false);
            }
            catch (UnbornColumnException) when (tries < 3)
            {
                await EnsureColumnsAsync(content, placement, create: true, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.Corrupt
                && tries < (placement.CopyCount > 1 ? 3 : 1))
            {
                await EnsureColumnsAsync(content, placement, create: true, cancellationToken).ConfigureAwait(false);
                if (placement.CopyCount > 1)
                {
                    await MendRangeAsync(content, placement, offsetBytes, bytes.Length, cancellationToken)
                        .ConfigureAwait(false);
                }
            }
        }

        _meter.WrittenBytes.Add(bytes.Length);
    }

    /// <summary>
    /// Makes all writes of the content durable: data, side files, directory entries. A failure is remembered: later
    /// flushes fail too until the data was written again or the content deleted, and a target that failed is fenced.
    /// </summary>
    /// <exception cref="DataLayerException">TargetFailed, NoSpace: bytes since the last good flush may be lost.
    /// NotFound: there is no such content.</exception>
    public async ValueTask FlushAsync(ContentId content, Placement placement, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        _meter.Flushes.Add(1);
        try
        {
            if (placement is SegmentPlacement segment)
            {
                await _segments.FlushAsync(segment, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await EachColumnAsync(content, (StripedPlacement)placement, static (target, column, _, stop) =>
                    target.FlushAsync(column, stop),
                    0L, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DataLayerException)
        {
            _meter.FlushFailures.Add(1);
            throw;
        }
    }

    /// <summary>Cuts the content to a size; growing needs nothing, because what was never written reads as
    /// zeros.</summary>
    /// <remarks>Commit the new size to the metadata first: a crash in between leaves bytes past the end, which the next
    /// truncation takes.</remarks>
    public ValueTask TruncateAsync(ContentId content, StripedPlacement placement, long sizeBytes,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        if (placement.KeyId != 0)
        {
            return TruncateSealedAsync(content, placement, sizeBytes, cancellationToken);
        }

        return CreateAndEachAsync(content, placement, static (target, column, args, stop) =>
            target.TruncateAsync(column, args.placement.ColumnLength(column.Column, args.sizeBytes), stop),
                (placement, sizeBytes), cancellationToken);
    }

    /// <summary>Gives back the space of a byte range of blocks (partial release); later reads of it are the caller's
    /// error.</summary>
    public ValueTask PunchAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, long lengthBytes,
            CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        if (placement.KeyId != 0)
        {
            return PunchSealedAsync(content, placement, offsetBytes, lengthBytes, cancellationToken);
        }

        return EachColumnAsync(content, placement, static (target, column, args, stop) =>
        {
            long start = args.placement.ColumnLength(column.Column, args.offsetBytes);
            long end = args.placement.ColumnLength(column.Column, args.offsetBytes + args.lengthBytes);
            return end > start ? target.PunchAsync(column, start, end - start, stop) : ValueTask.CompletedTask;
        }, (placement, offsetBytes, lengthBytes), cancellationToken);
    }

    /// <summary>
    /// Deletes a hot copy; no error if it is gone. A segment record is marked dead and its segment deleted when all
    /// are, or offered for compaction when mostly dead. Safe to repeat.
    /// </summary>
    /// <exception cref="DataLayerException">TargetFailed: a target is missing; what is on others is deleted. Repeat
    /// when it is back.</exception>
    public async ValueTask DeleteAsync(ContentId content, Placement placement, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        if (placement is SegmentPlacement segment)
        {
            await _segments.DeleteAsync(segment, cancellationToken).ConfigureAwait(false);
            return;
        }

        await EachColumnAsync(content, (StripedPlacement)placement, static async (target, column, _, stop) =>
            await target.DeleteAsync(column, stop).ConfigureAwait(false), 0L, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Appends a small content as one segment record; not durable until <see cref="FlushAsync"/> with the returned
    /// placement (flushes of many records are one fsync).
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="bytes">The whole content, at most the pool's limit.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="isMove">Whether the record it has is given up for it, so that what is held for shares may be
    /// used meanwhile.</param>
    /// <exception cref="DataLayerException">NoSpace, TargetFailed: no target of the pool could take it.</exception>
    public ValueTask<SegmentPlacement> AppendSmallAsync(
        ContentId content, string? pool, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken,
        bool isMove = false)
    {
        PoolOptions options = _targets.GetPool(pool);
        if (bytes.Length > options.SegmentLimitBytes)
        {
            throw new ArgumentException(
                $"{bytes.Length} bytes are more than the pool's segment limit of {options.SegmentLimitBytes}.",
                    nameof(bytes));
        }

        _meter.WrittenBytes.Add(bytes.Length);
        return _segments.AppendAsync(
            content, options, bytes, excludedTarget: -1, spareHolds: !isMove, cancellationToken);
    }

    private async ValueTask WriteOnceAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes,
            CancellationToken cancellationToken)
    {
        if (placement.KeyId != 0)
        {
            await WriteSealedOnceAsync(content, placement, offsetBytes, bytes, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (placement.CopyCount > 1)
        {
            // No copy is overwritten before all have their marks: a copy without marks is then known to be whole.
            await FanOutAsync(
                placement, offsetBytes, bytes.Length,
                (range, stop) => PrepareCopiesAsync(content, placement, range, stop), cancellationToken)
                .ConfigureAwait(false);
        }

        if (placement.CopyCount == 1 && ColumnRange.IsOneColumn(placement, offsetBytes, bytes.Length, out int column))
        {
            ColumnRange range = ColumnRange.Of(placement, column, offsetBytes, bytes.Length);
            await _targets.Get(placement.TargetOf(column, 0)).WriteAsync(new ColumnId(content, column, 0),
                range.OffsetBytes,
                range.LengthBytes, new StripeView(bytes, offsetBytes, placement, column), cancellationToken)
                    .ConfigureAwait(false);
            return;
        }

        await FanOutAsync(
            placement, offsetBytes, bytes.Length,
            (range, stop) => WriteCopiesAsync(
                content, placement, range, new StripeView(bytes, offsetBytes, placement, range.Column), stop),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Marks a range in all copies of its column as about to be written.</summary>
    private ValueTask PrepareCopiesAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, CancellationToken cancellationToken) =>
        EachCopyAsync(
            content, placement, range,
            static (target, column, range, _, stop) => target.PrepareWriteAsync(
                column, range.OffsetBytes, range.LengthBytes, create: false, stop),
            default, cancellationToken);

    /// <summary>Writes a range of a column to all its copies.</summary>
    private ValueTask WriteCopiesAsync(
        ContentId content, StripedPlacement placement, ColumnRange range, StripeView view,
        CancellationToken cancellationToken) =>
        EachCopyAsync(
            content, placement, range,
            static (target, column, range, view, stop) => target.WriteAsync(
                column, range.OffsetBytes, range.LengthBytes, view, stop),
            view, cancellationToken);

    private async ValueTask EachCopyAsync(ContentId content, StripedPlacement placement, ColumnRange range,
        Func<ITarget, ColumnId, ColumnRange, StripeView, CancellationToken, ValueTask> run, StripeView view,
            CancellationToken cancellationToken)
    {
        Task[] tasks = new Task[placement.CopyCount];
        for (int copy = 0; copy < tasks.Length; copy++)
        {
            tasks[copy] = run(_targets.Get(placement.TargetOf(range.Column, copy)), new ColumnId(content, range.Column,
                copy), range,
                view, cancellationToken).AsTask();
        }

        await Gather.AllAsync(tasks).ConfigureAwait(false);
    }

    private async ValueTask CreateAndEachAsync<TArgument>(ContentId content, StripedPlacement placement,
        Func<ITarget, ColumnId, TArgument, CancellationToken, ValueTask> run, TArgument argument,
            CancellationToken cancellationToken)
    {
        try
        {
            await EachColumnAsync(content, placement, run, argument, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException fault) when (fault.Code is ErrorCode.NotFound or ErrorCode.Corrupt)
        {
            await EnsureColumnsAsync(content, placement, create: true, cancellationToken).ConfigureAwait(false);
            await EachColumnAsync(content, placement, run, argument, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Runs an operation on every column and copy in parallel, once more after a recovery; waits for all,
    /// throws the first fault.</summary>
    private async ValueTask EachColumnAsync<TArgument>(ContentId content, StripedPlacement placement,
        Func<ITarget, ColumnId, TArgument, CancellationToken, ValueTask> run, TArgument argument,
            CancellationToken cancellationToken)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                Task[] tasks = new Task[placement.Width * placement.CopyCount];
                for (int i = 0; i < tasks.Length; i++)
                {
                    ColumnId column = ColumnAt(content, placement, i);
                    tasks[i] = RunAsync(placement.Targets[i], column);
                }

                await Gather.AllAsync(tasks).ConfigureAwait(false);
                return;
            }
            catch (UncleanColumnException unclean) when (tries <= placement.Width)
            {
                await RecoverAsync(content, placement, unclean.Column.Column, cancellationToken).ConfigureAwait(false);
            }
        }

        async Task RunAsync(int target, ColumnId column) =>
            await run(_targets.Get(target), column, argument, cancellationToken).ConfigureAwait(false);
    }
}
