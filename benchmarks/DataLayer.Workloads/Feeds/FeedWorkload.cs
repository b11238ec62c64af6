using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Client.Feeds;
using DataLayer.Protocol.Feeds;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Service;
using DataLayer.Workloads.Cold;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// Feeds of a service in a process of its own, each beside what it is instead of: copies by memcpy, a gather in C, the same feed without its cast,
/// PyTorch's DataLoader and Python's tarfile over files in a warm page cache, and the plain parallel download of the same objects.
/// </summary>
internal sealed partial class FeedWorkload : IWorkload
{
    private const int Runs = 5;

    public string Name => "feed";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await using (FeedBench bench = await FeedBench.StartAsync("bench-feed", s => s))
        {
            if (report.Wants("fashion"))
            {
                await FashionRows.MeasureAsync(report, bench, cancellationToken);
            }

            if (report.Wants("memory", "memory-128KiB"))
            {
                await MeasureLargeAsync(report, bench, cancellationToken);
            }

            if (report.Wants("memory", "memory-784B"))
            {
                await MeasureRecordsAsync(report, bench, cancellationToken);
            }

            if (report.Wants("memory", "cast-float16"))
            {
                await MeasureCastAsync(report, bench, cancellationToken);
            }

            if (report.Wants("torch", "torch-small"))
            {
                await MeasureTorchAsync(report, bench, "torch-small", 20_480, 3072, 256, cancellationToken);
            }

            if (report.Wants("torch", "torch-150KB"))
            {
                await MeasureTorchAsync(report, bench, "torch-150KB", 2048, 150_000, 64, cancellationToken);
            }

            if (report.Wants("torch", "tar"))
            {
                await MeasureTarAsync(report, bench, cancellationToken);
            }
        }

        if (report.Wants("cold"))
        {
            await MeasureColdAsync(report, cancellationToken);
        }
    }

    /// <summary>Files of 128 KiB in memory, against memcpy of the same pieces in the same order on one thread into as many buffers.</summary>
    private static async Task MeasureLargeAsync(BenchmarkReport report, FeedBench bench, CancellationToken stop)
    {
        const int Count = 3200;
        const int Size = 128 << 10;
        const int Batch = 64;
        bench.WriteFiles("large", Count, Size);
        await bench.MakeAsync("large", c => c, warm: true, stop);
        TrainingFeedOptions options = new() { Server = string.Empty, Dataset = "large", Batch = Batch };
        byte[] source = new byte[Count * Size];
        new Random(1).NextBytes(source);
        byte[][] slabs = [.. Enumerable.Range(0, 4).Select(_ => new byte[Batch * Size])];
        int[] order = [.. Enumerable.Range(0, Count)];
        await report.MeasureAsync(
            "memory-128KiB", "MB/s", Runs,
            async () => (await bench.ReadAsync(options, 6, stop)).Bytes / 1e6,
            () =>
            {
                new Random(2).Shuffle(order);
                long start = Stopwatch.GetTimestamp();
                for (int pass = 0; pass < 6; pass++)
                {
                    for (int i = 0; i < Count; i++)
                    {
                        Buffer.BlockCopy(source, order[i] * Size, slabs[i / Batch % slabs.Length], i % Batch * Size, Size);
                    }
                }

                return Task.FromResult(BenchmarkReport.MegabytesPerSecond(6L * Count * Size, start));
            });
    }

    /// <summary>Records of 784 bytes, as one tensor a batch, against a gather of the same records in C on one thread.</summary>
    private static async Task MeasureRecordsAsync(BenchmarkReport report, FeedBench bench, CancellationToken stop)
    {
        const int Count = 60_000;
        const int Size = 784;
        byte[] records = new byte[Count * Size];
        new Random(3).NextBytes(records);
        bench.Write("records", "records.bin", records);
        await bench.MakeAsync("records", c => c with { Kind = "fixed", RecordBytes = Size }, warm: true, stop);
        TrainingFeedOptions options = new() { Server = string.Empty, Dataset = "records", Batch = 256, Slabs = 16 };
        using GatherLibrary gather = GatherLibrary.Build();
        await report.MeasureAsync(
            "memory-784B", "samples/s", Runs, async () => (await bench.ReadAsync(options, 40, stop)).Samples,
            () => Task.FromResult(gather.Run(records, Size, 256, 40)));
    }

    /// <summary>float32 to float16 on the way, against the same feed without it: samples a second.</summary>
    private static async Task MeasureCastAsync(BenchmarkReport report, FeedBench bench, CancellationToken stop)
    {
        const int Count = 20_000;
        const int Size = 3136;
        float[] values = [.. new Random(4).GetItems(Enumerable.Range(-1000, 2001).Select(i => i / 100f).ToArray(), Count * Size / 4)];
        bench.Write("floats", "floats.bin", MemoryMarshal.AsBytes<float>(values));
        await bench.MakeAsync("floats", c => c with { Kind = "fixed", RecordBytes = Size }, warm: true, stop);
        TrainingFeedOptions options = new() { Server = string.Empty, Dataset = "floats", Batch = 256, Slabs = 16, Element = Core.Batches.FeedElement.Float32 };
        TrainingFeedOptions cast = options with { Cast = new FeedCast { To = "float16" } };
        await report.MeasureAsync(
            "cast-float16", "samples/s", Runs, async () => (await bench.ReadAsync(cast, 40, stop)).Samples, async () => (await bench.ReadAsync(options, 40, stop)).Samples);
    }

    /// <summary>Tensors in PyTorch: a feed against the best of a DataLoader with 0, 1 and 2 workers over the same files.</summary>
    private static async Task MeasureTorchAsync(
        BenchmarkReport report, FeedBench bench, string name, int count, int bytes, int batch, CancellationToken stop)
    {
        bench.WriteFiles(name, count, bytes);
        await bench.MakeAsync(name, c => c with { Labels = "folder" }, warm: true, stop);
        string size = batch.ToString(CultureInfo.InvariantCulture);
        string[] ours = ["--dataset", name, "--server", bench.Service.Endpoint.ToString().TrimEnd('/'), "--batch", size];
        string[] theirs = ["--folder", bench.BucketOf(name), "--batch", size];
        await CompareAsync(
            report, name, () => bench.RunPythonAsync("feed", stop, ours),
            [.. new[] { "0", "1", "2" }.Select(workers =>
                (workers + " workers", (Func<Task<(double, string)>>)(() => bench.RunPythonAsync("loader", stop, [.. theirs, "--workers", workers]))))]);
    }

    /// <summary>Tars of samples of two members, against Python's tarfile, sequentially, as WebDataset does.</summary>
    private static async Task MeasureTarAsync(BenchmarkReport report, FeedBench bench, CancellationToken stop)
    {
        Random random = new(5);
        byte[] content = new byte[10_000];
        for (int tar = 0; tar < 8; tar++)
        {
            using MemoryStream bytes = new();
            using (System.Formats.Tar.TarWriter writer = new(bytes, System.Formats.Tar.TarEntryFormat.Ustar, leaveOpen: true))
            {
                for (int i = 0; i < 512; i++)
                {
                    random.NextBytes(content);
                    string key = string.Create(CultureInfo.InvariantCulture, $"{(tar * 512) + i:D6}");
                    writer.WriteEntry(new System.Formats.Tar.UstarTarEntry(System.Formats.Tar.TarEntryType.RegularFile, key + ".bin") { DataStream = new MemoryStream(content) });
                    writer.WriteEntry(new System.Formats.Tar.UstarTarEntry(System.Formats.Tar.TarEntryType.RegularFile, key + ".cls")
                    {
                        DataStream = new MemoryStream(Encoding.ASCII.GetBytes((i % 10).ToString(CultureInfo.InvariantCulture))),
                    });
                }
            }

            bench.Write("tars", $"{tar}.tar", bytes.ToArray());
        }

        await bench.MakeAsync("tars", c => c with { Kind = "tar", Labels = "member" }, warm: true, stop);
        await CompareAsync(
            report, "tar",
            () => bench.RunPythonAsync("tar-feed", stop, "--dataset", "tars", "--server", bench.Service.Endpoint.ToString().TrimEnd('/'), "--batch", "128"),
            [("tarfile", () => bench.RunPythonAsync("tars", stop, "--folder", bench.BucketOf("tars")))]);
    }

    /// <summary>The best of several others is the baseline; all give the same samples, or it fails.</summary>
    private static async Task CompareAsync(
        BenchmarkReport report, string name, Func<Task<(double Rate, string Sum)>> ours, (string Name, Func<Task<(double Rate, string Sum)>> Run)[] others)
    {
        int runs = report.RunsOf(Runs);
        List<double> values = [];
        List<double>[] rates = [.. others.Select(_ => new List<double>())];
        string? sum = null;
        for (int run = 0; run < runs; run++)
        {
            (double rate, string found) = await ours();
            sum ??= found;
            values.Add(rate);
            Check(name, sum, found);
            for (int i = 0; i < others.Length; i++)
            {
                (rate, found) = await others[(i + run) % others.Length].Run();
                Check(name, sum, found);
                rates[(i + run) % others.Length].Add(rate);
            }
        }

        double[] medians = [.. rates.Select(BenchmarkReport.Median)];
        Console.WriteLine($"feed       {name}: " + string.Join(", ", others.Select((o, i) => string.Create(CultureInfo.InvariantCulture, $"{o.Name} {medians[i]:F0} samples/s"))));
        report.Add(name, "samples/s", BenchmarkReport.Median(values), medians.Max(), runs);
    }

    private static void Check(string name, string wanted, string found)
    {
        if (wanted != found)
        {
            throw new InvalidOperationException($"{name}: one side gave {wanted}, the other {found}.");
        }
    }

    /// <summary>The first pass over objects in a Ceph gateway, against their plain download by as many requests at a time.</summary>
    private static async Task MeasureColdAsync(BenchmarkReport report, CancellationToken stop)
    {
        const int Count = 2000;
        const int Size = 256 << 10;
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("feed");
        try
        {
            byte[] content = new byte[Size];
            string[] keys = [.. Enumerable.Range(0, Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"cold/{i:D5}.bin"))];
            using (Amazon.S3.AmazonS3Client s3 = cluster.CreateClient())
            {
                await Parallel.ForAsync(0, Count, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = stop }, async (i, t) =>
                {
                    byte[] bytes = new byte[Size];
                    new Random(i).NextBytes(bytes);
                    using MemoryStream stream = new(bytes);
                    await s3.PutObjectAsync(new Amazon.S3.Model.PutObjectRequest { BucketName = bucket, Key = keys[i], InputStream = stream }, t);
                });
            }

            await using FeedBench bench = await FeedBench.StartAsync(
                "bench-feed-cold", s => s with { Stores = [new StoreSettings(cluster.Endpoint, cluster.AccessKey, cluster.SecretKey)] });
            await bench.Service.Client.Admin.AttachAsync(
                new AttachCommand { Source = $"s3://{bucket}/cold", Path = "/cold" }, null, stop);
            await FeedBench.IndexAsync(bench.Service, "cold", c => c, stop);
            TrainingFeedOptions options = new() { Server = bench.Socket, Dataset = "cold", Batch = 40, Slabs = 8 };
            await report.MeasureAsync(
                "cold-first-pass", "MB/s", 3,
                async () =>
                {
                    await bench.Service.Client.Admin.EvictAsync("/cold", hot: true, stop);
                    long start = Stopwatch.GetTimestamp();
                    long bytes = 0;
                    await using TrainingFeed feed = await TrainingFeed.OpenAsync(options, stop);
                    await foreach (Batch batch in feed.WithCancellation(stop))
                    {
                        bytes += batch.DataBytes;
                    }

                    return BenchmarkReport.MegabytesPerSecond(bytes, start);
                },
                async () =>
                {
                    double best = 0;
                    foreach (int requests in new[] { 8, 16, 32 })
                    {
                        long start = Stopwatch.GetTimestamp();
                        await DownloadAsync(cluster, bucket, keys, requests, stop);
                        best = Math.Max(best, BenchmarkReport.MegabytesPerSecond((long)Count * Size, start));
                    }

                    return best;
                });
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    /// <summary>All objects into buffers, by the number of requests at a time that does best.</summary>
    private static async Task DownloadAsync(CephCluster cluster, string bucket, string[] keys, int requests, CancellationToken stop)
    {
        using MinimalS3Client minimal = new(cluster.Endpoint, cluster.AccessKey, cluster.SecretKey, requests);
        await Parallel.ForAsync(0, requests, new ParallelOptions { MaxDegreeOfParallelism = requests, CancellationToken = stop }, async (reader, _) =>
        {
            byte[] buffer = new byte[1 << 20];
            for (int i = reader; i < keys.Length; i += requests)
            {
                await minimal.GetAsync(bucket, keys[i], 0, buffer);
            }
        });
    }
}
