using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// What is open of one inode: at most one engine file for reading and one for writing, shared by all handles.
/// </summary>
/// <remarks>
/// Opened when first needed, so handles of the time before a restart go on. When the content was replaced by another
/// way than the mount (a new generation), the next open or failed access takes the new one for all handles, as the
/// kernel has one page cache for all of them. Lock order: <c>_gate</c> is held over an open of the engine, never
/// together with another's.
/// </remarks>
internal sealed class NodeState(InodeId inode, bool isTakeover) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private SharedFile? _reader;
    private SharedFile? _writer;
    private int _handles;

    internal InodeId Inode { get; } = inode;

    /// <summary>Handles opened by this service and not yet released, a count.</summary>
    internal int Handles => Volatile.Read(ref _handles);

    /// <summary>Guards the modes below; held over the registration of a backing file.</summary>
    internal SemaphoreSlim ModeGate { get; } = new(1, 1);

    /// <summary>Handles that read through the kernel's page cache, a count.</summary>
    internal int CachedHandles { get; set; }

    /// <summary>Handles that name the backing file, whether they read it or are direct, a count.</summary>
    internal int PassthroughHandles { get; set; }

    /// <summary>Whether all handles of the inode are counted here.</summary>
    internal bool HasKnownHandles { get; set; } = !isTakeover;

    /// <summary>What the backing file is registered as, or null.</summary>
    internal string? BackingKey { get; set; }

    /// <summary>Which file that is; null where a former service registered it.</summary>
    internal string? BackingFile { get; set; }

    /// <summary>The kernel's id of the backing file.</summary>
    internal int BackingId { get; set; }

    /// <summary>The inode lost its last name while the kernel knew it: the engine holds it for us.</summary>
    internal bool IsHeld { get; set; }

    /// <summary>The generation whose bytes the kernel may have in its page cache; 0 for none known.</summary>
    internal uint CachedGeneration { get; set; }

    /// <summary>Whether anything is open.</summary>
    internal bool IsOpen => Volatile.Read(ref _reader) is not null || Volatile.Read(ref _writer) is not null;

    /// <summary>When it was last used (<see cref="Environment.TickCount64"/>), for closing what is idle.</summary>
    internal long LastUse { get; set; }

    internal void AddHandle() => Interlocked.Increment(ref _handles);

    internal int RemoveHandle()
    {
        int left = Interlocked.Decrement(ref _handles);
        if (left < 0)
        {
            // A handle of the service before this one.
            Interlocked.Exchange(ref _handles, 0);
        }

        return left;
    }

    /// <summary>Takes the file that came with the making of the inode.</summary>
    internal async ValueTask AdoptAsync(OpenFile file)
    {
        SharedFile shared = new(file, isWritable: true);
        if (Interlocked.CompareExchange(ref _writer, shared, null) is not null)
        {
            await shared.RetireAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A file that is open already, in use for the caller; else null.</summary>
    internal SharedFile? TryUse(bool write)
    {
        SharedFile? file = Volatile.Read(ref _writer);
        if (file is null && !write)
        {
            file = Volatile.Read(ref _reader);
        }

        return file is not null && file.TryUse() ? file : null;
    }

    /// <summary>A file in use for the caller, opened if need be.</summary>
    /// <exception cref="DataLayerException">What the engine's open says.</exception>
    internal async ValueTask<SharedFile> UseAsync(NodeOperations nodes, bool write, CancellationToken cancellationToken)
    {
        if (TryUse(write) is { } open)
        {
            return open;
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (TryUse(write) is { } meanwhile)
            {
                return meanwhile;
            }

            OpenFile file = await nodes.OpenAsync(Inode, write, cancellationToken).ConfigureAwait(false);
            SharedFile shared = new(file, write);
            _ = shared.TryUse();
            SharedFile? old = write ? _writer : _reader;
            Volatile.Write(ref write ? ref _writer : ref _reader, shared);
            if (old is not null)
            {
                await old.RetireAsync().ConfigureAwait(false);
            }

            return shared;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Closes a file whose content is current no more; the next use opens the current one.</summary>
    internal async ValueTask DropAsync(SharedFile stale)
    {
        await _gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            if (ReferenceEquals(_reader, stale))
            {
                Volatile.Write(ref _reader, null);
            }

            if (ReferenceEquals(_writer, stale))
            {
                Volatile.Write(ref _writer, null);
            }
        }
        finally
        {
            _gate.Release();
        }

        await stale.RetireAsync().ConfigureAwait(false);
    }

    /// <summary>Closes files of another generation than the current one.</summary>
    internal async ValueTask DropOthersAsync(InodeAttributes current)
    {
        if (Volatile.Read(ref _reader) is { } reader && reader.Generation != current.Generation)
        {
            await DropAsync(reader).ConfigureAwait(false);
        }

        if (Volatile.Read(ref _writer) is { } writer && writer.Generation != current.Generation)
        {
            await DropAsync(writer).ConfigureAwait(false);
        }
    }

    /// <summary>Closes everything. Errors of the close reach the caller.</summary>
    internal async ValueTask CloseAsync()
    {
        await _gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        SharedFile? reader = _reader;
        SharedFile? writer = _writer;
        Volatile.Write(ref _reader, null);
        Volatile.Write(ref _writer, null);
        _gate.Release();
        if (reader is not null)
        {
            await reader.RetireAsync().ConfigureAwait(false);
        }

        if (writer is not null)
        {
            await writer.RetireAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gate.Dispose();
        ModeGate.Dispose();
    }
}
