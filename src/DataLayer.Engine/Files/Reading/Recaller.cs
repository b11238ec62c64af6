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
    /// As <see cref="RecallLockedAsync"/> for the whole content, taking the write gate. True if something was missing.
    /// </summary>
    public async ValueTask<bool> RecallAsync(
        ContentState content, CancellationToken cancellationToken, ForegroundYield? yields = null)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await RecallLockedAsync(content, content.SizeBytes, cancellationToken, yields)
                .ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>
    /// Makes the blocks of the first <paramref name="bytes"/> bytes resident; the caller holds the write gate. True if
    /// some were not.
    /// </summary>
    public async ValueTask<bool> RecallLockedAsync(
        ContentState content, long bytes, CancellationToken cancellationToken, ForegroundYield? yields = null)
    {
        if (content.Staged is not null)
        {
            return false; // All of it is at hand.
        }

        uint count = BlockLayout.BlockCount(bytes);
        List<uint> missing = [];
        for (uint block = 0; block < count; block++)
        {
            if (!content.IsResident(block))
            {
                missing.Add(block);
            }
        }

        return await RecallMissingLockedAsync(content, missing, yields, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes some blocks resident, taking the write gate; of a content in a segment, all of it. True if some were not.
    /// </summary>
    public async ValueTask<bool> RecallBlocksAsync(
        ContentState content, IReadOnlyList<uint> blocks, CancellationToken cancellationToken,
        ForegroundYield? yields = null)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (content.Staged is not null)
            {
                return false;
            }

            uint count = BlockLayout.BlockCount(content.SizeBytes);
            List<uint> missing = [];
            foreach (uint block in blocks)
            {
                if (block < count && !content.IsResident(block))
                {
                    missing.Add(block);
                }
            }

            missing.Sort();
            return await RecallMissingLockedAsync(content, missing, yields, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask<bool> RecallMissingLockedAsync(
        ContentState content, List<uint> missing, ForegroundYield? yields, CancellationToken cancellationToken)
    {
        if (missing.Count == 0)
        {
            return false;
        }

        if (context.Hot.UsesSegment(null, content.SizeBytes))
        {
            using IDisposable? one = yields is null
                ? null
                : await yields.EnterAsync(cancellationToken).ConfigureAwait(false);
            await RecallSmallLockedAsync(content, cancellationToken).ConfigureAwait(false);
            return true;
        }

        StripedPlacement placement = await writer.PlaceLockedAsync(content, cancellationToken).ConfigureAwait(false);
        List<(uint First, uint Count)> extents = Extents(
            missing, context.Options.MaxRequestBytes / BlockLayout.BlockBytes);
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = Math.Min(4, context.Options.MaxRequestsPerFile),
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            extents,
            options,
            async (extent, token) =>
            {
                using IDisposable? turn = yields is null
                    ? null
                    : await yields.EnterAsync(token).ConfigureAwait(false);
                await CopyAsync(content, placement, extent.First, extent.Count, token).ConfigureAwait(false);
            }).ConfigureAwait(false);
        await writer.CommitLockedAsync(content, placement, missing, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private ValueTask RecallSmallLockedAsync(ContentState content, CancellationToken cancellationToken) =>
        WithBytesAsync(
            content, 0, (int)content.SizeBytes,
            async bytes =>
            {
                FileContent known = content.Content;
                SegmentPlacement placement = await context.Hot
                    .AppendSmallAsync(content.Id, null, bytes, cancellationToken).ConfigureAwait(false);
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
        ContentState content, StripedPlacement placement, uint firstBlock, uint blockCount,
        CancellationToken cancellationToken)
    {
        long offset = BlockLayout.BlockOffset(firstBlock);
        int length = (int)Math.Min(content.SizeBytes - offset, (long)blockCount * BlockLayout.BlockBytes);
        return WithBytesAsync(
            content, offset, length,
            async bytes => await context.Hot
                .WriteAsync(content.Id, placement, offset, bytes, cancellationToken).ConfigureAwait(false),
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
