using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>Heads of columns: made, loaded, changed.</content>
internal sealed partial class RadosTarget
{
    /// <summary>Units a column may have, a count: 8 TiB.</summary>
    private const int UnitLimit = 1 << 21;

    /// <summary>Units that a new column may make without a change of its head, a count.</summary>
    private const int FirstRunCount = 16;

    /// <summary>Units that a column may at most be ahead by, a count: 1 GiB.</summary>
    private const int MaxRunCount = 256;

    private const int TryCount = 8;

    /// <summary>ENODATA: the attribute is not there.</summary>
    private const int NoData = 61;

    /// <summary>The column, its head known; made if it is to be.</summary>
    /// <exception cref="DataLayerException">NotFound; Corrupt: the head is damaged.</exception>
    private async ValueTask<RadosColumn> LoadAsync(ColumnId id, bool create, CancellationToken cancellationToken)
    {
        RadosColumn column = _columns.Get(id, out RadosColumn? surplus);
        if (column.IsLoaded)
        {
            return column;
        }

        if (surplus is not null && surplus.IsLoaded)
        {
            await TryFlushAsync(surplus, cancellationToken).ConfigureAwait(false);
        }

        await column.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!column.IsLoaded)
            {
                await LoadLockedAsync(column, create, cancellationToken).ConfigureAwait(false);
            }

            return column;
        }
        catch
        {
            _columns.Drop(column);
            throw;
        }
        finally
        {
            column.Turn.Release();
        }
    }

    /// <summary>Flushes a column of somebody else, so that it may be forgotten; if that fails it stays.</summary>
    private async ValueTask TryFlushAsync(RadosColumn column, CancellationToken cancellationToken)
    {
        try
        {
            await FlushAsync(column.Id, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException)
        {
            // Who flushes it is told.
        }
    }

    private async ValueTask LoadLockedAsync(RadosColumn column, bool create, CancellationToken cancellationToken)
    {
        for (int tries = 0; ; tries++)
        {
            (FirstState state, ColumnHead? head, UnitHead? unit) = await LookAtFirstAsync(
                column.Id, cancellationToken).ConfigureAwait(false);
            if (state == FirstState.Damaged)
            {
                throw new DataLayerException(ErrorCode.Corrupt,
                    $"The head of column {column.Id} on target {Number} ({Location}) fails its checksum. A scrub "
                        + "rebuilds it from another copy.");
            }

            if (head is { IsBuilding: false })
            {
                await SettleAsync(column, head, unit is not null, cancellationToken).ConfigureAwait(false);
                return;
            }

            if (!create)
            {
                await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
                throw NotFound(column.Id);
            }

            if (head is not null)
            {
                await RemoveUnitsAsync(column.Id, head.Units, head.From, head.To, cancellationToken)
                    .ConfigureAwait(false);
            }

            if (await TryCreateAsync(column, head, cancellationToken).ConfigureAwait(false))
            {
                _options.Step?.Invoke("column.made");
                return;
            }

            if (tries == TryCount)
            {
                throw Contended(column.Id);
            }
        }
    }

    /// <summary>What a column's first object says.</summary>
    private async ValueTask<(FirstState State, ColumnHead? Head, UnitHead? Unit)> LookAtFirstAsync(
        ColumnId id, CancellationToken cancellationToken)
    {
        using RadosRead read = new();
        read.Attributes();
        if (!await LookAsync(NameOf(id, 0), read, cancellationToken).ConfigureAwait(false))
        {
            return (FirstState.Missing, null, null);
        }

        (byte[]? head, byte[]? unit) = read.Take(ColumnHead.Attribute, UnitHead.Attribute);
        ColumnHead? decoded = head is null ? null : ColumnHead.TryDecode(head, id);

        // A damaged head of the unit is damage of the unit; it is there all the same.
        return decoded is null ? (FirstState.Damaged, null, null)
            : (FirstState.There, decoded,
                unit is null ? null : UnitHead.TryDecode(unit, id, 0) ?? UnitHead.After(null, id, 0, []));
    }

    private async ValueTask<bool> TryCreateAsync(
        RadosColumn column, ColumnHead? before, CancellationToken cancellationToken)
    {
        // Sequence numbers of columns that had the name before do not come again.
        long sequence = before?.Sequence + 1 ?? _options.Time.GetUtcNow().UtcTicks;
        ColumnHead head = ColumnHead.Make(
            column.Id, sequence, isFresh: true, isBuilding: false, 0, FirstRunCount, cutBytes: -1, new UnitSet());
        using RadosWrite write = new();
        if (before is null)
        {
            write.Create(exclusive: true);
        }
        else
        {
            write.Demand(ColumnHead.Attribute, before.Text).Unset(UnitHead.Attribute).Truncate(0);
        }

        write.Set(ColumnHead.Attribute, head.Text);
        int result = await ChangeAsync(
            NameOf(column.Id, 0), write, cancellationToken, Errno.Exists, RadosError.Cancelled, Errno.NoEntry,
            NoData).ConfigureAwait(false);
        if (result < 0)
        {
            return false;
        }

        column.Load(head, new UnitSet());
        column.IsAdopted = true;
        return true;
    }

    /// <summary>Finds out which units a killed process left, and ends what it was cutting.</summary>
    private async ValueTask SettleAsync(
        RadosColumn column, ColumnHead head, bool hasFirst, CancellationToken cancellationToken)
    {
        UnitSet units = head.Units.Clone();
        if (hasFirst && head.From == 0 && head.To > 0)
        {
            units.Add(0);
        }

        const int Batch = 64;
        Task<bool>[] tasks = new Task<bool>[Batch];
        for (int start = Math.Max(head.From, 1); start < head.To; start += Batch)
        {
            int count = Math.Min(Batch, head.To - start);
            for (int i = 0; i < count; i++)
            {
                tasks[i] = units.Has(start + i) ? Task.FromResult(true)
                    : ExistsAsync(NameOf(column.Id, start + i), cancellationToken);
            }

            await Gather.AllAsync(tasks.AsMemory(0, count).ToArray()).ConfigureAwait(false);
            for (int i = 0; i < count; i++)
            {
                if (await tasks[i].ConfigureAwait(false))
                {
                    units.Add(start + i);
                }
            }
        }

        column.Load(head, units);
        if (head.CutBytes >= 0)
        {
            try
            {
                await FinishCutLockedAsync(column, head.CutBytes, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                column.Forget();
                throw;
            }
        }
    }

    private async Task<bool> ExistsAsync(string name, CancellationToken cancellationToken)
    {
        using RadosRead read = new();
        read.Size();
        return await LookAsync(name, read, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes sure that units may be made, and notes that they are written until <see cref="RadosColumn.End"/>.
    /// </summary>
    private async ValueTask ReserveAsync(
        RadosColumn column, int first, int last, CancellationToken cancellationToken)
    {
        while (!column.TryBegin(first, last))
        {
            await column.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                int from;
                int to;
                lock (column.Gate)
                {
                    int run = Math.Clamp(column.Units.Last + 1, FirstRunCount, MaxRunCount);
                    bool isEmpty = column.From >= column.To;
                    from = isEmpty ? first : Math.Min(column.From, first);
                    to = Math.Min(UnitLimit, Math.Max(isEmpty ? 0 : column.To, last + 1 + run));
                }

                await SetHeadLockedAsync(
                    column,
                    head => head.Next(column.Id, head.Units, from, to, isFresh: head.IsFresh),
                    cancellationToken).ConfigureAwait(false);
                column.SetRange(from, to);
                _options.Step?.Invoke("units.reserved");
            }
            finally
            {
                column.Turn.Release();
            }
        }
    }

    private async ValueTask FlushLockedAsync(RadosColumn column, CancellationToken cancellationToken)
    {
        UnitSet? units = column.BeginFlush(out int from, out int to);
        if (units is null)
        {
            return;
        }

        try
        {
            await SetHeadLockedAsync(
                column, head => head.Next(column.Id, units, from, to), cancellationToken).ConfigureAwait(false);
            _options.Step?.Invoke("column.flushed");
        }
        catch
        {
            // The head is as it was, or as it should be: until that is known no unit may be made unseen.
            column.SetRange(0, 0);
            throw;
        }
    }

    /// <summary>Replaces the head in the cluster. Under the column's turn.</summary>
    private async ValueTask SetHeadLockedAsync(
        RadosColumn column, Func<ColumnHead, ColumnHead> change, CancellationToken cancellationToken)
    {
        for (int tries = 0; tries < TryCount; tries++)
        {
            ColumnHead next = change(column.Head);
            using RadosWrite write = new();
            write.Demand(ColumnHead.Attribute, column.Head.Text).Set(ColumnHead.Attribute, next.Text);
            int result = await ChangeAsync(
                NameOf(column.Id, 0), write, cancellationToken, RadosError.Cancelled, Errno.NoEntry, NoData)
                .ConfigureAwait(false);
            if (result >= 0)
            {
                column.SetHead(next);
                return;
            }

            // An earlier change was made although its answer did not come.
            (_, ColumnHead? head, _) = await LookAtFirstAsync(column.Id, cancellationToken).ConfigureAwait(false);
            if (head is null)
            {
                _columns.Drop(column);
                await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
                throw NotFound(column.Id);
            }

            column.SetHead(head);
        }

        throw Contended(column.Id);
    }

    private DataLayerException NotFound(in ColumnId column) => new(ErrorCode.NotFound,
        $"Column {column} is not on target {Number} ({Location}).");

    private DataLayerException Contended(in ColumnId column) => new(ErrorCode.TargetFailed,
        string.Create(CultureInfo.InvariantCulture,
            $"Column {column} on target {Number} ({Location}) changes under our hands: does a second service use the "
                + $"namespace? Stop it."));

    /// <summary>What is known of a column's first object.</summary>
    private enum FirstState
    {
        Missing,
        Damaged,
        There,
    }
}
