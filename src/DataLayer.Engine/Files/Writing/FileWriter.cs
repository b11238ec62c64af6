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
internal sealed class FileWriter(EngineContext context, Recaller recaller)
{
    public async ValueTask WriteAsync(
        ContentState content, long offsetBytes, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        long end = CheckLength(offsetBytes, bytes.Length);
        if (bytes.IsEmpty)
        {
            return;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            StripedPlacement placement = await MakeDirtyLockedAsync(content, null, end, cancellationToken)
                .ConfigureAwait(false);
            long size = content.SizeBytes;
            uint first = BlockLayout.BlockIndex(Math.Min(offsetBytes, size));
            uint last = BlockLayout.BlockIndex(end - 1);
            uint touched = offsetBytes > size ? first : BlockLayout.BlockIndex(offsetBytes);
            content.InvalidateBlocks(context.Cache, touched, last);
            try
            {
                await context.Hot.WriteAsync(content.Id, placement, offsetBytes, bytes, cancellationToken)
                    .ConfigureAwait(false);
            }
            finally
            {
                if (end > size)
                {
                    content.SetSize(end);
                }

                content.InvalidateBlocks(context.Cache, touched, last);
            }

            context.Counters.Add(Counter.WrittenBytes, bytes.Length);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    public async ValueTask TruncateAsync(ContentState content, long sizeBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        CheckLength(sizeBytes, 0);
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long before = content.SizeBytes;
            if (sizeBytes == before)
            {
                return;
            }

            uint first = BlockLayout.BlockIndex(Math.Min(sizeBytes, before));
            uint last = BlockLayout.BlockIndex(Math.Max(sizeBytes, before));
            if (sizeBytes > before)
            {
                StripedPlacement placement = await MakeDirtyLockedAsync(content, null, sizeBytes, cancellationToken)
                    .ConfigureAwait(false);
                content.InvalidateBlocks(context.Cache, first, last);
                await context.Hot.TruncateAsync(content.Id, placement, sizeBytes, cancellationToken)
                    .ConfigureAwait(false);
                content.SetSize(sizeBytes);
                content.InvalidateBlocks(context.Cache, first, last);
            }
            else
            {
                await ShrinkLockedAsync(content, sizeBytes, first, last, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>
    /// fsync: the data durable on its targets, then length and version in the tree. Returns the attributes.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// TargetFailed or NoSpace: counted on the content, so that each descriptor reports it.
    /// </exception>
    public async ValueTask<InodeAttributes> FlushAsync(ContentState content, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!content.IsDirty)
            {
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
            await CommitLockedAsync(content, known, size, cancellationToken).ConfigureAwait(false);
            context.Step("write.committed");
            content.IsDirty = false;
            context.Contents.CountDirty(-1);
            for (int kept = content.TakeKeptReferences(); kept > 0; kept--)
            {
                await context.ReleaseAsync(content).ConfigureAwait(false); // Never the last: the caller holds one.
            }

            await context.ReloadAsync(content, CancellationToken.None).ConfigureAwait(false);
            context.JournalSignal?.Invoke();
            return content.Attributes;
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask CommitLockedAsync(
        ContentState content, FileContent known, long size, CancellationToken cancellationToken)
    {
        ContentUpdate update = new()
        {
            Content = content.Id,
            SizeBytes = size,
            ContentChanges = true,
            SetResident = Blocks(
                BlockLayout.BlockCount(Math.Min(known.Attributes.SizeBytes, size)), BlockLayout.BlockCount(size)),
        };
        await context.UpdateAsync(content, update, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Shortens: the tree first, then the bytes, so that no crash leaves a length without its bytes.</summary>
    private async ValueTask ShrinkLockedAsync(
        ContentState content, long sizeBytes, uint first, uint last, CancellationToken cancellationToken)
    {
        StripedPlacement placement = await MakeDirtyLockedAsync(content, sizeBytes, sizeBytes, cancellationToken)
            .ConfigureAwait(false);
        content.InvalidateBlocks(context.Cache, first, last);
        content.SetSize(sizeBytes);
        context.Step("truncate.committed");
        await context.Hot.TruncateAsync(content.Id, placement, sizeBytes, cancellationToken).ConfigureAwait(false);
        content.InvalidateBlocks(context.Cache, first, last);
    }

    /// <summary>
    /// Makes the content ready to be changed and returns its stripes. With <paramref name="newSizeBytes"/> the tree
    /// takes that length in the same transaction.
    /// </summary>
    private async ValueTask<StripedPlacement> MakeDirtyLockedAsync(
        ContentState content, long? newSizeBytes, long expectedBytes, CancellationToken cancellationToken)
    {
        if (content.IsDirty && content.Content.Placement is StripedPlacement known)
        {
            if (newSizeBytes is { } length)
            {
                await context.UpdateAsync(
                    content,
                    new ContentUpdate
                    {
                        Content = content.Id,
                        SizeBytes = Math.Min(length, content.SizeBytes),
                        ContentChanges = true,
                    },
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
        if (current.Placement is not StripedPlacement placement)
        {
            placement = await ConvertLockedAsync(content, change, keep, expectedBytes, cancellationToken)
                .ConfigureAwait(false);
        }
        else
        {
            await context.UpdateAsync(content, change, cancellationToken).ConfigureAwait(false);
        }

        content.IsDirty = true;
        context.Contents.CountDirty(1);
        context.Step("write.begun");
        return placement;
    }

    /// <summary>
    /// Copies a content that is empty or one segment record into stripes, where it can be written in place.
    /// </summary>
    private async ValueTask<StripedPlacement> ConvertLockedAsync(
        ContentState content, ContentUpdate change, long keepBytes, long expectedBytes,
        CancellationToken cancellationToken)
    {
        Placement? before = content.Content.Placement;
        StripedPlacement placement = context.Hot.PlaceStriped(
            null, content.Id, Math.Max(expectedBytes, content.SizeBytes));
        long journal = await context.Tree.AddJournalAsync(
            new JournalEntry { Kind = JournalKind.PendingWrite, Content = content.Id, Placement = placement.ToText() },
            cancellationToken).ConfigureAwait(false);
        if (before is not null && keepBytes > 0)
        {
            TransferBuffer buffer = context.Buffers.Rent((int)keepBytes);
            try
            {
                Memory<byte> bytes = buffer.Memory[..(int)keepBytes];
                await context.Hot.ReadAsync(
                    content.Id, before, content.Content.Attributes.SizeBytes, 0, bytes, cancellationToken)
                        .ConfigureAwait(false);
                await context.Hot.WriteAsync(content.Id, placement, 0, bytes, cancellationToken).ConfigureAwait(false);
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
            change with { Placement = placement, SetResident = Blocks(0, BlockLayout.BlockCount(keepBytes)) },
            cancellationToken).ConfigureAwait(false);
        context.Step("convert.committed");
        await context.Tree.CompleteJournalAsync(journal, cancellationToken).ConfigureAwait(false);
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
