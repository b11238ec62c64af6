using System.Globalization;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>Segments.</content>
internal sealed partial class DirectoryTarget
{
    private readonly Lock _tombstones = new();

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteSegmentAsync(
        long segment, long offsetBytes, ReadOnlyMemory<byte> record, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            // Who appends looked at the holds already, or compacts, which gives room back in the end.
            _room.Take(record.Length, SegmentRecord.InodeOf(record.Span), spareHolds: false);
            using SegmentHandles.Lease lease = RentSegment(segment, create: true);
            lease.Slot.IsUnflushed = true;
            DurableFile.Write(lease.File, lease.Slot.FilePath, record.Span, offsetBytes);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadSegmentAsync(
        long segment, long offsetBytes, Memory<byte> header, Memory<byte> content, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken, isAlone: true).ConfigureAwait(false);
        try
        {
            using SegmentHandles.Lease lease = RentSegment(segment, create: false);
            if (lease.Slot.Readahead.Note(offsetBytes, header.Length + content.Length))
            {
                SegmentReadahead.Ask(lease.File, offsetBytes);
            }

            return DurableFile.ReadTwo(
                lease.File, lease.Slot.FilePath, header.Span, content.Span, offsetBytes);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask FlushSegmentAsync(long segment, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            if (_segments.FindLoss(segment) is { } loss)
            {
                DataLayerException remembered = new(ErrorCode.TargetFailed,
                    $"An earlier flush of segment {segment:x16} failed ({loss}).");
                remembered.Data[ColumnFile.RememberedKey] = true;
                throw remembered;
            }

            using SegmentHandles.Lease lease = RentSegment(segment, create: false);
            lease.Slot.IsUnflushed = false;
            DurableFile.Flush(lease.File, lease.Slot.FilePath);
            if (!lease.Slot.IsNameDurable)
            {
                DurableFile.FlushDirectory(Path.Combine(Location, "segments"));
                DurableFile.FlushDirectory(Location);
                lease.Slot.IsNameDurable = true;
            }
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DeleteSegmentAsync(long segment, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            _segments.Forget(segment);

            // In this order: a segment without tombstones is reconciled, tombstones without a segment are nobody's.
            _ = DurableFile.Unlink(TombstonePath(segment));
            _ = DurableFile.Unlink(_segments.PathOf(segment));
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask PunchSegmentAsync(
        long segment, long offsetBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            using SegmentHandles.Lease lease = RentSegment(segment, create: false);
            _ = DurableFile.TryPunchHole(lease.File, lease.Slot.FilePath, offsetBytes, lengthBytes);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppendTombstoneAsync(long segment, SegmentTombstone tombstone,
        CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            lock (_tombstones)
            {
                AppendTombstone(segment, tombstone);
            }
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<SegmentTombstone>> ReadTombstonesAsync(long segment,
        CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            return ReadTombstones(segment);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<(long Segment, long LengthBytes)>> ListSegmentsAsync(
        CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            List<(long Segment, long LengthBytes)> segments = [];
            DirectoryInfo folder = new(Path.Combine(Location, "segments"));
            if (folder.Exists)
            {
                foreach (FileInfo file in folder.EnumerateFiles("*.seg"))
                {
                    if (long.TryParse(file.Name.AsSpan(0, file.Name.Length - 4), NumberStyles.AllowHexSpecifier,
                        CultureInfo.InvariantCulture, out long segment))
                    {
                        segments.Add((segment, file.Length));
                    }
                }

                RemoveStrayTombstones(folder);
            }

            return segments;
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    private SegmentHandles.Lease RentSegment(long segment, bool create)
    {
        if (create && !Directory.Exists(Path.Combine(Location, "segments")))
        {
            CheckIdentity();
        }

        return _segments.Rent(segment, create);
    }

    private string TombstonePath(long segment) => Path.ChangeExtension(_segments.PathOf(segment), ".dead");

    /// <summary>Tombstones whose segment is gone: a power cut undid one of two deletions.</summary>
    private void RemoveStrayTombstones(DirectoryInfo folder)
    {
        lock (_tombstones)
        {
            foreach (FileInfo file in folder.EnumerateFiles("*.dead"))
            {
                if (!File.Exists(Path.ChangeExtension(file.FullName, ".seg")))
                {
                    try
                    {
                        _ = DurableFile.Unlink(file.FullName);
                    }
                    catch (DataLayerException)
                    {
                        // They do no harm; the next start tries again.
                    }
                }
            }
        }
    }

    private void AppendTombstone(long segment, SegmentTombstone tombstone)
    {
        string path = TombstonePath(segment);
        Span<byte> bytes = stackalloc byte[SegmentTombstone.EncodedBytes];
        tombstone.Encode(bytes, segment);
        using SafeFileHandle file = DurableFile.Open(path, write: true, create: true);
        long end = RandomAccess.GetLength(file) / SegmentTombstone.EncodedBytes * SegmentTombstone.EncodedBytes;
        DurableFile.Write(file, path, bytes, end);
    }

    private List<SegmentTombstone> ReadTombstones(long segment)
    {
        List<SegmentTombstone> dead = [];
        string path = TombstonePath(segment);
        using SafeFileHandle? file = DurableFile.TryOpen(path, write: false, create: false, exclusive: false,
            out int errno);
        if (file is null)
        {
            return errno == Errno.NoEntry ? dead : throw LinuxError.Create(errno, "open", path);
        }

        byte[] bytes = new byte[RandomAccess.GetLength(file)];
        int length = DurableFile.Read(file, path, bytes, 0);
        for (int at = 0; at + SegmentTombstone.EncodedBytes <= length; at += SegmentTombstone.EncodedBytes)
        {
            if (SegmentTombstone.TryDecode(bytes.AsSpan(at), segment, out SegmentTombstone tombstone))
            {
                dead.Add(tombstone);
            }
        }

        return dead;
    }
}
