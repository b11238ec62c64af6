using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Peers;

/// <summary>
/// Reads for other nodes: from memory, from the hot tier, or from the object store, once for all who ask and for this
/// node's own readers. What is read stays here as if a reader of this node had asked.
/// </summary>
public sealed class PeerServing
{
    /// <summary>How long a request waits for room: longer is worth no more than the object store.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromMilliseconds(100);

    private readonly EngineContext _context;
    private readonly FileReader _reader;
    private readonly PeerGate _gate;

    internal PeerServing(EngineContext context, FileReader reader, PeerOptions options)
    {
        _context = context;
        _reader = reader;
        _gate = new PeerGate(int.MaxValue, options.MaxServedBytes, context.Time);
    }

    /// <summary>
    /// Finds the file of this node's tree that is this version of this object, and takes room to read it; null where
    /// there is none. Nothing is looked up at the object store. The caller disposes it.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument; Overloaded: too much is read for others.</exception>
    public async ValueTask<PeerBlock?> OpenAsync(PeerRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Validate();
        ContentState? content = await FindAsync(request, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            _context.PeerCounters.NoteServedMiss();
            return null;
        }

        try
        {
            if (await _gate.EnterAsync(request.LengthBytes, _patience, cancellationToken).ConfigureAwait(false))
            {
                return new PeerBlock(_context, _reader, _gate, content, request);
            }
        }
        catch
        {
            await _context.ReleaseAsync(content).ConfigureAwait(false);
            throw;
        }

        await _context.ReleaseAsync(content).ConfigureAwait(false);
        _context.PeerCounters.NoteServedBusy();
        throw new DataLayerException(
            ErrorCode.Overloaded, "As much is read for other nodes as may be (peers.servedBytes).");
    }

    internal static bool IsCurrent(ContentState content, PeerRequest request)
    {
        FileContent known = content.Content;
        return IsOf(known, request) && !content.IsDirty && content.Staged is null
            && content.SizeBytes == request.SizeBytes;
    }

    internal static bool IsOf(FileContent known, PeerRequest request) =>
        known.Object is { IsPacked: false } source && known.Attributes.State != TierState.Hot
        && source.ETag == request.ETag && source.Key == request.Key && source.SizeBytes == request.SizeBytes;

    private async ValueTask<ContentState?> FindAsync(PeerRequest request, CancellationToken cancellationToken)
    {
        foreach (Attachment attachment in _context.Attachments.List())
        {
            string prefix = attachment.KeyPrefix ?? string.Empty;
            if (_context.Attachments.StoreNameOf(attachment.Id) != request.Store
                || !request.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                continue;
            }

            InodeAttributes? found = await WalkAsync(
                attachment.Folder, request.Key[prefix.Length..], cancellationToken).ConfigureAwait(false);
            if (found is not { Kind: FileKind.Regular }
                || await _context.AcquireAsync(found.Inode, cancellationToken).ConfigureAwait(false)
                    is not { } content)
            {
                continue;
            }

            if (IsCurrent(content, request))
            {
                return content;
            }

            await _context.ReleaseAsync(content).ConfigureAwait(false);
        }

        return null;
    }

    private async ValueTask<InodeAttributes?> WalkAsync(
        InodeId folder, string path, CancellationToken cancellationToken)
    {
        InodeAttributes? found = null;
        foreach (string name in path.Split('/'))
        {
            if (name.Length == 0)
            {
                return null;
            }

            found = await _context.View.LookupAsync(folder, name, cancellationToken).ConfigureAwait(false);
            if (found is null)
            {
                return null;
            }

            folder = found.Inode;
        }

        return found;
    }
}

/// <summary>A range that is about to be read for another node. One use, one thread.</summary>
public sealed class PeerBlock : IAsyncDisposable
{
    private readonly EngineContext _context;
    private readonly FileReader _reader;
    private readonly PeerGate _gate;
    private readonly ContentState _content;
    private readonly PeerRequest _request;
    private readonly TransferBuffer _buffer;
    private int _disposed;

    internal PeerBlock(
        EngineContext context, FileReader reader, PeerGate gate, ContentState content, PeerRequest request)
    {
        _context = context;
        _reader = reader;
        _gate = gate;
        _content = content;
        _request = request;
        _buffer = context.Buffers.Rent(request.LengthBytes);
    }

    /// <summary>The range's bytes, after <see cref="ReadAsync"/> said so.</summary>
    public ReadOnlyMemory<byte> Bytes => _buffer.Memory[.._request.LengthBytes];

    /// <summary>
    /// Reads the range; completes at once where memory has it. False where the file is not that version any more.
    /// </summary>
    /// <exception cref="DataLayerException">As a read of the file.</exception>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        OriginUse.Current = new OriginUse(_request.Purpose);
        long epoch = _content.WriteEpoch;
        bool wasWritten = _content.WriteGate.CurrentCount == 0;
        if (!PeerServing.IsCurrent(_content, _request))
        {
            return Miss();
        }

        try
        {
            int read = await _reader.ReadForPeerAsync(
                _content, _request.OffsetBytes, _buffer.Memory[.._request.LengthBytes], cancellationToken)
                .ConfigureAwait(false);
            bool isWhole = read == _request.LengthBytes && _content.WriteEpoch == epoch
                && PeerServing.IsCurrent(_content, _request);
            if (!isWhole || ((wasWritten || _content.WriteGate.CurrentCount == 0)
                && !await IsStillKnownAsync(cancellationToken).ConfigureAwait(false)))
            {
                return Miss();
            }
        }
        catch
        {
            _context.PeerCounters.NoteServedFailure();
            throw;
        }

        _context.PeerCounters.NoteServed(_request.LengthBytes);
        return true;
    }

    /// <summary>Gives the buffer and the room back.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return ValueTask.CompletedTask;
        }

        _context.Buffers.Return(_buffer);
        _gate.Leave(_request.LengthBytes);
        return _context.ReleaseAsync(_content);
    }

    /// <summary>
    /// Somebody held the content's write gate: a recall, or a change whose end we may not see yet. The tree says which.
    /// </summary>
    private async ValueTask<bool> IsStillKnownAsync(CancellationToken cancellationToken)
    {
        FileContent? known = await _context.Tree.GetContentAsync(_content.Id.Inode, cancellationToken)
            .ConfigureAwait(false);
        return known is not null && known.Attributes.Content == _content.Id && PeerServing.IsOf(known, _request);
    }

    private bool Miss()
    {
        _context.PeerCounters.NoteServedMiss();
        return false;
    }
}
