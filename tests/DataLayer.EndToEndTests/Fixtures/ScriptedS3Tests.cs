using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.TestSupport.Origins;

namespace DataLayer.EndToEndTests.Fixtures;

/// <summary>The scripted origin answers Amazon's own client as S3 does, and misbehaves only as it is told.</summary>
public sealed class ScriptedS3Tests : IAsyncLifetime
{
    private ScriptedS3 _origin = null!;
    private AmazonS3Client _client = null!;

    public async Task InitializeAsync()
    {
        _origin = await ScriptedS3.StartAsync();
        _origin.MakeBucket("bucket");
        _client = new AmazonS3Client(
            new BasicAWSCredentials("a", "s"),
            new AmazonS3Config { ServiceURL = _origin.Endpoint.ToString(), ForcePathStyle = true, MaxErrorRetry = 0 });
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _origin.DisposeAsync();
    }

    [Fact]
    public async Task Puts_and_ranges_round_trip()
    {
        await _client.PutObjectAsync(new PutObjectRequest { BucketName = "bucket", Key = "a b/ü", ContentBody = "0123456789" });
        using var answer = await _client.GetObjectAsync(
            new GetObjectRequest { BucketName = "bucket", Key = "a b/ü", ByteRange = new ByteRange(2, 4) });
        using var reader = new StreamReader(answer.ResponseStream);
        Assert.Equal("234", await reader.ReadToEndAsync());
        Assert.Equal("bytes 2-4/10", answer.ContentRange);
        Assert.Equal("781e5e245d69b566979b86e28d23f2c7", answer.ETag.Trim('"'));
    }

    [Fact]
    public async Task Listings_come_in_pages_and_fold_at_the_delimiter()
    {
        foreach (var key in new[] { "a", "d/1", "d/2", "e" })
        {
            _origin.Put("bucket", key, [1]);
        }

        var first = await _client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "bucket", MaxKeys = 2, Delimiter = "/" });
        Assert.Equal(["a"], first.S3Objects.Select(o => o.Key));
        Assert.Equal(["d/"], first.CommonPrefixes);
        var second = await _client.ListObjectsV2Async(
            new ListObjectsV2Request { BucketName = "bucket", MaxKeys = 2, Delimiter = "/", ContinuationToken = first.NextContinuationToken });
        Assert.Equal(["e"], second.S3Objects.Select(o => o.Key));
        Assert.False(second.IsTruncated);
        Assert.Equal(2, _origin.CountOf("LIST"));
    }

    [Fact]
    public async Task Multipart_uploads_are_put_together()
    {
        var begun = await _client.InitiateMultipartUploadAsync("bucket", "m");
        var parts = new List<PartETag>();
        for (var i = 1; i <= 2; i++)
        {
            using var body = new MemoryStream([(byte)i, (byte)i]);
            var part = await _client.UploadPartAsync(
                new UploadPartRequest { BucketName = "bucket", Key = "m", UploadId = begun.UploadId, PartNumber = i, InputStream = body });
            parts.Add(new PartETag(i, part.ETag));
        }

        await _client.CompleteMultipartUploadAsync(
            new CompleteMultipartUploadRequest { BucketName = "bucket", Key = "m", UploadId = begun.UploadId, PartETags = parts });
        Assert.Equal([1, 1, 2, 2], _origin.Get("bucket", "m")!.Bytes);
        Assert.EndsWith("-2", _origin.Get("bucket", "m")!.ETag, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conditions_are_kept()
    {
        _origin.Put("bucket", "k", [1]);
        var refused = await Assert.ThrowsAsync<AmazonS3Exception>(() =>
            _client.PutObjectAsync(new PutObjectRequest { BucketName = "bucket", Key = "k", ContentBody = "x", IfNoneMatch = "*" }));
        Assert.Equal(System.Net.HttpStatusCode.PreconditionFailed, refused.StatusCode);
        Assert.Equal([1], _origin.Get("bucket", "k")!.Bytes);
    }

    [Fact]
    public async Task A_lost_acknowledgement_leaves_the_object_written()
    {
        _origin.Script = request => request.Verb == "PUT" ? OriginAct.ResetAfter : OriginScript.Serve;
        await Assert.ThrowsAnyAsync<Exception>(() =>
            _client.PutObjectAsync(new PutObjectRequest { BucketName = "bucket", Key = "k", ContentBody = "x" }));
        Assert.NotNull(_origin.Get("bucket", "k"));
    }

    [Fact]
    public async Task A_storm_is_as_long_as_it_is_scripted()
    {
        _origin.Put("bucket", "k", [1]);
        _origin.Script = request => request.Ordinal < 2 ? OriginScript.SlowDown : OriginScript.Serve;
        for (var i = 0; i < 2; i++)
        {
            var refused = await Assert.ThrowsAsync<AmazonS3Exception>(() => _client.GetObjectAsync("bucket", "k"));
            Assert.Equal("SlowDown", refused.ErrorCode);
        }

        using var answer = await _client.GetObjectAsync("bucket", "k");
        Assert.Equal(1, answer.ContentLength);
    }

    [Fact]
    public async Task A_truncated_body_ends_early_and_a_flipped_one_differs()
    {
        _origin.Put("bucket", "k", new byte[1000]);
        using var http = new HttpClient();
        var uri = new Uri(_origin.Endpoint, "bucket/k");
        _origin.Script = _ => OriginAct.Truncate;
        await Assert.ThrowsAnyAsync<Exception>(() => http.GetByteArrayAsync(uri));
        _origin.Script = _ => OriginAct.Flip;
        Assert.NotEqual(new byte[1000], await http.GetByteArrayAsync(uri));
    }
}
