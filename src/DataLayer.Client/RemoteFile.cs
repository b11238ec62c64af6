using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// One file for positional reads and writes. Reads ask for the content that was there at the open (or that this
/// object wrote
/// last): once another writer changed the file they fail with <see cref="ErrorCode.Stale"/>, so no reader mixes two
/// versions.
/// Holds nothing at the service: there is nothing to close. Safe for concurrent use.
/// </summary>
public sealed class RemoteFile
{
    private readonly DataLayerClient _client;
    private volatile string? _entityTag;

    internal RemoteFile(DataLayerClient client, string path, FileStatus status)
    {
        _client = client;
        Path = path;
        Status = status;
        _entityTag = status.EntityTag;
    }

    /// <summary>The path.</summary>
    public string Path { get; }

    /// <summary>The attributes at the open.</summary>
    public FileStatus Status { get; }

    /// <summary>The length at the open, bytes.</summary>
    public long LengthBytes => Status.SizeBytes;

    /// <summary>The entity tag that reads ask for, without quotes.</summary>
    public string? EntityTag => _entityTag;

    /// <summary>
    /// Reads at most destination.Length bytes from an offset into the caller's memory; fewer only at the end, 0 past
    /// it.
    /// </summary>
    /// <exception cref="DataLayerException">Stale: the file changed since the open; NotFound: its name is
    /// gone.</exception>
    public ValueTask<int> ReadAtAsync(
        long offsetBytes,
        Memory<byte> destination,
        CancellationToken cancellationToken = default
    ) => _client.ReadAtAsync(Path, offsetBytes, destination, _entityTag, cancellationToken);

    /// <summary>
    /// Writes bytes at an offset; durable when the task completes. Later reads of this object see them.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NoSpace, ReadOnly, TargetFailed, …</exception>
    public async ValueTask WriteAtAsync(
        long offsetBytes, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        WriteOutcome outcome = await _client
            .WriteAtAsync(Path, offsetBytes, content, ifMatch: null, cancellationToken)
            .ConfigureAwait(false);
        _entityTag = outcome.EntityTag;
    }

    /// <summary>Takes over the content the file has now, after a <see cref="ErrorCode.Stale"/>.</summary>
    public ValueTask<RemoteFile> ReopenAsync(CancellationToken cancellationToken = default) =>
        _client.OpenAsync(Path, cancellationToken);
}
