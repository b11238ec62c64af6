using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// Gives objects another storage class by copying them onto themselves, and asks for restores from archives.
/// </summary>
/// <remarks>
/// <para>A copy replaces the object under the condition that its source has the ETag that is known (checked by the
/// server). The metadata is sent again as it is, with one entry more: the ETag of the source. So a copy that was made,
/// its answer lost or the process killed, is told from what somebody else wrote; asked again, nothing is copied. Tags
/// follow a copy in one request, not one in parts.</para>
/// <para>Up to <see cref="ObjectStoreOptions.CopyLimitBytes"/> it is one request; larger objects are copied in parts of
/// that size, after which a composite ETag has other part boundaries than before. What the store says of the object
/// afterwards is what counts.</para>
/// </remarks>
internal sealed class S3Copier(
    S3Connection connection, S3Caller caller, RetryPolicy retries, string bucket, string displayName)
{
    /// <summary>The metadata entry that names the ETag a copy was made of.</summary>
    internal const string SourceName = "datalayer-source";

    private static readonly TimeSpan _abortTimeout = TimeSpan.FromSeconds(10);

    private long CopyLimitBytes => connection.Options.CopyLimitBytes;

    internal async ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse found = await HeadAsync(key, cancellationToken).ConfigureAwait(false);
        string etag = S3Text.ETag(found.ETag);
        bool isOurs = etag == ifMatch || found.Metadata[SourceName] == ifMatch;
        if (!isOurs)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"The object '{key}' in {displayName} has ETag {etag}, not {ifMatch}.");
        }

        if (S3Text.Class(found.StorageClass?.Value) == storageClass)
        {
            return ToProperties(key, found);
        }

        long size = found.ContentLength;
        string copied = size <= CopyLimitBytes
            ? await CopyAsync(key, etag, storageClass, found, cancellationToken).ConfigureAwait(false)
            : await CopyPartsAsync(key, etag, storageClass, found, cancellationToken).ConfigureAwait(false);
        GetObjectMetadataResponse now = await HeadAsync(key, cancellationToken).ConfigureAwait(false);
        ObjectProperties seen = ToProperties(key, now);
        return (copied.Length == 0 || seen.ETag == copied) && seen.SizeBytes == size
            && now.Metadata[SourceName] == etag && seen.StorageClass == storageClass
            ? seen
            : throw new DataLayerException(
                ErrorCode.Stale,
                $"'{key}' in {displayName} is not what was just copied: {seen.SizeBytes} bytes with ETag {seen.ETag} "
                + $"in class {seen.StorageClass}, in place of {size} with {copied} in {storageClass}. Somebody else "
                + "wrote it at the same time, or the store does not know the class.");
    }

    internal async ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken)
    {
        RestoreObjectRequest request = new()
        {
            BucketName = bucket,
            Key = key,
            Days = days,
            RetrievalTier = GlacierJobTier.FindValue(speed),
        };
        try
        {
            await caller.SendAsync(
                RequestVerb.Post, $"POST {displayName}/{key}?restore", 0,
                token => SendRestoreAsync(request, token), cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (
            e.InnerException is AmazonS3Exception { ErrorCode: "RestoreAlreadyInProgress" })
        {
            // Asked for before: that one goes on.
        }
    }

    private async Task<RestoreObjectResponse> SendRestoreAsync(RestoreObjectRequest request, CancellationToken token) =>
        await connection.Client.RestoreObjectAsync(request, token).ConfigureAwait(false);

    private static ObjectProperties ToProperties(string key, GetObjectMetadataResponse found) => new(
        key, found.ContentLength, S3Text.ETag(found.ETag), S3Text.Time(found.LastModified),
        S3Text.Version(found.VersionId), S3Text.Class(found.StorageClass?.Value), found.RestoreInProgress == true,
        found.Metadata[SourceName]);

    /// <summary>What a copy has to carry over, and the ETag it is made of.</summary>
    private static void CarryOver(
        GetObjectMetadataResponse from, string etag, MetadataCollection metadata, HeadersCollection headers)
    {
        foreach (string name in from.Metadata.Keys)
        {
            metadata[name] = from.Metadata[name];
        }

        metadata[SourceName] = etag;
        headers.ContentType = from.Headers.ContentType;
        headers.ContentEncoding = from.Headers.ContentEncoding;
        headers.ContentDisposition = from.Headers.ContentDisposition;
        headers.CacheControl = from.Headers.CacheControl;
    }

    private async ValueTask<GetObjectMetadataResponse> HeadAsync(string key, CancellationToken cancellationToken) =>
        await caller.SendAsync(
            RequestVerb.Head, $"HEAD {displayName}/{key}", 0,
            token => connection.Client.GetObjectMetadataAsync(bucket, key, token), cancellationToken)
                .ConfigureAwait(false);

    private async ValueTask<string> CopyAsync(
        string key, string etag, string storageClass, GetObjectMetadataResponse from,
        CancellationToken cancellationToken)
    {
        CopyObjectRequest request = new()
        {
            SourceBucket = bucket,
            SourceKey = key,
            DestinationBucket = bucket,
            DestinationKey = key,
            ETagToMatch = etag,
            StorageClass = S3StorageClass.FindValue(storageClass),
            MetadataDirective = S3MetadataDirective.REPLACE,
            ServerSideEncryptionMethod = from.ServerSideEncryptionMethod,
            ServerSideEncryptionKeyManagementServiceKeyId = from.ServerSideEncryptionKeyManagementServiceKeyId,
        };
        CarryOver(from, etag, request.Metadata, request.Headers);
        CopyObjectResponse answer = await caller.SendAsync(
            RequestVerb.Put, $"PUT {displayName}/{key} (copy to {storageClass})", 0,
            token => connection.Client.CopyObjectAsync(request, token), cancellationToken, from.ContentLength)
                .ConfigureAwait(false);
        return S3Text.ETag(answer.ETag);
    }

    private async ValueTask<string> CopyPartsAsync(
        string key, string etag, string storageClass, GetObjectMetadataResponse from,
        CancellationToken cancellationToken)
    {
        InitiateMultipartUploadRequest begin = new()
        {
            BucketName = bucket,
            Key = key,
            StorageClass = S3StorageClass.FindValue(storageClass),
            ServerSideEncryptionMethod = from.ServerSideEncryptionMethod,
            ServerSideEncryptionKeyManagementServiceKeyId = from.ServerSideEncryptionKeyManagementServiceKeyId,
        };
        CarryOver(from, etag, begin.Metadata, begin.Headers);
        InitiateMultipartUploadResponse upload = await caller.SendAsync(
            RequestVerb.Post, $"POST {displayName}/{key}?uploads", 0,
            token => connection.Client.InitiateMultipartUploadAsync(begin, token), cancellationToken)
                .ConfigureAwait(false);
        try
        {
            List<PartETag> parts = [];
            for (long offset = 0; offset < from.ContentLength; offset += CopyLimitBytes)
            {
                long end = Math.Min(offset + CopyLimitBytes, from.ContentLength);
                parts.Add(await retries.RunAsync(
                    (Number: parts.Count + 1, First: offset, Last: end - 1),
                    (part, _, token) => CopyPartAsync(key, etag, upload.UploadId, part, token),
                    cancellationToken).ConfigureAwait(false));
            }

            CompleteMultipartUploadRequest complete = new()
            {
                BucketName = bucket,
                Key = key,
                UploadId = upload.UploadId,
                PartETags = parts,
            };
            CompleteMultipartUploadResponse answer = await caller.SendAsync(
                RequestVerb.Post, $"POST {displayName}/{key}?uploadId", 0,
                token => connection.Client.CompleteMultipartUploadAsync(complete, token), cancellationToken)
                    .ConfigureAwait(false);
            return S3Text.ETag(answer.ETag);
        }
        catch
        {
            await AbortAsync(key, upload.UploadId).ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask<PartETag> CopyPartAsync(
        string key, string etag, string uploadId, (int Number, long First, long Last) part,
        CancellationToken cancellationToken)
    {
        CopyPartRequest request = new()
        {
            SourceBucket = bucket,
            SourceKey = key,
            DestinationBucket = bucket,
            DestinationKey = key,
            UploadId = uploadId,
            PartNumber = part.Number,
            FirstByte = part.First,
            LastByte = part.Last,
            ETagToMatch = [etag],
        };
        string what = string.Create(
            CultureInfo.InvariantCulture, $"PUT {displayName}/{key} (copy of part {part.Number})");
        CopyPartResponse answer = await caller.SendAsync(
            RequestVerb.Put, what, 0, token => connection.Client.CopyPartAsync(request, token), cancellationToken,
            part.Last - part.First + 1).ConfigureAwait(false);
        return new PartETag(part.Number, answer.ETag);
    }

    private async ValueTask AbortAsync(string key, string uploadId)
    {
        using CancellationTokenSource limit = new(_abortTimeout);
        try
        {
            await caller.SendAsync(
                RequestVerb.Post, $"DELETE {displayName}/{key}?uploadId", 0,
                token => connection.Client.AbortMultipartUploadAsync(bucket, key, uploadId, token), limit.Token)
                    .ConfigureAwait(false);
        }
        catch (Exception e) when (e is DataLayerException or OperationCanceledException)
        {
            // The fault that led here is what the caller must see; a lifecycle rule expires the rest.
        }
    }
}
