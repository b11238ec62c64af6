using System.Buffers;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>Objects with bytes of columns: read with their checksums, written with them.</content>
internal sealed partial class RadosTarget
{
    private const int ChunkBytes = ChunkEntry.ChunkBytes;
    private static readonly byte[] _zeros = new byte[ChunkBytes];

    /// <summary>Reads a part of a unit into the view, every chunk verified.</summary>
    private async Task ReadUnitAsync(
        RadosColumn column, UnitPart part, StripeView view, CancellationToken cancellationToken)
    {
        if (!column.Has(part.Unit))
        {
            Clear(part.Unit, part.From, part.To, view);
            return;
        }

        using UnitRead read = new(part, view);
        if (!await LookAsync(NameOf(column.Id, part.Unit), read.Call, cancellationToken).ConfigureAwait(false))
        {
            await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
            throw LostUnit(column.Id, part.Unit);
        }

        (byte[]? text, _) = read.Call.Take(UnitHead.Attribute, ColumnHead.Attribute);
        if (UnitHead.TryDecode(text, column.Id, part.Unit) is not { } head)
        {
            throw LostUnit(column.Id, part.Unit);
        }

        int bad = read.Verify(column.Id, head, view);
        if (bad >= 0)
        {
            throw CorruptChunk(column.Id, ((long)part.Unit * UnitHead.ChunkCount) + bad);
        }
    }

    /// <summary>Writes a part of a unit with its checksums, in one operation.</summary>
    private async Task WriteUnitAsync(
        RadosColumn column, UnitPart part, StripeView view, CancellationToken cancellationToken)
    {
        SemaphoreSlim turn = TurnOf(column.Id, part.Unit);
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            UnitHead? head = column.FindHead(part.Unit);
            bool isLost = false;
            if (head is null && column.Has(part.Unit))
            {
                (head, isLost) = await ReadHeadAsync(column, part.Unit, cancellationToken).ConfigureAwait(false);
            }

            for (int tries = 0; tries < TryCount; tries++)
            {
                UnitHead? next = await TryWriteUnitAsync(column, part, view, head, isLost, cancellationToken)
                    .ConfigureAwait(false);
                if (next is not null)
                {
                    column.Written(part.Unit, next);
                    _options.Step?.Invoke("unit.written");
                    return;
                }

                (head, isLost) = await ReadHeadAsync(column, part.Unit, cancellationToken).ConfigureAwait(false);
            }

            throw Contended(column.Id);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Writes against a head; the new head, or null where the cluster has another by now.</summary>
    private async ValueTask<UnitHead?> TryWriteUnitAsync(
        RadosColumn column, UnitPart part, StripeView view, UnitHead? head, bool isLost,
        CancellationToken cancellationToken)
    {
        UnitHead.Entry[] entries = UnitHead.EntriesOf(head, isLost);
        using RadosWrite write = Guard(part.Unit, head);
        long covered = 0;
        for (int chunk = part.From / ChunkBytes; chunk <= (part.To - 1) / ChunkBytes; chunk++)
        {
            int from = Math.Max(part.From - (chunk * ChunkBytes), 0);
            int to = Math.Min(part.To - (chunk * ChunkBytes), ChunkBytes);
            int before = Math.Max(entries[chunk].LengthBytes, 0);
            if (from > 0 && from < before || (from == 0 && to < before))
            {
                if (!await TryMergeAsync(column, part.Unit, chunk, from, to, view, entries, cancellationToken)
                    .ConfigureAwait(false))
                {
                    return null;
                }
            }
            else
            {
                AppendOrReplace(column.Id, part.Unit, chunk, from, to, view, entries, write);
            }

            covered += Math.Max(0, entries[chunk].LengthBytes - before);
        }

        AddBytes(write, part, view);
        _room.Take(covered, column.Id.Content.Inode);
        UnitHead next = UnitHead.After(head, column.Id, part.Unit, entries);
        return await TryStoreAsync(column.Id, part.Unit, next, write, cancellationToken).ConfigureAwait(false)
            ? next : null;
    }

    /// <summary>A change of a unit that fails where the unit has another head than <paramref name="before"/>.</summary>
    private static RadosWrite Guard(int unit, UnitHead? before)
    {
        RadosWrite write = new();
        if (unit == 0)
        {
            // Its object is there with the column, or the column is gone.
            write.DemandExists().Demand(UnitHead.Attribute, before is null ? [] : before.Text);
        }
        else if (before is null)
        {
            write.Create(exclusive: true);
        }
        else
        {
            write.Demand(UnitHead.Attribute, before.Text);
        }

        return write;
    }

    /// <summary>Carries out a guarded change together with the new head; false where the unit has another head by
    /// now.</summary>
    private async ValueTask<bool> TryStoreAsync(
        ColumnId id, int unit, UnitHead next, RadosWrite write, CancellationToken cancellationToken)
    {
        write.Set(UnitHead.Attribute, next.Text);
        int result = await ChangeAsync(
            NameOf(id, unit), write, cancellationToken, Errno.Exists, RadosError.Cancelled, Errno.NoEntry, NoData)
            .ConfigureAwait(false);
        if (result == -Errno.NoEntry && unit == 0)
        {
            await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
            throw NotFound(id);
        }

        return result >= 0;
    }

    /// <summary>A chunk whose old bytes are all replaced or stay before the new ones: nothing is read.</summary>
    private void AppendOrReplace(
        in ColumnId id, int unit, int chunk, int from, int to, in StripeView view, UnitHead.Entry[] entries,
        RadosWrite write)
    {
        UnitHead.Entry entry = entries[chunk];
        long index = ((long)unit * UnitHead.ChunkCount) + chunk;
        ReadOnlySpan<byte> source = view.Slice((index * ChunkBytes) + from, to - from);
        uint crc;
        if (from == 0)
        {
            if (entry.LengthBytes == UnitHead.Lost && to < ChunkBytes)
            {
                throw CorruptChunk(id, index); // Nothing is known of the rest: only a write of all of it heals it.
            }

            crc = Crc32C.Compute(source);
        }
        else if (entry.LengthBytes == UnitHead.Lost)
        {
            throw CorruptChunk(id, index);
        }
        else
        {
            // The checksum grows; a gap becomes written zeros.
            int length = entry.LengthBytes;
            ReadOnlySpan<byte> gap = _zeros.AsSpan(0, from - length);
            uint before = length == 0 ? 0 : entry.Crc ^ id.Bind(index, length);
            crc = Crc32C.Append(Crc32C.Append(before, gap), source);
            write.Write(gap, ((long)chunk * ChunkBytes) + length);
        }

        entries[chunk] = new UnitHead.Entry(crc ^ id.Bind(index, to), to);
    }

    /// <summary>A chunk of which a part is replaced: the rest is read and verified. False where the unit changed
    /// meanwhile.</summary>
    private async ValueTask<bool> TryMergeAsync(
        RadosColumn column, int unit, int chunk, int from, int to, StripeView view, UnitHead.Entry[] entries,
        CancellationToken cancellationToken)
    {
        long index = ((long)unit * UnitHead.ChunkCount) + chunk;
        byte[] merged = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            UnitHead.Entry entry = entries[chunk];
            UnitHead.Entry found = await ReadChunkAsync(column, unit, chunk, merged, cancellationToken)
                .ConfigureAwait(false);
            if (found != entry)
            {
                return false;
            }

            view.Slice((index * ChunkBytes) + from, to - from).CopyTo(merged.AsSpan(from));
            int length = Math.Max(entry.LengthBytes, to);
            entries[chunk] = new UnitHead.Entry(
                Crc32C.Compute(merged.AsSpan(0, length)) ^ column.Id.Bind(index, length), length);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(merged);
        }
    }

    /// <summary>Reads a chunk of a unit as it is stored, verified; what is known of it, a hole where there is
    /// none.</summary>
    private async ValueTask<UnitHead.Entry> ReadChunkAsync(
        RadosColumn column, int unit, int chunk, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (!column.Has(unit))
        {
            return default;
        }

        long index = ((long)unit * UnitHead.ChunkCount) + chunk;
        StripeView view = new(destination[..ChunkBytes], index * ChunkBytes);
        using MemoryHandle pin = view.Pin();
        using UnitRead read = new(
            new UnitPart(unit, chunk * ChunkBytes, (chunk + 1) * ChunkBytes), view);
        if (!await LookAsync(NameOf(column.Id, unit), read.Call, cancellationToken).ConfigureAwait(false))
        {
            await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
            throw LostUnit(column.Id, unit);
        }

        (byte[]? text, _) = read.Call.Take(UnitHead.Attribute, ColumnHead.Attribute);
        return UnitHead.TryDecode(text, column.Id, unit) is not { } head ? throw LostUnit(column.Id, unit)
            : read.Verify(column.Id, head, view) >= 0 ? throw CorruptChunk(column.Id, index)
            : head[chunk];
    }

    /// <summary>The head of a unit as it is; null where there is none, and whether there should be.</summary>
    private async ValueTask<(UnitHead? Head, bool IsLost)> ReadHeadAsync(
        RadosColumn column, int unit, CancellationToken cancellationToken)
    {
        using RadosRead read = new();
        read.Attributes();
        bool isThere = await LookAsync(NameOf(column.Id, unit), read, cancellationToken).ConfigureAwait(false);
        (byte[]? text, byte[]? first) = isThere
            ? read.Take(UnitHead.Attribute, ColumnHead.Attribute) : (null, null);
        UnitHead? head = UnitHead.TryDecode(text, column.Id, unit);
        if (head is null && (text is not null || (isThere && first is null)))
        {
            // A damaged head: it is taken away, and all that it told of counts as lost.
            using RadosWrite write = new();
            write.Unset(UnitHead.Attribute);
            UnitHead lost = UnitHead.After(null, column.Id, unit, UnitHead.EntriesOf(null, isLost: true));
            write.Set(UnitHead.Attribute, lost.Text);
            await ChangeAsync(NameOf(column.Id, unit), write, cancellationToken, NoData).ConfigureAwait(false);
            return (lost, true);
        }

        if (head is null && column.Has(unit))
        {
            await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
            return (null, true);
        }

        return (head, false);
    }

    private static void AddBytes(RadosWrite write, UnitPart part, in StripeView view)
    {
        long start = (long)part.Unit * UnitHead.UnitBytes;
        for (int at = part.From; at < part.To;)
        {
            ReadOnlySpan<byte> piece = view.Slice(start + at, part.To - at);
            write.Write(piece, at);
            at += piece.Length;
        }
    }

    private static void Clear(int unit, int from, int to, in StripeView view)
    {
        long start = (long)unit * UnitHead.UnitBytes;
        for (int at = from; at < to;)
        {
            Span<byte> piece = view.Slice(start + at, to - at);
            piece.Clear();
            at += piece.Length;
        }
    }

    private SemaphoreSlim TurnOf(in ColumnId column, int unit) =>
        _unitTurns[(uint)HashCode.Combine(column, unit) % UnitTurnCount];

    private DataLayerException CorruptChunk(in ColumnId column, long chunk) => new(ErrorCode.Corrupt,
        string.Create(CultureInfo.InvariantCulture,
            $"Chunk {chunk} (bytes {chunk * ChunkBytes} … {((chunk + 1) * ChunkBytes) - 1}) of column {column} on "
            + $"target {Number} ({Location}) fails its checksum. Look at 'ceph health detail'; a scrub repairs it from "
            + $"another copy or from the cold object."));

    private DataLayerException LostUnit(in ColumnId column, int unit) => new(ErrorCode.Corrupt,
        string.Create(CultureInfo.InvariantCulture,
            $"Object '{NameOf(column, unit)}' (bytes {(long)unit * UnitHead.UnitBytes} and on of column {column}) on "
            + $"target {Number} ({Location}) is gone or damaged. Look at 'ceph health detail'; a scrub repairs it from "
            + $"another copy or from the cold object."));
}
