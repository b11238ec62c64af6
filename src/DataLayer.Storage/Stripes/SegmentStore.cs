using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Core.Layout;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Small contents as records of append-only segment files. One segment a pool is open for appends; flushes of many
/// records share one fsync; a sealed segment is deleted when all its records are dead.
/// </summary>
/// <remarks>
/// A segment's number is the start's number × 2²⁰ + a count, so none is used twice and a late delete never meets a new
/// segment. Which records are dead is known record by record (memory and a <c>.dead</c> file), so a repeated delete
/// counts once. Lock order: <c>_open</c>, then a segment's gate.
/// </remarks>
internal sealed partial class SegmentStore : IDisposable
{
    private const int SessionShift = 20;
    private const uint HeadMagic = 0x31_47_4C_44; // "DLG1"
    private readonly HotTierOptions _options;
    private readonly TargetSet _targets;
    private readonly HotTierMeter _meter;
    private readonly ILogger _log;
    private readonly Lock _open = new();
    private readonly ConcurrentDictionary<long, Segment> _segments = new();
    private readonly Dictionary<string, Segment> _openByPool = [];
    private readonly HashSet<int> _loadedTargets = [];
    private long _lastSequence;
    private ShareMap? _shares;

    internal SegmentStore(HotTierOptions options, TargetSet targets, HotTierMeter meter, ILogger log)
    {
        _options = options;
        _targets = targets;
        _meter = meter;
        _log = log;
    }

    /// <summary>Whose contents are whose, while room is held for shares; else null.</summary>
    internal ShareMap? Shares
    {
        set => Volatile.Write(ref _shares, value);
    }

    /// <summary>Learns the segments of earlier starts from targets that were not looked at yet (a missing one may have
    /// come back).</summary>
    internal async ValueTask LoadAsync(CancellationToken cancellationToken)
    {
        foreach (ITarget? target in _targets.ByNumber.ToArray())
        {
            if (target is null || target.State == TargetState.Missing || _loadedTargets.Contains(target.Number))
            {
                continue;
            }

            try
            {
                foreach ((long id, long length) in await target.ListSegmentsAsync(cancellationToken)
                    .ConfigureAwait(false))
                {
                    Segment segment = _segments.GetOrAdd(id, static (key, pool) => new Segment(key, pool, []),
                        target.Pool);
                    lock (segment.Gate)
                    {
                        segment.AddTarget(target.Number);
                        if (IsOfEarlierStart(id))
                        {
                            segment.IsSealed = true;
                            segment.TailBytes = Math.Max(segment.TailBytes, length);
                        }
                    }
                }

                _loadedTargets.Add(target.Number);
            }
            catch (DataLayerException fault)
            {
                HotTierLog.SegmentFailed(_log, 0, target.Number, fault.Message);
            }
        }
    }

    /// <summary>Writes a record to every copy of the open segment; after a failure tries a new segment on other
    /// targets.</summary>
    internal async ValueTask<SegmentPlacement> AppendAsync(
        ContentId content, PoolOptions pool, ReadOnlyMemory<byte> bytes, int excludedTarget,
            bool spareHolds, CancellationToken cancellationToken)
    {
        int recordBytes = SegmentRecord.RecordBytes(bytes.Length);
        byte[] record = ArrayPool<byte>.Shared.Rent(recordBytes);
        try
        {
            bytes.CopyTo(record.AsMemory(SegmentRecord.HeaderBytes));
            List<int> excluded = [excludedTarget];
            InodeId inode = spareHolds ? content.Inode : default;
            for (int tries = 0; ; tries++)
            {
                Segment segment = TakeOpen(pool, recordBytes, excluded, inode, out long offset);
                try
                {
                    if (spareHolds && Volatile.Read(ref _shares) is not null)
                    {
                        DemandRoom(segment, pool, recordBytes, inode);
                    }

                    SegmentRecord.Seal(record.AsSpan(0, recordBytes), content, segment.Id, offset, bytes.Length);
                    await WriteCopiesAsync(segment, offset, record.AsMemory(0, recordBytes), cancellationToken)
                        .ConfigureAwait(false);
                    return new SegmentPlacement(segment.Pool, segment.Id, offset, bytes.Length, segment.Targets);
                }
                catch (DataLayerException fault) when (tries < 2
                    && fault.Code is ErrorCode.NoSpace or ErrorCode.TargetFailed or ErrorCode.TimedOut)
                {
                    GiveUpRecord(segment, offset, recordBytes);
                    excluded.AddRange(segment.Targets);
                    if (TargetChoice.FindEligible(pool, _targets.ByNumber, recordBytes, excluded.ToArray(), inode)
                        .Count < pool.CopyCount)
                    {
                        throw;
                    }
                }
                catch
                {
                    GiveUpRecord(segment, offset, recordBytes);
                    throw;
                }
                finally
                {
                    lock (segment.Gate)
                    {
                        segment.EndWriteLocked(offset);
                    }
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(record);
        }
    }

    /// <summary>Makes a record durable; one fsync covers every record whose write had ended when it began.</summary>
    internal async ValueTask FlushAsync(SegmentPlacement placement, CancellationToken cancellationToken)
    {
        Segment segment = Find(placement);
        long end = placement.OffsetBytes + SegmentRecord.RecordBytes(placement.LengthBytes);
        if (IsDurable(segment, end))
        {
            return;
        }

        await segment.FlushTurn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (IsDurable(segment, end))
            {
                return;
            }

            long covered;
            lock (segment.Gate)
            {
                covered = segment.CoveredEndLocked();
            }

            Task[] tasks = new Task[placement.Targets.Length];
            for (int i = 0; i < tasks.Length; i++)
            {
                tasks[i] = _targets.Get(placement.Targets[i]).FlushSegmentAsync(segment.Id, cancellationToken).AsTask();
            }

            await Gather.AllAsync(tasks).ConfigureAwait(false);
            lock (segment.Gate)
            {
                segment.DurableEnd = Math.Max(segment.DurableEnd, covered);
            }
        }
        catch (DataLayerException fault)
        {
            lock (segment.Gate)
            {
                segment.Failure ??= fault.Message;
                segment.IsSealed = true;
            }

            throw;
        }
        finally
        {
            segment.FlushTurn.Release();
        }
    }

    /// <summary>Reads a range of a record's content; checks the whole record; takes the other copy and mends the bad
    /// one if it must.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    internal async ValueTask ReadAsync(
        ContentId content, SegmentPlacement placement, long offsetBytes, Memory<byte> destination,
            CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offsetBytes, placement.LengthBytes - destination.Length);
        byte[] header = ArrayPool<byte>.Shared.Rent(SegmentRecord.HeaderBytes);
        byte[]? whole = null;
        try
        {
            // The checksum covers the whole record: what is asked for in part is read aside and copied.
            whole = destination.Length < placement.LengthBytes
                ? ArrayPool<byte>.Shared.Rent(placement.LengthBytes) : null;
            Memory<byte> bytes = whole is null ? destination : whole.AsMemory(0, placement.LengthBytes);
            await ReadRecordAsync(content, placement, header, bytes, cancellationToken).ConfigureAwait(false);
            if (whole is not null)
            {
                whole.AsSpan((int)offsetBytes, destination.Length).CopyTo(destination.Span);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(header);
            if (whole is not null)
            {
                ArrayPool<byte>.Shared.Return(whole);
            }
        }
    }

    /// <summary>Checks all copies of a record and mends bad ones.</summary>
    internal async ValueTask<ScrubResult> ScrubAsync(ContentId content, SegmentPlacement placement,
        CancellationToken cancellationToken)
    {
        byte[] header = new byte[SegmentRecord.HeaderBytes];
        byte[] whole = GC.AllocateUninitializedArray<byte>(placement.LengthBytes);
        byte[]? good = null;
        List<int> bad = [];
        foreach (int number in placement.Targets)
        {
            if (await TryReadCopyAsync(content, placement, number, header, whole, cancellationToken)
                .ConfigureAwait(false) is null)
            {
                good ??= (byte[])whole.Clone();
            }
            else
            {
                bad.Add(number);
            }
        }

        long chunks = Math.Max(1, (placement.LengthBytes + ChunkEntry.ChunkBytes - 1) / ChunkEntry.ChunkBytes);
        if (good is null)
        {
            return new ScrubResult(chunks * placement.Targets.Length, 0, [(0, placement.LengthBytes)]);
        }

        int repaired = 0;
        foreach (int number in bad)
        {
            repaired += await TryRepairAsync(content, placement, number, good, cancellationToken).ConfigureAwait(false)
                ? 1 : 0;
        }

        return new ScrubResult(chunks * placement.Targets.Length, chunks * repaired, []);
    }

    public void Dispose()
    {
        foreach (Segment segment in _segments.Values)
        {
            segment.Dispose();
        }
    }

    private bool IsOfEarlierStart(long segment) => segment >> SessionShift != _targets.Session;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadRecordAsync(
        ContentId content, SegmentPlacement placement, Memory<byte> header, Memory<byte> whole,
        CancellationToken cancellationToken)
    {
        DataLayerException? first = null;
        int firstCopy = placement.Targets.Length > 1 && _targets.Get(placement.Targets[0]).State == TargetState.Missing
            ? 1 : 0;
        List<int>? bad = null;
        for (int i = 0; i < placement.Targets.Length; i++)
        {
            int number = placement.Targets[(i + firstCopy) % placement.Targets.Length];
            DataLayerException? fault = await TryReadCopyAsync(
                content, placement, number, header, whole, cancellationToken).ConfigureAwait(false);
            if (fault is null)
            {
                foreach (int broken in bad ?? [])
                {
                    await TryRepairAsync(content, placement, broken, whole, cancellationToken).ConfigureAwait(false);
                }

                return;
            }

            _meter.BadCopies.Add(1);
            first ??= fault;
            (bad ??= []).Add(number);
        }

        _meter.Lost.Add(1);
        throw first!;
    }

    /// <summary>Reads and checks one copy; null if it is good, else what is wrong.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<DataLayerException?> TryReadCopyAsync(
        ContentId content, SegmentPlacement placement, int number, Memory<byte> header, Memory<byte> whole,
        CancellationToken cancellationToken)
    {
        try
        {
            header = header[..SegmentRecord.HeaderBytes];
            int length = await _targets.Get(number)
                .ReadSegmentAsync(placement.SegmentId, placement.OffsetBytes, header, whole, cancellationToken)
                .ConfigureAwait(false);
            return length == header.Length + whole.Length && SegmentRecord.IsValid(
                header.Span, whole.Span, content, placement.SegmentId, placement.OffsetBytes)
                ? null
                : new DataLayerException(ErrorCode.Corrupt,
                    $"The record of content {content} (bytes 0 … {placement.LengthBytes - 1}) "
                        + $"at {placement.OffsetBytes} of segment {placement.SegmentId:x16} on "
                    + $"target {number} fails its checksum. Check the disk; a scrub repairs it from another copy or "
                        + $"from the cold object.");
        }
        catch (DataLayerException fault)
        {
            return fault;
        }
    }

    /// <summary>Writes a good record over a bad copy and flushes it. A segment file that is gone is made again; its
    /// other records follow as they are read.</summary>
    private async ValueTask<bool> TryRepairAsync(
        ContentId content, SegmentPlacement placement, int number, ReadOnlyMemory<byte> whole,
        CancellationToken cancellationToken)
    {
        try
        {
            ITarget target = _targets.Get(number);
            byte[] record = new byte[SegmentRecord.RecordBytes(whole.Length)];
            whole.CopyTo(record.AsMemory(SegmentRecord.HeaderBytes));
            SegmentRecord.Seal(record, content, placement.SegmentId, placement.OffsetBytes, whole.Length);
            await target.WriteSegmentAsync(placement.SegmentId, placement.OffsetBytes, record, cancellationToken)
                .ConfigureAwait(false);
            await target.FlushSegmentAsync(placement.SegmentId, cancellationToken).ConfigureAwait(false);
            _meter.Repairs.Add(1);
            HotTierLog.Repaired(_log, content, number);
            return true;
        }
        catch (DataLayerException fault)
        {
            HotTierLog.RepairFailed(_log, content, number, fault.Message);
            return false;
        }
    }

    private static bool IsDurable(Segment segment, long end)
    {
        lock (segment.Gate)
        {
            return segment.DurableEnd >= end ? true
                : segment.Failure is null ? false
                : throw new DataLayerException(ErrorCode.TargetFailed,
                    $"A flush of segment {segment.Id:x16} failed ({segment.Failure}) before the record was durable. "
                        + $"Write the content again.");
        }
    }

    private Segment Find(SegmentPlacement placement)
    {
        if (_segments.TryGetValue(placement.SegmentId, out Segment? segment))
        {
            return segment;
        }

        ThrowIfMissing(placement);
        throw new DataLayerException(ErrorCode.NotFound,
            $"Segment {placement.SegmentId:x16} is on none of the targets. Restore the content from the cold object.");
    }

    private void ThrowIfMissing(SegmentPlacement placement)
    {
        foreach (int number in placement.Targets)
        {
            ITarget target = _targets.Get(number);
            if (target.State == TargetState.Missing)
            {
                throw new DataLayerException(ErrorCode.TargetFailed, $"Target {number} is missing: {target.Fault}");
            }
        }
    }

    /// <summary>Refuses bytes that the open segment's targets hold for shares of others.</summary>
    private void DemandRoom(Segment segment, PoolOptions pool, int recordBytes, InodeId inode)
    {
        foreach (int number in segment.Targets)
        {
            if (!_targets.Get(number).HasRoom(recordBytes, inode))
            {
                throw TargetChoice.NoRoom(pool, _targets.ByNumber, recordBytes);
            }
        }
    }

    private Segment TakeOpen(PoolOptions pool, int recordBytes, List<int> excluded, InodeId inode, out long offset)
    {
        lock (_open)
        {
            if (_openByPool.TryGetValue(pool.Name, out Segment? segment))
            {
                lock (segment.Gate)
                {
                    if (!segment.IsSealed && segment.TailBytes + recordBytes <= _options.SegmentBytes
                        && AreWell(segment, excluded))
                    {
                        offset = segment.BeginWriteLocked(recordBytes);
                        return segment;
                    }

                    segment.IsSealed = true;
                }

                _openByPool.Remove(pool.Name);
            }

            List<int> eligible = TargetChoice.FindEligible(
                pool, _targets.ByNumber, recordBytes, excluded.ToArray(), inode);
            if (eligible.Count < pool.CopyCount)
            {
                throw TargetChoice.NoRoom(pool, _targets.ByNumber, recordBytes);
            }

            long sequence = ++_lastSequence;
            ImmutableArray<int> targets = pool.CopyCount == 1
                ? [eligible[(int)(sequence % eligible.Count)]]
                : [eligible[(int)(sequence % eligible.Count)], eligible[(int)((sequence + 1) % eligible.Count)]];
            segment = new Segment((_targets.Session << SessionShift) + sequence, pool.Name, targets);
            _segments[segment.Id] = segment;
            _openByPool[pool.Name] = segment;
            lock (segment.Gate)
            {
                offset = segment.BeginWriteLocked(recordBytes);
            }

            return segment;
        }
    }

    private bool AreWell(Segment segment, List<int> excluded)
    {
        foreach (int target in segment.Targets)
        {
            if (_targets.Get(target).State != TargetState.Ok || excluded.Contains(target))
            {
                return false;
            }
        }

        return true;
    }

    private async ValueTask WriteCopiesAsync(
        Segment segment, long offset, ReadOnlyMemory<byte> record, CancellationToken cancellationToken)
    {
        Task[] tasks = new Task[segment.Targets.Length];
        for (int i = 0; i < tasks.Length; i++)
        {
            tasks[i] = WriteCopyAsync(_targets.Get(segment.Targets[i])).AsTask();
        }

        await Gather.AllAsync(tasks).ConfigureAwait(false);

        async ValueTask WriteCopyAsync(ITarget target)
        {
            if (offset == Segment.HeadBytes)
            {
                byte[] head = new byte[Segment.HeadBytes];
                BinaryPrimitives.WriteUInt32LittleEndian(head, HeadMagic);
                BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(8), segment.Id);
                BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), Crc32C.Compute(head.AsSpan(8)));
                await target.WriteSegmentAsync(segment.Id, 0, head, cancellationToken).ConfigureAwait(false);
            }

            await target.WriteSegmentAsync(segment.Id, offset, record, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>A record that was not written counts as dead, and its segment gets no more.</summary>
    private static void GiveUpRecord(Segment segment, long offset, int recordBytes)
    {
        lock (segment.Gate)
        {
            segment.IsSealed = true;
            segment.MarkDeadLocked(new SegmentTombstone((uint)offset, (uint)recordBytes));
        }
    }
}
