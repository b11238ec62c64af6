using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Writes in place. The first write after a flush makes the content dirty: it is brought into stripes as a whole
/// where it is not, and the tree learns durably that it changes before any byte does, so a crash never leaves changed
/// bytes that count as uploaded.
/// </summary>
/// <remarks>
/// A content in state Hot is hot as a whole: that is why the first write recalls what is missing. It costs one pass
/// over a cold file that is written in place, and buys that a change made by somebody else to the object can never
/// tear ours. All methods take the content's write gate.
/// </remarks>
internal sealed class FileWriter(EngineContext context, Recaller recaller, StagedWriter staging)
{
    /// <summary>What is given back as a whole when a range is zeroed: a chunk of a column.</summary>
    private const int ZeroUnitBytes = 64 << 10;

    public async ValueTask WriteAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        CheckLength(offsetBytes, bytes.Length);
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await WriteLockedAsync(content, offsetBytes, bytes, relaxed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>Writes what lies within the length that the content has when it is this writer's turn.</summary>
    public async ValueTask OverwriteAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int within = (int)Math.Clamp(content.SizeBytes - offsetBytes, 0, bytes.Length);
            await WriteLockedAsync(content, offsetBytes, bytes[..within], relaxed, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>Writes at the end, wherever that is when it is this writer's turn; returns where that was.</summary>
    public async ValueTask<long> AppendAsync(
        ContentState content, ReadOnlyMemory<byte> bytes, bool relaxed, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long offset = content.SizeBytes;
            CheckLength(offset, bytes.Length);
            await WriteLockedAsync(content, offset, bytes, relaxed, cancellationToken).ConfigureAwait(false);
            return offset;
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    public async ValueTask TruncateAsync(
        ContentState content, long sizeBytes, bool relaxed, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        CheckLength(sizeBytes, 0);
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await TruncateLockedAsync(content, sizeBytes, relaxed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private ValueTask WriteLockedAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        long end = offsetBytes + bytes.Length;
        return bytes.IsEmpty ? ValueTask.CompletedTask
            : end <= content.SizeBytes || context.Quotas.IsEmpty
                ? WriteClaimedAsync(content, offsetBytes, bytes, relaxed, cancellationToken)
                : WriteClaimingAsync(content, offsetBytes, bytes, relaxed, cancellationToken);
    }

    private async ValueTask WriteClaimingAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        context.Quotas.ClaimLocked(content, offsetBytes + bytes.Length);
        try
        {
            await WriteClaimedAsync(content, offsetBytes, bytes, relaxed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            context.Quotas.SettleLocked(content);
        }
    }

    private async ValueTask WriteClaimedAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        long end = offsetBytes + bytes.Length;
        long size = content.SizeBytes;
        if (relaxed && await staging.TryStageLockedAsync(content, size, Math.Max(size, end), cancellationToken)
            .ConfigureAwait(false))
        {
            staging.Write(content, content.Staged!, offsetBytes, bytes.Span);
            context.Counters.Add(Counter.WrittenBytes, bytes.Length);
            return;
        }

        StripedPlacement placement = await MakeDirtyLockedAsync(content, null, end, relaxed, cancellationToken)
            .ConfigureAwait(false);
        uint first = BlockLayout.BlockIndex(Math.Min(offsetBytes, size));
        uint last = BlockLayout.BlockIndex(end - 1);
        uint touched = offsetBytes > size ? first : BlockLayout.BlockIndex(offsetBytes);
        content.InvalidateBlocks(context.Cache, touched, last);
        try
        {
            await context.HotWrites.WriteAsync(content.Id, placement, offsetBytes, bytes, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            if (end > size)
            {
                content.SetSize(end);
            }

            NoteWritten(content);
            content.InvalidateBlocks(context.Cache, touched, last);
        }

        context.Counters.Add(Counter.WrittenBytes, bytes.Length);
    }

    private async ValueTask TruncateLockedAsync(
        ContentState content, long sizeBytes, bool relaxed, CancellationToken cancellationToken)
    {
        long before = content.SizeBytes;
        if (sizeBytes == before)
        {
            return;
        }

        context.Quotas.ClaimLocked(content, Math.Max(sizeBytes, before));
        try
        {
            await TruncateClaimedAsync(content, before, sizeBytes, relaxed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            context.Quotas.SettleLocked(content);
        }
    }

    private async ValueTask TruncateClaimedAsync(
        ContentState content, long before, long sizeBytes, bool relaxed, CancellationToken cancellationToken)
    {
        if (relaxed && await staging.TryStageLockedAsync(
            content, Math.Min(before, sizeBytes), sizeBytes, cancellationToken).ConfigureAwait(false))
        {
            staging.Truncate(content, content.Staged!, sizeBytes);
            return;
        }

        uint first = BlockLayout.BlockIndex(Math.Min(sizeBytes, before));
        uint last = BlockLayout.BlockIndex(Math.Max(sizeBytes, before));
        if (sizeBytes > before)
        {
            StripedPlacement placement = await MakeDirtyLockedAsync(
                content, null, sizeBytes, relaxed, cancellationToken).ConfigureAwait(false);
            content.InvalidateBlocks(context.Cache, first, last);
            await context.HotWrites.TruncateAsync(content.Id, placement, sizeBytes, cancellationToken)
                .ConfigureAwait(false);
            content.SetSize(sizeBytes);
            content.InvalidateBlocks(context.Cache, first, last);
        }
        else
        {
            await ShrinkLockedAsync(content, sizeBytes, first, last, relaxed, cancellationToken).ConfigureAwait(false);
        }

        NoteWritten(content);
    }

    /// <summary>Makes a range read as zeros and gives its space back where it can; the length stays.</summary>
    public async ValueTask ZeroAsync(
        ContentState content, long offsetBytes, long lengthBytes, bool relaxed, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long end = Math.Min(offsetBytes + lengthBytes, content.SizeBytes);
            if (content.Staged is { } staged)
            {
                if (end > offsetBytes)
                {
                    staging.Clear(content, staged, offsetBytes, end);
                }

                return;
            }

            long wholeStart = Math.Min(end, RoundUp(offsetBytes));
            long wholeEnd = Math.Max(wholeStart, end / ZeroUnitBytes * ZeroUnitBytes);
            await WriteZerosLockedAsync(content, offsetBytes, wholeStart, relaxed, cancellationToken)
                .ConfigureAwait(false);
            if (wholeEnd > wholeStart)
            {
                StripedPlacement placement = await MakeDirtyLockedAsync(
                    content, null, content.SizeBytes, relaxed, cancellationToken).ConfigureAwait(false);
                uint first = BlockLayout.BlockIndex(wholeStart);
                uint last = BlockLayout.BlockIndex(wholeEnd - 1);
                content.InvalidateBlocks(context.Cache, first, last);
                await context.Hot.PunchAsync(
                    content.Id, placement, wholeStart, wholeEnd - wholeStart, cancellationToken).ConfigureAwait(false);
                NoteWritten(content);
                content.InvalidateBlocks(context.Cache, first, last);
            }

            await WriteZerosLockedAsync(content, wholeEnd, end, relaxed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>
    /// Bytes or length changed: the time of it, and for a mount's content the slot that outlives a kill.
    /// </summary>
    private void NoteWritten(ContentState content)
    {
        long now = context.NowNanoseconds();
        content.ModifyTimeNanoseconds = now;
        if (content.UnflushedSlot >= 0)
        {
            context.Unflushed.File.SetLength(content.UnflushedSlot, content.SizeBytes, now);
        }
    }

    private static long RoundUp(long offsetBytes) => (offsetBytes + ZeroUnitBytes - 1) / ZeroUnitBytes * ZeroUnitBytes;

    private async ValueTask WriteZerosLockedAsync(
        ContentState content, long from, long to, bool relaxed, CancellationToken cancellationToken)
    {
        if (to > from)
        {
            await WriteLockedAsync(content, from, new byte[to - from], relaxed, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>
    /// fsync: the data durable on its targets, then length and version in the tree. Returns the attributes.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// TargetFailed or NoSpace: counted on the content, so that each descriptor reports it.
    /// </exception>
    public async ValueTask<InodeAttributes> FlushAsync(
        ContentState content, bool relaxed, CancellationToken cancellationToken)
    {
        InodeAttributes attributes = await FlushGatedAsync(content, relaxed, cancellationToken).ConfigureAwait(false);
        await context.Unflushed.ForgetAsync(content).ConfigureAwait(false);
        return attributes;
    }

    private async ValueTask<InodeAttributes> FlushGatedAsync(
        ContentState content, bool relaxed, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!content.IsDirty || content.IsSuperseded)
            {
                return content.Attributes;
            }

            if (content.Staged is not null)
            {
                await FlushStagedLockedAsync(content, relaxed, cancellationToken).ConfigureAwait(false);
                return content.Attributes;
            }

            FileContent known = content.Content;
            try
            {
                await context.Hot.FlushAsync(content.Id, known.Placement!, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException error)
            {
                content.NoteFlushFault(error.Message);
                EngineLog.FlushFailed(context.Log, content.Id.ToString(), error.Message);
                throw;
            }

            context.Step("write.flushed");
            long size = content.SizeBytes;
            await CommitLockedAsync(content, known, size, relaxed, cancellationToken).ConfigureAwait(false);
            context.Step("write.committed");
            await context.Unflushed.EndLockedAsync(content).ConfigureAwait(false);
            await context.ReloadAsync(content, CancellationToken.None).ConfigureAwait(false);
            context.JournalSignal?.Invoke();
            return content.Attributes;
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask FlushStagedLockedAsync(
        ContentState content, bool relaxed, CancellationToken cancellationToken)
    {
        StagedFlush flush;
        try
        {
            flush = await staging.AppendLockedAsync(content, cancellationToken).ConfigureAwait(false);
            if (flush.Record is not null)
            {
                await context.Hot.FlushAsync(content.Id, flush.Record, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DataLayerException error)
        {
            context.NewRecords.TryRemove(content.Id, out _);
            content.NoteFlushFault(error.Message);
            EngineLog.FlushFailed(context.Log, content.Id.ToString(), error.Message);
            throw;
        }

        context.Step("write.flushed");
        await context.Unflushed.CommitLockedAsync([flush], relaxed).ConfigureAwait(false);
        context.Step("write.committed");
    }

    private async ValueTask CommitLockedAsync(
        ContentState content, FileContent known, long size, bool relaxed, CancellationToken cancellationToken)
    {
        long modified = content.ModifyTimeNanoseconds;
        ContentUpdate update = new()
        {
            Content = content.Id,
            SizeBytes = size,
            ContentChanges = true,
            ModifyTimeNanoseconds = modified == 0 ? null : modified,
            SetResident = Blocks(
                BlockLayout.BlockCount(Math.Min(known.Attributes.SizeBytes, size)), BlockLayout.BlockCount(size)),
        };
        try
        {
            await context.UpdateAsync(content, update, cancellationToken, relaxed).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (content.IsTracked && error.Code is ErrorCode.Stale or ErrorCode.NotFound)
        {
            // Replaced as a whole meanwhile: to a mount that is a file without a name, and nothing of it is to stay.
        }
    }

    /// <summary>Shortens: the tree first, then the bytes, so that no crash leaves a length without its bytes.</summary>
    private async ValueTask ShrinkLockedAsync(
        ContentState content, long sizeBytes, uint first, uint last, bool relaxed,
        CancellationToken cancellationToken)
    {
        StripedPlacement placement = await MakeDirtyLockedAsync(
            content, sizeBytes, sizeBytes, relaxed, cancellationToken).ConfigureAwait(false);
        content.InvalidateBlocks(context.Cache, first, last);
        content.SetSize(sizeBytes);
        NoteWritten(content);
        context.Step("truncate.committed");
        await context.Hot.TruncateAsync(content.Id, placement, sizeBytes, cancellationToken).ConfigureAwait(false);
        content.InvalidateBlocks(context.Cache, first, last);
    }

    /// <summary>
    /// Makes the content ready to be changed and returns its stripes. With <paramref name="newSizeBytes"/> the tree
    /// takes that length in the same transaction.
    /// </summary>
    private async ValueTask<StripedPlacement> MakeDirtyLockedAsync(
        ContentState content, long? newSizeBytes, long expectedBytes, bool relaxed,
        CancellationToken cancellationToken)
    {
        if (content.Staged is not null)
        {
            await staging.UnstageLockedAsync(content, expectedBytes, cancellationToken).ConfigureAwait(false);
        }

        if (content.IsDirty && content.Content.Placement is StripedPlacement known)
        {
            // A length that was never flushed is not the tree's to know before its bytes are durable.
            if (newSizeBytes is { } length && length < content.Content.Attributes.SizeBytes)
            {
                await context.UpdateAsync(
                    content,
                    new ContentUpdate { Content = content.Id, SizeBytes = length, ContentChanges = true },
                    cancellationToken).ConfigureAwait(false);
            }

            return known;
        }

        long keep = Math.Min(content.SizeBytes, newSizeBytes ?? long.MaxValue);
        await recaller.RecallLockedAsync(content, keep, cancellationToken).ConfigureAwait(false);
        FileContent current = content.Content;
        ContentUpdate change = new()
        {
            Content = content.Id,
            IfVersion = current.Attributes.Version,
            SizeBytes = newSizeBytes,
            ContentChanges = true,
        };

        int slot = relaxed
            ? await context.Unflushed.TakeRoomAsync(0, cancellationToken).ConfigureAwait(false)
            : -1;

        // Where an object holds the content, or bytes will be cut off, the tree must know it durably before.
        bool soft = relaxed && current.Object is null && newSizeBytes is null;
        StripedPlacement placement;
        try
        {
            placement = await BeginLockedAsync(content, change, keep, expectedBytes, soft, cancellationToken)
                .ConfigureAwait(false);
        }
        catch when (slot >= 0)
        {
            context.Unflushed.File.FreeSlot(slot);
            throw;
        }

        if (slot >= 0)
        {
            context.Unflushed.File.Publish(
                slot, content.Id, newSizeBytes ?? content.SizeBytes, context.NowNanoseconds());
            context.Unflushed.TrackLocked(content, slot);
        }
        else
        {
            content.IsDirty = true;
        }

        context.Step("write.begun");
        return placement;
    }

    /// <summary>Tells the tree that the content changes from now on, in stripes.</summary>
    private async ValueTask<StripedPlacement> BeginLockedAsync(
        ContentState content, ContentUpdate change, long keepBytes, long expectedBytes, bool soft,
        CancellationToken cancellationToken)
    {
        if (content.Content.Placement is not StripedPlacement striped)
        {
            return await ConvertLockedAsync(content, change, keepBytes, expectedBytes, soft, cancellationToken)
                .ConfigureAwait(false);
        }

        await context.UpdateAsync(content, change, cancellationToken, soft).ConfigureAwait(false);
        return striped;
    }

    /// <summary>
    /// Copies a content that is empty or one segment record into stripes, where it can be written in place.
    /// </summary>
    private async ValueTask<StripedPlacement> ConvertLockedAsync(
        ContentState content, ContentUpdate change, long keepBytes, long expectedBytes, bool soft,
        CancellationToken cancellationToken)
    {
        Placement? before = content.Content.Placement;
        StripedPlacement placement = await context
            .PlaceStripesAsync(
                content, Math.Max(expectedBytes, content.SizeBytes), makesRoom: true, cancellationToken)
            .ConfigureAwait(false);
        JournalEntry pending = new()
        {
            Kind = JournalKind.PendingWrite,
            Content = content.Id,
            Placement = placement.ToText(),
        };
        long journal = soft
            ? await context.Tree.Relaxed.AddJournalAsync(pending, cancellationToken).ConfigureAwait(false)
            : await context.Tree.AddJournalAsync(pending, cancellationToken).ConfigureAwait(false);
        if (before is not null && keepBytes > 0)
        {
            TransferBuffer buffer = context.Buffers.Rent((int)keepBytes);
            try
            {
                Memory<byte> bytes = buffer.Memory[..(int)keepBytes];
                await context.Hot.ReadAsync(
                    content.Id, before, content.Content.Attributes.SizeBytes, 0, bytes, cancellationToken)
                        .ConfigureAwait(false);
                await context.HotWrites.WriteAsync(content.Id, placement, 0, bytes, cancellationToken)
                    .ConfigureAwait(false);
                await context.Hot.FlushAsync(content.Id, placement, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                context.Buffers.Return(buffer);
            }
        }

        context.Step("convert.copied");
        await context.UpdateAsync(
            content,
            change with
            {
                Placement = placement,
                SetResident = Blocks(0, BlockLayout.BlockCount(keepBytes)),
                CompletesJournalId = journal,
            },
            cancellationToken,
            soft).ConfigureAwait(false);
        context.Step("convert.committed");
        return placement;
    }

    private static long CheckLength(long offsetBytes, int lengthBytes) =>
        offsetBytes <= BlockLayout.MaxFileBytes - lengthBytes
            ? offsetBytes + lengthBytes
            : throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file may have {BlockLayout.MaxFileBytes} bytes at most.");

    private static uint[] Blocks(uint from, uint to)
    {
        uint[] blocks = new uint[to > from ? to - from : 0];
        for (uint i = 0; i < blocks.Length; i++)
        {
            blocks[i] = from + i;
        }

        return blocks;
    }
}
