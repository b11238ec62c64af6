using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Small files written through a mount: their bytes stay in the mapped file of unflushed contents until a flush makes
/// one segment record of them, so making, writing and closing a small file costs no system call but the tree's.
/// </summary>
/// <remarks>
/// What the tree and the hot tier hold stays as it was until the flush, so a power cut leaves the old content or the
/// new one. A content that outgrows the largest record goes to stripes. Contents with an object are not staged: the
/// tree has to know first that they change. All methods want the content's write gate.
/// </remarks>
internal sealed class StagedWriter(EngineContext context)
{
    /// <summary>
    /// Whether a content can be, or is, staged to have a length, after making room for it.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="keepBytes">How many of its bytes are kept; the rest is to be overwritten or cut off.</param>
    /// <param name="lengthBytes">The length it gets.</param>
    /// <param name="cancellationToken">Gives up waiting for room.</param>
    public ValueTask<bool> TryStageLockedAsync(
        ContentState content, long keepBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        bool fits = lengthBytes <= ExtentAllocator.MaxExtentBytes && context.UsesSegment(content, lengthBytes);
        if (content.Staged is { } staged)
        {
            return ValueTask.FromResult(fits && staged.TryReserve(lengthBytes, content.SizeBytes));
        }

        FileContent known = content.Content;
        bool isOurs = known.Object is null && known.Attributes.State == TierState.Hot && !content.IsSuperseded;
        bool isSmall = known.Placement is SegmentPlacement || keepBytes == 0;
        return fits && isOurs && isSmall && !content.IsDirty
            ? StageLockedAsync(content, keepBytes, lengthBytes, cancellationToken)
            : ValueTask.FromResult(false);
    }

    public void Write(ContentState content, StagedContent staged, long offsetBytes, ReadOnlySpan<byte> bytes)
    {
        long size = content.SizeBytes;
        staged.Write(size, offsetBytes, bytes);
        SetLength(content, Math.Max(size, offsetBytes + bytes.Length));
    }

    public void Truncate(ContentState content, StagedContent staged, long sizeBytes)
    {
        long size = content.SizeBytes;
        if (sizeBytes > size)
        {
            staged.Clear(size, sizeBytes);
        }

        SetLength(content, sizeBytes);
    }

    public void Clear(ContentState content, StagedContent staged, long from, long to)
    {
        staged.Clear(from, to);
        SetLength(content, content.SizeBytes);
    }

    /// <summary>The bytes become stripes, because the content outgrew a record or is written durably.</summary>
    public async ValueTask UnstageLockedAsync(
        ContentState content, long expectedBytes, CancellationToken cancellationToken)
    {
        StagedContent staged = content.Staged!;
        long size = content.SizeBytes;
        FileContent known = content.Content;
        ContentUpdate update = new() { Content = content.Id, ContentChanges = true };
        if (known.Placement is StripedPlacement old)
        {
            // Cut to nothing before it was staged: its columns have the names the new ones would have.
            await context.UpdateAsync(content, update with { SizeBytes = 0 }, cancellationToken).ConfigureAwait(false);
            await context.Hot.TruncateAsync(content.Id, old, 0, cancellationToken).ConfigureAwait(false);
            await context.HotWrites.WriteAsync(content.Id, old, 0, staged.Bytes(size), cancellationToken)
                .ConfigureAwait(false);
        }
        else
        {
            StripedPlacement placement = await context
                .PlaceStripesAsync(content, Math.Max(expectedBytes, size), makesRoom: true, cancellationToken)
                .ConfigureAwait(false);
            JournalEntry pending = new()
            {
                Kind = JournalKind.PendingWrite,
                Content = content.Id,
                Placement = placement.ToText(),
            };
            long journal = await context.Tree.Relaxed.AddJournalAsync(pending, cancellationToken)
                .ConfigureAwait(false);
            await context.HotWrites.WriteAsync(content.Id, placement, 0, staged.Bytes(size), cancellationToken)
                .ConfigureAwait(false);
            bool hadBytes = known.Attributes.SizeBytes > 0;
            if (hadBytes && size > 0)
            {
                // The record it had goes with this change, so what takes its place must be durable.
                await context.Hot.FlushAsync(content.Id, placement, cancellationToken).ConfigureAwait(false);
            }

            context.Step("unstage.copied");
            await context.UpdateAsync(
                content,
                update with
                {
                    Placement = placement,
                    SizeBytes = hadBytes ? size : null,
                    CompletesJournalId = journal,
                },
                cancellationToken,
                relaxed: true).ConfigureAwait(false);
        }

        content.Staged = null;
        context.Unflushed.File.DropExtent(staged.Slot);
        content.InvalidateBlocks(context.Cache, 0, BlockLayout.BlockIndex(Math.Max(0, size - 1)));
    }

    /// <summary>Writes the record of a staged content; what comes back is flushed, then committed.</summary>
    public async ValueTask<StagedFlush> AppendLockedAsync(ContentState content, CancellationToken cancellationToken)
    {
        StagedContent staged = content.Staged!;
        long size = content.SizeBytes;
        SegmentPlacement? record = null;
        if (size > 0)
        {
            await context.Shares.LearnAsync(content.Id.Inode, cancellationToken).ConfigureAwait(false);
            context.NewRecords[content.Id] = true;
            record = await context.HotWrites.AppendSmallAsync(content.Id, staged.Bytes(size), cancellationToken)
                .ConfigureAwait(false);
        }

        return new StagedFlush(content, staged, size, content.ModifyTimeNanoseconds, content.WriteEpoch, record);
    }

    /// <summary>What the tree is to be told of a flushed record.</summary>
    public static ContentUpdate ToUpdate(StagedFlush flush)
    {
        FileContent known = flush.Content.Content;
        return new ContentUpdate
        {
            Content = flush.Content.Id,
            SizeBytes = flush.SizeBytes,
            Placement = flush.Record,
            ClearPlacement = flush.Record is null && known.Placement is not null,
            ContentChanges = true,
            ModifyTimeNanoseconds = flush.ModifyTime == 0 ? null : flush.ModifyTime,
            SetResident = flush.SizeBytes > 0 ? [0] : null,
        };
    }

    /// <summary>A record that nobody will name: the content was written to, or replaced, meanwhile.</summary>
    public async ValueTask GiveUpAsync(StagedFlush flush)
    {
        if (flush.Record is not null)
        {
            await context.Hot.DeleteAsync(flush.Content.Id, flush.Record, CancellationToken.None)
                .ConfigureAwait(false);
        }

        context.NewRecords.TryRemove(flush.Content.Id, out _);
    }

    private void SetLength(ContentState content, long sizeBytes)
    {
        long now = context.NowNanoseconds();
        content.SetSize(sizeBytes);
        content.ModifyTimeNanoseconds = now;
        context.Unflushed.File.SetLength(content.UnflushedSlot, sizeBytes, now);
        content.InvalidateBlocks(context.Cache, 0, 0);
    }

    private async ValueTask<bool> StageLockedAsync(
        ContentState content, long keepBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        UnflushedFile file = context.Unflushed.File;

        // An empty content has an extent too: it says that the bytes are here.
        long capacity = Math.Max(1, Math.Max(keepBytes, lengthBytes));
        int slot = await context.Unflushed.TakeRoomAsync(capacity, cancellationToken).ConfigureAwait(false);
        try
        {
            StagedContent staged = new(file, slot);
            if (keepBytes > 0)
            {
                await context.Hot.ReadAsync(
                    content.Id, content.Content.Placement!, content.SizeBytes, 0, staged.Bytes(keepBytes),
                    cancellationToken).ConfigureAwait(false);
            }

            long now = context.NowNanoseconds();
            content.InvalidateBlocks(context.Cache, 0, BlockLayout.BlockIndex(Math.Max(0, content.SizeBytes - 1)));
            file.Publish(slot, content.Id, keepBytes, now);
            context.Unflushed.TrackLocked(content, slot);
            content.ModifyTimeNanoseconds = now;
            content.SetSize(keepBytes);
            content.Staged = staged;
            return true;
        }
        catch
        {
            file.FreeSlot(slot);
            throw;
        }
    }
}
