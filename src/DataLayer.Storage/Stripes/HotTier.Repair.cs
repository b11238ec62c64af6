using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes.Sealing;

namespace DataLayer.Storage.Stripes;

/// <content>Creation, recovery, repair, scrub: one at a time for a content.</content>
public sealed partial class HotTier
{
    /// <summary>A column is rebuilt under this copy number and renamed when it is whole and durable.</summary>
    private const int StagingCopy = 8;

    /// <summary>Parts of columns that are scrubbed begin at multiples of it, bytes.</summary>
    public const int ScrubUnitBytes = ChunkEntry.ChunkBytes;

    /// <summary>
    /// Reads and checks everything of a content, repairing from the other copy; copies that are both valid but differ
    /// (a write that failed on one) are made alike. Bad ranges that remain are returned for a repair from the cold
    /// object.
    /// </summary>
    /// <param name="content">The content; nobody should write it meanwhile.</param>
    /// <param name="placement">Where it lies.</param>
    /// <param name="contentSizeBytes">Its size, bytes.</param>
    /// <param name="cancellationToken">Gives up between chunks.</param>
    public ValueTask<ScrubResult> ScrubAsync(
        ContentId content, Placement placement, long contentSizeBytes, CancellationToken cancellationToken) =>
        ScrubAsync(content, placement, contentSizeBytes, 0, long.MaxValue, cancellationToken);

    /// <summary>
    /// As the other, of a part: the bytes of each column from one on and before another, both multiples of
    /// <see cref="ScrubUnitBytes"/>; of
    /// a record in a segment always all.
    /// </summary>
    /// <exception cref="DataLayerException">As the other.</exception>
    public async ValueTask<ScrubResult> ScrubAsync(
        ContentId content, Placement placement, long contentSizeBytes, long fromColumnBytes, long toColumnBytes,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(fromColumnBytes);
        if (placement is SegmentPlacement segment)
        {
            return await _segments.ScrubAsync(content, segment, cancellationToken).ConfigureAwait(false);
        }

        StripedPlacement striped = (StripedPlacement)placement;
        ScrubTally tally = new();
        try
        {
            await EnsureColumnsAsync(content, striped, create: false, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException)
        {
            // What is gone shows below as bad ranges.
        }

        for (int column = 0; column < striped.Width; column++)
        {
            bool isSealed = striped.KeyId != 0;
            long length = striped.ColumnLength(column, contentSizeBytes);
            long end = Math.Min(length, toColumnBytes);
            long from = isSealed ? SealedPage.FileStart(SealedPage.PageOf(fromColumnBytes)) : fromColumnBytes;
            long chunkCount = ((isSealed ? SealedPage.FileLength(end) : end) + ChunkEntry.ChunkBytes - 1)
                / ChunkEntry.ChunkBytes;
            for (long chunk = from / ChunkEntry.ChunkBytes; chunk < chunkCount && fromColumnBytes < end; chunk++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!await ScrubChunkAsync(content, striped, column, chunk, tally, cancellationToken)
                    .ConfigureAwait(false))
                {
                    long start = chunk * ChunkEntry.ChunkBytes;
                    long next = start + ChunkEntry.ChunkBytes;
                    tally.AddBad(
                        striped, column, isSealed ? SealedPage.ToColumn(start) : start,
                        Math.Min(isSealed ? SealedPage.ToColumn(next) : next, length));
                }
            }
        }

        if (tally.Repaired > 0)
        {
            await FlushAsync(content, striped, cancellationToken).ConfigureAwait(false);
        }

        return new ScrubResult(tally.Checked, tally.Repaired, tally.TakeRanges());
    }

    private async ValueTask<bool> ScrubChunkAsync(ContentId content, StripedPlacement placement, int column,
        long chunk, ScrubTally tally,
        CancellationToken cancellationToken)
    {
        int good = -1;
        int goodLength = 0;
        List<int> bad = [];
        for (int copy = 0; copy < placement.CopyCount; copy++)
        {
            byte[] buffer = good < 0 ? tally.Good : tally.Other;
            try
            {
                int length = await ReadChunkAsync(content, placement, column, copy, chunk, buffer, cancellationToken)
                    .ConfigureAwait(false);
                CheckPages(content, placement, column, chunk, buffer.AsSpan(0, length));
                tally.Checked++;
                if (good < 0)
                {
                    good = copy;
                    goodLength = length;
                }
                else if (length != goodLength || !buffer.AsSpan(0, length).SequenceEqual(tally.Good.AsSpan(0, length)))
                {
                    bad.Add(copy);
                }
            }
            catch (DataLayerException)
            {
                tally.Checked++;
                _meter.BadCopies.Add(1);
                bad.Add(copy);
            }
        }

        if (good < 0)
        {
            _meter.Lost.Add(1);
            return false;
        }

        foreach (int copy in bad)
        {
            if (await TryRepairAsync(content, placement, column, copy, chunk, tally.Good.AsMemory(0, goodLength),
                cancellationToken)
                .ConfigureAwait(false))
            {
                tally.Repaired++;
            }
        }

        return true;
    }

    /// <summary>Replaces a bad chunk by good bytes; if the whole column file is gone, builds it anew. False if that
    /// failed: the read still succeeds.</summary>
    private async ValueTask<bool> TryRepairAsync(ContentId content, StripedPlacement placement, int column, int copy,
        long chunk,
        ReadOnlyMemory<byte> good, CancellationToken cancellationToken)
    {
        ITarget target = _targets.Get(placement.TargetOf(column, copy));
        try
        {
            try
            {
                await target.RepairChunkAsync(new ColumnId(content, column, copy), chunk, good, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (DataLayerException fault) when (fault.Code is ErrorCode.NotFound or ErrorCode.Corrupt)
            {
                await EnsureColumnsAsync(content, placement, create: false, cancellationToken).ConfigureAwait(false);
            }

            _meter.Repairs.Add(1);
            HotTierLog.Repaired(_log, content, target.Number);
            return true;
        }
        catch (Exception fault) when (fault is DataLayerException or UncleanColumnException)
        {
            HotTierLog.RepairFailed(_log, content, target.Number, fault.Message);
            return false;
        }
    }

    /// <summary>Reads every chunk of a range, which mends bad copies on the way.</summary>
    private async ValueTask MendRangeAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, int lengthBytes,
            CancellationToken cancellationToken)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        for (int column = 0; column < placement.Width; column++)
        {
            ColumnRange range = ColumnRange.Of(placement, column, offsetBytes, lengthBytes);
            range = placement.KeyId == 0 ? range : SealedPage.ToFile(range);
            long last = (range.OffsetBytes + range.LengthBytes - 1) / ChunkEntry.ChunkBytes;
            for (long chunk = range.OffsetBytes / ChunkEntry.ChunkBytes; range.LengthBytes > 0
                && chunk <= last; chunk++)
            {
                for (int copy = 0; copy < placement.CopyCount; copy++)
                {
                    try
                    {
                        await ReadChunkAsync(content, placement, column, copy, chunk, buffer, cancellationToken)
                            .ConfigureAwait(false);
                    }
                    catch (DataLayerException)
                    {
                        int other = 1 - copy;
                        int length = await ReadChunkAsync(content, placement, column, other, chunk, buffer,
                            cancellationToken)
                            .ConfigureAwait(false);
                        await TryRepairAsync(content, placement, column, copy, chunk, buffer.AsMemory(0, length),
                            cancellationToken)
                            .ConfigureAwait(false);
                    }
                }
            }
        }
    }

    /// <summary>
    /// Makes sure that the files of all columns and copies are there. None: the content is new, all are made (if
    /// <paramref name="create"/>). Some, and none of them ever written: a kill came while they were made, which goes on
    /// here. Some with data: the rest was lost; it is built from the other copy, or the content is damaged. Never makes
    /// one that should have data: the whole set is made before the first byte is written.
    /// </summary>
    private async ValueTask EnsureColumnsAsync(
        ContentId content, StripedPlacement placement, bool create, CancellationToken cancellationToken)
    {
        SemaphoreSlim contentLock = LockOf(content);
        await contentLock.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            bool[] exists = new bool[placement.Targets.Length];
            for (int i = 0; i < exists.Length; i++)
            {
                ColumnId id = ColumnAt(content, placement, i);
                exists[i] = await _targets.Get(placement.Targets[i]).ExistsAsync(id, cancellationToken)
                    .ConfigureAwait(false);
            }

            if (Array.TrueForAll(exists, static there => !there))
            {
                if (create)
                {
                    await CreateColumnsAsync(content, placement, cancellationToken).ConfigureAwait(false);
                }

                return;
            }

            bool[] unborn = await FindUnbornAsync(content, placement, exists, cancellationToken).ConfigureAwait(false);
            if (create && exists.AsSpan().SequenceEqual(unborn))
            {
                await CreateColumnsAsync(content, placement, cancellationToken).ConfigureAwait(false);
                return;
            }

            for (int i = 0; i < exists.Length; i++)
            {
                ColumnId id = ColumnAt(content, placement, i);
                if (!exists[i] || await IsHalfAsync(_targets.Get(placement.Targets[i]), id, cancellationToken)
                    .ConfigureAwait(false))
                {
                    await RebuildAsync(placement, id, cancellationToken).ConfigureAwait(false);
                }
                else if (create && unborn[i])
                {
                    await _targets.Get(placement.Targets[i])
                        .PrepareWriteAsync(id, 0, 0, create: true, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            contentLock.Release();
        }
    }

    private async ValueTask<bool[]> FindUnbornAsync(
        ContentId content, StripedPlacement placement, bool[] exists, CancellationToken cancellationToken)
    {
        bool[] unborn = new bool[exists.Length];
        for (int i = 0; i < exists.Length; i++)
        {
            ColumnId id = ColumnAt(content, placement, i);
            unborn[i] = exists[i] && await _targets.Get(placement.Targets[i]).IsUnbornAsync(id, cancellationToken)
                .ConfigureAwait(false);
        }

        return unborn;
    }

    private static async ValueTask<bool> IsHalfAsync(ITarget target, ColumnId id, CancellationToken cancellationToken)
    {
        try
        {
            await target.GetChunkCountAsync(id, cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (DataLayerException fault) when (fault.Code is ErrorCode.Corrupt or ErrorCode.NotFound)
        {
            return true;
        }
    }

    private async ValueTask CreateColumnsAsync(ContentId content, StripedPlacement placement,
        CancellationToken cancellationToken)
    {
        try
        {
            for (int i = 0; i < placement.Targets.Length; i++)
            {
                ColumnId id = ColumnAt(content, placement, i);
                await _targets.Get(placement.Targets[i]).PrepareWriteAsync(id, 0, 0, create: true, cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (DataLayerException)
        {
            // All or none: half a set would look like a loss.
            for (int i = 0; i < placement.Targets.Length; i++)
            {
                ColumnId id = ColumnAt(content, placement, i);
                try
                {
                    await _targets.Get(placement.Targets[i]).DeleteAsync(id, cancellationToken).ConfigureAwait(false);
                }
                catch (DataLayerException)
                {
                    // The first fault counts.
                }
            }

            throw;
        }
    }

    /// <summary>Builds a lost column from another copy under a staging name, makes it durable, and gives it its
    /// name.</summary>
    private async ValueTask RebuildAsync(StripedPlacement placement, ColumnId lost, CancellationToken cancellationToken)
    {
        if (placement.CopyCount == 1)
        {
            throw new DataLayerException(ErrorCode.Corrupt,
                $"Column {lost.Column} of content {lost.Content} is gone from "
                    + $"target {placement.TargetOf(lost.Column, lost.Copy)} while others "
                + "are there, and there is no other copy. Restore it from the cold object.");
        }

        int source = 1 - lost.Copy;
        ColumnId sourceId = lost with { Copy = source };
        ColumnId staging = lost with { Copy = StagingCopy };
        ITarget from = _targets.Get(placement.TargetOf(lost.Column, source));
        ITarget to = _targets.Get(placement.TargetOf(lost.Column, lost.Copy));
        await CopyColumnAsync(from, sourceId, to, staging, cancellationToken).ConfigureAwait(false);
        await to.RenameColumnAsync(staging, lost, cancellationToken).ConfigureAwait(false);
        HotTierLog.Repaired(_log, lost.Content, to.Number);
    }

    /// <summary>Copies a column chunk by chunk, verified, holes kept, and makes it durable.</summary>
    private static async ValueTask CopyColumnAsync(
        ITarget from, ColumnId source, ITarget to, ColumnId destination, CancellationToken cancellationToken)
    {
        await to.DeleteAsync(destination, cancellationToken).ConfigureAwait(false);
        await to.PrepareWriteAsync(destination, 0, 0, create: true, cancellationToken).ConfigureAwait(false);
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        long count = await from.GetChunkCountAsync(source, cancellationToken).ConfigureAwait(false);
        for (long chunk = 0; chunk < count; chunk++)
        {
            int length = await from.ReadChunkAsync(source, chunk, buffer, cancellationToken).ConfigureAwait(false);
            if (length > 0)
            {
                long offset = chunk * ChunkEntry.ChunkBytes;
                await to.WriteAsync(destination, offset, length, new StripeView(buffer.AsMemory(0, length), offset),
                    cancellationToken)
                    .ConfigureAwait(false);
            }
        }

        await to.FlushAsync(destination, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Recovers a column after an unclean stop: each copy makes its entries fit its bytes, then all copies are made
    /// alike. Where copies differ one that needed no guess wins, else the first.
    /// </summary>
    private async ValueTask RecoverAsync(
        ContentId content, StripedPlacement placement, int column, CancellationToken cancellationToken)
    {
        SemaphoreSlim contentLock = LockOf(content);
        await contentLock.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            SortedSet<long> chunks = [];
            HashSet<(int Copy, long Chunk)> guessed = [];
            List<int> recovered = [];
            DataLayerException? first = null;
            for (int copy = 0; copy < placement.CopyCount; copy++)
            {
                ITarget target = _targets.Get(placement.TargetOf(column, copy));
                try
                {
                    foreach (long found in await target.BeginRecoveryAsync(
                        new ColumnId(content, column, copy), cancellationToken)
                        .ConfigureAwait(false))
                    {
                        chunks.Add(found < 0 ? ~found : found);
                        if (found < 0)
                        {
                            guessed.Add((copy, ~found));
                        }
                    }

                    recovered.Add(copy);
                }
                catch (DataLayerException fault)
                {
                    // A copy that is gone must not keep the other from being read; it is rebuilt from it.
                    first ??= fault;
                }
            }

            if (recovered.Count == 0)
            {
                throw first!;
            }

            if (recovered.Count > 1)
            {
                foreach (long chunk in chunks)
                {
                    await AlignAsync(
                        content, placement, column, chunk, guessed.Contains((0, chunk)) ? 1 : 0, cancellationToken)
                        .ConfigureAwait(false);
                }
            }

            foreach (int copy in recovered)
            {
                await _targets.Get(placement.TargetOf(column, copy))
                    .EndRecoveryAsync(new ColumnId(content, column, copy), cancellationToken)
                    .ConfigureAwait(false);
            }

            HotTierLog.Recovered(_log, content, column, guessed.Count);
        }
        finally
        {
            contentLock.Release();
        }
    }

    /// <summary>Makes the copies of a chunk alike: as the preferred one, or as the other if that is damaged.</summary>
    private async ValueTask AlignAsync(ContentId content, StripedPlacement placement, int column, long chunk,
        int preferred,
        CancellationToken cancellationToken)
    {
        byte[] good = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);
        for (int tries = 0; tries < 2; tries++)
        {
            int source = tries == 0 ? preferred : 1 - preferred;
            int other = 1 - source;
            try
            {
                int length = await _targets.Get(placement.TargetOf(column, source))
                    .ReadChunkAsync(new ColumnId(content, column, source), chunk, good, cancellationToken)
                        .ConfigureAwait(false);
                CheckPages(content, placement, column, chunk, good.AsSpan(0, length));
                await _targets.Get(placement.TargetOf(column, other))
                    .RepairChunkAsync(new ColumnId(content, column, other), chunk, good.AsMemory(0, length),
                        cancellationToken)
                    .ConfigureAwait(false);
                return;
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.Corrupt)
            {
                // The other way round; if both are damaged, reads say so.
            }
        }
    }

    /// <summary>Counts and buffers of one scrub.</summary>
    private sealed class ScrubTally
    {
        private readonly List<(long OffsetBytes, long LengthBytes)> _bad = [];

        internal byte[] Good { get; } = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);

        internal byte[] Other { get; } = GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes);

        internal long Checked { get; set; }

        internal long Repaired { get; set; }

        /// <summary>Adds a range of a column, in pieces where stripe units end.</summary>
        internal void AddBad(StripedPlacement placement, int column, long from, long to)
        {
            while (from < to)
            {
                long end = Math.Min(to, (from / placement.UnitBytes * placement.UnitBytes) + placement.UnitBytes);
                _bad.Add((ColumnRange.ToFileOffset(placement, column, from), end - from));
                from = end;
            }
        }

        /// <summary>The bad ranges in order of the file, neighbours joined.</summary>
        internal List<(long OffsetBytes, long LengthBytes)> TakeRanges()
        {
            _bad.Sort();
            List<(long OffsetBytes, long LengthBytes)> joined = [];
            foreach ((long offset, long length) in _bad)
            {
                if (joined.Count > 0 && joined[^1].OffsetBytes + joined[^1].LengthBytes == offset)
                {
                    joined[^1] = (joined[^1].OffsetBytes, joined[^1].LengthBytes + length);
                }
                else
                {
                    joined.Add((offset, length));
                }
            }

            return joined;
        }
    }
}
