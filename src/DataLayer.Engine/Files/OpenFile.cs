using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Files;

/// <summary>
/// One open file; safe for concurrent positional calls. It reads the content that was current when it was opened.
/// </summary>
/// <remarks>
/// Buffers stay the caller's; nothing is written into one after its call returned or threw. Disposal makes unflushed
/// writes durable and visible, and reports the error if that fails.
/// </remarks>
public sealed partial class OpenFile : IAsyncDisposable
{
    private readonly FileEngine _engine;
    private readonly ContentState _content;
    private readonly bool _isWritable;
    private readonly NodeOperations? _nodes;
    private int _seenFaults;
    private int _disposed;

    internal OpenFile(FileEngine engine, ContentState content, bool isWritable, NodeOperations? nodes)
    {
        _nodes = nodes;
        _engine = engine;
        _content = content;
        _isWritable = isWritable;
        _seenFaults = content.FlushFaults;
    }

    /// <summary>The file's attributes, with the length as written so far.</summary>
    public InodeAttributes Attributes => _content.Attributes;

    internal ContentState Content => _content;

    /// <summary>
    /// Reads at most destination.Length bytes; fewer only at the end. Completes at once, without allocation, on a
    /// memory hit.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale: the object changed; Corrupt, TargetFailed, OriginUnavailable, TimedOut.
    /// </exception>
    public ValueTask<int> ReadAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return _engine.Reader.ReadAsync(_content, offsetBytes, destination, extentEndBytes: 0, cancellationToken);
    }

    /// <summary>
    /// As <see cref="ReadAsync(long, Memory{byte}, CancellationToken)"/>, of a piece of an extent that the caller reads
    /// front to back: what follows up to <paramref name="extentEndBytes"/> is fetched ahead, and nothing behind it
    /// until a read goes on there.
    /// </summary>
    /// <exception cref="DataLayerException">As the other.</exception>
    public ValueTask<int> ReadAsync(
        long offsetBytes, Memory<byte> destination, long extentEndBytes, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        ArgumentOutOfRangeException.ThrowIfNegative(extentEndBytes);
        return _engine.Reader.ReadAsync(_content, offsetBytes, destination, extentEndBytes, cancellationToken);
    }

    /// <summary>As the other; counts where the bytes came from.</summary>
    internal ValueTask<int> ReadAsync(
        long offsetBytes, Memory<byte> destination, long extentEndBytes, ReadTally tally,
        CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return _engine.Reader.ReadAsync(_content, offsetBytes, destination, extentEndBytes, cancellationToken, tally);
    }

    /// <inheritdoc cref="FileReader.TryReadMemory(ContentState, long, Span{byte})"/>
    internal bool TryReadMemory(long offsetBytes, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return _engine.Reader.TryReadMemory(_content, offsetBytes, destination);
    }

    /// <inheritdoc cref="FileReader.TryReadMemory(ContentState, uint, ReadOnlySpan{CachePiece}, Span{byte})"/>
    internal bool TryReadMemory(uint block, ReadOnlySpan<CachePiece> pieces, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return _engine.Reader.TryReadMemory(_content, block, pieces, destination);
    }

    /// <inheritdoc cref="FileReader.TryVisitMemory"/>
    internal bool TryVisitMemory<TReader>(uint block, scoped ReadOnlySpan<CachePiece> pieces, ref TReader reader)
        where TReader : struct, ICacheReader, allows ref struct
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        return _engine.Reader.TryVisitMemory(_content, block, pieces, ref reader);
    }

    /// <summary>
    /// Writes at an offset; a gap before it reads as zeros. Visible to all readers at once, durable after
    /// <see cref="FlushAsync(CancellationToken)"/>.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NoSpace, TargetFailed, FileTooLarge; Stale if the content was replaced meanwhile.
    /// </exception>
    public ValueTask WriteAsync(long offsetBytes, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        return Told(_engine.Writer.WriteAsync(_content, offsetBytes, bytes, IsRelaxed, cancellationToken));
    }

    /// <summary>
    /// As <see cref="WriteAsync"/>, but does not make the file longer: bytes behind its end are dropped.
    /// </summary>
    /// <exception cref="DataLayerException">As <see cref="WriteAsync"/>.</exception>
    public ValueTask OverwriteAsync(long offsetBytes, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        return Told(_engine.Writer.OverwriteAsync(_content, offsetBytes, bytes, IsRelaxed, cancellationToken));
    }

    /// <summary>Changes the length; new bytes are zeros.</summary>
    /// <exception cref="DataLayerException">As <see cref="WriteAsync"/>.</exception>
    public ValueTask TruncateAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        CheckWritable();
        return Told(_engine.Writer.TruncateAsync(_content, sizeBytes, IsRelaxed, cancellationToken));
    }

    /// <summary>
    /// fsync: data durable on its targets and metadata committed; with write-through also uploaded and verified.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// TargetFailed or NoSpace. A failed flush is reported once to every descriptor that was open, and again by each
    /// flush until the data was written anew.
    /// </exception>
    public async ValueTask<InodeAttributes> FlushAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        InodeAttributes attributes;
        try
        {
            attributes = await _engine.FlushAsync(_content, IsRelaxed, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException)
        {
            _seenFaults = _content.FlushFaults;
            throw;
        }

        ReportFaults();
        return attributes;
    }

    /// <summary>
    /// Closes. Unflushed writes are made durable first; the error is thrown if that fails. A mount's file is only
    /// closed: what it wrote is visible and safe from the end of the process, and is flushed soon.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        bool keep = false;
        try
        {
            if (_isWritable && !IsRelaxed && _content.IsDirty)
            {
                keep = true; // What could not be flushed stays known until it can be.
                await _engine.FlushAsync(_content, relaxed: false, CancellationToken.None).ConfigureAwait(false);
                keep = false;
            }
        }
        finally
        {
            if (!keep || !_content.TryKeepReference())
            {
                await _engine.Context.ReleaseAsync(_content).ConfigureAwait(false);
            }
        }
    }

    private void CheckWritable()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        if (!_isWritable)
        {
            throw new DataLayerException(ErrorCode.PermissionDenied, "The file was opened for reading only.");
        }
    }
}
