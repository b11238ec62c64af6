using System.Diagnostics;
using System.Globalization;
using Amazon.S3;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using DataLayer.Server.Interop;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Relay;
using DataLayer.TestSupport.Service;
using DataLayer.Workloads.Mounts.Peers;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// Emulated accelerators whose samples lie in a Ceph gateway; 322,957 bytes each, batches of 24, 47.55 ms of work. The value is the share of time in which
/// the accelerator is busy, the baseline the share that is wanted, 0.85. <c>retinanet-cold</c>: the first pass, nothing cached. <c>latency-50</c>: a relay
/// adds 20 ms to each answer's first byte, memory has room for half of the samples and the hot tier takes none; from the second pass on.
/// <c>latency-50-lru</c>: the same samples in the same order from the same kind of service with the policy <c>lru</c> and no prefetch, by a loop that reads
/// each batch's files when it wants them, four at a time.
/// </summary>
internal static class DistantLoads
{
    private const int Count = 1440;
    private const int SampleBytes = 322_957;
    private const int Batch = 24;
    private const int Readers = 4;
    private const double Wanted = 0.85;
    private static readonly TimeSpan _compute = TimeSpan.FromSeconds(0.04755);

    public static async Task MeasureAsync(BenchmarkReport report, CancellationToken stop)
    {
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("distant");
        try
        {
            using AmazonS3Client client = cluster.CreateClient();
            PeerFiles files = await PeerFiles.PutAsync(client, bucket, "samples", Count, 4, SampleBytes, stop);
            if (report.Wants("retinanet-cold"))
            {
                await ColdAsync(report, cluster, bucket, stop);
            }

            if (report.Wants("latency-50"))
            {
                await LatencyAsync(report, cluster, bucket, files, stop);
            }
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    private static async Task ColdAsync(BenchmarkReport report, CephCluster cluster, string bucket, CancellationToken stop)
    {
        await using FeedBench bench = await StartAsync(cluster.Endpoint, cluster, bucket, s => s with { MemoryBytes = 1L << 30 }, stop);
        double[] busy = new double[3];
        for (int run = -1; run < busy.Length; run++)
        {
            await bench.Service.Client.Admin.EvictAsync("/samples", hot: true, stop);
            CommandResult result = await bench.Service.RunVerbAsync(
                stop, "feed", "bench", "samples", "--batch", Batch.ToString(CultureInfo.InvariantCulture), "--compute",
                _compute.TotalSeconds.ToString(CultureInfo.InvariantCulture), "--slabs", "8", "--socket", bench.Socket["unix:".Length..], "--json");
            double found = AcceleratorsWorkload.UtilisationOf(result);
            if (run >= 0)
            {
                busy[run] = found;
            }
        }

        report.Add("retinanet-cold", "share", BenchmarkReport.Median(busy), Wanted, busy.Length);
    }

    private static async Task LatencyAsync(BenchmarkReport report, CephCluster cluster, string bucket, PeerFiles files, CancellationToken stop)
    {
        TimeSpan latency = TimeSpan.FromMilliseconds(20);
        await using LatencyRelay relay = LatencyRelay.Start(
            cluster.Address, new LatencyRelayOptions { MinimumLatency = latency, MaximumLatency = latency });
        ServiceSettings With(ServiceSettings s, string policy, string engine) => s with
        {
            MemoryBytes = files.Bytes / 2,
            MemoryPolicy = policy,
            More = $"engine:\n  recallQueue: 0B\n{engine}",
        };
        List<long> order = [];
        double[] busy;
        await using (FeedBench bench = await StartAsync(relay.Endpoint, cluster, bucket, s => With(s, "guard", ""), stop))
        {
            busy = await FeedAsync(bench, order, stop);
        }

        report.Add("latency-50", "share", BenchmarkReport.Median(busy), Wanted, busy.Length);
        await using (FeedBench bench = await StartAsync(relay.Endpoint, cluster, bucket, s => With(s, "lru", "  prefetch: 0B\n"), stop))
        {
            busy = await LoopAsync(bench.Service.Client, files, order, stop);
        }

        report.Add("latency-50-lru", "share", BenchmarkReport.Median(busy), Wanted, busy.Length);
    }

    private static async Task<FeedBench> StartAsync(
        Uri endpoint, CephCluster cluster, string bucket, Func<ServiceSettings, ServiceSettings> settings, CancellationToken stop)
    {
        FeedBench bench = await FeedBench.StartAsync(
            "bench-distant", s => settings(s with { Stores = [new StoreSettings(endpoint, cluster.AccessKey, cluster.SecretKey)] }));
        await bench.Service.Client.Admin.AttachAsync(new AttachCommand { Source = $"s3://{bucket}/samples", Path = "/samples" }, null, stop);
        await FeedBench.IndexAsync(bench.Service, "samples", c => c, stop);
        return bench;
    }

    /// <summary>Four passes of one feed; the share of each but the first in which the accelerator was busy, and the order of the samples.</summary>
    private static async Task<double[]> FeedAsync(FeedBench bench, List<long> order, CancellationToken stop)
    {
        const int Passes = 4;
        TrainingFeedOptions options = new()
        {
            Server = bench.Socket,
            Dataset = "samples",
            Batch = Batch,
            Passes = Passes,
            Slabs = 8,
            Order = new OrderSpec { Seed = 1 },
        };
        BusyShares shares = new(Passes);
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(options, stop);
        await foreach (Client.Feeds.Batch batch in feed.WithCancellation(stop))
        {
            order.AddRange(batch.Numbers);
            shares.Work((int)batch.Pass);
        }

        return shares.Take();
    }

    /// <summary>The same, by a loop that reads files.</summary>
    private static async Task<double[]> LoopAsync(DataLayerClient client, PeerFiles files, List<long> order, CancellationToken stop)
    {
        int inPass = Count / Batch * Batch;
        BusyShares shares = new(order.Count / inPass);
        for (int batch = 0; batch < order.Count / Batch; batch++)
        {
            await Parallel.ForAsync(0, Batch, new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = stop }, async (i, token) =>
            {
                using FileBytes file = await client.ReadFileAsync("/" + files.Names[(int)order[(batch * Batch) + i]], token);
            });
            shares.Work(batch * Batch / inPass);
        }

        return shares.Take();
    }

    /// <summary>Works on batches, and keeps by pass how much of the time that was. A pass lasts to the end of its last batch's work.</summary>
    private sealed class BusyShares(int passes)
    {
        private readonly int[] _steps = new int[passes];
        private readonly long[] _ends = new long[passes];

        public void Work(int pass)
        {
            MonotonicSleep.Until(Stopwatch.GetTimestamp() + (long)(_compute.TotalSeconds * Stopwatch.Frequency));
            _steps[pass]++;
            _ends[pass] = Stopwatch.GetTimestamp();
        }

        public double[] Take() =>
            [.. Enumerable.Range(1, _steps.Length - 1).Select(p => _steps[p] * _compute / Stopwatch.GetElapsedTime(_ends[p - 1], _ends[p]))];
    }
}
