using System.Globalization;
using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// Uploads one content to a bucket: in one request up to a threshold, else in parts, a bounded number at a time.
/// </summary>
/// <remarks>
/// <para>Every body goes with its MD5, which the server compares (BadDigest), and on a plain connection with its
/// SHA-256 in the signature; what the server answers as ETag is compared again. A large upload is read twice: first for
/// its block checksums, which must stand in the metadata before the first part goes.</para>
/// <para>A part is retried on its own. Completion after a lost answer is recognised by the composite ETag, which only
/// these parts in this order have. On failure or cancellation the upload is aborted. If the answer to the very first
/// request is lost, an empty upload without a known id stays on the server: let a lifecycle rule expire those.</para>
/// <para>Conditions go as headers; a server that does not know them (Ceph RGW on completion) is asked for the ETag
/// right before, which leaves a race of one round trip.</para>
/// </remarks>
internal sealed class S3Uploader(
    S3Connection connection, S3Caller caller, RetryPolicy retries, string bucket, string displayName,
        NativeBufferPool buffers,
    TimeProvider time)
{
    private const int PartLimit = 10_000;
    private const int ScanBytes = 1 << 20;
    private const int PutAttempts = 3;
    private static readonly TimeSpan _abortTimeout = TimeSpan.FromSeconds(10);
    private volatile bool _conditionsUnquoted;

    private ObjectStoreOptions Options => connection.Options;

    internal ValueTask<ObjectProperties> UploadAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        content.LengthBytes <= Options.MultipartThresholdBytes
            ? PutAsync(key, content, condition, cancellationToken)
            : PutPartsAsync(key, content, condition, cancellationToken);

    /// <summary>Asks for an object's properties; null if there is none.</summary>
    internal async ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            GetObjectMetadataResponse answer = await caller.SendAsync(
                RequestVerb.Head, $"HEAD {displayName}/{key}", 0,
                token => connection.Client.GetObjectMetadataAsync(bucket, key, token), cancellationToken)
                    .ConfigureAwait(false);
            return new ObjectProperties(
                key, answer.ContentLength, S3Text.ETag(answer.ETag), S3Text.Time(answer.LastModified),
                    S3Text.Version(answer.VersionId),
                S3Text.Class(answer.StorageClass?.Value), answer.RestoreInProgress == true,
                answer.Metadata[S3Copier.SourceName]);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>
    /// Fails with Stale if the condition does not hold now, where the server may not check it itself.
    /// </summary>
    internal async ValueTask CheckAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        if (connection.IsAws || condition == default)
        {
            return;
        }

        ObjectProperties? found = await HeadAsync(key, cancellationToken).ConfigureAwait(false);
        if (condition.IfAbsent ? found is not null : found?.ETag != condition.IfMatch)
        {
            throw new DataLayerException(ErrorCode.Stale, condition.IfAbsent
                ? $"There is an object '{key}' in {displayName} already."
                : $"The object '{key}' in {displayName} has ETag {found?.ETag ?? "(none: it is gone)"}, "
                    + $"not {condition.IfMatch}.");
        }
    }

    private static bool IsMd5(string etag, ServerSideEncryptionMethod? encryption) =>
        etag.Length == 32 && (encryption is null || encryption == ServerSideEncryptionMethod.None
            || encryption == ServerSideEncryptionMethod.AES256);

    /// <summary>
    /// If-Match as the server wants it: with quotes as HTTP says, without where it compares the header as it stands.
    /// </summary>
    private string? IfMatchHeader(ObjectWriteCondition condition) =>
        condition.IfMatch is not { } etag ? null : _conditionsUnquoted ? etag : $"\"{etag}\"";

    private async ValueTask<ObjectProperties> PutAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        int length = (int)content.LengthBytes;
        using BufferLease lease = await buffers.RentAsync(Math.Max(length, 1), cancellationToken).ConfigureAwait(false);
        Memory<byte> bytes = lease.Memory[..length];
        if (length > 0)
        {
            await content.ReadExactlyAsync(0, bytes, cancellationToken).ConfigureAwait(false);
        }

        BlockChecksums.Builder checksums = new(length);
        checksums.Append(bytes.Span);
        byte[] md5 = MD5.HashData(bytes.Span);
        await CheckAsync(key, condition, cancellationToken).ConfigureAwait(false);
        for (int attempt = 1; ; attempt++)
        {
            PutObjectResponse answer = await SendConditionalPutAsync(
                key, bytes, md5, checksums.Build(), condition, cancellationToken).ConfigureAwait(false);
            string etag = S3Text.ETag(answer.ETag);
            if (!IsMd5(etag, answer.ServerSideEncryptionMethod))
            {
                return await ConfirmAsync(key, etag, length, cancellationToken).ConfigureAwait(false);
            }

            if (attempt == PutAttempts || IsSame(etag, Convert.ToHexStringLower(md5)))
            {
                ThrowIfOther(key, etag, Convert.ToHexStringLower(md5));
                return new ObjectProperties(
                    key, length, etag, time.GetUtcNow(), S3Text.Version(answer.VersionId), S3Text.Class(null));
            }

            // The bytes were damaged on their way. Only here it is known that the object is ours, and by which ETag: to
            // later attempts it would be an object of somebody else, which cannot even be read.
            condition = new ObjectWriteCondition(etag);
        }
    }

    private async ValueTask<PutObjectResponse> SendConditionalPutAsync(
        string key, Memory<byte> bytes, byte[] md5, BlockChecksums checksums, ObjectWriteCondition condition,
            CancellationToken cancellationToken)
    {
        try
        {
            return await SendPutAsync(key, bytes, md5, checksums, condition, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (
            e.Code == ErrorCode.Stale && condition.IfMatch is not null && !_conditionsUnquoted && !connection.IsAws)
        {
            // Ceph RGW compares If-Match of a PUT with the bare ETag. If the condition still holds, that is why it
            // failed.
            await CheckAsync(key, condition, cancellationToken).ConfigureAwait(false);
            _conditionsUnquoted = true;
            return await SendPutAsync(key, bytes, md5, checksums, condition, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<PutObjectResponse> SendPutAsync(
        string key, Memory<byte> bytes, byte[] md5, BlockChecksums checksums, ObjectWriteCondition condition,
            CancellationToken cancellationToken)
    {
        using UploadStream body = new(bytes);
        try
        {
            PutObjectRequest request = new()
            {
                BucketName = bucket,
                Key = key,
                InputStream = body,
                AutoCloseStream = false,
                UseChunkEncoding = false,
                MD5Digest = Convert.ToBase64String(md5),
                IfMatch = IfMatchHeader(condition),
                IfNoneMatch = condition.IfAbsent ? "*" : null,
            };
            if (Options.VerifyContent)
            {
                request.Metadata.Add(BlockChecksums.MetadataName, checksums.ToText());
            }

            return await caller.SendAsync(
                RequestVerb.Put, $"PUT {displayName}/{key}", bytes.Length,
                token => connection.Client.PutObjectAsync(request, token), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            body.Detach();
        }
    }

    private async ValueTask<ObjectProperties> PutPartsAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        long partBytes = Math.Max(Options.PartBytes, (content.LengthBytes + PartLimit - 1) / PartLimit);
        if (partBytes > NativeBufferPool.MaxBufferBytes)
        {
            throw new DataLayerException(ErrorCode.FileTooLarge, string.Create(CultureInfo.InvariantCulture,
                $"'{key}' has {content.LengthBytes} bytes; "
                + $"an upload holds {(long)PartLimit * NativeBufferPool.MaxBufferBytes}."));
        }

        BlockChecksums checksums = await ScanAsync(content, cancellationToken).ConfigureAwait(false);
        await CheckAsync(key, condition, cancellationToken).ConfigureAwait(false);
        string uploadId = await StartAsync(key, checksums, cancellationToken).ConfigureAwait(false);
        bool done = false;
        try
        {
            PartETag[] parts = await SendPartsAsync(key, uploadId, content, checksums, partBytes, cancellationToken)
                .ConfigureAwait(false);
            ObjectProperties written =
                await CompleteAsync(key, uploadId, parts, content.LengthBytes, condition, cancellationToken)
                .ConfigureAwait(false);
            done = true;
            return written;
        }
        finally
        {
            if (!done)
            {
                await AbortAsync(key, uploadId).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Reads the content once for its checksums.</summary>
    private async ValueTask<BlockChecksums> ScanAsync(IObjectContent content, CancellationToken cancellationToken)
    {
        BlockChecksums.Builder builder = new(content.LengthBytes);
        using BufferLease lease = await buffers.RentAsync(ScanBytes, cancellationToken).ConfigureAwait(false);
        for (long offset = 0; offset < content.LengthBytes; offset += ScanBytes)
        {
            Memory<byte> piece = lease.Memory[..(int)Math.Min(ScanBytes, content.LengthBytes - offset)];
            await content.ReadExactlyAsync(offset, piece, cancellationToken).ConfigureAwait(false);
            builder.Append(piece.Span);
        }

        return builder.Build();
    }

    private async ValueTask<string> StartAsync(
        string key, BlockChecksums checksums, CancellationToken cancellationToken)
    {
        InitiateMultipartUploadRequest request = new() { BucketName = bucket, Key = key };
        if (Options.VerifyContent)
        {
            request.Metadata.Add(BlockChecksums.MetadataName, checksums.ToText());
        }

        InitiateMultipartUploadResponse answer = await retries.RunAsync(
            request,
            (it, _, token) => caller.SendAsync(
                RequestVerb.Post, $"POST {displayName}/{key}?uploads", 0,
                attempt => connection.Client.InitiateMultipartUploadAsync(it, attempt), token),
            cancellationToken).ConfigureAwait(false);
        return answer.UploadId;
    }

    private async ValueTask<PartETag[]> SendPartsAsync(
        string key, string uploadId, IObjectContent content, BlockChecksums checksums, long partBytes,
            CancellationToken cancellationToken)
    {
        PartETag[] parts = new PartETag[(content.LengthBytes + partBytes - 1) / partBytes];
        ParallelOptions parallel =
            new() { MaxDegreeOfParallelism = Options.PartsInFlight, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, parts.Length, parallel, async (index, token) =>
        {
            long offset = index * partBytes;
            int length = (int)Math.Min(partBytes, content.LengthBytes - offset);
            using BufferLease lease = await buffers.RentAsync(length, token).ConfigureAwait(false);
            await content.ReadExactlyAsync(offset, lease.Memory, token).ConfigureAwait(false);
            ThrowIfChanged(key, offset, lease.Span, checksums);
            parts[index] = await retries.RunAsync(
                (Lease: lease, Number: index + 1),
                (part, _, attempt) => SendPartAsync(key, uploadId, part.Number, part.Lease.Memory, attempt),
                token).ConfigureAwait(false);
        }).ConfigureAwait(false);
        return parts;
    }

    /// <summary>
    /// A content that changed since its checksums were taken would make an object that never reads back.
    /// </summary>
    private static void ThrowIfChanged(string key, long offset, ReadOnlySpan<byte> bytes, BlockChecksums checksums)
    {
        long end = offset + bytes.Length;
        for (long at = checksums.BlockStart(offset + checksums.BlockBytes - 1); at < end
            && checksums.BlockEnd(at) <= end; at += checksums.BlockBytes)
        {
            ReadOnlySpan<byte> block = bytes[(int)(at - offset)..(int)(checksums.BlockEnd(at) - offset)];
            if (Core.Integrity.Crc32C.Compute(block) != checksums.Of(at))
            {
                throw new DataLayerException(
                    ErrorCode.Stale, $"The content of '{key}' changed while it was uploaded. Upload it again.");
            }
        }
    }

    private async ValueTask<PartETag> SendPartAsync(
        string key, string uploadId, int number, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        byte[] md5 = MD5.HashData(bytes.Span);
        using UploadStream body = new(bytes);
        try
        {
            UploadPartRequest request = new()
            {
                BucketName = bucket,
                Key = key,
                UploadId = uploadId,
                PartNumber = number,
                InputStream = body,
                PartSize = bytes.Length,
                UseChunkEncoding = false,
                MD5Digest = Convert.ToBase64String(md5),
            };
            UploadPartResponse answer = await caller.SendAsync(
                RequestVerb.Put, $"PUT {displayName}/{key} (part {number})", bytes.Length,
                token => connection.Client.UploadPartAsync(request, token), cancellationToken).ConfigureAwait(false);
            string etag = S3Text.ETag(answer.ETag);
            if (IsMd5(etag, answer.ServerSideEncryptionMethod))
            {
                ThrowIfOther(key, etag, Convert.ToHexStringLower(md5));
            }

            return new PartETag(number, answer.ETag);
        }
        finally
        {
            body.Detach();
        }
    }

    private async ValueTask<ObjectProperties> CompleteAsync(
        string key, string uploadId, PartETag[] parts, long lengthBytes, ObjectWriteCondition condition,
            CancellationToken cancellationToken)
    {
        string? expected = CompositeETag(parts);
        string etag = await retries.RunAsync(
            expected,
            async (known, attempt, token) =>
            {
                CompleteMultipartUploadRequest request = new()
                {
                    BucketName = bucket,
                    Key = key,
                    UploadId = uploadId,
                    PartETags = [.. parts],
                    IfMatch = IfMatchHeader(condition),
                    IfNoneMatch = condition.IfAbsent ? "*" : null,
                };
                try
                {
                    if (attempt == 0)
                    {
                        await CheckAsync(key, condition, token).ConfigureAwait(false);
                    }

                    CompleteMultipartUploadResponse answer = await caller.SendAsync(
                        RequestVerb.Post, $"POST {displayName}/{key}?uploadId", 0,
                        it => connection.Client.CompleteMultipartUploadAsync(request, it), token).ConfigureAwait(false);
                    return S3Text.ETag(answer.ETag);
                }
                catch (DataLayerException e) when (
                    attempt > 0 && known is not null && e.Code is ErrorCode.NotFound or ErrorCode.Stale)
                {
                    // The upload is gone or the condition fails: because the attempt before was applied and its answer
                    // lost?
                    ObjectProperties? found = await HeadAsync(key, token).ConfigureAwait(false);
                    if (found?.ETag == known)
                    {
                        return known!;
                    }

                    throw;
                }
            },
            cancellationToken).ConfigureAwait(false);
        if (expected is not null && etag.EndsWith($"-{parts.Length}", StringComparison.Ordinal))
        {
            ThrowIfOther(key, etag, expected);
        }

        // Ceph RGW 16 leaves the ETag out of its answer.
        etag = etag.Length > 0 ? etag : expected ?? "";

        return await retries.RunAsync(
            etag, (it, _, token) => ConfirmAsync(key, it, lengthBytes, token), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The ETag S3 gives to an object of parts: the MD5 of their MD5s and their count. Null where a part's ETag is no
    /// MD5.
    /// </summary>
    private static string? CompositeETag(PartETag[] parts)
    {
        using IncrementalHash all = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        foreach (PartETag part in parts)
        {
            string etag = S3Text.ETag(part.ETag);
            if (etag.Length != 32)
            {
                return null;
            }

            all.AppendData(Convert.FromHexString(etag));
        }

        return string.Create(
            CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(all.GetHashAndReset())}-{parts.Length}");
    }

    /// <summary>Asks whether the object that is there now is the one that was written.</summary>
    private async ValueTask<ObjectProperties> ConfirmAsync(
        string key, string etag, long lengthBytes, CancellationToken cancellationToken)
    {
        ObjectProperties? found = await HeadAsync(key, cancellationToken).ConfigureAwait(false);
        return found is { } it && (etag.Length == 0 || it.ETag == etag) && it.SizeBytes == lengthBytes
            ? it
            : throw new DataLayerException(ErrorCode.Stale,
                $"'{key}' in {displayName} is not what was just written: "
                + $"{found?.SizeBytes} bytes with ETag {found?.ETag} in place of {lengthBytes} with {etag}. "
                + "Somebody else wrote it at the same time.");
    }

    private static bool IsSame(string etag, string expected) =>
        etag.Equals(expected, StringComparison.OrdinalIgnoreCase);

    private void ThrowIfOther(string key, string etag, string expected)
    {
        if (!IsSame(etag, expected))
        {
            throw new DataLayerException(ErrorCode.OriginUnavailable,
                $"{displayName} acknowledged '{key}' with ETag {etag}; what was sent has {expected}. "
                + "The write is tried again.");
        }
    }

    private async ValueTask AbortAsync(string key, string uploadId)
    {
        using CancellationTokenSource limit = new(_abortTimeout);
        try
        {
            await caller.SendAsync(
                RequestVerb.Delete, $"DELETE {displayName}/{key}?uploadId", 0,
                token => connection.Client.AbortMultipartUploadAsync(bucket, key, uploadId, token), limit.Token)
                    .ConfigureAwait(false);
        }
        catch (Exception e) when (e is DataLayerException or OperationCanceledException)
        {
            // The fault that led here is what the caller must see; a lifecycle rule expires the rest.
        }
    }
}
