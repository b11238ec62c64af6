using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataLayer.TestSupport.Origins;

/// <summary>
/// A small S3 server in this process, over HTTP on loopback, whose objects a test reads and changes directly and whose answers it
/// scripts request by request. Path style; any credentials are accepted. Speaks GET with ranges, HEAD, PUT, DELETE, ListObjectsV2,
/// DeleteObjects, multipart uploads, the conditions If-Match and If-None-Match; metadata, storage classes, copies (whole and of
/// parts) and restores from the archival classes GLACIER and DEEP_ARCHIVE, which take until a test says so.
/// </summary>
/// <remarks>
/// For what real gateways cannot be made to do on time: an object that changes between two ranges of one read, a 503 storm of
/// exactly so many answers. What a gateway really does is tested against Ceph.
/// </remarks>
public sealed class ScriptedS3 : IAsyncDisposable
{
    private const string CopySource = "x-amz-copy-source";
    private const string MetadataPrefix = "x-amz-meta-";
    private static readonly XNamespace _s3 = "http://s3.amazonaws.com/doc/2006-03-01/";
    private readonly ConcurrentDictionary<string, SortedDictionary<string, ScriptedObject>> _buckets = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, SortedDictionary<int, byte[]>> _uploads = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ScriptedObject> _descriptions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);
    private readonly List<(Func<bool> Condition, TaskCompletionSource Met)> _waits = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Random _random;
    private readonly WebApplication _host;
    private int _ordinal = -1;
    private int _uploadNumber;

    private ScriptedS3(int seed)
    {
        _random = new Random(seed);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            options.Limits.MinResponseDataRate = null;
        });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _host = builder.Build();
        _host.Run(HandleAsync);
    }

    /// <summary>The origin's URL.</summary>
    public Uri Endpoint { get; private set; } = null!;

    /// <summary>Chooses what happens to a request; called once for each, possibly from many threads. May be replaced any time.</summary>
    public Func<OriginRequest, OriginScript> Script { get; set; } = _ => OriginScript.Serve;

    /// <summary>Called after the script, before the request is served: a test may change objects here.</summary>
    public Action<OriginRequest>? BeforeServe { get; set; }

    /// <summary>Called after a change was applied and before it is acknowledged: a test may wait for it here.</summary>
    public Action<OriginRequest>? AfterServe { get; set; }

    /// <summary>Completes once a condition over the objects holds; it is looked at now and after each change.</summary>
    public Task WhenAsync(Func<bool> condition)
    {
        var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_waits)
        {
            _waits.Add((condition, met));
        }

        LookAtWaits();
        return met.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    /// <summary>Requests so far, whatever became of them.</summary>
    public int RequestCount => Volatile.Read(ref _ordinal) + 1;

    /// <summary>Starts an origin on a free port; <paramref name="seed"/> chooses the bits that are flipped.</summary>
    public static async Task<ScriptedS3> StartAsync(int seed = 1)
    {
        var origin = new ScriptedS3(seed);
        await origin._host.StartAsync();
        var address = origin._host.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
        origin.Endpoint = new Uri(address.Addresses.First());
        return origin;
    }

    /// <summary>Requests of one verb so far.</summary>
    public int CountOf(string verb) => _counts.GetValueOrDefault(verb);

    /// <summary>Makes a bucket; no effect if it is there.</summary>
    public void MakeBucket(string bucket) => _buckets.TryAdd(bucket, new SortedDictionary<string, ScriptedObject>(StringComparer.Ordinal));

    /// <summary>Puts an object behind the service's back.</summary>
    public void Put(string bucket, string key, byte[] bytes)
    {
        MakeBucket(bucket);
        var objects = _buckets[bucket];
        lock (objects)
        {
            objects[key] = ScriptedObject.Of(bytes, TimeProvider.System.GetUtcNow());
        }
    }

    /// <summary>Changes an object behind the service's back, as a lifecycle rule or a restore that is done would.</summary>
    public void Change(string bucket, string key, Func<ScriptedObject, ScriptedObject> change)
    {
        var objects = _buckets[bucket];
        lock (objects)
        {
            objects[key] = change(objects[key]);
        }
    }

    /// <summary>All restores that were asked for are done.</summary>
    public void FinishRestores(string bucket)
    {
        foreach (var key in Keys(bucket))
        {
            Change(bucket, key, o => o.IsRestoring ? o with { IsRestoring = false, IsRestored = true } : o);
        }
    }

    /// <summary>Removes an object behind the service's back.</summary>
    public void Remove(string bucket, string key)
    {
        var objects = _buckets[bucket];
        lock (objects)
        {
            objects.Remove(key);
        }
    }

    /// <summary>The object as it is now, or null.</summary>
    public ScriptedObject? Get(string bucket, string key)
    {
        if (!_buckets.TryGetValue(bucket, out var objects))
        {
            return null;
        }

        lock (objects)
        {
            return objects.GetValueOrDefault(key);
        }
    }

    /// <summary>The keys of a bucket, in order.</summary>
    public IReadOnlyList<string> Keys(string bucket)
    {
        var objects = _buckets[bucket];
        lock (objects)
        {
            return [.. objects.Keys];
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _host.DisposeAsync();
        _stop.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!.TrimStart('/');
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        var bucket = slash < 0 ? path : path[..slash];
        var key = slash < 0 ? "" : path[(slash + 1)..];
        var request = new OriginRequest(
            Interlocked.Increment(ref _ordinal), VerbOf(context.Request, key), bucket, key, context.Request.Headers.Range);
        context.Response.Headers["x-amz-request-id"] = request.Ordinal.ToString(CultureInfo.InvariantCulture);
        _counts.AddOrUpdate(request.Verb, 1, (_, count) => count + 1);
        var script = Script(request);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stop.Token);
        try
        {
            switch (script.Act)
            {
                case OriginAct.Refuse:
                    await DrainAsync(context);
                    await ErrorAsync(context, script.Status, script.Code);
                    return;
                case OriginAct.ResetBefore:
                    context.Abort();
                    return;
                case OriginAct.Hang:
                    await Task.Delay(Timeout.InfiniteTimeSpan, stop.Token);
                    return;
                case OriginAct.Delay:
                    await Task.Delay(script.Wait, stop.Token);
                    break;
            }

            BeforeServe?.Invoke(request);
            await ServeAsync(context, request, script.Act);
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private static string VerbOf(HttpRequest request, string key) => (request.Method, key.Length > 0) switch
    {
        ("GET", false) => "LIST",
        ("POST", _) when request.Query.ContainsKey("uploads") => "CREATE",
        ("POST", _) when request.Query.ContainsKey("uploadId") => "COMPLETE",
        ("POST", true) when request.Query.ContainsKey("restore") => "RESTORE",
        ("PUT", true) when request.Headers.ContainsKey(CopySource) && !request.Query.ContainsKey("uploadId") => "COPY",
        ("PUT", true) when request.Query.ContainsKey("uploadId") => "PART",
        ("DELETE", true) when request.Query.ContainsKey("uploadId") => "ABORT",
        var (method, _) => method,
    };

    private async Task ServeAsync(HttpContext context, OriginRequest request, OriginAct act)
    {
        if (request is { Verb: "PUT", Key: "" })
        {
            MakeBucket(request.Bucket);
            return;
        }

        if (!_buckets.TryGetValue(request.Bucket, out var objects))
        {
            await DrainAsync(context);
            await ErrorAsync(context, 404, "NoSuchBucket");
            return;
        }

        switch (request.Verb)
        {
            case "GET" or "HEAD":
                await ReadAsync(context, request, act);
                return;
            case "LIST":
                await ListAsync(context, objects, act);
                return;
            default:
                var (status, answer) = await ApplyAsync(context, request, act, objects);
                AfterServe?.Invoke(request);
                LookAtWaits();
                if (act == OriginAct.ResetAfter)
                {
                    context.Abort();
                    return;
                }

                context.Response.StatusCode = status;
                if (answer is not null)
                {
                    await WriteAsync(context, Encoding.UTF8.GetBytes(answer.ToString()), act, "application/xml");
                }

                return;
        }
    }

    private async Task ReadAsync(HttpContext context, OriginRequest request, OriginAct act)
    {
        var found = Get(request.Bucket, request.Key);
        if (found is null)
        {
            await ErrorAsync(context, 404, "NoSuchKey");
            return;
        }

        if (!MayRead(context.Request, found))
        {
            await ErrorAsync(context, 412, "PreconditionFailed");
            return;
        }

        if (found.IsArchived && request.Verb == "GET")
        {
            await ErrorAsync(context, 403, "InvalidObjectState");
            return;
        }

        var (first, last) = RangeOf(request.Range, found.Bytes.Length);
        if (first > last && request.Range is not null)
        {
            await ErrorAsync(context, 416, "InvalidRange");
            return;
        }

        var response = context.Response;
        response.Headers.ETag = $"\"{found.ETag}\"";
        response.Headers.LastModified = found.LastModified.ToString("R", CultureInfo.InvariantCulture);
        response.Headers.AcceptRanges = "bytes";
        DescribeTo(response, found);
        if (request.Range is not null)
        {
            response.StatusCode = 206;
            response.Headers.ContentRange = FormattableString.Invariant($"bytes {first}-{last}/{found.Bytes.Length}");
        }

        await WriteAsync(context, found.Bytes.AsMemory(first, last - first + 1), act, "application/octet-stream");
    }

    private async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body, OriginAct act, string type)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        if (act == OriginAct.Flip)
        {
            body = FlipOneBit(body.Span);
        }

        if (act is OriginAct.Truncate or OriginAct.ResetAfter)
        {
            await context.Response.Body.WriteAsync(body[..(act == OriginAct.Truncate ? body.Length / 2 : 0)], context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            context.Abort();
            return;
        }

        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    private async Task ListAsync(HttpContext context, SortedDictionary<string, ScriptedObject> objects, OriginAct act)
    {
        var query = context.Request.Query;
        var prefix = query["prefix"].ToString();
        var delimiter = query["delimiter"].ToString();
        var after = query["continuation-token"].ToString() is { Length: > 0 } token ? token : query["start-after"].ToString();
        var limit = int.TryParse(query["max-keys"], CultureInfo.InvariantCulture, out var asked) ? Math.Min(asked, 1000) : 1000;
        KeyValuePair<string, ScriptedObject>[] all;
        lock (objects)
        {
            all = [.. objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal))];
        }

        var result = new XElement(_s3 + "ListBucketResult");
        var (count, last, truncated) = (0, "", false);
        foreach (var (key, found) in all)
        {
            var cut = delimiter.Length == 0 ? -1 : key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal);
            var name = cut < 0 ? key : key[..(cut + delimiter.Length)];
            if (string.CompareOrdinal(name, after) <= 0 || name == last || (cut >= 0 && after.StartsWith(name, StringComparison.Ordinal)))
            {
                continue;
            }

            if (count == limit)
            {
                truncated = true;
                break;
            }

            (count, last) = (count + 1, name);
            result.Add(cut >= 0
                ? new XElement(_s3 + "CommonPrefixes", new XElement(_s3 + "Prefix", name))
                : new XElement(
                    _s3 + "Contents",
                    new XElement(_s3 + "Key", key),
                    new XElement(_s3 + "LastModified", found.LastModified.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)),
                    new XElement(_s3 + "ETag", $"\"{found.ETag}\""),
                    new XElement(_s3 + "Size", found.Bytes.Length),
                    new XElement(_s3 + "StorageClass", found.StorageClass)));
        }

        result.AddFirst(new XElement(_s3 + "KeyCount", count), new XElement(_s3 + "IsTruncated", truncated));
        if (truncated)
        {
            result.AddFirst(new XElement(_s3 + "NextContinuationToken", last));
        }

        await WriteAsync(context, Encoding.UTF8.GetBytes(result.ToString()), act, "application/xml");
    }

    private async Task<(int Status, XElement? Answer)> ApplyAsync(
        HttpContext context, OriginRequest request, OriginAct act, SortedDictionary<string, ScriptedObject> objects)
    {
        var body = await S3RequestBody.ReadAsync(context.Request);
        body = act == OriginAct.Flip ? FlipOneBit(body) : body;
        var upload = context.Request.Query["uploadId"].ToString();
        lock (objects)
        {
            var current = objects.GetValueOrDefault(request.Key);
            if (request.Verb is "PUT" or "COMPLETE" or "DELETE" && !MayWrite(context.Request, current))
            {
                return (412, ErrorBody("PreconditionFailed"));
            }

            switch (request.Verb)
            {
                case "PUT":
                    objects[request.Key] = Described(ScriptedObject.Of(body, TimeProvider.System.GetUtcNow()), context.Request);
                    context.Response.Headers.ETag = $"\"{objects[request.Key].ETag}\"";
                    return (200, null);
                case "DELETE":
                    objects.Remove(request.Key);
                    return (204, null);
                case "CREATE":
                    var id = "upload-" + Interlocked.Increment(ref _uploadNumber).ToString(CultureInfo.InvariantCulture);
                    _uploads[id] = [];
                    _descriptions[id] = Described(new ScriptedObject([], "", default), context.Request);
                    return (200, new XElement(_s3 + "InitiateMultipartUploadResult",
                        new XElement(_s3 + "Bucket", request.Bucket), new XElement(_s3 + "Key", request.Key), new XElement(_s3 + "UploadId", id)));
                case "COPY" or "PART" when context.Request.Headers.ContainsKey(CopySource):
                    return Copy(context, request, objects, upload);
                case "RESTORE":
                    return Restore(objects, request.Key, current);
                case "PART" when _uploads.TryGetValue(upload, out var parts):
                    parts[int.Parse(context.Request.Query["partNumber"]!, CultureInfo.InvariantCulture)] = body;
                    context.Response.Headers.ETag = $"\"{ScriptedObject.Of(body, default).ETag}\"";
                    return (200, null);
                case "COMPLETE" when _uploads.TryRemove(upload, out var parts):
                    objects[request.Key] = ScriptedObject.OfParts([.. parts.Values], TimeProvider.System.GetUtcNow()) with
                    {
                        StorageClass = _descriptions[upload].StorageClass,
                        Metadata = _descriptions[upload].Metadata,
                    };
                    return (200, new XElement(_s3 + "CompleteMultipartUploadResult",
                        new XElement(_s3 + "Key", request.Key), new XElement(_s3 + "ETag", $"\"{objects[request.Key].ETag}\"")));
                case "ABORT":
                    _uploads.TryRemove(upload, out _);
                    return (204, null);
                case "PART" or "COMPLETE":
                    return (404, ErrorBody("NoSuchUpload"));
                case "POST" when context.Request.Query.ContainsKey("delete"):
                    foreach (var key in XElement.Parse(Encoding.UTF8.GetString(body)).Descendants().Where(e => e.Name.LocalName == "Key"))
                    {
                        objects.Remove(key.Value);
                    }

                    return (200, new XElement(_s3 + "DeleteResult"));
                default:
                    return (501, ErrorBody("NotImplemented"));
            }
        }
    }

    /// <summary>A copy of an object onto its own key, or of a range of it into a part.</summary>
    private (int Status, XElement? Answer) Copy(
        HttpContext context, OriginRequest request, SortedDictionary<string, ScriptedObject> objects, string upload)
    {
        var headers = context.Request.Headers;
        var source = Uri.UnescapeDataString(headers[CopySource].ToString()).TrimStart('/');
        var found = objects.GetValueOrDefault(source[(source.IndexOf('/', StringComparison.Ordinal) + 1)..]);
        if (found is null || found.IsArchived)
        {
            return found is null ? (404, ErrorBody("NoSuchKey")) : (403, ErrorBody("InvalidObjectState"));
        }

        if (headers[CopySource + "-if-match"].ToString() is { Length: > 0 } wanted && wanted.Trim('"') != found.ETag)
        {
            return (412, ErrorBody("PreconditionFailed"));
        }

        ScriptedObject copied;
        if (request.Verb == "PART")
        {
            var (first, last) = RangeOf(headers[CopySource + "-range"].ToString() is { Length: > 0 } range ? range : null, found.Bytes.Length);
            copied = ScriptedObject.Of(found.Bytes[first..(last + 1)], TimeProvider.System.GetUtcNow());
            _uploads[upload][int.Parse(context.Request.Query["partNumber"]!, CultureInfo.InvariantCulture)] = copied.Bytes;
        }
        else
        {
            copied = Described(ScriptedObject.Of(found.Bytes, TimeProvider.System.GetUtcNow()), context.Request);
            objects[request.Key] = copied;
        }

        return (200, new XElement(_s3 + (request.Verb == "PART" ? "CopyPartResult" : "CopyObjectResult"),
            new XElement(_s3 + "ETag", $"\"{copied.ETag}\""),
            new XElement(_s3 + "LastModified", copied.LastModified.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture))));
    }

    private static (int Status, XElement? Answer) Restore(
        SortedDictionary<string, ScriptedObject> objects, string key, ScriptedObject? current)
    {
        if (current is null || !current.IsArchived)
        {
            return current is null ? (404, ErrorBody("NoSuchKey")) : (current.IsRestored ? 200 : 403, current.IsRestored ? null : ErrorBody("InvalidObjectState"));
        }

        if (current.IsRestoring)
        {
            return (409, ErrorBody("RestoreAlreadyInProgress"));
        }

        objects[key] = current with { IsRestoring = true };
        return (202, null);
    }

    private static ScriptedObject Described(ScriptedObject bare, HttpRequest request) => bare with
    {
        StorageClass = request.Headers["x-amz-storage-class"].ToString() is { Length: > 0 } name ? name : "STANDARD",
        Metadata = request.Headers.Where(h => h.Key.StartsWith(MetadataPrefix, StringComparison.OrdinalIgnoreCase))
            .ToDictionary(h => h.Key[MetadataPrefix.Length..].ToLowerInvariant(), h => h.Value.ToString(), StringComparer.Ordinal),
    };

    private static void DescribeTo(HttpResponse response, ScriptedObject found)
    {
        foreach (var (name, value) in found.Metadata)
        {
            response.Headers[MetadataPrefix + name] = value;
        }

        if (found.StorageClass != "STANDARD")
        {
            response.Headers["x-amz-storage-class"] = found.StorageClass;
        }

        if (found.IsRestoring || found.IsRestored)
        {
            response.Headers["x-amz-restore"] = found.IsRestoring
                ? "ongoing-request=\"true\"" : "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2035 00:00:00 GMT\"";
        }
    }

    private void LookAtWaits()
    {
        lock (_waits)
        {
            foreach (var (condition, met) in _waits)
            {
                if (!met.Task.IsCompleted && condition())
                {
                    met.SetResult();
                }
            }
        }
    }

    private byte[] FlipOneBit(ReadOnlySpan<byte> body)
    {
        var flipped = body.ToArray();
        if (flipped.Length > 0)
        {
            lock (_random)
            {
                flipped[_random.Next(flipped.Length)] ^= (byte)(1 << _random.Next(8));
            }
        }

        return flipped;
    }

    private static bool MayRead(HttpRequest request, ScriptedObject found) =>
        request.Headers.IfMatch.ToString() is not { Length: > 0 } wanted || wanted.Trim('"') == found.ETag;

    private static bool MayWrite(HttpRequest request, ScriptedObject? current) =>
        (request.Headers.IfMatch.ToString() is not { Length: > 0 } wanted || wanted.Trim('"') == current?.ETag)
        && (request.Headers.IfNoneMatch.ToString() != "*" || current is null);

    private static (int First, int Last) RangeOf(string? header, int length)
    {
        if (header is null)
        {
            return (0, length - 1);
        }

        var parts = header["bytes=".Length..].Split('-');
        if (parts[0].Length == 0)
        {
            return (Math.Max(0, length - int.Parse(parts[1], CultureInfo.InvariantCulture)), length - 1);
        }

        var last = parts[1].Length == 0 ? length - 1 : (int)Math.Min(long.Parse(parts[1], CultureInfo.InvariantCulture), length - 1);
        return ((int)Math.Min(long.Parse(parts[0], CultureInfo.InvariantCulture), int.MaxValue), last);
    }

    private static Task DrainAsync(HttpContext context) => context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);

    private static XElement ErrorBody(string code) => new("Error", new XElement("Code", code), new XElement("Message", "scripted"));

    private static async Task ErrorAsync(HttpContext context, int status, string code)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/xml";
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.WriteAsync(ErrorBody(code).ToString(), context.RequestAborted);
        }
    }
}
