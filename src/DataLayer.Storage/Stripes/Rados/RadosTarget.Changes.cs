using System.Buffers;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>Truncation, holes, deletion, repair; what columns look like.</content>
internal sealed partial class RadosTarget
{
    /// <inheritdoc/>
    public async ValueTask TruncateAsync(ColumnId column, long lengthBytes, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        await found.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int last;
            lock (found.Gate)
            {
                last = found.Units.Last;
            }

            if ((long)(last + 1) * UnitHead.UnitBytes <= lengthBytes)
            {
                return; // Longer than it is: a hole needs no bytes.
            }

            // Written down first: whoever comes after a kill in the middle ends it before anything else.
            await SetHeadLockedAsync(
                found,
                head =>
                {
                    UnitSet kept = head.Units.Clone();
                    kept.RemoveFrom((int)((lengthBytes + UnitHead.UnitBytes - 1) / UnitHead.UnitBytes));
                    return head.Next(column, kept, head.From, head.To, lengthBytes, isFresh: head.IsFresh);
                },
                cancellationToken).ConfigureAwait(false);
            _options.Step?.Invoke("cut.marked");
            await FinishCutLockedAsync(found, lengthBytes, cancellationToken).ConfigureAwait(false);
        }
        catch when (found.IsLoaded && found.Head.CutBytes >= 0)
        {
            found.Forget(); // The next use ends it.
            _columns.Drop(found);
            throw;
        }
        finally
        {
            found.Turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask PunchAsync(
        ColumnId column, long offsetBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        long firstChunk = (offsetBytes + ChunkBytes - 1) / ChunkBytes;
        long endChunk = (offsetBytes + lengthBytes) / ChunkBytes;
        int last;
        lock (found.Gate)
        {
            last = found.Units.Last;
        }

        endChunk = Math.Min(endChunk, (long)(last + 1) * UnitHead.ChunkCount);
        for (long chunk = firstChunk; chunk < endChunk;)
        {
            int unit = (int)(chunk / UnitHead.ChunkCount);
            int first = (int)(chunk % UnitHead.ChunkCount);
            int end = (int)Math.Min(endChunk - ((long)unit * UnitHead.ChunkCount), UnitHead.ChunkCount);
            if (found.Has(unit))
            {
                await ChangeUnitAsync(
                    found, unit,
                    (entries, write) =>
                    {
                        entries.AsSpan(first, end - first).Clear();
                        write.Zero((long)first * ChunkBytes, (long)(end - first) * ChunkBytes);
                        return ValueTask.FromResult(true);
                    },
                    cancellationToken).ConfigureAwait(false);
            }

            chunk += end - first;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DeleteAsync(ColumnId column, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        RadosColumn known = _columns.Get(column, out _);
        await known.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            (FirstState state, ColumnHead? head, _) = await LookAtFirstAsync(column, cancellationToken)
                .ConfigureAwait(false);
            if (state == FirstState.Missing)
            {
                await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
                return false;
            }

            if (head is not null)
            {
                await RemoveUnitsAsync(column, head.Units, head.From, head.To, cancellationToken)
                    .ConfigureAwait(false);
            }
            else
            {
                await RemoveListedAsync(column, cancellationToken).ConfigureAwait(false);
            }

            // Last, since it tells of the others.
            _options.Step?.Invoke("delete.units");
            await RemoveAsync(NameOf(column, 0), cancellationToken).ConfigureAwait(false);
            return true;
        }
        finally
        {
            known.Forget();
            _columns.Drop(known);
            known.Turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> ExistsAsync(ColumnId column, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        (FirstState state, ColumnHead? head, _) = await LookAtFirstAsync(column, cancellationToken)
            .ConfigureAwait(false);
        if (state == FirstState.Missing)
        {
            await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
        }

        return state == FirstState.Damaged || head is { IsBuilding: false };
    }

    /// <inheritdoc/>
    public async ValueTask<bool> IsUnbornAsync(ColumnId column, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        try
        {
            return (await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false)).IsEmptyAndFresh;
        }
        catch (DataLayerException fault) when (fault.Code == ErrorCode.Corrupt)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<long> GetChunkCountAsync(ColumnId column, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        int unit;
        lock (found.Gate)
        {
            unit = found.Units.Last;
        }

        for (; unit >= 0; unit--)
        {
            if (!found.Has(unit))
            {
                continue;
            }

            (UnitHead? head, _) = await ReadHeadAsync(found, unit, cancellationToken).ConfigureAwait(false);
            int span = head?.SpanCount ?? UnitHead.ChunkCount; // A lost one counts whole, so that it is looked at.
            if (span > 0)
            {
                return ((long)unit * UnitHead.ChunkCount) + span;
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadChunkAsync(
        ColumnId column, long chunkIndex, Memory<byte> destination, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        (long unit, long chunk) = Math.DivRem(chunkIndex, UnitHead.ChunkCount);
        UnitHead.Entry entry = await ReadChunkAsync(
            found, (int)Math.Min(unit, UnitLimit), (int)chunk, destination, cancellationToken).ConfigureAwait(false);
        return entry.LengthBytes;
    }

    /// <inheritdoc/>
    public async ValueTask RepairChunkAsync(
        ColumnId column, long chunkIndex, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        (int unit, _) = UnitsOf(chunkIndex * ChunkBytes, 1);
        int chunk = (int)(chunkIndex % UnitHead.ChunkCount);
        await ReserveAsync(found, unit, unit, cancellationToken).ConfigureAwait(false);
        try
        {
            await ChangeUnitAsync(
                found, unit,
                (entries, write) =>
                {
                    entries[chunk] = bytes.IsEmpty ? default : new UnitHead.Entry(
                        Crc32C.Compute(bytes.Span) ^ column.Bind(chunkIndex, bytes.Length), bytes.Length);
                    write.Write(bytes.Span, (long)chunk * ChunkBytes);
                    return ValueTask.FromResult(true);
                },
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            found.End(unit, unit);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<long> SeekAsync(
        ColumnId column, long offsetBytes, long endBytes, bool hole, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        int last;
        lock (found.Gate)
        {
            last = found.Units.Last;
        }

        for (long at = offsetBytes; at < endBytes;)
        {
            long unit = at / UnitHead.UnitBytes;
            if (unit > last)
            {
                return hole ? at : endBytes;
            }

            long unitEnd = Math.Min((unit + 1) * UnitHead.UnitBytes, endBytes);
            if (!found.Has((int)unit))
            {
                if (hole)
                {
                    return at;
                }
            }
            else
            {
                (UnitHead? head, _) = await ReadHeadAsync(found, (int)unit, cancellationToken).ConfigureAwait(false);
                long reached = SeekUnit(head, unit, at, unitEnd, hole);
                if (reached < unitEnd)
                {
                    return reached;
                }
            }

            at = unitEnd;
        }

        return endBytes;
    }

    /// <summary>The first byte of a unit's range that is data, or a hole; of what is lost all is data.</summary>
    private static long SeekUnit(UnitHead? head, long unit, long at, long end, bool hole)
    {
        while (at < end)
        {
            long start = at / ChunkBytes * ChunkBytes;
            int length = head is null ? ChunkBytes
                : head[(int)((start - (unit * UnitHead.UnitBytes)) / ChunkBytes)].LengthBytes;
            long dataEnd = start + (length < 0 ? ChunkBytes : length);
            if (hole != at < dataEnd)
            {
                return at;
            }

            long chunkEnd = start + ChunkBytes;
            if (hole && dataEnd < chunkEnd)
            {
                return Math.Min(dataEnd, end);
            }

            at = chunkEnd;
        }

        return end;
    }

    /// <summary>Cuts what the head says is to be cut, then takes the note back. Under the column's turn.</summary>
    private async ValueTask FinishCutLockedAsync(
        RadosColumn column, long lengthBytes, CancellationToken cancellationToken)
    {
        int boundary = (int)(lengthBytes / UnitHead.UnitBytes);
        int kept = (int)(lengthBytes % UnitHead.UnitBytes);
        int first = kept > 0 ? boundary + 1 : boundary;
        UnitSet units;
        int to;
        lock (column.Gate)
        {
            units = column.Units.Clone();
            to = column.To;
        }

        for (int unit = units.Last; unit >= Math.Max(first, 1); unit--)
        {
            if (units.Has(unit))
            {
                await RemoveAsync(NameOf(column.Id, unit), cancellationToken).ConfigureAwait(false);
                _options.Step?.Invoke("cut.unit");
            }
        }

        if (first == 0 && units.Has(0))
        {
            using RadosWrite write = new();
            write.DemandExists().Unset(UnitHead.Attribute).Truncate(0);
            await ChangeAsync(NameOf(column.Id, 0), write, cancellationToken, NoData).ConfigureAwait(false);
        }

        if (kept > 0 && units.Has(boundary))
        {
            await ShortenAsync(column, boundary, kept, cancellationToken).ConfigureAwait(false);
        }

        column.Cut(first);
        lock (column.Gate)
        {
            units = column.Units.Clone();
        }

        await SetHeadLockedAsync(
            column, head => head.Next(column.Id, units, Math.Min(head.From, first), to, isFresh: head.IsFresh),
            cancellationToken).ConfigureAwait(false);
        column.SetRange(column.Head.From, column.Head.To);
        _options.Step?.Invoke("cut.done");
    }

    /// <summary>The unit's first bytes stay, the rest goes.</summary>
    private ValueTask ShortenAsync(RadosColumn column, int unit, int kept, CancellationToken cancellationToken) =>
        ChangeUnitAsync(
            column, unit,
            async (entries, write) =>
            {
                int chunk = kept / ChunkBytes;
                int rest = kept % ChunkBytes;
                if (rest > 0 && entries[chunk].LengthBytes > rest)
                {
                    byte[] bytes = ArrayPool<byte>.Shared.Rent(ChunkBytes);
                    try
                    {
                        if (await ReadChunkAsync(column, unit, chunk, bytes, cancellationToken).ConfigureAwait(false)
                            != entries[chunk])
                        {
                            return false;
                        }

                        long index = ((long)unit * UnitHead.ChunkCount) + chunk;
                        entries[chunk] = new UnitHead.Entry(
                            Crc32C.Compute(bytes.AsSpan(0, rest)) ^ column.Id.Bind(index, rest), rest);
                    }
                    finally
                    {
                        ArrayPool<byte>.Shared.Return(bytes);
                    }
                }

                entries.AsSpan(rest > 0 ? chunk + 1 : chunk).Clear();
                write.Truncate(kept);
                return true;
            },
            cancellationToken);

    /// <summary>Changes a unit together with its head, again where it changed meanwhile.</summary>
    private async ValueTask ChangeUnitAsync(
        RadosColumn column, int unit, Func<UnitHead.Entry[], RadosWrite, ValueTask<bool>> change,
        CancellationToken cancellationToken)
    {
        SemaphoreSlim turn = TurnOf(column.Id, unit);
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (int tries = 0; tries < TryCount; tries++)
            {
                (UnitHead? head, bool isLost) = await ReadHeadAsync(column, unit, cancellationToken)
                    .ConfigureAwait(false);
                UnitHead.Entry[] entries = UnitHead.EntriesOf(head, isLost);
                using RadosWrite write = Guard(unit, head);
                if (!await change(entries, write).ConfigureAwait(false))
                {
                    continue;
                }

                UnitHead next = UnitHead.After(head, column.Id, unit, entries);
                if (await TryStoreAsync(column.Id, unit, next, write, cancellationToken).ConfigureAwait(false))
                {
                    column.Written(unit, next);
                    return;
                }
            }

            throw Contended(column.Id);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Removes all units but the first.</summary>
    private async ValueTask RemoveUnitsAsync(
        ColumnId column, UnitSet units, int from, int to, CancellationToken cancellationToken)
    {
        const int Batch = 64;
        List<Task> tasks = [];
        for (int unit = Math.Max(units.Last, to - 1); unit > 0; unit--)
        {
            if (units.Has(unit) || (unit >= from && unit < to))
            {
                tasks.Add(RemoveAsync(NameOf(column, unit), cancellationToken).AsTask());
            }

            if (tasks.Count == Batch || unit == 1)
            {
                await Gather.AllAsync(tasks.ToArray()).ConfigureAwait(false);
                tasks.Clear();
            }
        }
    }
}
