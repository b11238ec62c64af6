using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// What a mounted tree does, by node id and without the kernel: names, attributes, contents, extended attributes.
/// Permissions are the kernel's to check (<c>default_permissions</c>).
/// </summary>
/// <remarks>
/// <para>Node ids are inode numbers, except that node 1 is the mount's root; so they hold over restarts. Handles of
/// files carry nothing. All members are safe for concurrent use. Faults are <see cref="DataLayerException"/>; absence
/// that is expected (a look-up, an extended attribute) is a null.</para>
/// <para>Requests that the kernel sends again after a restart may be done already: a create that finds its name, an
/// unlink that does not, count as done then. The kernel holds the folder's lock while it asks, so nobody else on this
/// mount can have come between.</para>
/// <para>Life: made → used → <see cref="DisposeAsync"/>, after the last request was answered.</para>
/// </remarks>
internal sealed partial class FileSystem : IAsyncDisposable
{
    private const long IdleMilliseconds = 2_000;
    private readonly FileEngine _engine;
    private readonly NodeOperations _nodes;
    private readonly FileSystemOptions _options;
    private readonly Timer _idleTimer;
    private TimeSpan _entryTimeout;
    private volatile Dictionary<long, Attachment> _attachments = [];

    internal FileSystem(FileEngine engine, FileSystemOptions options)
    {
        _engine = engine;
        _nodes = engine.OpenNodes();
        _options = options;
        Table = new NodeTable(options.IsTakeover);
        _entryTimeout = options.EntryTimeout;
        _idleTimer = new Timer(static self => ((FileSystem)self!).CloseIdle(), this, 1_000, 1_000);
    }

    /// <summary>The engine's operations of this mount.</summary>
    internal NodeOperations Nodes => _nodes;

    /// <summary>Which files the kernel reads by itself; null where it does not. Set before the first open.</summary>
    internal Passthrough? Passthrough { get; set; }

    /// <summary>What the kernel knows.</summary>
    internal NodeTable Table { get; }

    /// <summary>The folder of the tree that is node 1.</summary>
    internal InodeId Root => _options.Root;

    /// <summary>A node id's inode.</summary>
    internal InodeId InodeOf(ulong node) => node == 1 ? _options.Root : new InodeId((long)node);

    /// <summary>An inode's node id.</summary>
    internal ulong NodeOf(InodeId inode) => inode == _options.Root ? 1 : (ulong)inode.Value;

    /// <summary>The mount's root must be a folder.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    internal async ValueTask CheckRootAsync(CancellationToken cancellationToken)
    {
        if (await _nodes.GetAsync(_options.Root, cancellationToken).ConfigureAwait(false)
            is not { Kind: FileKind.Directory })
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Inode {_options.Root} is no folder, so it cannot be mounted.");
        }
    }

    /// <summary>Names are believed no longer than this.</summary>
    internal void LimitEntryTimeout(TimeSpan limit) => _entryTimeout = Min(limit, _options.EntryTimeout);

    /// <summary>Closes all files and gives back what is held.</summary>
    public async ValueTask DisposeAsync()
    {
        await _idleTimer.DisposeAsync().ConfigureAwait(false);
        foreach (NodeState state in Table.States())
        {
            await state.CloseAsync().ConfigureAwait(false);
            state.Dispose();
        }
    }

    /// <summary>The kernel forgets look-ups; the last of an inode without names lets the engine release it.</summary>
    internal async ValueTask ForgetAsync(ulong node, ulong lookups)
    {
        InodeId inode = InodeOf(node);
        (bool isGone, NodeState? state) = Table.Forget(inode, lookups);
        if (!isGone)
        {
            return;
        }

        if (Passthrough is { } passthrough)
        {
            await passthrough.ForgottenAsync(inode).ConfigureAwait(false);
        }


        if (state is not null)
        {
            await state.CloseAsync().ConfigureAwait(false);
        }

        if (state is { IsHeld: true })
        {
            await _nodes.ReleaseHoldAsync(inode).ConfigureAwait(false);
        }
        else if (_options.IsTakeover)
        {
            await _nodes.ForgetAsync(inode).ConfigureAwait(false);
        }
    }

    /// <summary>How long names below an inode, and its attributes, may be believed.</summary>
    internal (TimeSpan Entry, TimeSpan Attribute) TimeoutsOf(InodeAttributes attributes)
    {
        if (attributes.AttachmentId == 0
            || !_attachments.TryGetValue(attributes.AttachmentId, out Attachment? attachment))
        {
            return (_entryTimeout, _options.AttributeTimeout);
        }

        TimeSpan limit = attachment.Freshness switch
        {
            FreshnessMode.Always => TimeSpan.Zero,
            FreshnessMode.MaxAge => attachment.MaxAge,
            _ => TimeSpan.MaxValue,
        };
        return (Min(limit, _entryTimeout), Min(limit, _options.AttributeTimeout));
    }

    /// <summary>Reads the attachments again: their freshness decides how long the kernel may believe things.</summary>
    internal async ValueTask RefreshAttachmentsAsync(CancellationToken cancellationToken)
    {
        Dictionary<long, Attachment> found = [];
        foreach (Attachment attachment in await _engine.ListAttachmentsAsync(cancellationToken).ConfigureAwait(false))
        {
            found[attachment.Id] = attachment;
        }

        _attachments = found;
    }

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private async ValueTask<NodeEntry> EntryAsync(InodeAttributes attributes, CancellationToken cancellationToken)
    {
        if (attributes.AttachmentId != 0 && !_attachments.ContainsKey(attributes.AttachmentId))
        {
            await RefreshAttachmentsAsync(cancellationToken).ConfigureAwait(false);
        }

        return Entry(attributes);
    }

    private NodeEntry Entry(InodeAttributes attributes)
    {
        (TimeSpan entry, TimeSpan attribute) = TimeoutsOf(attributes);
        return new NodeEntry(NodeOf(attributes.Inode), attributes, entry, attribute);
    }

    /// <summary>Begins a change: refuses it on a read-only mount. Its end is noted before it is answered.</summary>
    private void CheckWritable()
    {
        if (_options.ReadOnly)
        {
            throw new DataLayerException(ErrorCode.ReadOnly, "The mount is read-only.");
        }
    }

    private static void CheckEnd(long offsetBytes, long lengthBytes)
    {
        if (lengthBytes > MaxFileBytes || offsetBytes > MaxFileBytes - lengthBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file of a mount may have {MaxFileBytes} bytes at most.");
        }
    }

    private void CloseIdle()
    {
        long before = Environment.TickCount64 - IdleMilliseconds;
        foreach (NodeState state in Table.States())
        {
            if (state is { Handles: 0, IsOpen: true } && state.LastUse < before)
            {
                _ = CloseQuietlyAsync(state);
            }
        }
    }

    private async Task CloseQuietlyAsync(NodeState state)
    {
        try
        {
            await state.CloseAsync().ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            IdleCloseFailed?.Invoke(state.Inode, error);
        }
    }

    /// <summary>
    /// Ends when the kernel has heard of all that changed; null where it need not be waited for. An open of a file that
    /// another node changed waits, so that its length is asked for anew.
    /// </summary>
    internal Func<ValueTask>? WhenTold { get; set; }

    /// <summary>Told when a file that nobody has open any more could not be closed cleanly.</summary>
    internal Action<InodeId, Exception>? IdleCloseFailed { get; set; }
}
