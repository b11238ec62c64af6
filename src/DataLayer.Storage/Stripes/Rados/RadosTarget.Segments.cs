using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>Segments: 4 MiB an object; records carry their own checksums, so these have no heads.</content>
internal sealed partial class RadosTarget
{
    private const string SegmentPrefix = "segment.";
    private const string DeadSuffix = ".dead";

    /// <summary>Objects a segment can have, a count: 1 GiB is the longest the options allow, and a record.</summary>
    private const int SegmentUnitLimit = (1 << 30) / UnitHead.UnitBytes + 1;

    private readonly ConcurrentDictionary<long, long> _segmentEnds = new();

    /// <inheritdoc/>
    public async ValueTask WriteSegmentAsync(
        long segment, long offsetBytes, ReadOnlyMemory<byte> record, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        InodeId inode = record.Length >= SegmentRecord.HeaderBytes ? SegmentRecord.InodeOf(record.Span) : default;
        _room.Take(record.Length, inode, spareHolds: false);
        for (int done = 0; done < record.Length;)
        {
            (int unit, int at, int length) = PieceOf(offsetBytes + done, record.Length - done);
            using RadosWrite write = new();
            write.Write(record.Span.Slice(done, length), at);
            await ChangeAsync(NameOfSegment(segment, unit), write, cancellationToken).ConfigureAwait(false);
            done += length;
        }

        long end = offsetBytes + record.Length;
        _segmentEnds.AddOrUpdate(segment, end, (_, known) => Math.Max(known, end));
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadSegmentAsync(
        long segment, long offsetBytes, Memory<byte> header, Memory<byte> content, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        int wanted = header.Length + content.Length;
        using MemoryHandle headerPin = header.Pin();
        using MemoryHandle contentPin = content.Pin();
        int done = 0;
        while (done < wanted)
        {
            (int unit, int at, int length) = PieceOf(offsetBytes + done, wanted - done);
            int read = await ReadSegmentPieceAsync(
                NameOfSegment(segment, unit), at, done, length, header, content, cancellationToken)
                .ConfigureAwait(false);
            if (read < length)
            {
                // The end of the segment, or a record before this one that was never written whole: zeros.
                long end = await FindSegmentEndAsync(segment, cancellationToken).ConfigureAwait(false);
                long left = end - offsetBytes - done;
                int zeros = (int)Math.Clamp(left - read, 0, length - read);
                Fill(header, content, done + read, zeros);
                done += read + zeros;
                if (read + zeros < length)
                {
                    return done;
                }
            }
            else
            {
                done += length;
            }
        }

        return done;
    }

    /// <summary>What was written is durable.</summary>
    /// <inheritdoc/>
    public ValueTask FlushSegmentAsync(long segment, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask DeleteSegmentAsync(long segment, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);

        // In this order: a segment without tombstones is reconciled, tombstones without a segment are nobody's.
        await RemoveAsync(NameOfDead(segment), cancellationToken).ConfigureAwait(false);
        long end = await TryFindSegmentEndAsync(segment, cancellationToken).ConfigureAwait(false);
        for (int unit = (int)((end + UnitHead.UnitBytes - 1) / UnitHead.UnitBytes) - 1; unit >= 0; unit--)
        {
            await RemoveAsync(NameOfSegment(segment, unit), cancellationToken).ConfigureAwait(false);
        }

        _segmentEnds.TryRemove(segment, out _);
    }

    /// <inheritdoc/>
    public async ValueTask PunchSegmentAsync(
        long segment, long offsetBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        for (long done = 0; done < lengthBytes;)
        {
            (int unit, int at, int length) = PieceOf(
                offsetBytes + done, (int)Math.Min(UnitHead.UnitBytes, lengthBytes - done));
            using RadosWrite write = new();
            write.DemandExists().Zero(at, length);
            await ChangeAsync(NameOfSegment(segment, unit), write, cancellationToken, Errno.NoEntry)
                .ConfigureAwait(false);
            done += length;
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppendTombstoneAsync(
        long segment, SegmentTombstone tombstone, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        byte[] bytes = new byte[SegmentTombstone.EncodedBytes];
        tombstone.Encode(bytes, segment);
        using RadosWrite write = new();
        write.Append(bytes);
        await ChangeAsync(NameOfDead(segment), write, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<List<SegmentTombstone>> ReadTombstonesAsync(
        long segment, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        List<SegmentTombstone> dead = [];
        byte[] bytes = GC.AllocateUninitializedArray<byte>(1 << 20, pinned: true);
        int at = 0;
        while (true)
        {
            using RadosRead read = new(pieceLimit: 1);
            int piece = read.Piece(at, bytes);
            int length = await LookAsync(NameOfDead(segment), read, cancellationToken).ConfigureAwait(false)
                ? read.PieceLength(piece) / SegmentTombstone.EncodedBytes * SegmentTombstone.EncodedBytes : 0;
            for (int i = 0; i < length; i += SegmentTombstone.EncodedBytes)
            {
                if (SegmentTombstone.TryDecode(bytes.AsSpan(i), segment, out SegmentTombstone tombstone))
                {
                    dead.Add(tombstone);
                }
            }

            at += length;
            if (length < bytes.Length)
            {
                return dead;
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<(long Segment, long LengthBytes)>> ListSegmentsAsync(
        CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        Dictionary<long, int> lastUnits = [];
        foreach (string name in ListNames())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryParseSegment(name, out long segment, out int unit))
            {
                lastUnits[segment] = Math.Max(unit, lastUnits.GetValueOrDefault(segment));
            }
        }

        List<(long Segment, long LengthBytes)> segments = [];
        foreach ((long segment, int unit) in lastUnits)
        {
            long size = await SizeOfAsync(NameOfSegment(segment, unit), cancellationToken).ConfigureAwait(false);
            long end = ((long)unit * UnitHead.UnitBytes) + Math.Max(0, size);
            end = _segmentEnds.AddOrUpdate(segment, end, (_, known) => Math.Max(known, end));
            segments.Add((segment, end));
        }

        return segments;
    }

    private async ValueTask<int> ReadSegmentPieceAsync(
        string name, int at, int done, int length, Memory<byte> header, Memory<byte> content,
        CancellationToken cancellationToken)
    {
        using RadosRead read = new(pieceLimit: 2);
        int inHeader = Math.Clamp(header.Length - done, 0, length);
        if (inHeader > 0)
        {
            read.Piece(at, header.Span.Slice(done, inHeader));
        }

        if (length > inHeader)
        {
            read.Piece(at + inHeader, content.Span.Slice(done + inHeader - header.Length, length - inHeader));
        }

        if (!await LookAsync(name, read, cancellationToken).ConfigureAwait(false))
        {
            return 0;
        }

        int first = read.PieceLength(0);
        return inHeader > 0 && length > inHeader && first == inHeader ? first + read.PieceLength(1) : first;
    }

    private static void Fill(Memory<byte> header, Memory<byte> content, int at, int length)
    {
        int inHeader = Math.Clamp(header.Length - at, 0, length);
        header.Span.Slice(Math.Min(at, header.Length), inHeader).Clear();
        content.Span.Slice(Math.Max(0, at + inHeader - header.Length), length - inHeader).Clear();
    }

    private async ValueTask<long> FindSegmentEndAsync(long segment, CancellationToken cancellationToken)
    {
        long end = await TryFindSegmentEndAsync(segment, cancellationToken).ConfigureAwait(false);
        if (end > 0)
        {
            return end;
        }

        await DemandIdentityAsync(cancellationToken).ConfigureAwait(false);
        throw new DataLayerException(ErrorCode.NotFound, string.Create(CultureInfo.InvariantCulture,
            $"Segment {segment:x16} is not on target {Number} ({Location})."));
    }

    /// <summary>Where a segment ends, bytes; 0 where there is none.</summary>
    private async ValueTask<long> TryFindSegmentEndAsync(long segment, CancellationToken cancellationToken)
    {
        if (_segmentEnds.TryGetValue(segment, out long known))
        {
            return known;
        }

        Task<long>[] sizes = new Task<long>[SegmentUnitLimit];
        for (int unit = 0; unit < sizes.Length; unit++)
        {
            sizes[unit] = SizeOfAsync(NameOfSegment(segment, unit), cancellationToken);
        }

        await Gather.AllAsync(sizes.AsMemory().ToArray()).ConfigureAwait(false);
        for (int unit = sizes.Length - 1; unit >= 0; unit--)
        {
            long size = await sizes[unit].ConfigureAwait(false);
            if (size >= 0)
            {
                long end = ((long)unit * UnitHead.UnitBytes) + size;
                return _segmentEnds.AddOrUpdate(segment, end, (_, other) => Math.Max(other, end));
            }
        }

        return 0;
    }

    /// <summary>An object's size, bytes; −1 where it is not there.</summary>
    private async Task<long> SizeOfAsync(string name, CancellationToken cancellationToken)
    {
        using RadosRead read = new();
        read.Size();
        return await LookAsync(name, read, cancellationToken).ConfigureAwait(false) ? read.SizeBytes : -1;
    }

    private static (int Unit, int At, int Length) PieceOf(long offsetBytes, int lengthBytes)
    {
        (long unit, long at) = Math.DivRem(offsetBytes, UnitHead.UnitBytes);
        return ((int)unit, (int)at, (int)Math.Min(lengthBytes, UnitHead.UnitBytes - at));
    }

    private static string NameOfSegment(long segment, int unit) =>
        string.Create(CultureInfo.InvariantCulture, $"{SegmentPrefix}{segment:x16}.{unit:x6}");

    private static string NameOfDead(long segment) =>
        string.Create(CultureInfo.InvariantCulture, $"{SegmentPrefix}{segment:x16}{DeadSuffix}");

    private static bool IsOfSegment(string name) => TryParseSegment(name, out _, out _)
        || (name.StartsWith(SegmentPrefix, StringComparison.Ordinal)
            && name.EndsWith(DeadSuffix, StringComparison.Ordinal));

    private static bool TryParseSegment(string name, out long segment, out int unit)
    {
        segment = 0;
        unit = 0;
        return name.Length == SegmentPrefix.Length + 23 && name.StartsWith(SegmentPrefix, StringComparison.Ordinal)
            && name[SegmentPrefix.Length + 16] == '.'
            && long.TryParse(name.AsSpan(SegmentPrefix.Length, 16), NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture, out segment)
            && int.TryParse(name.AsSpan(SegmentPrefix.Length + 17), NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture, out unit);
    }
}
