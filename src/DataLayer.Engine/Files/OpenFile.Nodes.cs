using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files;

/// <content>What a mount needs beyond positional reads and writes.</content>
public sealed partial class OpenFile
{
    private const int CopyBytes = 1 << 20;

    private bool IsRelaxed => _nodes is not null;

    /// <summary>Somebody opened the file through a mount, which keeps one open file for all its openers.</summary>
    public void NoteOpen() => _content.Accesses.NoteOpen(_engine.Context.Accesses);

    /// <summary>
    /// Somebody reads the file past the engine from now on (the kernel by itself): taken for one read of the whole.
    /// </summary>
    public void NoteUnseenRead() => _content.Accesses.NoteUnseenRead(_engine.Context.Accesses);

    /// <summary>
    /// Writes at the end of the file, wherever that is when it is this call's turn; concurrent appends do not overlap.
    /// </summary>
    /// <returns>The offset the bytes landed at.</returns>
    /// <exception cref="DataLayerException">As <see cref="WriteAsync"/>.</exception>
    public async ValueTask<long> AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        long offset = await _engine.Writer.AppendAsync(_content, bytes, IsRelaxed, cancellationToken)
            .ConfigureAwait(false);
        Tell();
        return offset;
    }

    /// <summary>
    /// fallocate(2). Space is not set aside: the hot tier stores what is written, so a later write may still fail with
    /// NoSpace.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: a length below 1. FileTooLarge. NoSpace: the tier has not that much room now.
    /// </exception>
    public async ValueTask AllocateAsync(
        long offsetBytes, long lengthBytes, FallocateMode mode, CancellationToken cancellationToken)
    {
        CheckWritable();
        if (offsetBytes < 0 || lengthBytes <= 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"There is no range of {lengthBytes} bytes at {offsetBytes}.");
        }

        if (offsetBytes > BlockLayout.MaxFileBytes - lengthBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file may have {BlockLayout.MaxFileBytes} bytes at most.");
        }

        long end = offsetBytes + lengthBytes;
        bool zeroes = mode is FallocateMode.PunchHole or FallocateMode.ZeroRange or FallocateMode.ZeroRangeKeepSize;
        if (zeroes)
        {
            await _engine.Writer.ZeroAsync(_content, offsetBytes, lengthBytes, IsRelaxed, cancellationToken)
                .ConfigureAwait(false);
        }
        else if (_engine.Nodes.GetSpace().AvailableBytes < lengthBytes)
        {
            await _engine.Context.HotWrites
                .EnsureAsync(_content.Id.Inode, lengthBytes, cancellationToken).ConfigureAwait(false);
        }

        if (mode == FallocateMode.KeepSize && end > _content.SizeBytes)
        {
            _engine.Context.Quotas.CheckRoom(_content.Content.Attributes.QuotaFolder, end - _content.SizeBytes);
        }

        if (mode is FallocateMode.Extend or FallocateMode.ZeroRange && end > _content.SizeBytes)
        {
            await _engine.Writer.TruncateAsync(_content, end, IsRelaxed, cancellationToken).ConfigureAwait(false);
        }

        Tell();
    }

    /// <summary>
    /// Copies a range of another file (or this one, where the ranges do not overlap) into this, inside the service. The
    /// whole of a large hot file into an empty one is shared, not copied.
    /// </summary>
    /// <returns>How many bytes were copied: fewer than asked for only at the end of the other file.</returns>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: the ranges overlap. Else as reads and writes.
    /// </exception>
    public async ValueTask<long> CopyRangeAsync(
        OpenFile from, long fromOffsetBytes, long toOffsetBytes, long lengthBytes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        CheckWritable();
        if (from._content == _content && fromOffsetBytes < toOffsetBytes + lengthBytes
            && toOffsetBytes < fromOffsetBytes + lengthBytes)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "The ranges to copy between overlap.");
        }

        if (fromOffsetBytes == 0 && toOffsetBytes == 0 && lengthBytes >= from._content.SizeBytes
            && await _engine.Sharing.TryShareAsync(from._content, _content, IsRelaxed, cancellationToken)
                .ConfigureAwait(false) is > 0 and long shared)
        {
            Tell();
            return shared;
        }

        TransferBuffer buffer = _engine.Context.Buffers.Rent((int)Math.Clamp(lengthBytes, 1, CopyBytes));
        long copied = 0;
        try
        {
            while (copied < lengthBytes)
            {
                int want = (int)Math.Min(buffer.CapacityBytes, lengthBytes - copied);
                int read = await from.ReadAsync(fromOffsetBytes + copied, buffer.Memory[..want], cancellationToken)
                    .ConfigureAwait(false);
                if (read == 0)
                {
                    break;
                }

                await WriteAsync(toOffsetBytes + copied, buffer.Memory[..read], cancellationToken)
                    .ConfigureAwait(false);
                copied += read;
            }
        }
        finally
        {
            _engine.Context.Buffers.Return(buffer);
        }

        return copied;
    }

    /// <summary>
    /// What close(2) needs: everything written is visible to every other opener, stands in listings, and survives the
    /// end of the process. Not durable against power loss. Reports a flush that failed since the last report. Where
    /// other nodes use the tree it is flushed, so that they see it too, and with write-through uploaded.
    /// </summary>
    /// <returns>The attributes as everybody sees them now.</returns>
    /// <exception cref="DataLayerException">TargetFailed: an earlier flush failed.</exception>
    public ValueTask<InodeAttributes> PublishAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        cancellationToken.ThrowIfCancellationRequested();
        ReportFaults();
        return _content.IsDirty && _engine.Context.IsShared
            ? _engine.FlushAsync(_content, relaxed: true, cancellationToken)
            : ValueTask.FromResult(_content.Attributes);
    }

    /// <summary>
    /// fsync(2), or fdatasync(2) with <paramref name="dataOnly"/>: the data durable on its targets, then the file's
    /// length, and with it every change of the tree that was acknowledged before.
    /// </summary>
    /// <remarks>The length is needed to read the data back, so both calls cost the same here.</remarks>
    /// <exception cref="DataLayerException">As <see cref="FlushAsync(CancellationToken)"/>.</exception>
    public async ValueTask FlushAsync(bool dataOnly, CancellationToken cancellationToken)
    {
        _ = dataOnly;
        await FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private void ReportFaults()
    {
        int faults = _content.FlushFaults;
        if (faults != _seenFaults)
        {
            _seenFaults = faults;
            throw new DataLayerException(
                ErrorCode.TargetFailed,
                $"An earlier flush of this file failed by another descriptor: {_content.FlushFault}");
        }
    }

    private ValueTask Told(ValueTask change)
    {
        if (!_engine.Context.Stamps.Feed.HasObservers)
        {
            return change;
        }

        return TellAfterAsync(change);
    }

    private async ValueTask TellAfterAsync(ValueTask change)
    {
        await change.ConfigureAwait(false);
        Tell();
    }

    private void Tell() => _engine.Context.Stamps.Feed.TellContent(_content.Id.Inode, _nodes);
}
