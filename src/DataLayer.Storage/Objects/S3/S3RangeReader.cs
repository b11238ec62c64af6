using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// Reads ranges of a bucket's objects straight into the caller's memory, and checks them against whatever vouches for
/// them.
/// </summary>
/// <remarks>
/// Lengths are checked always. Then, in this order: our own block checksums from the object's metadata (they come with
/// every answer; what is missing of a block at the edge is read as well, up to
/// <see cref="BlockChecksums.EdgeLimitBytes"/>), else the ETag where the whole object was read and the ETag is an MD5,
/// else a second read where the options ask for it. A mismatch is Corrupt: another attempt may bring it right. After a
/// call ended nothing writes to the caller's memory.
/// </remarks>
internal sealed class S3RangeReader(
    S3Connection connection, S3Address address, string displayName, RequestMeter meter, NativeBufferPool buffers,
        TimeProvider time)
{
    private const int ErrorBodyLimitBytes = 64 << 10;
    private static readonly ActivitySource _activities = new("DataLayer.Objects");
    private long _uncheckedBytes;

    /// <summary>Bytes that were returned without anything vouching for them but the connection, since start.</summary>
    internal long UncheckedBytes => Interlocked.Read(ref _uncheckedBytes);

    /// <summary>Reads and checks one range; null where it starts at or behind the object's end.</summary>
    internal async ValueTask<ObjectReadResult?> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        if (await GetAsync(key, offsetBytes, destination, ifMatch, cancellationToken)
            .ConfigureAwait(false) is not { } answer)
        {
            return null;
        }

        ObjectReadResult result = new(answer.Count, answer.SizeBytes, answer.ETag)
        {
            Times = new ObjectReadTimes { FirstByte = answer.FirstByte, Body = answer.Body },
        };
        if (connection.Options.VerifyContent)
        {
            await CheckAsync(key, offsetBytes, destination[..answer.Count], answer, cancellationToken)
                .ConfigureAwait(false);
        }

        return result;
    }

    private static string? HeaderOf(HttpHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;

    private static bool IsMd5(string etag)
    {
        foreach (char one in etag)
        {
            if (!char.IsAsciiHexDigit(one))
            {
                return false;
            }
        }

        return etag.Length == 32;
    }

    private string What(string key, long offsetBytes, int count) => string.Create(
        CultureInfo.InvariantCulture, $"GET {displayName}/{key} (bytes {offsetBytes}…{offsetBytes + count - 1})");

    private async ValueTask CheckAsync(
        string key, long offsetBytes, Memory<byte> body, Answer answer, CancellationToken cancellationToken)
    {
        if (answer.Checksums is { } checksums)
        {
            await CheckBlocksAsync(key, offsetBytes, body, answer.ETag, checksums, cancellationToken)
                .ConfigureAwait(false);
            return;
        }

        if (answer.ETagIsMd5 && offsetBytes == 0 && body.Length == answer.SizeBytes)
        {
            Span<byte> md5 = stackalloc byte[MD5.HashSizeInBytes];
            MD5.HashData(body.Span, md5);
            if (!Convert.ToHexStringLower(md5).Equals(answer.ETag, StringComparison.OrdinalIgnoreCase))
            {
                throw S3Fault.Damaged(
                    What(key, offsetBytes, body.Length), connection.Endpoint, "its ETag, which looks like an MD5");
            }

            return;
        }

        if (connection.Options.CompareUnverifiedReads)
        {
            await CompareAsync(key, offsetBytes, body, answer.ETag, cancellationToken).ConfigureAwait(false);
            return;
        }

        Interlocked.Add(ref _uncheckedBytes, body.Length);
    }

    private async ValueTask CheckBlocksAsync(
        string key, long offsetBytes, Memory<byte> body, string etag, BlockChecksums checksums,
            CancellationToken cancellationToken)
    {
        long end = offsetBytes + body.Length;
        for (long at = offsetBytes; at < end;)
        {
            long blockStart = checksums.BlockStart(at);
            long blockEnd = checksums.BlockEnd(at);
            long from = Math.Max(blockStart, offsetBytes);
            long to = Math.Min(blockEnd, end);
            ReadOnlyMemory<byte> covered = body.Slice((int)(from - offsetBytes), (int)(to - from));
            int before = (int)Math.Min(from - blockStart, int.MaxValue);
            int after = (int)Math.Min(blockEnd - to, int.MaxValue);
            at = blockEnd;
            if ((long)before + after > BlockChecksums.EdgeLimitBytes)
            {
                Interlocked.Add(ref _uncheckedBytes, covered.Length);
                continue;
            }

            uint crc = await ExtendAsync(0, key, blockStart, before, etag, cancellationToken).ConfigureAwait(false);
            crc = Crc32C.Append(crc, covered.Span);
            crc = await ExtendAsync(crc, key, to, after, etag, cancellationToken).ConfigureAwait(false);
            if (crc != checksums.Of(blockStart))
            {
                throw S3Fault.Damaged(
                    What(key, from, covered.Length), connection.Endpoint, "the checksum in the object's metadata");
            }
        }
    }

    /// <summary>Reads a piece only to go on with a checksum.</summary>
    private async ValueTask<uint> ExtendAsync(
        uint crc, string key, long offsetBytes, int count, string etag, CancellationToken cancellationToken)
    {
        if (count == 0)
        {
            return crc;
        }

        using BufferLease lease = await buffers.RentAsync(count, cancellationToken).ConfigureAwait(false);
        Answer? answer = await GetAsync(key, offsetBytes, lease.Memory, etag, cancellationToken).ConfigureAwait(false);
        return answer is { } whole && whole.Count == count
            ? Crc32C.Append(crc, lease.Span)
            : throw S3Fault.Unavailable(
                What(key, offsetBytes, count), connection.Endpoint, "the answer is shorter than the object");
    }

    private async ValueTask CompareAsync(
        string key, long offsetBytes, Memory<byte> body, string etag, CancellationToken cancellationToken)
    {
        int done = 0;
        while (done < body.Length)
        {
            int count = Math.Min(body.Length - done, NativeBufferPool.MaxBufferBytes);
            using BufferLease lease = await buffers.RentAsync(count, cancellationToken).ConfigureAwait(false);
            Answer? answer = await GetAsync(key, offsetBytes + done, lease.Memory, etag, cancellationToken)
                .ConfigureAwait(false);
            if (answer?.Count != count || !lease.Span.SequenceEqual(body.Span.Slice(done, count)))
            {
                throw S3Fault.Damaged(
                    What(key, offsetBytes + done, count), connection.Endpoint, "a second read of the same range");
            }

            done += count;
        }
    }

    /// <summary>One GET, counted; null for 416.</summary>
    private async ValueTask<Answer?> GetAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        long bytes = 0;
        RequestOutcome outcome = RequestOutcome.Failed;
        using Activity? activity = _activities.StartActivity("origin.get", ActivityKind.Client);
        activity?.SetTag("url.path", $"{displayName}/{key}").SetTag("offset", offsetBytes)
            .SetTag("length", destination.Length).SetTag("server.address", connection.Endpoint.Host);
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(connection.Options.AttemptTimeout);
        try
        {
            using HttpRequestMessage request = await CreateRequestAsync(key, offsetBytes, destination.Length, ifMatch)
                .ConfigureAwait(false);
            using HttpResponseMessage response = await connection.Http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, attempt.Token).ConfigureAwait(false);
            TimeSpan firstByte = time.GetElapsedTime(start);
            meter.RecordFirstByte(firstByte);
            activity?.SetTag("http.response.status_code", (int)response.StatusCode)
                .SetTag("aws.request_id", HeaderOf(response.Headers, "x-amz-request-id"));
            if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.PartialContent))
            {
                if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
                {
                    outcome = RequestOutcome.Answered;
                    return null;
                }

                DataLayerException refusal = await RefusalAsync(
                    response, What(key, offsetBytes, destination.Length), attempt.Token).ConfigureAwait(false);
                outcome = (int)response.StatusCode is 404 or 412
                    ? RequestOutcome.Answered
                    : RequestMeter.OutcomeOf(refusal);
                throw refusal;
            }

            Answer answer = ParseHead(response, key, offsetBytes, destination.Length, ifMatch);
            Stream body = await response.Content.ReadAsStreamAsync(attempt.Token).ConfigureAwait(false);
            while (bytes < answer.Count)
            {
                int count = await body.ReadAsync(destination[(int)bytes..answer.Count], attempt.Token)
                    .ConfigureAwait(false);
                if (count == 0)
                {
                    throw S3Fault.Unavailable(What(key, offsetBytes, destination.Length), connection.Endpoint,
                        $"the body ended after {bytes} of {answer.Count} bytes");
                }

                bytes += count;
                attempt.CancelAfter(connection.Options.AttemptTimeout);
            }

            outcome = RequestOutcome.Answered;
            return answer with { FirstByte = firstByte, Body = time.GetElapsedTime(start) - firstByte };
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw S3Fault.TimedOut(
                What(key, offsetBytes, destination.Length), connection.Endpoint, connection.Options.AttemptTimeout, e);
        }
        catch (Exception e) when (e is not (DataLayerException or OperationCanceledException))
        {
            outcome = S3Fault.MayHaveReached(e) ? RequestOutcome.Failed : RequestOutcome.NotSent;
            throw S3Fault.From(e, What(key, offsetBytes, destination.Length), connection.Endpoint);
        }
        finally
        {
            activity?.SetTag("bytes", bytes)
                .SetStatus(outcome == RequestOutcome.Answered ? ActivityStatusCode.Unset : ActivityStatusCode.Error);
            meter.Record(RequestVerb.Get, outcome, bytes, time.GetElapsedTime(start));
        }
    }

    private async ValueTask<HttpRequestMessage> CreateRequestAsync(
        string key, long offsetBytes, int length, string? ifMatch)
    {
        string path = address.PathOf(key);
        HttpRequestMessage request = new(HttpMethod.Get, address.UrlOf(path));
        request.Headers.TryAddWithoutValidation("Range",
            string.Create(CultureInfo.InvariantCulture, $"bytes={offsetBytes}-{offsetBytes + length - 1}"));
        if (ifMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{ifMatch}\"");
        }

        if (connection.Signer is { } signer)
        {
            signer.Sign(
                request, address.Host, path, await connection.GetKeysAsync().ConfigureAwait(false), time.GetUtcNow());
        }

        return request;
    }

    private Answer ParseHead(HttpResponseMessage response, string key, long offsetBytes, int wanted, string? ifMatch)
    {
        DataLayerException Broken(string what) =>
            S3Fault.Unavailable(What(key, offsetBytes, wanted), connection.Endpoint, what);
        string etag = (HeaderOf(response.Headers, "ETag") ?? "").Trim('"');
        if (ifMatch is not null && etag != ifMatch)
        {
            throw S3Fault.FromAnswer(412, "If-Match ignored", What(key, offsetBytes, wanted), connection.Endpoint);
        }

        long? length = response.Content.Headers.ContentLength;
        long size;
        if (response.StatusCode == HttpStatusCode.PartialContent)
        {
            ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
            if (range is not { HasRange: true, HasLength: true } || range.From != offsetBytes)
            {
                throw Broken($"the answer's range is '{range}'");
            }

            size = range.Length!.Value;
            if (range.To!.Value - offsetBytes + 1 != Math.Min(wanted, size - offsetBytes)
                || (length is { } body && body != range.To - offsetBytes + 1))
            {
                throw Broken($"the answer's range is '{range}' and its length {length}");
            }
        }
        else if (offsetBytes == 0 && length is { } whole)
        {
            size = whole;
        }
        else
        {
            throw new DataLayerException(ErrorCode.NotSupported,
                $"{What(key, offsetBytes, wanted)}: the server at {connection.Endpoint} does not know ranges.");
        }

        string? encryption = HeaderOf(response.Headers, "x-amz-server-side-encryption");
        bool plain = encryption is null or "AES256"
            && HeaderOf(response.Headers, "x-amz-server-side-encryption-customer-algorithm") is null;
        return new Answer(
            (int)Math.Min(wanted, size - offsetBytes), size, etag, plain && IsMd5(etag),
            BlockChecksums.Parse(HeaderOf(response.Headers, "x-amz-meta-" + BlockChecksums.MetadataName), size));
    }

    /// <summary>The fault of an error answer; its body names S3's code.</summary>
    private async ValueTask<DataLayerException> RefusalAsync(
        HttpResponseMessage response, string what, CancellationToken cancellationToken)
    {
        string? code = null;
        if (response.Content.Headers.ContentLength is null or <= ErrorBodyLimitBytes)
        {
            byte[] body = new byte[2048];
            Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            int count = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken)
                .ConfigureAwait(false);
            string text = Encoding.UTF8.GetString(body, 0, count);
            int from = text.IndexOf("<Code>", StringComparison.Ordinal);
            int to = from < 0 ? -1 : text.IndexOf("</Code>", from, StringComparison.Ordinal);
            code = to < 0 ? null : text[(from + "<Code>".Length)..to];
        }

        return S3Fault.FromAnswer((int)response.StatusCode, code, what, connection.Endpoint);
    }

    /// <summary>What a GET brought: how many bytes, and what the head says of the object.</summary>
    private readonly record struct Answer(
        int Count, long SizeBytes, string ETag, bool ETagIsMd5, BlockChecksums? Checksums)
    {
        public TimeSpan FirstByte { get; init; }

        public TimeSpan Body { get; init; }
    }
}
