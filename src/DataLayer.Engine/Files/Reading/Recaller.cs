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
    public async ValueTask<bool> RecallAsync(ContentState content, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await RecallLockedAsync(content, content.SizeBytes, cancellationToken).ConfigureAwait(false);
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
        ContentState content, long bytes, CancellationToken cancellationToken)
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

        return await RecallMissingLockedAsync(content, missing, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes some blocks resident, taking the write gate; of a content in a segment, all of it. True if some were not.
    /// </summary>
    public async ValueTask<bool> RecallBlocksAsync(
        ContentState content, IReadOnlyList<uint> blocks, CancellationToken cancellationToken)
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
            return await RecallMissingLockedAsync(content, missing, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask<bool> RecallMissingLockedAsync(
        ContentState content, List<uint> missing, CancellationToken cancellationToken)
    {
        if (missing.Count == 0)
        {
            return false;
        }

        if (context.Hot.UsesSegment(null, content.SizeBytes))
        {
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
            (extent, token) => CopyAsync(content, placement, extent.First, extent.Count, token)).ConfigureAwait(false);
        await writer.CommitLockedAsync(content, placement, missing, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async ValueTask RecallSmallLockedAsync(ContentState content, CancellationToken cancellationToken)
    {
        int length = (int)content.SizeBytes;
        TransferBuffer buffer = context.Buffers.Rent(length);
        try
        {
            FileContent known = content.Content;
            Memory<byte> bytes = buffer.Memory[..length];
            await runner.ReadObjectAsync(content, 0, bytes, cancellationToken).ConfigureAwait(false);
            SegmentPlacement placement = await context.Hot.AppendSmallAsync(content.Id, null, bytes, cancellationToken)
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
            context.Counters.Add(Counter.RecalledBytes, length);
        }
        finally
        {
            context.Buffers.Return(buffer);
        }
    }

    private async ValueTask CopyAsync(
        ContentState content, StripedPlacement placement, uint firstBlock, uint blockCount,
        CancellationToken cancellationToken)
    {
        long offset = BlockLayout.BlockOffset(firstBlock);
        int length = (int)Math.Min(content.SizeBytes - offset, (long)blockCount * BlockLayout.BlockBytes);
        TransferBuffer buffer = context.Buffers.Rent(length);
        try
        {
            Memory<byte> bytes = buffer.Memory[..length];
            await runner.ReadObjectAsync(content, offset, bytes, cancellationToken).ConfigureAwait(false);
            await context.Hot.WriteAsync(content.Id, placement, offset, bytes, cancellationToken).ConfigureAwait(false);
            context.Counters.Add(Counter.RecalledBytes, length);
        }
        finally
        {
            context.Buffers.Return(buffer);
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
