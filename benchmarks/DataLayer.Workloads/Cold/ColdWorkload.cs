using System.Diagnostics;
using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Relay;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Cold;

/// <summary>
/// Cold reads through the engine from a real Ceph gateway, against what the same gateway gives others. The objects were put there by
/// a plain SDK client: nothing of ours helps.
/// </summary>
internal sealed class ColdWorkload : IWorkload
{
    private const long LargeBytes = 512L << 20;
    private const long LatencyBytes = 64L << 20;
    private const int RangeBytes = 8 << 20;
    private const int Ranges = 8;
    private const int SmallBytes = 16 << 10;
    private const int SmallCount = 3000;
    private const int Readers = 32;
    private const int CallBytes = 1 << 20;
    private readonly byte[] _bytes = new byte[RangeBytes];

    public string Name => "cold";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        new Random(1).NextBytes(_bytes);
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("bench");
        try
        {
            using AmazonS3Client client = cluster.CreateClient();
            await PutLargeAsync(client, bucket, "large/object", LargeBytes, cancellationToken);
            await PutLargeAsync(client, bucket, "distant/object", LatencyBytes, cancellationToken);
            await PutSmallAsync(client, bucket, cancellationToken);
            await MeasureSequentialAsync(report, cluster, client, bucket, cancellationToken);
            await MeasureSmallAsync(report, cluster, bucket, cancellationToken);
            await MeasureLatencyAsync(report, cluster, bucket, cancellationToken);
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    private static string SmallName(int index) => string.Create(CultureInfo.InvariantCulture, $"{index % 30:D2}/{index:D5}");

    private static double Rate(long start, double amount) => amount / Stopwatch.GetElapsedTime(start).TotalSeconds;

    /// <summary>The better of rclone and the SDK is the baseline: all three are measured in turn.</summary>
    private static async Task MeasureSequentialAsync(
        BenchmarkReport report, CephCluster cluster, AmazonS3Client client, string bucket, CancellationToken stop)
    {
        await using ColdEngine engine = await ColdEngine.OpenAsync(cluster.CreateStoreOptions(), $"s3://{bucket}/large", stop);
        Rclone rclone = new(cluster);
        byte[] buffer = new byte[CallBytes];
        Func<Task>[] sides =
        [
            async () => await engine.ReadAsync("/data/object", buffer, stop),
            () => rclone.CatAsync(bucket, "large/object"),
            () => DownloadAsync(client, bucket, "large/object", stop),
        ];
        List<double>[] rates = [[], [], []];
        const int Runs = 7;

        // Three rounds first: a service runs for weeks, and the runtime compiles what is hot only then.
        for (int run = -3; run < Runs; run++)
        {
            for (int i = 0; i < sides.Length; i++)
            {
                int side = (i + run + 3) % sides.Length;
                await engine.MakeColdAsync(stop);
                long start = Stopwatch.GetTimestamp();
                await sides[side]();
                if (run >= 0)
                {
                    rates[side].Add(BenchmarkReport.MegabytesPerSecond(LargeBytes, start));
                }
            }
        }

        double byRclone = BenchmarkReport.Median(rates[1]);
        double bySdk = BenchmarkReport.Median(rates[2]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"cold       rclone cat {byRclone:F1} MB/s, ranged SDK {bySdk:F1} MB/s"));
        report.Add("sequential", "MB/s", BenchmarkReport.Median(rates[0]), Math.Max(byRclone, bySdk), Runs);
    }

    private static async Task MeasureSmallAsync(
        BenchmarkReport report, CephCluster cluster, string bucket, CancellationToken stop)
    {
        await using ColdEngine engine = await ColdEngine.OpenAsync(cluster.CreateStoreOptions(), $"s3://{bucket}/small", stop);
        using MinimalS3Client minimal = new(cluster.Endpoint, cluster.AccessKey, cluster.SecretKey, Readers);
        Rclone rclone = new(cluster);
        Task<double> ReadAllAsync(Func<string, byte[], Task> read) => MeasureReadersAsync(read);
        async Task<double> OursAsync()
        {
            await engine.MakeColdAsync(stop);
            return await ReadAllAsync((name, buffer) => engine.ReadAsync("/data/" + name, buffer, stop));
        }

        await report.MeasureAsync("small-objects", "files/s", 5, OursAsync,
            () => ReadAllAsync((name, buffer) => minimal.GetAsync(bucket, "small/" + name, 0, buffer)));
        await report.MeasureAsync("small-objects-rclone", "files/s", 5, OursAsync, async () =>
        {
            using TempFolder folder = new("bench-rclone");
            long start = Stopwatch.GetTimestamp();
            await rclone.CopyAsync(bucket, "small", folder.Path);
            return Rate(start, SmallCount);
        });
    }

    private static async Task MeasureLatencyAsync(
        BenchmarkReport report, CephCluster cluster, string bucket, CancellationToken stop)
    {
        TimeSpan latency = TimeSpan.FromMilliseconds(30);
        await using LatencyRelay relay = LatencyRelay.Start(
            cluster.Address, new LatencyRelayOptions { MinimumLatency = latency, MaximumLatency = latency });
        await using ColdEngine engine = await ColdEngine.OpenAsync(
            cluster.CreateStoreOptions(endpoint: relay.Endpoint), $"s3://{bucket}/distant", stop);
        using MinimalS3Client minimal = new(relay.Endpoint, cluster.AccessKey, cluster.SecretKey, 1);
        byte[] buffer = new byte[CallBytes];
        await report.MeasureAsync("latency-readahead", "MB/s", 5,
            async () =>
            {
                await engine.MakeColdAsync(stop);
                long start = Stopwatch.GetTimestamp();
                await engine.ReadAsync("/data/object", buffer, stop);
                return BenchmarkReport.MegabytesPerSecond(LatencyBytes, start);
            },
            async () =>
            {
                long start = Stopwatch.GetTimestamp();
                for (long offset = 0; offset < LatencyBytes; offset += CallBytes)
                {
                    await minimal.GetAsync(bucket, "distant/object", offset, buffer);
                }

                return BenchmarkReport.MegabytesPerSecond(LatencyBytes, start);
            });
    }

    private static async Task<double> MeasureReadersAsync(Func<string, byte[], Task> read)
    {
        int next = -1;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Readers).Select(async _ =>
        {
            await Task.Yield();
            byte[] buffer = new byte[SmallBytes];
            while (Interlocked.Increment(ref next) is var index && index < SmallCount)
            {
                await read(SmallName(index), buffer);
            }
        }));
        return Rate(start, SmallCount);
    }

    /// <summary>What a careful user of the SDK writes: ranges in parallel, buffers reused.</summary>
    private static async Task DownloadAsync(AmazonS3Client client, string bucket, string key, CancellationToken stop)
    {
        long next = -RangeBytes;
        await Task.WhenAll(Enumerable.Range(0, Ranges).Select(async _ =>
        {
            byte[] buffer = new byte[RangeBytes];
            while (Interlocked.Add(ref next, RangeBytes) is var offset && offset < LargeBytes)
            {
                using GetObjectResponse answer = await client.GetObjectAsync(
                    new GetObjectRequest { BucketName = bucket, Key = key, ByteRange = new ByteRange(offset, offset + RangeBytes - 1) }, stop);
                await answer.ResponseStream.ReadExactlyAsync(buffer, stop);
            }
        }));
    }

    private async Task PutLargeAsync(AmazonS3Client client, string bucket, string key, long size, CancellationToken stop)
    {
        InitiateMultipartUploadResponse upload = await client.InitiateMultipartUploadAsync(bucket, key, stop);
        List<PartETag> parts = [];
        for (int part = 1; part <= size / RangeBytes; part++)
        {
            UploadPartResponse sent = await client.UploadPartAsync(
                new UploadPartRequest
                {
                    BucketName = bucket,
                    Key = key,
                    UploadId = upload.UploadId,
                    PartNumber = part,
                    InputStream = new MemoryStream(_bytes),
                },
                stop);
            parts.Add(new PartETag(part, sent.ETag));
        }

        await client.CompleteMultipartUploadAsync(
            new CompleteMultipartUploadRequest { BucketName = bucket, Key = key, UploadId = upload.UploadId, PartETags = parts }, stop);
    }

    private async Task PutSmallAsync(AmazonS3Client client, string bucket, CancellationToken stop) =>
        await Parallel.ForAsync(0, SmallCount, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = stop }, async (index, token) =>
            await client.PutObjectAsync(
                new PutObjectRequest
                {
                    BucketName = bucket,
                    Key = "small/" + SmallName(index),
                    InputStream = new MemoryStream(_bytes, index, SmallBytes),
                },
                token));
}
