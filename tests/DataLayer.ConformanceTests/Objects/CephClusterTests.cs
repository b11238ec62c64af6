using System.Diagnostics;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Relay;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>The test instruments themselves: a gateway that answers, and a relay that breaks what it is told to.</summary>
public sealed class CephClusterTests(CephFixture ceph) : IClassFixture<CephFixture>
{
    [Fact]
    public async Task Gateway_returns_what_was_put()
    {
        using AmazonS3Client client = ceph.Cluster.CreateClient();
        await client.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = "a", ContentBody = "hello" });
        using GetObjectResponse answer = await client.GetObjectAsync(ceph.Bucket, "a");
        using StreamReader reader = new(answer.ResponseStream);
        Assert.Equal("hello", await reader.ReadToEndAsync());
    }

    [Fact]
    public async Task Relay_adds_latency_and_forwards_bodies()
    {
        await using LatencyRelay relay = LatencyRelay.Start(ceph.Cluster.Address);
        using AmazonS3Client client = ceph.Cluster.CreateClient(relay.Endpoint);
        byte[] body = new byte[3_000_000];
        new Random(7).NextBytes(body);
        await client.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = "b", InputStream = new MemoryStream(body) });
        long start = Stopwatch.GetTimestamp();
        using GetObjectResponse answer = await client.GetObjectAsync(ceph.Bucket, "b");
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        using MemoryStream copy = new();
        await answer.ResponseStream.CopyToAsync(copy);
        Assert.Equal(body, copy.ToArray());
        Assert.True(elapsed >= TimeSpan.FromMilliseconds(19), $"{elapsed}");
    }

    [Fact]
    public async Task Relay_flips_one_bit_of_a_body()
    {
        await using LatencyRelay relay = LatencyRelay.StartWithoutLatency(ceph.Cluster.Address);
        relay.Fault = request => request.Method == "GET" ? RelayFaultKind.FlipBody : RelayFault.None;
        using HttpClient http = new();
        using AmazonS3Client signer = ceph.Cluster.CreateClient(relay.Endpoint);
        byte[] body = new byte[10_000];
        await signer.PutObjectAsync(new PutObjectRequest { BucketName = ceph.Bucket, Key = "c", InputStream = new MemoryStream(body) });
        string url = (await signer.GetPreSignedURLAsync(
            new GetPreSignedUrlRequest { BucketName = ceph.Bucket, Key = "c", Expires = DateTime.UtcNow.AddHours(1), Protocol = Amazon.S3.Protocol.HTTP }))!;
        byte[] got = await http.GetByteArrayAsync(new Uri(url));
        Assert.Equal(1, got.Sum(one => int.PopCount(one)));
    }

    [Fact]
    public async Task Relay_truncates_resets_and_goes_down()
    {
        await using LatencyRelay relay = LatencyRelay.StartWithoutLatency(ceph.Cluster.Address);
        using HttpClient http = new();
        relay.Fault = _ => RelayFaultKind.ResetAfter;
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(relay.Endpoint));
        relay.Fault = _ => RelayFaultKind.TruncateBody;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => http.GetByteArrayAsync(relay.Endpoint));
        relay.Fault = _ => RelayFault.SlowDown;
        Assert.Equal(503, (int)(await http.GetAsync(relay.Endpoint)).StatusCode);
        relay.TakeDown();
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(relay.Endpoint));
        relay.BringUp();
        relay.Fault = _ => RelayFault.None;
        Assert.Equal(200, (int)(await http.GetAsync(relay.Endpoint)).StatusCode);
    }
}
