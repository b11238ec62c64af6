using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Writes a new content front to back. Up to the segment limit it stays in one buffer and becomes one segment record;
/// past it the bytes go to stripes in whole rows of stripe units, several under way at a time.
/// </summary>
/// <remarks>
/// Life: buffered → (striped: the tree has journalled the write, so a crash leaves nothing behind) → flushed →
/// published, or abandoned. Each buffer belongs to its write until that ended, then to the pool.
/// </remarks>
internal sealed class ReplacementWriter(
    EngineContext context, UploadWaits uploads, InodeAttributes folder, string name, InodeAttributes? replaced,
    ReplaceOptions options,
    (uint Generation, long Version)? ifMatch) : IAsyncDisposable
{
    private const int FirstBufferBytes = 1 << 20;
    private const int MaxChunkBytes = 8 << 20;
    private readonly Queue<Task> _writes = [];
    private TransferBuffer? _buffer;
    private int _filled;
    private int _chunkBytes = FirstBufferBytes;
    private long _writtenBytes;
    private PendingContent? _pending;
    private StripedPlacement? _stripes;
    private SegmentPlacement? _record;
    private Exception? _failure;
    private long? _expectedBytes = options.ExpectedSizeBytes;
    private bool _isShared;
    private bool _ended;

    public long LengthBytes { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        CheckOpen();
        if (LengthBytes + bytes.Length > BlockLayout.MaxFileBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file may have {BlockLayout.MaxFileBytes} bytes at most.");
        }

        while (!bytes.IsEmpty)
        {
            _buffer ??= context.Buffers.Rent(_stripes is null ? FirstChunkBytes(bytes.Length) : _chunkBytes);
            int capacity = _stripes is null ? _buffer.CapacityBytes : _chunkBytes;
            int take = Math.Min(bytes.Length, capacity - _filled);
            bytes.Span[..take].CopyTo(_buffer.GetSpan()[_filled..]);
            _filled += take;
            LengthBytes += take;
            bytes = bytes[take..];
            if (_filled == capacity && (!bytes.IsEmpty || _stripes is not null))
            {
                await TurnOverAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Takes the whole content of another file without copying it, where it is hot as a whole and in stripes; nothing
    /// was written here before. Waits for the writers of the other and makes its bytes durable.
    /// </summary>
    /// <returns>False where the bytes are to be copied: they may be written here now.</returns>
    /// <exception cref="DataLayerException">As a flush of the other; NoSpace, NotFound (the folder).</exception>
    public async ValueTask<bool> TryShareAsync(
        ContentState source, FileWriter writer, CancellationToken cancellationToken)
    {
        CheckOpen();
        _expectedBytes = source.SizeBytes;
        for (int tries = 0; tries < 3; tries++)
        {
            await writer.FlushAsync(source, relaxed: false, cancellationToken).ConfigureAwait(false);
            await source.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (!source.IsDirty)
                {
                    return context.Attachments.KeyOf(folder.AttachmentId) == 0
                        && SharingWriter.FindShareable(context, source) is { } stripes
                        && await TryShareLockedAsync(source, stripes, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                source.WriteGate.Release();
            }
        }

        return false; // Written all the time.
    }

    private async ValueTask<bool> TryShareLockedAsync(
        ContentState source, StripedPlacement stripes, CancellationToken cancellationToken)
    {
        long size = source.SizeBytes;
        PendingContent pending = await context.Tree.BeginReplaceAsync(
            folder.Inode, name, _ => stripes, cancellationToken).ConfigureAwait(false);
        context.Step("share.begun");
        try
        {
            _isShared = await context.Hot.TryShareAsync(
                source.Id, stripes, size, pending.Content, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Corrupt or ErrorCode.NotFound)
        {
            // Whether its bytes can be had, their reading will tell.
        }
        finally
        {
            if (!_isShared)
            {
                await context.Tree.AbandonAsync(pending, CancellationToken.None).ConfigureAwait(false);
                context.JournalSignal?.Invoke();
            }
        }

        if (_isShared)
        {
            _pending = pending;
            _stripes = stripes;
            LengthBytes = size;
            _writtenBytes = size;
            context.Step("share.shared");
        }

        return _isShared;
    }

    public async ValueTask<InodeAttributes> CommitAsync(CancellationToken cancellationToken)
    {
        CheckOpen();
        Placement? placement = await FinishBytesAsync(cancellationToken).ConfigureAwait(false);
        context.Step("replace.written");
        if (placement is not null)
        {
            await context.Hot.FlushAsync(_pending!.Content, placement, cancellationToken).ConfigureAwait(false);
        }

        context.Step("replace.flushed");
        InodeAttributes published = await PublishAsync(placement).ConfigureAwait(false);
        context.Step("replace.published");
        context.Counters.Add(Counter.WrittenBytes, _isShared ? 0 : LengthBytes);
        ForgetReplaced(published);
        context.JournalSignal?.Invoke();
        if (context.Attachments.Find(
            published.AttachmentId) is { Mode: AttachmentMode.ReadWrite, Flush: FlushMode.WriteThrough })
        {
            await uploads.WaitAsync(published.Inode, retryFailures: false, cancellationToken).ConfigureAwait(false);
            return await context.View.GetAsync(published.Inode, cancellationToken).ConfigureAwait(false) ?? published;
        }

        return published;
    }

    public async ValueTask DisposeAsync()
    {
        if (_ended)
        {
            return;
        }

        _ended = true;
        await DrainAsync().ConfigureAwait(false);
        ReturnBuffer();
        if (_record is not null)
        {
            await context.Hot.DeleteAsync(_pending!.Content, _record, CancellationToken.None).ConfigureAwait(false);
        }

        if (_pending is not null)
        {
            context.NewRecords.TryRemove(_pending.Content, out _);
            await context.Tree.AbandonAsync(_pending, CancellationToken.None).ConfigureAwait(false);
            context.JournalSignal?.Invoke();
        }
    }

    private int FirstChunkBytes(int incoming)
    {
        long wanted = _expectedBytes ?? Math.Max(incoming, 64 << 10);
        return (int)Math.Clamp(wanted, 1, FirstBufferBytes);
    }

    /// <summary>
    /// The buffer is full: it grows while the content may still become a segment record, else it goes to the stripes.
    /// </summary>
    private async ValueTask TurnOverAsync(CancellationToken cancellationToken)
    {
        if (_stripes is null && _buffer!.CapacityBytes < FirstBufferBytes
            && context.UsesSegment(folder.AttachmentId, LengthBytes + 1))
        {
            TransferBuffer larger = context.Buffers.Rent(Math.Min(_buffer.CapacityBytes * 4, FirstBufferBytes));
            _buffer.GetSpan()[.._filled].CopyTo(larger.GetSpan());
            context.Buffers.Return(_buffer);
            _buffer = larger;
            return;
        }

        if (_stripes is null)
        {
            await BeginStripesAsync(cancellationToken).ConfigureAwait(false);
        }

        await StartWriteAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Chooses stripes and journals the write; the first call, where the length is known to be large.
    /// </summary>
    public async ValueTask BeginStripesAsync(CancellationToken cancellationToken)
    {
        long expected = Math.Max(_expectedBytes ?? 0, LengthBytes + 1);
        await context.Shares.LearnAsync(folder.Inode, cancellationToken).ConfigureAwait(false);
        _pending = await context.HotWrites.PlacingAsync(
            () => context.Tree.BeginReplaceAsync(
                folder.Inode,
                name,
                content =>
                {
                    context.Shares.Inherit(content.Inode, folder.Inode);
                    return context.Hot.PlaceStriped(
                        context.Shares.PoolOf(content.Inode), content, expected,
                        context.Attachments.KeyOf(folder.AttachmentId));
                },
                cancellationToken),
            folder.Inode,
            expected,
            cancellationToken).ConfigureAwait(false);
        _stripes = (StripedPlacement)_pending.Placement!;
        long row = (long)_stripes.UnitBytes * _stripes.Width;
        long rows = Math.Max(1, FirstBufferBytes / row);
        _chunkBytes = (int)Math.Min(rows * row, Math.Max(row, MaxChunkBytes));
        context.Step("replace.begun");
    }

    /// <summary>Hands the filled buffer to a write, after waiting for the oldest if too many are under way.</summary>
    private async ValueTask StartWriteAsync()
    {
        while (_writes.Count >= context.Options.WriteDepth)
        {
            await AwaitOldestAsync().ConfigureAwait(false);
        }

        TransferBuffer buffer = _buffer!;
        int length = _filled;
        long offset = _writtenBytes;
        _buffer = null;
        _filled = 0;
        _writtenBytes += length;
        _writes.Enqueue(WriteChunkAsync(buffer, offset, length));
        if (_failure is not null)
        {
            CheckOpen();
        }
    }

    private async Task WriteChunkAsync(TransferBuffer buffer, long offset, int length)
    {
        try
        {
            // Not cancelled with the caller: the buffer goes back when the write ended, and an abandoned content is
            // deleted anyway.
            await context.HotWrites.WriteAsync(
                _pending!.Content, _stripes!, offset, buffer.Memory[..length], CancellationToken.None)
                    .ConfigureAwait(false);
        }
        finally
        {
            context.Buffers.Return(buffer);
        }
    }

    private async ValueTask AwaitOldestAsync()
    {
        try
        {
            await _writes.Dequeue().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _failure ??= error;
        }
    }

    private async ValueTask DrainAsync()
    {
        while (_writes.Count > 0)
        {
            await AwaitOldestAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask<Placement?> FinishBytesAsync(CancellationToken cancellationToken)
    {
        if (_stripes is null && LengthBytes > 0 && !context.UsesSegment(folder.AttachmentId, LengthBytes))
        {
            await BeginStripesAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_stripes is not null)
        {
            if (_filled > 0)
            {
                await StartWriteAsync().ConfigureAwait(false);
            }

            await DrainAsync().ConfigureAwait(false);
            CheckOpen();
            return _stripes;
        }

        _pending = await context.Tree.BeginReplaceAsync(folder.Inode, name, _ => null, cancellationToken)
            .ConfigureAwait(false);
        if (LengthBytes == 0)
        {
            return null;
        }

        await context.Shares.LearnAsync(folder.Inode, cancellationToken).ConfigureAwait(false);
        context.Shares.Inherit(_pending.Content.Inode, folder.Inode);
        context.NewRecords[_pending.Content] = true;
        _record = await context.HotWrites.AppendSmallAsync(
            _pending.Content, _buffer!.Memory[.._filled], cancellationToken).ConfigureAwait(false);
        return _record;
    }

    private async ValueTask<InodeAttributes> PublishAsync(Placement? placement)
    {
        PublishRequest request = new()
        {
            Pending = _pending!,
            SizeBytes = LengthBytes,
            Placement = placement,
            NewInode = new NewInode(options.Mode),
            IfMatch = ifMatch,
            IfAbsent = options.IfAbsent,
        };
        InodeAttributes published;
        InodeAttributes? displaced;
        ChangeScope scope = new ChangeScope(context.Stamps).Name(folder.Inode, name).Inode(_pending!.Content.Inode);
        if (replaced is not null)
        {
            scope.Inode(replaced.Inode);
        }

        using (scope)
        {
            // Not cancelled: a publication whose outcome nobody knows could neither be reported nor abandoned.
            (published, displaced) = await context.Tree.PublishReplacingAsync(request, CancellationToken.None)
                .ConfigureAwait(false);
        }

        _ended = true;
        context.NewRecords.TryRemove(_pending.Content, out _);
        ReturnBuffer();
        if (displaced is { LinkCount: 0 })
        {
            await context.ReleaseOrphanAsync(displaced.Inode).ConfigureAwait(false);
        }

        return published;
    }

    /// <summary>
    /// Memory copies of the content that went are of no use any more, unless somebody still reads it.
    /// </summary>
    private void ForgetReplaced(InodeAttributes published)
    {
        if (replaced is { } old && old.Content != published.Content && !context.Contents.IsInUse(old.Content))
        {
            context.Contents.Forget(old.Content);
            context.Cache.RemoveContent(old.Content, BlockLayout.BlockCount(old.SizeBytes));
        }
    }

    private void ReturnBuffer()
    {
        if (_buffer is not null)
        {
            context.Buffers.Return(_buffer);
            _buffer = null;
        }
    }

    private void CheckOpen()
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        if (_failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
        }
    }
}
