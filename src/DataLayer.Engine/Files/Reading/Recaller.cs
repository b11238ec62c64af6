using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Brings all of a content into the hot tier, for a warm-up or a write in place: nothing is dropped, and it ends
/// flushed and resident.
/// </summary>
internal sealed class Recaller(EngineContext context, FetchRunner runner, RecallWriter writer)
{
    /// <summary>
    /// Makes a whole content resident in turns beside readers (<see cref="ForegroundYield"/>). The write gate is held
    /// for one turn at a time, so that writers wait for no more. True if something was missing.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="isAhead">Whether it is work on a reader's behalf, which waits for no gap.</param>
    public ValueTask<bool> RecallAsync(
        ContentState content, CancellationToken cancellationToken, bool isAhead = false) =>
        RecallInTurnsAsync(content, () => Missing(content, content.SizeBytes), isAhead, cancellationToken);

    /// <summary>
    /// As RecallAsync for some blocks; of a content in a segment, all of it. True if some were missing.
    /// </summary>
    public ValueTask<bool> RecallBlocksAsync(
        ContentState content, IReadOnlyList<uint> blocks, CancellationToken cancellationToken)
    {
        List<uint> sorted = [.. blocks];
        sorted.Sort();
        return RecallInTurnsAsync(content, () => Missing(content, sorted), isAhead: false, cancellationToken);
    }

    /// <summary>
    /// Makes the blocks of the first <paramref name="bytes"/> bytes resident for a writer, for whom room is made where
    /// there is none; the caller holds the write gate. True if some were not.
    /// </summary>
    public async ValueTask<bool> RecallLockedAsync(
        ContentState content, long bytes, CancellationToken cancellationToken)
    {
        List<uint> missing = Missing(content, bytes);
        if (missing.Count > 0)
        {
            await RecallMissingLockedAsync(content, missing, turn: null, makesRoom: true, cancellationToken)
                .ConfigureAwait(false);
        }

        return missing.Count > 0;
    }

    /// <summary>Blocks of the first bytes that are not resident; none of a staged content: it is at hand.</summary>
    private static List<uint> Missing(ContentState content, long bytes)
    {
        List<uint> missing = [];
        uint count = content.Staged is null ? BlockLayout.BlockCount(bytes) : 0;
        for (uint block = 0; block < count; block++)
        {
            if (!content.IsResident(block))
            {
                missing.Add(block);
            }
        }

        return missing;
    }

    private static List<uint> Missing(ContentState content, List<uint> among)
    {
        uint count = content.Staged is null ? BlockLayout.BlockCount(content.SizeBytes) : 0;
        return among.FindAll(block => block < count && !content.IsResident(block));
    }

    private async ValueTask<bool> RecallInTurnsAsync(
        ContentState content, Func<List<uint>> look, bool isAhead, CancellationToken cancellationToken)
    {
        List<uint> missing = look();
        if (missing.Count == 0)
        {
            return false;
        }

        context.CheckNode();

        // Each turn brings a block at least; somebody who releases them meanwhile does not keep it here for ever.
        for (int turns = (2 * missing.Count) + 2; missing.Count > 0 && turns > 0; turns--)
        {
            bool isLarge = !context.Hot.UsesSegment(null, content.SizeBytes);
            using ForegroundYield.Turn turn = isAhead
                ? await context.Yield.EnterAheadAsync(cancellationToken).ConfigureAwait(false)
                : await context.Yield.EnterAsync(isLarge, cancellationToken).ConfigureAwait(false);
            await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                missing = look();
                int most = turn.MaxBytes / BlockLayout.BlockBytes;
                if (missing.Count > most)
                {
                    missing.RemoveRange(most, missing.Count - most);
                }

                if (missing.Count > 0)
                {
                    await RecallMissingLockedAsync(content, missing, turn, makesRoom: false, cancellationToken)
                        .ConfigureAwait(false);
                }
            }
            finally
            {
                content.WriteGate.Release();
            }

            missing = look();
        }

        return true;
    }

    /// <summary>Brings missing blocks, in order; in a turn that shall end the last of them may be left.</summary>
    private async ValueTask RecallMissingLockedAsync(
        ContentState content, List<uint> missing, ForegroundYield.Turn? turn, bool makesRoom,
        CancellationToken cancellationToken)
    {
        if (context.Hot.UsesSegment(null, content.SizeBytes))
        {
            await RecallSmallLockedAsync(content, makesRoom, cancellationToken).ConfigureAwait(false);
            return;
        }

        StripedPlacement placement = await writer.PlaceLockedAsync(content, makesRoom, cancellationToken)
            .ConfigureAwait(false);
        List<(uint First, uint Count)> extents = Extents(
            missing, context.Options.MaxRequestBytes / BlockLayout.BlockBytes);
        bool[] isLeft = new bool[extents.Count];
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = Math.Min(4, context.Options.MaxRequestsPerFile),
            CancellationToken = cancellationToken,
        };
        await Parallel.ForAsync(
            0, extents.Count, options,
            async (index, token) =>
            {
                isLeft[index] = index > 0 && turn is { ShallEnd: true };
                if (!isLeft[index])
                {
                    (uint first, uint count) = extents[index];
                    await CopyAsync(content, placement, first, count, makesRoom, token).ConfigureAwait(false);
                }
            }).ConfigureAwait(false);
        List<uint> brought = [];
        for (int i = 0; i < extents.Count; i++)
        {
            for (uint block = 0; block < extents[i].Count && !isLeft[i]; block++)
            {
                brought.Add(extents[i].First + block);
            }
        }

        await writer.CommitLockedAsync(content, placement, brought, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask RecallSmallLockedAsync(
        ContentState content, bool makesRoom, CancellationToken cancellationToken) =>
        WithBytesAsync(
            content, 0, (int)content.SizeBytes,
            async bytes =>
            {
                FileContent known = content.Content;
                SegmentPlacement placement = makesRoom
                    ? await context.HotWrites.AppendSmallAsync(content.Id, bytes, cancellationToken)
                        .ConfigureAwait(false)
                    : await context.Hot.AppendSmallAsync(
                        content.Id, context.Shares.PoolOf(content.Id.Inode), bytes, cancellationToken)
                        .ConfigureAwait(false);
                await context.Hot.FlushAsync(content.Id, placement, cancellationToken).ConfigureAwait(false);
                context.Step("recall.flushed");
                await context.UpdateAsync(
                    content,
                    new ContentUpdate
                    {
                        Content = content.Id,
                        IfVersion = known.Attributes.Version,
                        Placement = placement,
                        SetResident = [0],
                        State = TierState.Premigrated,
                    },
                    cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    private ValueTask CopyAsync(
        ContentState content, StripedPlacement placement, uint firstBlock, uint blockCount, bool makesRoom,
        CancellationToken cancellationToken)
    {
        long offset = BlockLayout.BlockOffset(firstBlock);
        int length = (int)Math.Min(content.SizeBytes - offset, (long)blockCount * BlockLayout.BlockBytes);
        return WithBytesAsync(
            content, offset, length,
            bytes => makesRoom
                ? context.HotWrites.WriteAsync(content.Id, placement, offset, bytes, cancellationToken)
                : context.Hot.WriteAsync(content.Id, placement, offset, bytes, cancellationToken),
            cancellationToken);
    }

    /// <summary>
    /// Gets an extent that is not hot and hands it on. Where nobody has any of it, it is one transfer that readers who
    /// come meanwhile share; else what is there or on its way is taken, and the rest read.
    /// </summary>
    private async ValueTask WithBytesAsync(
        ContentState content, long offset, int length, Func<Memory<byte>, ValueTask> use,
        CancellationToken cancellationToken)
    {
        if (TryStartFetch(content, offset, length) is { } fetch)
        {
            try
            {
                await fetch.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
                await use(fetch.Memory).ConfigureAwait(false);
            }
            finally
            {
                fetch.Release();
            }
        }
        else
        {
            TransferBuffer buffer = context.Buffers.Rent(length);
            try
            {
                Memory<byte> bytes = buffer.Memory[..length];
                await ObtainAsync(content, offset, bytes, cancellationToken).ConfigureAwait(false);
                await use(bytes).ConfigureAwait(false);
            }
            finally
            {
                context.Buffers.Return(buffer);
            }
        }

        context.Counters.Add(Counter.RecalledBytes, length);
    }

    /// <summary>Starts a transfer of an extent of which nothing is in memory or on its way; else null.</summary>
    private BlockFetch? TryStartFetch(ContentState content, long offset, int length)
    {
        for (long at = offset; at < offset + length; at += BlockLayout.BlockBytes)
        {
            if (context.Cache.Contains(new BlockId(content.Id, BlockLayout.BlockIndex(at))))
            {
                return null;
            }
        }

        BlockFetch fetch;
        lock (content.Sync)
        {
            if (content.NextFetchLocked(offset) < offset + length)
            {
                return null;
            }

            fetch = runner.NewLocked(content, offset, length, isCold: true, isReadahead: false);
            fetch.IsBackground = true;
            fetch.AddReferenceLocked();
        }

        runner.Run(fetch);
        return fetch;
    }

    /// <summary>
    /// Gets bytes of a content that is not hot there: what a reader fetches at this moment or memory holds is taken
    /// from there, so that no byte is asked of the object twice; the rest is read from the object. The caller holds the
    /// write gate.
    /// </summary>
    private async ValueTask ObtainAsync(
        ContentState content, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        long end = offset + destination.Length;
        long gap = offset;
        for (long at = offset; at < end;)
        {
            int length = BlockLayout.BlockLength(BlockLayout.BlockIndex(at), content.SizeBytes);
            Memory<byte> block = destination.Slice((int)(at - offset), length);
            if (await TryTakeAsync(content, at, block, cancellationToken).ConfigureAwait(false))
            {
                await ReadGapAsync(at).ConfigureAwait(false);
                gap = at + length;
            }

            at += length;
        }

        await ReadGapAsync(end).ConfigureAwait(false);

        async ValueTask ReadGapAsync(long to)
        {
            if (to > gap)
            {
                Memory<byte> missing = destination.Slice((int)(gap - offset), (int)(to - gap));
                await runner.ReadObjectAsync(
                    content, gap, missing, isBackground: true, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Takes one block from memory, or from the fetch that brings it; false where neither has it.</summary>
    private async ValueTask<bool> TryTakeAsync(
        ContentState content, long offset, Memory<byte> block, CancellationToken cancellationToken)
    {
        if (context.Cache.TryReadChecked(new BlockId(content.Id, BlockLayout.BlockIndex(offset)), block.Span))
        {
            return true;
        }

        BlockFetch? fetch;
        lock (content.Sync)
        {
            fetch = content.FindFetchLocked(offset);
        }

        if (fetch is null)
        {
            return false;
        }

        try
        {
            if (!fetch.IsCold || fetch.OffsetBytes > offset || fetch.EndBytes < offset + block.Length)
            {
                return false;
            }

            await ((Task)fetch.Completion.WaitAsync(cancellationToken))
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (!fetch.IsCompleted)
            {
                return false;
            }

            fetch.Bytes(offset, block.Length).CopyTo(block.Span);
            return true;
        }
        finally
        {
            fetch.Release();
        }
    }

    private static List<(uint First, uint Count)> Extents(List<uint> blocks, int limit)
    {
        List<(uint First, uint Count)> extents = [];
        foreach (uint block in blocks)
        {
            if (extents.Count > 0 && extents[^1] is var last && last.First + last.Count == block && last.Count < limit)
            {
                extents[^1] = (last.First, last.Count + 1);
            }
            else
            {
                extents.Add((block, 1));
            }
        }

        return extents;
    }
}
