using System.Globalization;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>What there is: listings, and giving a column another's name.</content>
/// <remarks>librados lists by calls that block between pages; they run on a pool thread, for fsck, drain and start
/// only.</remarks>
internal sealed partial class RadosTarget
{
    private const int FirstStagingCopy = 8;

    /// <inheritdoc/>
    public async IAsyncEnumerable<ColumnId> EnumerateColumnsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        foreach (string name in ListNames())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryParse(name, out ColumnId column, out int unit) && unit == 0 && column.Copy < FirstStagingCopy)
            {
                yield return column;
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<ColumnId>> FindColumnsAsync(ContentId content, CancellationToken cancellationToken)
    {
        const int ColumnLimit = 64;
        Begin(isWrite: false, cancellationToken);
        await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
        List<ColumnId> found = [];
        foreach (int copy in (ReadOnlySpan<int>)[0, 1, FirstStagingCopy])
        {
            for (int column = 0; column < ColumnLimit; column++)
            {
                found.Add(new ColumnId(content, column, copy));
            }
        }

        Task<bool>[] tasks = new Task<bool>[found.Count];
        for (int i = 0; i < tasks.Length; i++)
        {
            tasks[i] = ExistsAsync(NameOf(found[i], 0), cancellationToken);
        }

        await Gather.AllAsync(tasks.AsMemory().ToArray()).ConfigureAwait(false);
        for (int i = tasks.Length - 1; i >= 0; i--)
        {
            if (!await tasks[i].ConfigureAwait(false))
            {
                found.RemoveAt(i);
            }
        }

        return found;
    }

    /// <inheritdoc/>
    public async ValueTask<List<string>> DeleteStrayFilesAsync(CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        HashSet<ColumnId> columns = [];
        List<string> stray = [];
        List<(ColumnId Column, string Name)> units = [];
        foreach (string name in ListNames())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!TryParse(name, out ColumnId column, out int unit))
            {
                if (name is not (TargetIdentity.FileName or TargetRoster.FileName) && !IsOfSegment(name))
                {
                    stray.Add(name);
                }
            }
            else if (column.Copy >= FirstStagingCopy)
            {
                stray.Add(name);
            }
            else if (unit == 0)
            {
                columns.Add(column);
            }
            else
            {
                units.Add((column, name));
            }
        }

        foreach ((ColumnId column, string name) in units)
        {
            if (!columns.Contains(column))
            {
                stray.Add(name);
            }
        }

        foreach (string name in stray)
        {
            await RemoveAsync(name, cancellationToken).ConfigureAwait(false);
        }

        return stray;
    }

    /// <summary>
    /// Objects have no other names: the bytes are written again under the new one, the first unit with the head last.
    /// Until then the column is not there, and its old head says what is left to delete.
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask RenameColumnAsync(ColumnId from, ColumnId to, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn source = await LoadAsync(from, create: false, cancellationToken).ConfigureAwait(false);
        await DeleteAsync(to, cancellationToken).ConfigureAwait(false);
        UnitSet units;
        lock (source.Gate)
        {
            units = source.Units.Clone();
        }

        ColumnHead building = ColumnHead.Make(
            to, _options.Time.GetUtcNow().UtcTicks, isFresh: false, isBuilding: true, 0, units.Last + 1, -1,
            new UnitSet());
        using (RadosWrite write = new())
        {
            write.Create(exclusive: true).Set(ColumnHead.Attribute, building.Text);
            await ChangeAsync(NameOf(to, 0), write, cancellationToken).ConfigureAwait(false);
        }

        _options.Step?.Invoke("rename.begun");
        for (int unit = units.Last; unit >= 0; unit--)
        {
            if (units.Has(unit) || unit == 0)
            {
                await CopyUnitAsync(source, to, unit, unit == 0 ? (building, units) : null, cancellationToken)
                    .ConfigureAwait(false);
            }
        }

        if (units.Last < 0)
        {
            await CopyUnitAsync(source, to, 0, (building, units), cancellationToken).ConfigureAwait(false);
        }

        _options.Step?.Invoke("rename.made");
        await DeleteAsync(from, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask CopyUnitAsync(
        RadosColumn source, ColumnId to, int unit, (ColumnHead Building, UnitSet Units)? end,
        CancellationToken cancellationToken)
    {
        bool isThere = source.Has(unit);
        byte[] bytes = GC.AllocateUninitializedArray<byte>(isThere ? UnitHead.UnitBytes : 0);
        using RadosWrite write = new();
        if (end is { } ended)
        {
            ColumnHead done = ended.Building.Next(to, ended.Units, 0, 0);
            write.Demand(ColumnHead.Attribute, ended.Building.Text).Set(ColumnHead.Attribute, done.Text);
        }

        if (isThere)
        {
            StripeView view = new(bytes, (long)unit * UnitHead.UnitBytes);
            using System.Buffers.MemoryHandle pin = view.Pin();
            await ReadUnitAsync(source, new UnitPart(unit, 0, UnitHead.UnitBytes), view, cancellationToken)
                .ConfigureAwait(false);
            (UnitHead? head, _) = await ReadHeadAsync(source, unit, cancellationToken).ConfigureAwait(false);
            if (head is null)
            {
                throw LostUnit(source.Id, unit);
            }

            // Checksums bind content, column and place; the copy is left out: they are the same.
            UnitHead next = UnitHead.After(null, to, unit, UnitHead.EntriesOf(head, isLost: false));
            write.WriteFull(bytes.AsSpan(0, (int)head.EndBytes)).Set(UnitHead.Attribute, next.Text);
        }

        await ChangeAsync(NameOf(to, unit), write, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask RemoveListedAsync(ColumnId column, CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        foreach (string name in ListNames())
        {
            if (TryParse(name, out ColumnId found, out int unit) && found == column && unit > 0)
            {
                await RemoveAsync(name, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private IEnumerable<string> ListNames()
    {
        using IEnumerator<string> names = _connection.List().GetEnumerator();
        while (true)
        {
            try
            {
                if (!names.MoveNext())
                {
                    yield break;
                }
            }
            catch (DataLayerException fault)
            {
                throw new DataLayerException(fault.Code, $"Target {Number}: {fault.Message}", fault);
            }

            yield return names.Current;
        }
    }

    private static bool TryParse(string name, out ColumnId column, out int unit)
    {
        unit = 0;
        int dot = name.LastIndexOf('.');
        return ColumnId.TryParse(dot < 0 ? name : name.AsSpan(0, dot), out column)
            && int.TryParse(name.AsSpan(dot + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out unit);
    }
}
