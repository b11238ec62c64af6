using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Writing;

namespace DataLayer.Engine.Files;

/// <summary>
/// A content being written front to back. Disposed without a commit, nothing happened. Not for concurrent use.
/// </summary>
public sealed class FileReplacement : IAsyncDisposable
{
    private readonly ReplacementWriter _writer;

    internal FileReplacement(ReplacementWriter writer) => _writer = writer;

    internal ReplacementWriter Writer => _writer;

    /// <summary>Bytes taken so far.</summary>
    public long LengthBytes => _writer.LengthBytes;

    /// <summary>
    /// Appends bytes; they are copied before the call returns. Waits when the targets are slower than the caller.
    /// </summary>
    /// <exception cref="DataLayerException">NoSpace, TargetFailed, FileTooLarge.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _writer.WriteAsync(bytes, cancellationToken);

    /// <summary>
    /// Durable and visible when it returns; with a write-through attachment also uploaded and verified. If that
    /// upload fails the error is thrown, while the content stays visible and its upload is tried again.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale or AlreadyExists: a condition does not hold; NoSpace, TargetFailed; OriginUnavailable with write-through.
    /// </exception>
    public ValueTask<InodeAttributes> CommitAsync(CancellationToken cancellationToken) =>
        _writer.CommitAsync(cancellationToken);

    /// <summary>Gives up what was not committed.</summary>
    public ValueTask DisposeAsync() => _writer.DisposeAsync();
}
