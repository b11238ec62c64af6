using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Relay;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>One fault at a time between the store and a real gateway: what the caller sees, and what the server sees.</summary>
public sealed class S3FaultTests(CephFixture ceph) : IClassFixture<CephFixture>, IAsyncLifetime
{
    private static int _keys;
    private readonly string _key = $"fault/{Interlocked.Increment(ref _keys)}";
    private LatencyRelay _relay = null!;
    private ObjectStoreRegistry _registry = null!;
    private IObjectStore _store = null!;

    public Task InitializeAsync()
    {
        _relay = LatencyRelay.StartWithoutLatency(ceph.Cluster.Address, seed: 7);
        (_registry, _store) = Open(new());
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _registry.DisposeAsync();
        await _relay.DisposeAsync();
    }

    [Fact]
    public async Task Refused_credentials_are_reported_at_once_and_not_tried_again()
    {
        _relay.Fault = _ => RelayFault.AccessDenied;
        foreach (Func<Task> call in Calls())
        {
            int before = _relay.RequestCount;
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(call);
            Assert.Equal(ErrorCode.PermissionDenied, e.Code);
            Assert.Equal(1, _relay.RequestCount - before);
        }
    }

    [Fact]
    public async Task A_wrong_secret_is_refused_by_the_gateway_and_stands_in_no_message()
    {
        (ObjectStoreRegistry registry, IObjectStore store) = Open(new() { SecretKey = "wrong-secret-of-mine" });
        await using ObjectStoreRegistry mine = registry;
        DataLayerException read = await Assert.ThrowsAsync<DataLayerException>(() => store.GetAsync(_key));
        DataLayerException write = await Assert.ThrowsAsync<DataLayerException>(() => store.PutAsync(_key, "x"u8.ToArray()).AsTask());
        Assert.All([read, write], e =>
        {
            Assert.Equal(ErrorCode.PermissionDenied, e.Code);
            Assert.Contains("accessKey", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("wrong-secret-of-mine", e.ToString(), StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_named()
    {
        IObjectStore other = _registry.Open("default", ObjectSource.Parse("s3://no-such-bucket-here"), "t");
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => other.GetAsync("a"));
        Assert.Equal(ErrorCode.NotFound, e.Code);
        Assert.Contains("NoSuchBucket", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DataLayerException>(() => other.ListKeysAsync());
    }

    [Fact]
    public async Task A_storm_of_503_is_ridden_out()
    {
        await _store.PutAsync(_key, "hello"u8.ToArray());
        int storm = 0;
        _relay.Fault = _ => Interlocked.Increment(ref storm) <= 3 ? RelayFault.SlowDown : RelayFault.None;
        Assert.Equal("hello"u8.ToArray(), await _store.GetAsync(_key));
        Assert.Equal(4, storm);
    }

    [Fact]
    public async Task A_storm_that_does_not_end_costs_the_attempts_and_then_the_budget()
    {
        (ObjectStoreRegistry registry, IObjectStore store) = Open(new() { AttemptLimit = 4, RetryBudget = 10 });
        await using ObjectStoreRegistry mine = registry;
        _relay.Fault = _ => RelayFault.SlowDown;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => store.GetAsync(_key));
        Assert.Equal(ErrorCode.OriginUnavailable, e.Code);
        Assert.Contains("503 SlowDown", e.Message, StringComparison.Ordinal);
        Assert.Contains(_relay.Endpoint.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Equal(4, _relay.RequestCount);
        for (int i = 0; i < 20; i++)
        {
            await Assert.ThrowsAsync<DataLayerException>(() => store.GetAsync(_key));
        }

        Assert.Equal(4 + 20 + 7, _relay.RequestCount);
    }

    [Fact]
    public async Task A_server_that_is_down_is_unavailable_and_works_again_when_it_is_back()
    {
        await _store.PutAsync(_key, "hello"u8.ToArray());
        _relay.TakeDown();
        foreach (Func<Task> call in Calls())
        {
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(call);
            Assert.Equal(ErrorCode.OriginUnavailable, e.Code);
            Assert.Contains("connection refused", e.Message, StringComparison.Ordinal);
            Assert.Contains(_relay.Endpoint.ToString(), e.Message, StringComparison.Ordinal);
        }

        _relay.BringUp();
        Assert.Equal("hello"u8.ToArray(), await _store.GetAsync(_key));
    }

    [Theory]
    [InlineData(RelayFaultKind.HangBefore)]
    [InlineData(RelayFaultKind.HangAfter)]
    [InlineData(RelayFaultKind.HangInBody)]
    public async Task A_hung_server_times_out_within_the_configured_time(RelayFaultKind kind)
    {
        await _store.PutAsync(_key, new byte[100_000]);
        (ObjectStoreRegistry registry, IObjectStore store) = Open(new() { AttemptTimeout = TimeSpan.FromMilliseconds(300), AttemptLimit = 2 });
        await using ObjectStoreRegistry mine = registry;
        _relay.Fault = _ => kind;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => store.GetAsync(_key));
        Assert.Equal(ErrorCode.TimedOut, e.Code);
        Assert.Contains("0.3 s", e.Message, StringComparison.Ordinal);
        DataLayerException list = await Assert.ThrowsAsync<DataLayerException>(() => store.ListKeysAsync());
        Assert.Equal(ErrorCode.TimedOut, list.Code);
    }

    [Fact]
    public async Task One_hung_answer_is_asked_for_again()
    {
        await _store.PutAsync(_key, "hello"u8.ToArray());
        (ObjectStoreRegistry registry, IObjectStore store) = Open(new() { AttemptTimeout = TimeSpan.FromSeconds(1) });
        await using ObjectStoreRegistry mine = registry;
        int hung = 0;
        _relay.Fault = _ => Interlocked.Increment(ref hung) == 1 ? RelayFaultKind.HangAfter : RelayFault.None;
        Assert.Equal("hello"u8.ToArray(), await store.GetAsync(_key));
    }

    [Theory]
    [InlineData(RelayFaultKind.TruncateBody)]
    [InlineData(RelayFaultKind.FlipBody)]
    [InlineData(RelayFaultKind.ResetAfter)]
    public async Task A_broken_body_is_asked_for_again(RelayFaultKind kind)
    {
        byte[] bytes = BytesContent.Random(300_000);
        await _store.PutAsync(_key, bytes);
        int broken = 0;
        _relay.Fault = _ => Interlocked.Increment(ref broken) <= 2 ? kind : RelayFault.None;
        Assert.Equal(bytes, await _store.GetAsync(_key));
        Assert.True(broken >= 3);
    }

    [Theory]
    [InlineData(0, 300_000)]
    [InlineData(0, 1)]
    [InlineData(65_536, 65_536)]
    [InlineData(65_000, 1000)]
    [InlineData(131_071, 2)]
    [InlineData(299_999, 1)]
    [InlineData(1, 299_998)]
    public async Task No_range_of_an_object_of_ours_is_ever_returned_flipped(int offset, int length)
    {
        byte[] bytes = BytesContent.Random(300_000);
        await _store.PutAsync(_key, bytes);
        _relay.Fault = request => request.Method == "GET" ? RelayFaultKind.FlipBody : RelayFault.None;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetRangeAsync(_key, offset, length));
        Assert.Equal(ErrorCode.Corrupt, e.Code);
        Assert.Contains(_key, e.Message, StringComparison.Ordinal);
        _relay.Fault = _ => RelayFault.None;
        Assert.Equal(bytes.AsSpan(offset, length).ToArray(), await _store.GetRangeAsync(_key, offset, length));
    }

    [Fact]
    public async Task A_whole_object_of_others_is_never_returned_flipped()
    {
        using AmazonS3Client foreign = ceph.Cluster.CreateClient();
        byte[] bytes = BytesContent.Random(200_000);
        await foreign.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = _key, InputStream = new MemoryStream(bytes) });
        Assert.Equal(bytes, await _store.GetAsync(_key));
        _relay.Fault = request => request.Method == "GET" ? RelayFaultKind.FlipBody : RelayFault.None;
        foreach (int room in new[] { 200_000, 1 << 20 })
        {
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetAsync(_key, room));
            Assert.Equal(ErrorCode.Corrupt, e.Code);
        }
    }

    [Fact]
    public async Task Ranges_of_objects_of_others_are_compared_where_the_options_ask_for_it()
    {
        using AmazonS3Client foreign = ceph.Cluster.CreateClient();
        byte[] bytes = BytesContent.Random(200_000);
        await foreign.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = _key, InputStream = new MemoryStream(bytes) });
        (ObjectStoreRegistry registry, IObjectStore store) = Open(new() { CompareUnverifiedReads = true });
        await using ObjectStoreRegistry mine = registry;
        Assert.Equal(bytes[1000..100_000], await store.GetRangeAsync(_key, 1000, 99_000));
        _relay.Fault = request => request.Method == "GET" ? RelayFaultKind.FlipBody : RelayFault.None;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => store.GetRangeAsync(_key, 1000, 99_000));
        Assert.Equal(ErrorCode.Corrupt, e.Code);
    }

    [Fact]
    public async Task Objects_of_ours_are_plain_objects_to_others()
    {
        byte[] small = BytesContent.Random(100_000), large = BytesContent.Random(20_000_000);
        await _store.PutAsync(_key, small);
        await _store.PutAsync(_key + "-large", large);
        using AmazonS3Client foreign = ceph.Cluster.CreateClient();
        foreach ((string key, byte[] bytes) in new[] { (_key, small), (_key + "-large", large) })
        {
            using GetObjectResponse answer = await foreign.GetObjectAsync(ceph.Bucket, key);
            using MemoryStream copy = new();
            await answer.ResponseStream.CopyToAsync(copy);
            Assert.Equal(bytes, copy.ToArray());
        }

        GetObjectMetadataResponse head = await foreign.GetObjectMetadataAsync(ceph.Bucket, _key);
        Assert.Equal(Convert.ToHexStringLower(MD5.HashData(small)), head.ETag.Trim('"'));
    }

    [Theory]
    [InlineData("PUT", RelayFaultKind.ResetAfter)]
    [InlineData("PUT", RelayFaultKind.ResetBefore)]
    [InlineData("PUT", RelayFaultKind.TruncateBody)]
    public async Task A_write_whose_answer_is_lost_ends_written_once(string method, RelayFaultKind kind)
    {
        byte[] bytes = BytesContent.Random(50_000);
        int lost = 0;
        _relay.Fault = request => request.Method == method && Interlocked.Increment(ref lost) <= 2 ? kind : RelayFault.None;
        ObjectProperties written = await _store.PutAsync(_key, bytes, new ObjectWriteCondition(IfAbsent: true));
        Assert.Equal(bytes.Length, written.SizeBytes);
        Assert.Equal(written.ETag, (await _store.HeadAsync(_key, default))!.Value.ETag);
        Assert.Equal(bytes, await _store.GetAsync(_key));
    }

    [Fact]
    public async Task A_large_upload_survives_lost_answers_of_its_parts_and_of_its_completion()
    {
        byte[] bytes = BytesContent.Random(20_000_000);
        HashSet<string> seen = new(StringComparer.Ordinal);
        Lock gate = new();
        _relay.Fault = request =>
        {
            lock (gate)
            {
                bool effect = request.Method is "PUT" or "POST" && request.Target.Contains("uploadId", StringComparison.Ordinal);
                return effect && seen.Add(request.Method + request.Target) ? RelayFaultKind.ResetAfter : RelayFault.None;
            }
        };
        await _store.PutAsync(_key, bytes, new ObjectWriteCondition(IfAbsent: true));
        Assert.Equal(4, seen.Count);
        _relay.Fault = _ => RelayFault.None;
        Assert.Equal(bytes, await _store.GetAsync(_key, bytes.Length));
        Assert.Empty(await UploadsAsync());
    }

    [Fact]
    public async Task A_large_upload_that_fails_leaves_no_parts_behind()
    {
        _relay.Fault = request => request.Target.Contains("partNumber=2", StringComparison.Ordinal) ? RelayFault.AccessDenied : RelayFault.None;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.PutAsync(_key, new byte[20_000_000]).AsTask());
        Assert.Equal(ErrorCode.PermissionDenied, e.Code);
        Assert.Empty(await UploadsAsync());
        Assert.Null(await _store.HeadAsync(_key, default));
    }

    [Fact]
    public async Task A_cancelled_large_upload_leaves_no_parts_behind()
    {
        using CancellationTokenSource source = new();
        _relay.Fault = request =>
        {
            if (request.Target.Contains("partNumber=3", StringComparison.Ordinal))
            {
                source.Cancel();
            }

            return RelayFault.None;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => _store.WriteAsync(_key, new BytesContent(new byte[40_000_000]), default, source.Token).AsTask());
        Assert.Empty(await UploadsAsync());
        Assert.Null(await _store.HeadAsync(_key, default));
    }

    [Fact]
    public async Task A_body_damaged_on_the_way_up_is_refused_by_the_gateway_and_sent_again()
    {
        // The relay cannot flip uploads; a content that differs from one read to the next does the same to the digest.
        byte[] bytes = BytesContent.Random(20_000_000);
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => _store.WriteAsync(_key, new ShiftingContent(bytes), default, default).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        Assert.Null(await _store.HeadAsync(_key, default));
        Assert.Empty(await UploadsAsync());
    }

    [Fact]
    public async Task A_read_pinned_to_an_ETag_never_mixes_two_versions()
    {
        byte[] old = BytesContent.Random(20_000_000, 1), young = BytesContent.Random(20_000_000, 2);
        ObjectProperties first = await _store.PutAsync(_key, old);
        using AmazonS3Client foreign = ceph.Cluster.CreateClient();
        int gets = 0;
        _relay.Fault = request =>
        {
            if (request.Method == "GET" && Interlocked.Increment(ref gets) == 2)
            {
                foreign.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = _key, InputStream = new MemoryStream(young) })
                    .GetAwaiter().GetResult();
            }

            return RelayFault.None;
        };
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => _store.GetAsync(_key, old.Length, first.ETag));
        Assert.Equal(ErrorCode.Stale, e.Code);
        gets = 10;
        Assert.Equal(young, await _store.GetAsync(_key, young.Length));
    }

    [Fact]
    public async Task TLS_with_an_own_authority_works_and_an_unknown_one_is_refused()
    {
        using TempFolder folder = new("tls");
        using X509Certificate2 certificate = CreateCertificate();
        await File.WriteAllTextAsync(folder.Combine("authority.pem"), certificate.ExportCertificatePem());
        await using LatencyRelay tls = LatencyRelay.Start(
            ceph.Cluster.Address,
            new LatencyRelayOptions { MinimumLatency = TimeSpan.Zero, MaximumLatency = TimeSpan.Zero, Certificate = certificate });
        byte[] bytes = BytesContent.Random(100_000);
        (ObjectStoreRegistry trusting, IObjectStore store) = Open(
            new() { Endpoint = tls.Endpoint, CertificateAuthorityFile = folder.Combine("authority.pem") });
        await using ObjectStoreRegistry first = trusting;
        await store.PutAsync(_key, bytes);
        Assert.Equal(bytes, await store.GetAsync(_key));
        (ObjectStoreRegistry doubting, IObjectStore refused) = Open(new() { Endpoint = tls.Endpoint, AttemptLimit = 1 });
        await using ObjectStoreRegistry second = doubting;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => refused.GetAsync(_key));
        Assert.Equal(ErrorCode.OriginUnavailable, e.Code);
        Assert.Contains("certificate is not trusted", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_request_is_counted_as_the_server_saw_it()
    {
        await _store.PutAsync(_key, BytesContent.Random(1000));
        await _store.GetAsync(_key);
        int broken = 0;
        _relay.Fault = request => request.Method == "GET" && Interlocked.Increment(ref broken) == 1 ? RelayFault.SlowDown : RelayFault.None;
        await _store.GetAsync(_key);
        await _store.HeadAsync(_key, default);
        await _store.ListKeysAsync("fault/");
        await _store.DeleteAsync(_key, default, default);
        Dictionary<string, RequestCount> counts = _registry.GetRequestCounts().ToDictionary(count => count.Verb, StringComparer.Ordinal);
        Assert.Equal(new RequestCount("t", "GET", 3, 1, 2000) { Throttled = 1 }, counts["GET"] with { Duration = default });
        Assert.Equal(new RequestCount("t", "PUT", 1, 0, 1000), counts["PUT"] with { Duration = default });
        Assert.Equal((1L, 1L, 1L), (counts["HEAD"].Requests, counts["LIST"].Requests, counts["DELETE"].Requests));
        Assert.Equal(_relay.RequestCount, counts.Values.Sum(count => count.Requests));
    }

    [Fact]
    public async Task A_listing_takes_one_request_for_a_thousand_keys()
    {
        await Parallel.ForAsync(0, 1001, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
            await _store.PutAsync($"{_key}/{i:D4}", default));
        int before = _relay.RequestCount;
        Assert.Equal(1001, (await _store.ListKeysAsync(_key + "/")).Count);
        Assert.Equal(2, _relay.RequestCount - before);
    }

    private static X509Certificate2 CreateCertificate()
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=relay", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    private IEnumerable<Func<Task>> Calls() =>
    [
        () => _store.GetAsync(_key),
        () => _store.HeadAsync(_key, default).AsTask(),
        () => _store.PutAsync(_key, "x"u8.ToArray()).AsTask(),
        () => _store.DeleteAsync(_key, default, default).AsTask(),
        () => _store.ListAsync(new ObjectListRequest("fault/"), default).AsTask(),
    ];

    private async Task<List<string>> UploadsAsync()
    {
        using AmazonS3Client foreign = ceph.Cluster.CreateClient();
        ListMultipartUploadsResponse answer = await foreign.ListMultipartUploadsAsync(
            new ListMultipartUploadsRequest { BucketName = ceph.Bucket, Prefix = _key });
        return [.. (answer.MultipartUploads ?? []).Select(upload => upload.Key)];
    }

    private (ObjectStoreRegistry Registry, IObjectStore Store) Open(Changes changes)
    {
        ObjectStoreOptions options = new()
        {
            Name = "default",
            Kind = "s3",
            Endpoint = (changes.Endpoint ?? _relay.Endpoint).ToString(),
            AccessKey = ceph.Cluster.AccessKey,
            SecretKey = changes.SecretKey ?? ceph.Cluster.SecretKey,
            AttemptTimeout = changes.AttemptTimeout ?? TimeSpan.FromSeconds(10),
            AttemptLimit = changes.AttemptLimit ?? 5,
            RetryBudget = changes.RetryBudget ?? 100,
            RetryDelay = TimeSpan.FromMilliseconds(1),
            HedgedReads = false,
            CompareUnverifiedReads = changes.CompareUnverifiedReads,
            CertificateAuthorityFile = changes.CertificateAuthorityFile,
        };
        ObjectStoreRegistry registry = new([options], TimeProvider.System, NullLoggerFactory.Instance);
        return (registry, registry.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "t"));
    }

    private sealed record Changes
    {
        public Uri? Endpoint { get; init; }

        public string? SecretKey { get; init; }

        public TimeSpan? AttemptTimeout { get; init; }

        public int? AttemptLimit { get; init; }

        public int? RetryBudget { get; init; }

        public bool CompareUnverifiedReads { get; init; }

        public string? CertificateAuthorityFile { get; init; }
    }

    /// <summary>Content that is other bytes each time it is read.</summary>
    private sealed class ShiftingContent(byte[] bytes) : IObjectContent
    {
        private int _reads;

        public long LengthBytes => bytes.Length;

        public ValueTask ReadExactlyAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
        {
            bytes.AsMemory((int)offsetBytes, destination.Length).CopyTo(destination);
            destination.Span[0] ^= (byte)Interlocked.Increment(ref _reads);
            return ValueTask.CompletedTask;
        }
    }
}
