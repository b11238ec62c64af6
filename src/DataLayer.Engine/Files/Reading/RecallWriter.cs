using System.Runtime.ExceptionServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Writes blocks that came from an object to the hot tier: placement first, then the bytes, then a flush, and only
/// then the residency. A crash at any point leaves bytes without residency, never residency without bytes.
/// </summary>
/// <remarks>
/// A content's write gate is held from the check that its bytes are still the object's until its residency is
/// committed, so a write, a release or a move never falls between. A gate that is taken means somebody has better
/// plans for the content: the blocks are dropped.
/// </remarks>
internal sealed class RecallWriter(EngineContext context)
{
    /// <summary>
    /// Writes a batch; small contents as segment records that share a flush, large ones into their stripes.
    /// </summary>
    public async ValueTask WriteAsync(IReadOnlyList<RecallItem> batch, CancellationToken cancellationToken)
    {
        Dictionary<ContentId, List<RecallItem>> striped = [];
        List<Small> small = [];
        ExceptionDispatchInfo? failure = null;
        try
        {
            foreach (RecallItem item in batch)
            {
                ContentState content = item.Content;
                if (!context.UsesSegment(content, content.SizeBytes))
                {
                    if (!striped.TryGetValue(content.Id, out List<RecallItem>? items))
                    {
                        striped.Add(content.Id, items = []);
                    }

                    items.Add(item);
                }
                else if (item.OffsetBytes == 0 && item.LengthBytes == content.SizeBytes && failure is null)
                {
                    failure = await TryAppendAsync(item, small, cancellationToken).ConfigureAwait(false);
                }
            }

            await CommitSmallAsync(small, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (Small record in small)
            {
                record.Content.WriteGate.Release();
                await context.ReleaseAsync(record.Content).ConfigureAwait(false);
            }
        }

        failure?.Throw();
        foreach (List<RecallItem> items in striped.Values)
        {
            await StripeAsync(items, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Makes sure the content has stripes to be written to, in the tree before any byte is written. The caller holds
    /// the write gate; with <paramref name="makesRoom"/> a writer waits.
    /// </summary>
    public async ValueTask<StripedPlacement> PlaceLockedAsync(
        ContentState content, bool makesRoom, CancellationToken cancellationToken)
    {
        FileContent known = content.Content;
        if (known.Placement is StripedPlacement placed)
        {
            return placed;
        }

        StripedPlacement placement = await context
            .PlaceStripesAsync(content, content.SizeBytes, makesRoom, cancellationToken).ConfigureAwait(false);
        await context.UpdateAsync(
            content,
            new ContentUpdate { Content = content.Id, IfVersion = known.Attributes.Version, Placement = placement },
            cancellationToken).ConfigureAwait(false);
        context.Step("recall.placed");
        return placement;
    }

    /// <summary>
    /// Flushes what was written and makes the blocks resident; a content that is hot as a whole is premigrated.
    /// </summary>
    public async ValueTask CommitLockedAsync(
        ContentState content, Placement placement, IReadOnlyList<uint> blocks, CancellationToken cancellationToken)
    {
        context.Step("recall.written");
        await context.Hot.FlushAsync(content.Id, placement, cancellationToken).ConfigureAwait(false);
        context.Step("recall.flushed");
        FileContent known = content.Content;
        uint missing = BlockLayout.BlockCount(content.SizeBytes);
        ResidencyBitmap residency = known.Residency;
        foreach (uint block in blocks)
        {
            missing -= block < residency.BlockCount && residency[block] ? 0u : 1u;
        }

        missing -= Math.Min(missing, residency.ResidentCount);
        await context.UpdateAsync(
            content,
            new ContentUpdate
            {
                Content = content.Id,
                IfVersion = known.Attributes.Version,
                SetResident = blocks,
                State = missing == 0 ? TierState.Premigrated : null,
            },
            cancellationToken).ConfigureAwait(false);
        context.Step("recall.committed");
    }

    /// <summary>
    /// The state of the item's content with its gate taken and a reference; null if its bytes are no longer wanted.
    /// </summary>
    private async ValueTask<ContentState?> EnterAsync(RecallItem item, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(item.Content.Id.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return null;
        }

        // Another state of the same content (this one was closed and forgotten meanwhile) counts its write epochs anew.
        if (ReferenceEquals(content, item.Content) && await content.WriteGate.WaitAsync(0, cancellationToken)
            .ConfigureAwait(false))
        {
            if (IsWanted(item))
            {
                return content;
            }

            content.WriteGate.Release();
        }

        await context.ReleaseAsync(content).ConfigureAwait(false);
        return null;
    }

    private static bool IsWanted(RecallItem item)
    {
        ContentState content = item.Content;
        return content.Content.Attributes.State is TierState.Released or TierState.Recalling
            && !content.IsDirty && content.WriteEpoch == item.Epoch;
    }

    /// <summary>Appends a record; where that fails (the tier is full) says how: those before it are committed still.
    /// </summary>
    private async ValueTask<ExceptionDispatchInfo?> TryAppendAsync(
        RecallItem item, List<Small> records, CancellationToken cancellationToken)
    {
        if (item.Content.IsResident(0))
        {
            return null;
        }

        using Loaded loaded = new(context);
        if (!loaded.TryLoad(item, out ReadOnlyMemory<byte> bytes)
            || await EnterAsync(item, cancellationToken).ConfigureAwait(false) is not { } content)
        {
            return null;
        }

        try
        {
            records.Add(new Small(
                content,
                await context.Hot.AppendSmallAsync(
                    content.Id, context.Shares.PoolOf(content.Id.Inode), bytes, cancellationToken)
                    .ConfigureAwait(false)));
            return null;
        }
        catch (DataLayerException error)
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
            return ExceptionDispatchInfo.Capture(error);
        }
        catch
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask CommitSmallAsync(List<Small> records, CancellationToken cancellationToken)
    {
        if (records.Count == 0)
        {
            return;
        }

        Task[] tasks = new Task[records.Count];
        for (int i = 0; i < tasks.Length; i++)
        {
            tasks[i] = context.Hot.FlushAsync(records[i].Content.Id, records[i].Placement, cancellationToken).AsTask();
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
        context.Step("recall.flushed");
        for (int i = 0; i < tasks.Length; i++)
        {
            tasks[i] = CommitSmallAsync(records[i], cancellationToken);
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
        context.Step("recall.committed");
    }

    private async Task CommitSmallAsync(Small record, CancellationToken cancellationToken)
    {
        ContentState content = record.Content;
        ContentUpdate update = new()
        {
            Content = content.Id,
            IfVersion = content.Content.Attributes.Version,
            Placement = record.Placement,
            SetResident = [0],
            State = TierState.Premigrated,
        };
        try
        {
            await context.UpdateAsync(content, update, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale or ErrorCode.NotFound)
        {
            await context.Hot.DeleteAsync(content.Id, record.Placement, cancellationToken).ConfigureAwait(false);
            return;
        }

        context.Counters.Add(Counter.RecalledBytes, content.SizeBytes);
    }

    private async ValueTask StripeAsync(List<RecallItem> items, CancellationToken cancellationToken)
    {
        if (await EnterAsync(items[0], cancellationToken).ConfigureAwait(false) is not { } content)
        {
            return;
        }

        try
        {
            StripedPlacement placement = await PlaceLockedAsync(content, makesRoom: false, cancellationToken)
                .ConfigureAwait(false);
            List<uint> blocks = [];
            long bytes = 0;
            foreach (RecallItem item in items)
            {
                if (!IsWanted(item) || content.IsResident(BlockLayout.BlockIndex(item.OffsetBytes)))
                {
                    continue;
                }

                using Loaded loaded = new(context);
                if (!loaded.TryLoad(item, out ReadOnlyMemory<byte> memory))
                {
                    continue;
                }

                await context.Hot.WriteAsync(content.Id, placement, item.OffsetBytes, memory, cancellationToken)
                    .ConfigureAwait(false);
                bytes += item.LengthBytes;
                for (long at = item.OffsetBytes; at < item.EndBytes; at += BlockLayout.BlockBytes)
                {
                    uint block = BlockLayout.BlockIndex(at);
                    if (!blocks.Contains(block))
                    {
                        blocks.Add(block);
                    }
                }
            }

            if (blocks.Count > 0)
            {
                await CommitLockedAsync(content, placement, blocks, cancellationToken).ConfigureAwait(false);
                context.Counters.Add(Counter.RecalledBytes, bytes);
            }
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale)
        {
            // Replaced meanwhile: its hot copy goes with the old content.
        }
        finally
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>The bytes of an item: the transfer's, or read back from the cache into a buffer.</summary>
    private sealed class Loaded(EngineContext context) : IDisposable
    {
        private TransferBuffer? _buffer;

        /// <summary>False if the cache dropped a block meanwhile: it will be recalled when it is read again.</summary>
        public bool TryLoad(RecallItem item, out ReadOnlyMemory<byte> bytes)
        {
            if (item.Held is { } held)
            {
                bytes = held.Memory;
                return true;
            }

            _buffer = context.Buffers.Rent(item.LengthBytes);
            Memory<byte> memory = _buffer.Memory[..item.LengthBytes];
            bytes = memory;
            for (int at = 0; at < item.LengthBytes; at += BlockLayout.BlockBytes)
            {
                BlockId block = new(item.Content.Id, BlockLayout.BlockIndex(item.OffsetBytes + at));
                int length = Math.Min(BlockLayout.BlockBytes, item.LengthBytes - at);
                if (!context.Cache.TryReadChecked(block, memory.Span.Slice(at, length)))
                {
                    context.Counters.Add(Counter.RecallsDroppedBytes, item.LengthBytes);
                    return false;
                }
            }

            return true;
        }

        public void Dispose()
        {
            if (_buffer is not null)
            {
                context.Buffers.Return(_buffer);
            }
        }
    }

    private sealed record Small(ContentState Content, SegmentPlacement Placement);
}
