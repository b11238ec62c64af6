using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// A bucket of an S3-compatible server. Each call is one attempt (an upload in parts retries its parts); retries,
/// hedges, splitting and limits are decorators.
/// </summary>
internal sealed class S3ObjectStore : IObjectStore
{
    private readonly S3Connection _connection;
    private readonly string _bucket;
    private readonly S3Caller _caller;
    private readonly S3Uploader _uploader;
    private readonly S3Copier _copier;
    private readonly S3RangeReader _reader;

    /// <summary>Makes the store; nothing is sent.</summary>
    /// <param name="connection">The server; not owned.</param>
    /// <param name="bucket">The bucket's name.</param>
    /// <param name="meter">Counts the requests.</param>
    /// <param name="retries">For the parts of large uploads.</param>
    /// <param name="shared">Buffers (not owned) and clock.</param>
    internal S3ObjectStore(
        S3Connection connection, string bucket, RequestMeter meter, RetryPolicy retries,
            (NativeBufferPool Buffers, TimeProvider Time) shared)
    {
        (_connection, _bucket) = (connection, bucket);
        DisplayName = "s3://" + bucket;
        S3Address address = new(connection.Endpoint, bucket, connection.Options.PathStyle);
        _caller = new S3Caller(connection, meter, shared.Time);
        _uploader = new S3Uploader(connection, _caller, retries, bucket, DisplayName, shared.Buffers, shared.Time);
        _copier = new S3Copier(connection, _caller, retries, bucket, DisplayName);
        _reader = new S3RangeReader(connection, address, DisplayName, meter, shared.Buffers, shared.Time);
    }

    /// <inheritdoc/>
    public string DisplayName { get; }

    /// <summary>Bytes that were returned without anything vouching for them but the connection, since start.</summary>
    internal long UncheckedBytes => _reader.UncheckedBytes;

    /// <inheritdoc/>
    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        return _uploader.HeadAsync(key, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        ObjectReadResult? read = destination.Length == 0
            ? null
            : await _reader.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken).ConfigureAwait(false);
        return read ?? await ReadNothingAsync(key, offsetBytes, destination.Length, ifMatch, cancellationToken)
            .ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        ArgumentNullException.ThrowIfNull(content);
        return _uploader.UploadAsync(key, content, condition, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DeleteAsync(
        string key, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        if (condition.IfAbsent)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "A delete on the condition that nothing is there does nothing.");
        }

        if (condition.IfMatch is not null && !_connection.IsAws)
        {
            // Ceph RGW and others ignore If-Match of a DELETE: ask first, which leaves a race of one round trip.
            ObjectProperties? found = await _uploader.HeadAsync(key, cancellationToken).ConfigureAwait(false);
            if (found?.ETag != condition.IfMatch)
            {
                return found is null;
            }
        }

        DeleteObjectRequest request = new()
        {
            BucketName = _bucket,
            Key = key,
            IfMatch = condition.IfMatch is { } etag ? $"\"{etag}\"" : null,
        };
        try
        {
            await _caller.SendAsync(
                RequestVerb.Delete, $"DELETE {DisplayName}/{key}", 0,
                token => _connection.Client.DeleteObjectAsync(request, token), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.Stale)
        {
            return false;
        }
        catch (DataLayerException e) when (
            e.Code == ErrorCode.NotFound && !e.Message.Contains("NoSuchBucket", StringComparison.Ordinal))
        {
            return true;
        }
    }

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        ArgumentException.ThrowIfNullOrEmpty(ifMatch);
        ArgumentException.ThrowIfNullOrEmpty(storageClass);
        return _copier.ChangeClassAsync(key, ifMatch, storageClass, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken)
    {
        ObjectKey.Check(key);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(days);
        ArgumentException.ThrowIfNullOrEmpty(speed);
        return _copier.RestoreAsync(key, days, speed, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectKey.CheckPrefix(request.Prefix);
        if (request.MaxKeys is < 1 or > 1000)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A page of {request.MaxKeys} keys was asked for; 1 to 1,000 are possible.");
        }

        if (request.Delimiter is { Length: 0 })
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "The delimiter is empty; null stands for none.");
        }

        ListObjectsV2Request list = new()
        {
            BucketName = _bucket,
            Prefix = request.Prefix,
            StartAfter = request.ContinuationToken is null ? request.StartAfter : null,
            Delimiter = request.Delimiter,
            ContinuationToken = request.ContinuationToken,
            MaxKeys = request.MaxKeys,
            Encoding = EncodingType.Url,
        };
        ListObjectsV2Response answer = await _caller.SendAsync(
            RequestVerb.List, $"LIST {DisplayName}/{request.Prefix}", 0,
            token => _connection.Client.ListObjectsV2Async(list, token), cancellationToken).ConfigureAwait(false);
        return ToPage(answer);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static ObjectListPage ToPage(ListObjectsV2Response answer)
    {
        bool encoded = answer.Encoding == EncodingType.Url;
        List<ObjectProperties> objects = new(answer.S3Objects?.Count ?? 0);
        foreach (S3Object found in answer.S3Objects ?? [])
        {
            objects.Add(new ObjectProperties(
                S3Text.Decode(found.Key, encoded), found.Size
                    ?? 0, S3Text.ETag(found.ETag), S3Text.Time(found.LastModified), null,
                S3Text.Class(found.StorageClass?.Value)));
        }

        List<string> prefixes = new(answer.CommonPrefixes?.Count ?? 0);
        foreach (string prefix in answer.CommonPrefixes ?? [])
        {
            prefixes.Add(S3Text.Decode(prefix, encoded));
        }

        return new ObjectListPage(objects, prefixes, answer.IsTruncated == true ? answer.NextContinuationToken : null);
    }

    /// <summary>A read that starts at the object's end or asks for no bytes: only its size and ETag are told.</summary>
    private async ValueTask<ObjectReadResult> ReadNothingAsync(
        string key, long offsetBytes, int length, string? ifMatch, CancellationToken cancellationToken)
    {
        ObjectProperties found = await _uploader.HeadAsync(key, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no object '{key}' in {DisplayName}.");
        if (ifMatch is not null && found.ETag != ifMatch)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"The object '{key}' in {DisplayName} has ETag {found.ETag}, not {ifMatch}.");
        }

        return length == 0 || offsetBytes >= found.SizeBytes
            ? new ObjectReadResult(0, found.SizeBytes, found.ETag)
            : throw new DataLayerException(ErrorCode.OriginUnavailable,
                $"The object '{key}' in {DisplayName} grew from {offsetBytes} bytes or less to {found.SizeBytes} "
                + "during the read.");
    }
}
