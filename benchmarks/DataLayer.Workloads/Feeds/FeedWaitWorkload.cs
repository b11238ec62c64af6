using System.Diagnostics;
using System.Globalization;
using Amazon.S3;
using DataLayer.Client.Feeds;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using DataLayer.Server.Interop;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Service;
using DataLayer.Workloads.Mounts;
using DataLayer.Workloads.Mounts.Peers;
using DataLayer.Workloads.Reporting;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// How long a training loop waits for each batch from its second pass on: through a feed, and through <c>rclone mount</c> and <c>s3fs</c>, of which the
/// better is the baseline. One bucket of a Ceph gateway; samples of 322,957 bytes, batches of 24, an accelerator that is busy for 47.55 ms with each.
/// </summary>
/// <remarks>
/// <para>The loop of the others opens and reads the same files in the same order, batch after batch when it wants them, each batch with as many threads as
/// there are processors; nothing reads ahead for it but the programs and the kernel themselves. Both have all content on disk after the first pass
/// (<c>--vfs-cache-mode full</c>, <c>use_cache</c>), and names and attributes in memory (<see cref="PeerMount"/>). DataLayer has its hot tier on the same
/// disk.</para>
/// <para>Memory. <c>dataset-in-memory</c>: memory tier and page cache hold everything. <c>dataset-2x-memory</c>: the memory tier is half the dataset; the
/// kernel's page cache, which is the others' memory, is emptied before each pass and then given the half of the dataset that the pass before read last, which
/// is what a page cache of that size would hold; during the pass it loses nothing and holds on to all that is read, so the others have more memory than we
/// have. It is emptied under our loop too, at the first batch of each pass.</para>
/// </remarks>
internal sealed class FeedWaitWorkload : IWorkload
{
    private const int Count = 960;
    private const int SampleBytes = 322_957;
    private const int Batch = 24;
    private const int Runs = 3;
    private const int Seed = 1;
    private static readonly TimeSpan _compute = TimeSpan.FromSeconds(0.04755);

    public string Name => "feed-wait";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("wait");
        try
        {
            using AmazonS3Client client = cluster.CreateClient();
            PeerFiles files = await PeerFiles.PutAsync(client, bucket, "samples", Count, 4, SampleBytes, cancellationToken);
            List<int[]> passes = [];
            Console.WriteLine($"feed-wait  {Count} objects put");
            double[][] ours = [await OursAsync(cluster, bucket, files, passes, isHalf: true, cancellationToken), []];
            ours[1] = await OursAsync(cluster, bucket, files, [], isHalf: false, cancellationToken);
            double[][] best = [[double.MaxValue], [double.MaxValue]];
            foreach (Func<PeerMount> start in new[] { () => PeerMount.Rclone(cluster, bucket), () => PeerMount.S3fs(cluster, bucket) })
            {
                await using PeerMount mount = start();
                double[][] waits = await TheirsAsync(mount, files, passes, cancellationToken);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"feed-wait  {mount.Name}: {BenchmarkReport.Median(waits[0]) * 1e3:F3} ms a batch with twice the memory, {BenchmarkReport.Median(waits[1]) * 1e3:F3} ms in memory"));
                for (int row = 0; row < waits.Length; row++)
                {
                    best[row] = BenchmarkReport.Median(waits[row]) < BenchmarkReport.Median(best[row]) ? waits[row] : best[row];
                }
            }

            Add(report, "dataset-2x-memory", ours[0], best[0]);
            Add(report, "dataset-in-memory", ours[1], best[1]);
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    /// <summary>Times as rates: batches a second of waiting, so that the ratio is baseline ÷ value of the times.</summary>
    private static void Add(BenchmarkReport report, string name, double[] ours, double[] theirs)
    {
        (double value, double baseline) = (BenchmarkReport.Median(ours), BenchmarkReport.Median(theirs));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"feed-wait  {name}: {value * 1e3:F3} ms a batch, the better of the others {baseline * 1e3:F3} ms"));
        report.Add(name, "batch/s", 1 / value, 1 / baseline, Runs);
    }

    /// <summary>One feed, a first pass and then one for each run; the mean wait for a batch of each, s.</summary>
    private static async Task<double[]> OursAsync(
        CephCluster cluster, string bucket, PeerFiles files, List<int[]> passes, bool isHalf, CancellationToken stop)
    {
        long memory = isHalf ? files.Bytes / 2 : files.Bytes * 5 / 4;
        await using FeedBench bench = await FeedBench.StartAsync("bench-feed-wait", s => s with
        {
            MemoryBytes = memory,
            Stores = [new StoreSettings(cluster.Endpoint, cluster.AccessKey, cluster.SecretKey)],
        });
        await bench.Service.Client.Admin.AttachAsync(new AttachCommand { Source = $"s3://{bucket}/samples", Path = "/samples" }, null, stop);
        await FeedBench.IndexAsync(bench.Service, "samples", c => c, stop);
        TrainingFeedOptions options = new()
        {
            Server = bench.Socket,
            Dataset = "samples",
            Batch = Batch,
            Passes = Runs + 1,
            Order = new OrderSpec { Seed = Seed },
        };
        double[] waits = new double[Runs];
        List<int> order = [];
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(options, stop);
        long asked = Stopwatch.GetTimestamp();
        await foreach (Client.Feeds.Batch batch in feed.WithCancellation(stop))
        {
            double wait = Stopwatch.GetElapsedTime(asked).TotalSeconds;
            if (order.Count == Count / Batch * Batch)
            {
                passes.Add([.. order]);
                order.Clear();
                if (isHalf)
                {
                    MountWorkload.DropCaches();
                }
            }

            if (batch.Pass > 0)
            {
                waits[batch.Pass - 1] += wait / (Count / Batch);
            }

            foreach (long number in batch.Numbers)
            {
                order.Add((int)number);
            }

            Work(_compute);
            asked = Stopwatch.GetTimestamp();
        }

        passes.Add([.. order]);
        return waits;
    }

    /// <summary>The same passes through a mount: twice the memory, and all in memory; the mean wait for a batch of each, s.</summary>
    private static async Task<double[][]> TheirsAsync(PeerMount mount, PeerFiles files, List<int[]> passes, CancellationToken stop)
    {
        await mount.MakeColdAsync(stop);
        using BatchReader reader = new(mount.Path, files);
        reader.Run(passes[0], TimeSpan.Zero);
        await mount.SettleAsync();
        double[][] waits = [new double[Runs], new double[Runs]];
        for (int run = 0; run < Runs; run++)
        {
            MountWorkload.DropCaches();
            reader.Run(passes[run][(passes[run].Length / 2)..], TimeSpan.Zero);
            waits[0][run] = reader.Run(passes[run + 1], _compute);
        }

        // By now the page cache has been given all of it; nothing is dropped any more.
        for (int run = 0; run < Runs; run++)
        {
            waits[1][run] = reader.Run(passes[run + 1], _compute);
        }

        return waits;
    }

    private static void Work(TimeSpan compute) =>
        MonotonicSleep.Until(Stopwatch.GetTimestamp() + (long)(compute.TotalSeconds * Stopwatch.Frequency));

    /// <summary>The loop that opens and reads files.</summary>
    private sealed class BatchReader(string root, PeerFiles files) : IDisposable
    {
        private readonly byte[][] _buffers = [.. Enumerable.Range(0, Batch).Select(_ => GC.AllocateUninitializedArray<byte>(SampleBytes))];

        /// <summary>Reads the files of one pass; the mean wait for a batch, s.</summary>
        public double Run(int[] order, TimeSpan compute)
        {
            double waited = 0;
            int batches = order.Length / Batch;
            for (int batch = 0; batch < batches; batch++)
            {
                long asked = Stopwatch.GetTimestamp();
                Parallel.For(0, Batch, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
                    Read(Path.Combine(root, files.Names[order[(batch * Batch) + i]]), _buffers[i]));
                waited += Stopwatch.GetElapsedTime(asked).TotalSeconds;
                Work(compute);
            }

            return waited / batches;
        }

        public void Dispose() => Array.Clear(_buffers);

        private static void Read(string path, byte[] buffer)
        {
            using SafeFileHandle file = File.OpenHandle(path);
            int read = 0;
            while (RandomAccess.Read(file, buffer.AsSpan(read), read) is > 0 and int count)
            {
                read += count;
            }

            if (read != buffer.Length)
            {
                throw new InvalidOperationException($"{path} has {read} bytes, not {buffer.Length}.");
            }
        }
    }
}
