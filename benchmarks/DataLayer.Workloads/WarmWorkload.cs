using System.Diagnostics;
using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Engine.Files;
using DataLayer.Storage.Cache;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Relay;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads;

/// <summary>
/// What readers feel of a warm-up: the 99th percentile of their reads with one beside them against that without, in
/// turns in one run, over a Ceph gateway that answers after 10 ms. Rates are 1 ÷ that latency, so a ratio of 0.77 is a
/// latency 1.3 times as long.
/// </summary>
internal sealed class WarmWorkload : IWorkload
{
    private const int MiB = 1 << 20;
    private const int LargeFiles = 12;
    private const int LargeBytes = 64 * MiB;
    private const int SmallFiles = 3000;
    private const int SmallBytes = 16 << 10;
    private const int ReadFileBytes = 256 * MiB;
    private const int Rounds = 6;
    private static readonly TimeSpan _phase = TimeSpan.FromSeconds(2);

    public string Name => "warm";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("bench");
        try
        {
            await PutAsync(cluster, bucket, cancellationToken);
            TimeSpan latency = TimeSpan.FromMilliseconds(10);
            await using LatencyRelay relay = LatencyRelay.Start(
                cluster.Address, new LatencyRelayOptions { MinimumLatency = latency, MaximumLatency = latency });
            await using BareEngine bare = await BareEngine.OpenAsync(
                "bench-warm", new BlockCacheOptions { CapacityBytes = 96L * MiB },
                [cluster.CreateStoreOptions(endpoint: relay.Endpoint)], cancellationToken);
            foreach (string folder in new[] { "read", "warm" })
            {
                await bare.Engine.AttachAsync(
                    new AttachRequest { Source = $"s3://{bucket}/{folder}", Path = "/" + folder }, progress: null, cancellationToken);
            }

            await MeasureCasesAsync(report, bare.Engine, cancellationToken);
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    private static async Task MeasureCasesAsync(BenchmarkReport report, FileEngine engine, CancellationToken stop)
    {
        await AloneAsync(engine, stop);
        if (report.Wants("memory"))
        {
            await MeasureAsync(report, engine, new Readers("memory", "/read/small", 4096, 1, TimeSpan.Zero), stop);
            await MeasureAsync(
                report, engine, new Readers("memory-paced", "/read/small", 4096, 2, TimeSpan.FromMilliseconds(5)), stop);
        }

        if (report.Wants("hot"))
        {
            await engine.WarmAsync("/read/large", intoMemory: false, progress: null, stop);
            await MeasureAsync(report, engine, new Readers("hot", "/read/large", 64 << 10, 1, TimeSpan.Zero), stop);
            await MeasureAsync(
                report, engine, new Readers("hot-paced", "/read/large", 64 << 10, 2, TimeSpan.FromMilliseconds(5)), stop);
            await MeasureAsync(
                report, engine, new Readers("hot-batches", "/read/large", 64 << 10, 2, TimeSpan.FromMilliseconds(100), 32), stop);
        }

        if (report.Wants("cold"))
        {
            await MeasureAsync(report, engine, new Readers("cold", "/read/large", 64 << 10, 2, TimeSpan.Zero) { IsCold = true }, stop);
            await MeasureAsync(
                report, engine,
                new Readers("cold-batches", "/read/large", 64 << 10, 2, TimeSpan.FromMilliseconds(100), 8) { IsCold = true }, stop);
        }
    }

    /// <summary>How fast a warm-up is with nobody beside it.</summary>
    private static async Task AloneAsync(FileEngine engine, CancellationToken stop)
    {
        for (int run = 0; run < 2; run++)
        {
            foreach (string folder in new[] { "/warm/large", "/warm/small" })
            {
                await engine.EvictAsync(folder, hotToo: true, stop);
                long start = Stopwatch.GetTimestamp();
                WarmResult result = await engine.WarmAsync(folder, intoMemory: false, progress: null, stop);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"warm       alone {folder}: {BenchmarkReport.MegabytesPerSecond(result.BytesDone, start):F0} MB/s, "
                    + $"{result.FilesDone / Stopwatch.GetElapsedTime(start).TotalSeconds:F0} files/s"));
            }
        }
    }

    private static async Task MeasureAsync(BenchmarkReport report, FileEngine engine, Readers readers, CancellationToken stop)
    {
        List<double>[] latencies = [[], []];
        List<double> ratios = [];
        long warmed = 0;
        await readers.BeginAsync(engine, _phase, stop);
        for (int round = 0; round < Rounds; round++)
        {
            double[] p99 = new double[2];
            for (int side = 0; side < 2; side++)
            {
                bool isBeside = (side + round) % 2 == 1;
                if (readers.IsCold)
                {
                    await engine.Context.Fetches.WhenIdleAsync();
                    await engine.EvictAsync(readers.Path, hotToo: true, stop);
                }

                List<double> found = isBeside
                    ? await BesideAsync(engine, readers, round, n => warmed += n, stop)
                    : await readers.RunAsync(engine, _phase, round, stop);
                latencies[isBeside ? 1 : 0].AddRange(found);
                p99[isBeside ? 1 : 0] = Percentile(found, 0.99);
            }

            ratios.Add(p99[1] / p99[0]);
        }

        double without = Percentile(latencies[0], 0.99);
        double beside = Percentile(latencies[1], 0.99);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"warm       {readers.Name}: p50 {Percentile(latencies[0], 0.5):F3} -> {Percentile(latencies[1], 0.5):F3} ms, "
            + $"p99 {without:F3} -> {beside:F3} ms ({beside / without:F2} times; by round {string.Join(' ', ratios.Select(r => r.ToString("F2", CultureInfo.InvariantCulture)))}), "
            + $"p99.9 {Percentile(latencies[0], 0.999):F3} -> {Percentile(latencies[1], 0.999):F3} ms; "
            + $"reads {latencies[0].Count} -> {latencies[1].Count}; warmed {warmed / _phase.TotalSeconds / Rounds / 1e6:F1} MB/s"));
        report.Add(readers.Name, "1/s at p99", 1000 / beside, 1000 / without, Rounds);
    }

    private static async Task<List<double>> BesideAsync(
        FileEngine engine, Readers readers, int round, Action<long> warmed, CancellationToken stop)
    {
        string folder = round % 2 == 0 ? "/warm/large" : "/warm/small";
        await engine.EvictAsync(folder, hotToo: true, stop);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        long before = engine.GetStatistics().RecalledBytes;
        Task warming = engine.WarmAsync(folder, intoMemory: false, progress: null, end.Token).AsTask();
        List<double> found = await readers.RunAsync(engine, _phase, round, stop);
        warmed(engine.GetStatistics().RecalledBytes - before);
        await end.CancelAsync();
        await warming.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return found;
    }

    internal static double Percentile(List<double> values, double share)
    {
        List<double> sorted = [.. values.Order()];
        return sorted[(int)(share * (sorted.Count - 1))];
    }

    internal static async Task PutAsync(CephCluster cluster, string bucket, CancellationToken stop)
    {
        using AmazonS3Client client = cluster.CreateClient();
        byte[] bytes = new byte[ReadFileBytes];
        new Random(1).NextBytes(bytes);
        async Task OneAsync(string key, int length) => await client.PutObjectAsync(
            new PutObjectRequest { BucketName = bucket, Key = key, InputStream = new MemoryStream(bytes, 0, length) }, stop);
        await OneAsync("read/small", 32 * MiB);
        await OneAsync("read/large", ReadFileBytes);
        for (int i = 0; i < LargeFiles; i++)
        {
            await OneAsync($"warm/large/{i}", LargeBytes);
        }

        await Parallel.ForAsync(
            0, SmallFiles, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = stop },
            async (i, _) => await OneAsync($"warm/small/{i}", SmallBytes));
    }

    /// <summary>Readers of random places of one file, each with a pause after so many reads.</summary>
    internal sealed record Readers(string Name, string Path, int Length, int Count, TimeSpan Pause, int Batch = 1)
    {
        /// <summary>Whether the file is made cold before each phase.</summary>
        public bool IsCold { get; init; }

        /// <summary>
        /// Reads the file once from end to end, so that what fits into memory is there before the first side is measured;
        /// then for a time as measured, so that the runtime has compiled it.
        /// </summary>
        public async Task BeginAsync(FileEngine engine, TimeSpan length, CancellationToken stop)
        {
            await using (OpenFile file = await engine.OpenFileAsync(Path, write: false, stop))
            {
                byte[] buffer = new byte[MiB];
                for (long at = 0; at < file.Attributes.SizeBytes; at += buffer.Length)
                {
                    await file.ReadAsync(at, buffer, stop);
                }
            }

            await RunAsync(engine, length, seed: 0, stop);
        }

        /// <summary>Reads for a time; the latencies, ms.</summary>
        public async Task<List<double>> RunAsync(FileEngine engine, TimeSpan length, int seed, CancellationToken stop)
        {
            List<double>[] all = await Task.WhenAll(Enumerable.Range(0, Count).Select(
                i => Task.Run(() => OneAsync(engine, length, new Random((seed * Count) + i), stop), stop)));
            return [.. all.SelectMany(static one => one)];
        }

        private async Task<List<double>> OneAsync(FileEngine engine, TimeSpan length, Random random, CancellationToken stop)
        {
            List<double> latencies = [];
            byte[] buffer = new byte[Length];
            await using OpenFile file = await engine.OpenFileAsync(Path, write: false, stop);
            long pieces = file.Attributes.SizeBytes / Length;
            for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < length;)
            {
                for (int i = 0; i < Batch; i++)
                {
                    long at = Stopwatch.GetTimestamp();
                    await file.ReadAsync(random.NextInt64(pieces) * Length, buffer, stop);
                    latencies.Add(Stopwatch.GetElapsedTime(at).TotalMilliseconds);
                }

                if (Pause > TimeSpan.Zero)
                {
                    await Task.Delay(Pause, stop);
                }
            }

            return latencies;
        }
    }
}
