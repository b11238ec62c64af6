using DataLayer.Core.Errors;

namespace DataLayer.Core.Objects;

/// <summary>
/// One bucket of the cold tier. Shipped twice (S3, directory) and decorated (retry, hedge, meter, fault); one
/// conformance suite
/// holds for all. All members are safe for concurrent use.
/// </summary>
/// <remarks>
/// Errors are <see cref="DataLayerException"/>: NotFound, Stale (a condition failed), PermissionDenied (credentials
/// refused;
/// not retried), OriginUnavailable and TimedOut (after the retries), InvalidArgument (a key the store cannot hold).
/// A body shorter than its Content-Length, or whose checksum does not match, is never returned as data.
/// Keys are at most 1,024 bytes of UTF-8. ETags are opaque text without quotes.
/// </remarks>
public interface IObjectStore : IAsyncDisposable
{
    /// <summary>What the store is, for messages: <c>s3://bucket</c> or <c>file:///folder</c>.</summary>
    string DisplayName { get; }

    /// <summary>Asks for one object's properties, or null if there is none. Idempotent, retried.</summary>
    ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken);

    /// <summary>
    /// Reads <paramref name="destination"/>.Length bytes from <paramref name="offsetBytes"/>, fewer only at the
    /// object's end.
    /// With <paramref name="ifMatch"/> the bytes are of that ETag or the call fails with <see cref="ErrorCode.Stale"/>.
    /// Idempotent, retried, may be hedged. Does not write to the buffer after it returned or threw.
    /// </summary>
    ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken);

    /// <summary>
    /// Writes an object; parts in parallel where it is large. Returns once the store's answer was verified (checksum
    /// sent and
    /// compared, size compared). A retry after a lost acknowledgement recognises its own write.
    /// </summary>
    ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes an object; true also if it was gone already; false if a condition did not hold. Idempotent, retried.
    /// </summary>
    ValueTask<bool> DeleteAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken);

    /// <summary>
    /// Gives an object another storage class by a copy onto itself inside the store: bytes, metadata and what vouches
    /// for the bytes stay, the ETag may change. Idempotent, retried: a copy that was made, its answer lost, is known
    /// again by a mark in its metadata that names <paramref name="ifMatch"/>.
    /// </summary>
    /// <param name="key">The object.</param>
    /// <param name="ifMatch">The ETag it must have (or have had before such a copy), else
    /// <see cref="ErrorCode.Stale"/>.</param>
    /// <param name="storageClass">The class as the store names it.</param>
    /// <param name="cancellationToken">Gives up; the copy may have been made.</param>
    /// <returns>The object as it is now, looked at after the copy.</returns>
    /// <exception cref="DataLayerException">
    /// NotSupported: the store has no classes; Archived: the object must be restored first; and the others.
    /// </exception>
    ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken);

    /// <summary>
    /// Asks that an archived object become readable for some days; it takes minutes to days. No effect while it is
    /// asked for already; on an object that is readable for a time it prolongs that. Idempotent, retried.
    /// </summary>
    /// <param name="key">The object.</param>
    /// <param name="days">How long it is to be readable, days.</param>
    /// <param name="speed">The store's word for how fast and dear (<c>Standard</c>, <c>Bulk</c>,
    /// <c>Expedited</c>).</param>
    /// <param name="cancellationToken">Gives up; it may have been asked.</param>
    /// <exception cref="DataLayerException">NotSupported: the store has no archive; and the others.</exception>
    ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken);

    /// <summary>Lists one page. Idempotent, retried.</summary>
    ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken);
}
