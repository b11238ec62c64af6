using System.Threading.Channels;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <summary>
/// Tells the kernel what changed by another way than this mount, so that it may believe names, attributes and bytes for
/// long.
/// </summary>
/// <remarks>
/// One task sends, in order, what the engine reports: never the thread that changed something or serves a request, as
/// the kernel may wait in a notification for a lock whose holder waits for an answer of ours. The queue is bounded;
/// past the bound everything the kernel knows is invalidated.
/// </remarks>
internal sealed class KernelCaches : INodeObserver, IAsyncDisposable
{
    private const int QueueLength = 65_536;
    private readonly FuseChannel _channel;
    private readonly FileSystem _files;
    private readonly Channel<Change> _queue;
    private readonly Task _sending;
    private readonly Func<bool> _hasEpoch;
    private readonly NodeOperations _nodes;
    private IDisposable? _subscription;
    private long _pending;
    private int _lost;
    private long _sent;

    internal KernelCaches(FuseChannel channel, FileSystem files, NodeOperations nodes, Func<bool> hasEpoch)
    {
        _nodes = nodes;
        _hasEpoch = hasEpoch;
        _channel = channel;
        _files = files;
        _queue = Channel.CreateBounded<Change>(new BoundedChannelOptions(QueueLength) { SingleReader = true });
        _sending = Task.Run(SendAsync);
    }

    private enum Subject
    {
        Attributes,
        Content,
        Name,
        All,
        Mark,
    }

    /// <summary>Notifications sent, a count.</summary>
    internal long SentCount => Interlocked.Read(ref _sent);

    /// <summary>Begins to listen.</summary>
    internal void Start() => _subscription = _nodes.Subscribe(this);

    /// <summary>As <see cref="WhenSentAsync"/>, at once where nothing waits.</summary>
    internal ValueTask WhenToldAsync() =>
        Interlocked.Read(ref _pending) == 0 ? ValueTask.CompletedTask : new ValueTask(WhenSentAsync());

    /// <summary>Ends when everything reported before the call was sent.</summary>
    internal async Task WhenSentAsync()
    {
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await _queue.Writer.WriteAsync(new Change(Subject.Mark, default, null, reached)).ConfigureAwait(false);
        await reached.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void ContentChanged(InodeId inode)
    {
        if (_files.Table.Find(inode) is { } state)
        {
            state.CachedGeneration = 0; // An open that begins before the kernel hears it keeps nothing.
        }

        Add(new Change(Subject.Content, inode, null));
    }

    /// <inheritdoc/>
    public void AttributesChanged(InodeId inode)
    {
        _files.Table.SetHasNoXattrs(inode, false);
        Add(new Change(Subject.Attributes, inode, null));
    }

    /// <inheritdoc/>
    public void NameChanged(InodeId folder, string name) => Add(new Change(Subject.Name, folder, name));

    /// <inheritdoc/>
    public void AllChanged() => Add(new Change(Subject.All, default, null));

    /// <summary>Stops listening; what is queued is dropped.</summary>
    public async ValueTask DisposeAsync()
    {
        _subscription?.Dispose();
        _queue.Writer.TryComplete();
        await _sending.ConfigureAwait(false);
    }

    private void Add(Change change)
    {
        _files.NoteChange();
        Interlocked.Increment(ref _pending);
        if (!_queue.Writer.TryWrite(change))
        {
            Interlocked.Decrement(ref _pending);
            Volatile.Write(ref _lost, 1);
        }
    }

    private async Task SendAsync()
    {
        await foreach (Change change in _queue.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            if (Interlocked.Exchange(ref _lost, 0) != 0)
            {
                InvalidateAll();
            }

            await SendAsync(change).ConfigureAwait(false);
            Interlocked.Increment(ref _sent);
            if (change.Subject != Subject.Mark)
            {
                Interlocked.Decrement(ref _pending);
            }
        }
    }

    private async ValueTask SendAsync(Change change)
    {
        switch (change.Subject)
        {
            case Subject.Name:
                // Also where the folder is not known: the kernel's answer is then ENOENT.
                _channel.InvalidateEntry(_files.NodeOf(change.Inode), change.Name!);
                _channel.InvalidateInode(_files.NodeOf(change.Inode), 0, 0); // The folder's times and cached listing.
                break;
            case Subject.Content:
                InvalidateContent(change.Inode);
                break;
            case Subject.Attributes:
                await InvalidateAttributesAsync(change.Inode).ConfigureAwait(false);
                break;
            case Subject.Mark:
                change.Reached!.TrySetResult();
                break;
            default:
                InvalidateAll();
                break;
        }
    }

    private void InvalidateContent(InodeId inode)
    {
        if (_files.Table.Find(inode) is { } state)
        {
            state.CachedGeneration = 0;
        }

        _channel.InvalidateInode(_files.NodeOf(inode), 0, 0); // From 0 to the end, and the attributes.
    }

    private async ValueTask InvalidateAttributesAsync(InodeId inode)
    {
        // The content may have been replaced with it: then its bytes go too. Else the cached bytes are good.
        if (_files.Table.Find(inode) is { CachedGeneration: not 0 } state
            && await CurrentAsync(inode).ConfigureAwait(false) == state.CachedGeneration)
        {
            _channel.InvalidateInode(_files.NodeOf(inode), -1, 0);
        }
        else
        {
            InvalidateContent(inode);
        }
    }

    private async ValueTask<uint> CurrentAsync(InodeId inode)
    {
        try
        {
            return await _nodes.GetAsync(inode, CancellationToken.None).ConfigureAwait(false) is { } found
                ? found.Generation
                : 0;
        }
        catch (DataLayerException)
        {
            return 0; // Not known: then nothing cached of it is good.
        }
    }

    private void InvalidateAll()
    {
        if (_hasEpoch())
        {
            _channel.ExpireNames();
        }

        foreach (InodeId inode in _files.Table.Inodes())
        {
            InvalidateContent(inode);
        }

        InvalidateContent(_files.Root);
    }

    private readonly record struct Change(
        Subject Subject, InodeId Inode, string? Name, TaskCompletionSource? Reached = null);
}
