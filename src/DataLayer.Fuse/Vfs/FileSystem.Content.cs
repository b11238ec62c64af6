using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <content>Contents: open, read, write, flush, space.</content>
internal sealed partial class FileSystem
{
    private const int AccessMask = 3;
    private const int OpenTruncate = 0x200;

    /// <summary>
    /// The largest file of a mount, 16 TiB less a page as on ext4. What the engine keeps of a file grows with its
    /// length: a file grown to the engine's own limit takes minutes and gigabytes.
    /// </summary>
    private const long MaxFileBytes = (1L << 44) - 4096;

    /// <summary>
    /// Opens: what was replaced by another way is seen from here on, and a truncating open truncates.
    /// </summary>
    internal async ValueTask<OpenedFile> OpenAsync(
        ulong node, int flags, bool killSetId, CancellationToken cancellationToken)
    {
        bool write = (flags & AccessMask) != 0 || (flags & OpenTruncate) != 0;
        if (write)
        {
            CheckWritable();
        }

        InodeId inode = InodeOf(node);
        NodeState state = Table.GetOrAdd(inode);
        await _nodes.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        if (WhenTold is { } told)
        {
            await told().ConfigureAwait(false);
        }

        if (state.IsOpen)
        {
            await state.DropOthersAsync(await GetAsync(node, cancellationToken).ConfigureAwait(false))
                .ConfigureAwait(false);
        }

        SharedFile file = await state.UseAsync(_nodes, write, cancellationToken).ConfigureAwait(false);
        bool keep = state.CachedGeneration == file.Generation;
        state.CachedGeneration = file.Generation;
        state.AddHandle();
        file.File.NoteOpen();
        HandleMode mode = HandleMode.Cached;
        int backingId = 0;
        try
        {
            if (Passthrough is not null)
            {
                (mode, backingId) = await ChooseModeAsync(state, node, !write, cancellationToken)
                    .ConfigureAwait(false);
            }

            if (mode == HandleMode.Passthrough)
            {
                file.File.NoteUnseenRead();
            }
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }

        if ((flags & OpenTruncate) != 0)
        {
            await SetAttributesAsync(node, new NodeChanges { SizeBytes = 0 }, killSetId, cancellationToken)
                .ConfigureAwait(false);
        }
        else if (killSetId && write)
        {
            await KillSetIdAsync(inode, cancellationToken).ConfigureAwait(false);
        }

        return new OpenedFile((ulong)mode, keep, backingId);
    }

    /// <summary>Decides whether the kernel reads the file by itself through a new handle.</summary>
    private async ValueTask<(HandleMode Mode, int BackingId)> ChooseModeAsync(
        NodeState state, ulong node, bool readOnly, CancellationToken cancellationToken)
    {
        InodeAttributes attributes = await GetAsync(node, cancellationToken).ConfigureAwait(false);
        await state.ModeGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Passthrough!.OpenAsync(state, attributes, readOnly, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            state.ModeGate.Release();
        }
    }

    /// <summary>Reads; fewer bytes only at the end. Completes at once on a memory hit.</summary>
    internal ValueTask<int> ReadAsync(
        ulong node, long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (Table.Find(InodeOf(node))?.TryUse(write: false) is not { } file)
        {
            return ReadSlowAsync(node, offsetBytes, destination, cancellationToken);
        }

        ValueTask<int> reading = file.File.ReadAsync(offsetBytes, destination, cancellationToken);
        if (!reading.IsCompletedSuccessfully)
        {
            return FinishReadAsync(node, file, reading, offsetBytes, destination, cancellationToken);
        }

        ValueTask released = file.ReleaseAsync();
        return released.IsCompletedSuccessfully ? reading : AfterAsync(released, reading);
    }

    /// <summary>Writes.</summary>
    internal ValueTask WriteAsync(
        ulong node, long offsetBytes, ReadOnlyMemory<byte> bytes, bool killSetId, bool fromCache,
        CancellationToken cancellationToken)
    {
        CheckWritable();
        CheckEnd(offsetBytes, bytes.Length);
        if (killSetId || Table.Find(InodeOf(node))?.TryUse(write: true) is not { } file)
        {
            return WriteSlowAsync(node, offsetBytes, bytes, killSetId, fromCache, cancellationToken);
        }

        ValueTask writing = WriteTo(file, offsetBytes, bytes, fromCache, cancellationToken);
        if (!writing.IsCompletedSuccessfully)
        {
            return FinishWriteAsync(node, file, writing, offsetBytes, bytes, fromCache, cancellationToken);
        }

        NoteChange();
        return file.ReleaseAsync();
    }

    /// <summary>close: everything written is visible to every other opener and survives the service.</summary>
    internal async ValueTask FlushAsync(ulong node, CancellationToken cancellationToken)
    {
        if (Table.Find(InodeOf(node))?.TryUse(write: true) is not { } file)
        {
            return; // Nothing was written by this service; what the one before wrote, it published or kept.
        }

        try
        {
            await file.File.PublishAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>fsync.</summary>
    internal async ValueTask FsyncAsync(ulong node, bool dataOnly, CancellationToken cancellationToken)
    {
        InodeAttributes found = await GetAsync(node, cancellationToken).ConfigureAwait(false);
        if (found.Kind != FileKind.Regular || _options.ReadOnly)
        {
            return;
        }

        SharedFile file = await UseAsync(node, write: true, cancellationToken).ConfigureAwait(false);
        try
        {
            await file.File.FlushAsync(dataOnly, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>fsync of a folder: every change acknowledged before is durable.</summary>
    internal ValueTask FsyncDirectoryAsync(ulong node, CancellationToken cancellationToken) =>
        _nodes.FsyncDirectoryAsync(InodeOf(node), cancellationToken);

    /// <summary>syncfs: every content and change of the tree is durable.</summary>
    internal ValueTask SyncAsync(CancellationToken cancellationToken) => _nodes.SyncAsync(cancellationToken);

    /// <summary>The kernel let a handle go.</summary>
    internal async ValueTask ReleaseAsync(ulong node, ulong handle)
    {
        if (Table.Find(InodeOf(node)) is { } state)
        {
            if (Passthrough is not null)
            {
                await LeaveModeAsync(state, (HandleMode)handle).ConfigureAwait(false);
            }

            state.LastUse = Environment.TickCount64;
            if (state.RemoveHandle() <= 0 && state.IsHeld)
            {
                await state.CloseAsync().ConfigureAwait(false);
            }
        }
    }

    private async ValueTask LeaveModeAsync(NodeState state, HandleMode mode)
    {
        await state.ModeGate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            await Passthrough!.CloseAsync(state, mode).ConfigureAwait(false);
        }
        finally
        {
            state.ModeGate.Release();
        }
    }

    /// <summary>Changes attributes, the length too; a change of owner or length takes set-id bits away.</summary>
    internal async ValueTask<InodeAttributes> SetAttributesAsync(
        ulong node, NodeChanges changes, bool killSetId, CancellationToken cancellationToken)
    {
        CheckWritable();
        CheckEnd(0, changes.SizeBytes ?? 0);
        InodeId inode = InodeOf(node);
        bool owner = changes.UserId is not null || changes.GroupId is not null;
        if ((owner || killSetId) && changes.Mode is null)
        {
            InodeAttributes now = await GetAsync(node, cancellationToken).ConfigureAwait(false);
            int mode = WithoutSetId(now);
            if (mode != now.Mode)
            {
                changes = changes with { Mode = mode };
            }

            await RemoveCapabilityAsync(now, cancellationToken).ConfigureAwait(false);
        }

        InodeAttributes changed = await _nodes.SetAttributesAsync(inode, changes, cancellationToken)
            .ConfigureAwait(false);
        NoteChange();
        return changed;
    }

    /// <summary>Reserves, punches or zeroes a range.</summary>
    internal async ValueTask AllocateAsync(
        ulong node, long offsetBytes, long lengthBytes, FallocateMode mode, CancellationToken cancellationToken)
    {
        CheckWritable();
        CheckEnd(offsetBytes, lengthBytes);
        SharedFile file = await UseAsync(node, write: true, cancellationToken).ConfigureAwait(false);
        try
        {
            await file.File.AllocateAsync(offsetBytes, lengthBytes, mode, cancellationToken).ConfigureAwait(false);
            NoteChange();
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The next data (or hole) at or after an offset; null past the end.</summary>
    internal async ValueTask<long?> SeekAsync(
        ulong node, long offsetBytes, bool hole, CancellationToken cancellationToken)
    {
        SharedFile file = await UseAsync(node, write: false, cancellationToken).ConfigureAwait(false);
        try
        {
            long found = hole
                ? await file.File.SeekHoleAsync(offsetBytes, cancellationToken).ConfigureAwait(false)
                : await file.File.SeekDataAsync(offsetBytes, cancellationToken).ConfigureAwait(false);
            return found < 0 ? null : found;
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Copies between two files without the kernel seeing the bytes; returns how many.</summary>
    internal async ValueTask<long> CopyRangeAsync(
        ulong from, long fromOffset, ulong to, long toOffset, long lengthBytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        SharedFile source = await UseAsync(from, write: false, cancellationToken).ConfigureAwait(false);
        try
        {
            SharedFile target = await UseAsync(to, write: true, cancellationToken).ConfigureAwait(false);
            try
            {
                long copied = await target.File.CopyRangeAsync(
                    source.File, fromOffset, toOffset, lengthBytes, cancellationToken).ConfigureAwait(false);
                NoteChange();
                return copied;
            }
            finally
            {
                await target.ReleaseAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            await source.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private static int WithoutSetId(InodeAttributes attributes)
    {
        if (attributes.Kind == FileKind.Directory)
        {
            return attributes.Mode;
        }

        int mode = attributes.Mode & ~SetUserId;
        return (mode & 0x8) != 0 ? mode & ~SetGroupId : mode; // 00010: with group execute only, else it means locking.
    }

    private static async ValueTask<int> AfterAsync(ValueTask released, ValueTask<int> reading)
    {
        int read = await reading.ConfigureAwait(false);
        await released.ConfigureAwait(false);
        return read;
    }

    private async ValueTask<SharedFile> UseAsync(ulong node, bool write, CancellationToken cancellationToken)
    {
        NodeState state = Table.GetOrAdd(InodeOf(node));
        state.LastUse = Environment.TickCount64;
        return await state.UseAsync(_nodes, write, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<int> ReadSlowAsync(
        ulong node, long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        SharedFile file = await UseAsync(node, write: false, cancellationToken).ConfigureAwait(false);
        return await FinishReadAsync(
            node, file, file.File.ReadAsync(offsetBytes, destination, cancellationToken), offsetBytes, destination,
            cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<int> FinishReadAsync(
        ulong node, SharedFile file, ValueTask<int> reading, long offsetBytes, Memory<byte> destination,
        CancellationToken cancellationToken)
    {
        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Stale)
        {
            // The content was replaced: read the current one, once.
            await Table.GetOrAdd(InodeOf(node)).DropAsync(file).ConfigureAwait(false);
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }

        SharedFile current = await UseAsync(node, write: false, cancellationToken).ConfigureAwait(false);
        try
        {
            return await current.File.ReadAsync(offsetBytes, destination, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await current.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask WriteSlowAsync(
        ulong node, long offsetBytes, ReadOnlyMemory<byte> bytes, bool killSetId, bool fromCache,
        CancellationToken cancellationToken)
    {
        if (killSetId)
        {
            await KillSetIdAsync(InodeOf(node), cancellationToken).ConfigureAwait(false);
        }

        SharedFile file = await UseAsync(node, write: true, cancellationToken).ConfigureAwait(false);
        await FinishWriteAsync(
            node, file, WriteTo(file, offsetBytes, bytes, fromCache, cancellationToken), offsetBytes, bytes, fromCache,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Pages that the kernel writes back lie within the length it knew when it sent them. If a truncation came before
    /// them, what they say of the bytes behind the end is over.
    /// </summary>
    private static ValueTask WriteTo(
        SharedFile file, long offsetBytes, ReadOnlyMemory<byte> bytes, bool fromCache,
        CancellationToken cancellationToken) =>
        fromCache
            ? file.File.OverwriteAsync(offsetBytes, bytes, cancellationToken)
            : file.File.WriteAsync(offsetBytes, bytes, cancellationToken);

    private async ValueTask FinishWriteAsync(
        ulong node, SharedFile file, ValueTask writing, long offsetBytes, ReadOnlyMemory<byte> bytes, bool fromCache,
        CancellationToken cancellationToken)
    {
        try
        {
            await writing.ConfigureAwait(false);
            NoteChange();
            return;
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Stale)
        {
            await Table.GetOrAdd(InodeOf(node)).DropAsync(file).ConfigureAwait(false);
        }
        finally
        {
            await file.ReleaseAsync().ConfigureAwait(false);
        }

        SharedFile current = await UseAsync(node, write: true, cancellationToken).ConfigureAwait(false);
        try
        {
            await WriteTo(current, offsetBytes, bytes, fromCache, cancellationToken).ConfigureAwait(false);
            NoteChange();
        }
        finally
        {
            await current.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask KillSetIdAsync(InodeId inode, CancellationToken cancellationToken)
    {
        InodeAttributes? now = await _nodes.GetAsync(inode, cancellationToken).ConfigureAwait(false);
        if (now is null)
        {
            return;
        }

        int mode = WithoutSetId(now);
        if (mode != now.Mode)
        {
            await _nodes.SetAttributesAsync(inode, new NodeChanges { Mode = mode }, cancellationToken)
                .ConfigureAwait(false);
            AttributesChanged?.Invoke(inode);
        }

        await RemoveCapabilityAsync(now, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A file capability does not outlive a change by somebody who may not give it.</summary>
    private async ValueTask RemoveCapabilityAsync(InodeAttributes now, CancellationToken cancellationToken)
    {
        const string Capability = "security.capability";
        const int AnyExecute = 0x49;
        if ((now.Mode & AnyExecute) != 0 && now.Kind == FileKind.Regular
            && await _nodes.GetXattrAsync(now.Inode, Capability, cancellationToken).ConfigureAwait(false) is not null)
        {
            await _nodes.RemoveXattrAsync(now.Inode, Capability, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Told when attributes changed in a way the kernel does not see in an answer.</summary>
    internal Action<InodeId>? AttributesChanged { get; set; }
}
