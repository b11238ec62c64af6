using System.Diagnostics;
using System.Globalization;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tenants;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Tenants;

/// <summary>
/// What one tenant feels of another over a line to the object store that both want: a feed of production alone and
/// beside a scan by an experiment, in turns in one run; and two equal scans, one with four times the readers. <c>none</c> is the same without tenants.
/// </summary>
internal sealed class TenantWorkload : IWorkload
{
    private const int MiB = 1 << 20;
    private const int Samples = 1600;
    private const int SampleBytes = 256 << 10;
    private const int Batch = 16;
    private const int ScanFiles = 12;
    private const int ScanBytes = 64 * MiB;
    private const int ScanReaders = 12;
    private const int Rounds = 5;
    private const double LineBytesPerSecond = 100e6;
    private static readonly TimeSpan _firstByte = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _phase = TimeSpan.FromSeconds(3);

    public string Name => "tenants";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        TenantOptions[] unequal =
        [
            new() { Name = "serving", Folder = "/serving", Class = TenantClass.Production },
            new() { Name = "scan", Folder = "/scan", Class = TenantClass.Experiment },
        ];
        TenantOptions[] equal = [new() { Name = "left", Folder = "/scan" }, new() { Name = "right", Folder = "/other" }];
        await WithEngineAsync(unequal, (engine, line) => BesideAsync(report, "feed", engine, line, cancellationToken), cancellationToken);
        await WithEngineAsync([], (engine, line) => BesideAsync(report, "feed-none", engine, line, cancellationToken), cancellationToken);
        await WithEngineAsync(equal, (engine, _) => EqualAsync(report, "equal", engine, cancellationToken), cancellationToken);
    }

    private static async Task WithEngineAsync(TenantOptions[] tenants, Func<FileEngine, NarrowLine, Task> run, CancellationToken stop)
    {
        NarrowLine line = new(LineBytesPerSecond, _firstByte);
        await using BareEngine bare = await BareEngine.OpenAsync(
            "bench-tenants", new BlockCacheOptions { CapacityBytes = 96L * MiB }, [new ObjectStoreOptions { Name = "default", Kind = "directory" }], stop,
            new FileEngineOptions { Tenants = tenants, DecorateStore = line.Over, RecallQueueBytes = 0 });
        byte[] bytes = new byte[ScanBytes];
        new Random(1).NextBytes(bytes);
        foreach (string folder in new[] { "serving", "scan", "other" })
        {
            string bucket = bare.MakeFolder(folder);
            (int count, int length) = folder == "serving" ? (Samples, SampleBytes) : (ScanFiles, ScanBytes);
            for (int i = 0; i < count; i++)
            {
                await File.WriteAllBytesAsync(
                    Path.Combine(bucket, string.Create(CultureInfo.InvariantCulture, $"{i:D5}.bin")), bytes.AsMemory(0, length), stop);
            }

            await bare.Engine.MakeDirectoryAsync("/" + folder, 0x1FD, parents: true, stop);
            await bare.Engine.AttachAsync(
                new AttachRequest { Source = $"file://{bucket}", Path = $"/{folder}/data" }, progress: null, stop);
        }

        await run(bare.Engine, line);
    }

    private static async Task BesideAsync(
        BenchmarkReport report, string name, FileEngine engine, NarrowLine line, CancellationToken stop)
    {
        await engine.Datasets.CreateAsync("serving", new DatasetSpec { Path = "/serving/data", Kind = DatasetKind.Files }, stop);
        await engine.Datasets.BuildAsync("serving", _ => { }, stop);
        FeedService feeds = new(engine, new FeedOptions { SlabBytes = 64 * MiB });
        List<double>[] rates = [[], []];
        List<double>[] waits = [[], []];
        List<double> scans = [];
        List<double> lines = [];
        await FeedAsync(feeds, seed: 100, stop); // The runtime compiles.
        for (int round = 0; round < Rounds; round++)
        {
            for (int side = 0; side < 2; side++)
            {
                int beside = (side + round) % 2;
                await engine.Context.Fetches.WhenIdleAsync();
                await engine.EvictAsync("/", hotToo: true, stop);
                using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stop);
                Scan scan = new(engine, "/scan/data");
                Task scanning = beside == 1 ? scan.RunAsync(end.Token) : Task.CompletedTask;
                long before = Volatile.Read(ref line.Bytes);
                long start = Stopwatch.GetTimestamp();
                (double rate, List<double> found) = await FeedAsync(feeds, round, stop);
                rates[beside].Add(rate);
                waits[beside].AddRange(found);
                if (beside == 1)
                {
                    scans.Add(BenchmarkReport.MegabytesPerSecond(Volatile.Read(ref scan.Bytes), start));
                    lines.Add(BenchmarkReport.MegabytesPerSecond(Volatile.Read(ref line.Bytes) - before, start));
                }

                await end.CancelAsync();
                await scanning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        (double alone, double together) = (BenchmarkReport.Median(rates[0]), BenchmarkReport.Median(rates[1]));
        report.Add(name + "-throughput", "MB/s", together, alone, Rounds);
        (double p99, double besideP99) = (WarmWorkload.Percentile(waits[0], 0.99), WarmWorkload.Percentile(waits[1], 0.99));
        report.Add(name + "-p99", "1/s at p99", 1000 / besideP99, 1000 / p99, Rounds);
        report.Add(name + "-line", "MB/s", BenchmarkReport.Median(lines), LineBytesPerSecond / 1e6, Rounds);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"tenants    {name}: {alone:F1} -> {together:F1} MB/s, batch p99 {p99:F0} -> {besideP99:F0} ms, the scan {BenchmarkReport.Median(scans):F1} MB/s"));
    }

    private static async Task EqualAsync(BenchmarkReport report, string name, FileEngine engine, CancellationToken stop)
    {
        List<double> lefts = [];
        List<double> rights = [];
        for (int round = 0; round < Rounds; round++)
        {
            await engine.EvictAsync("/", hotToo: true, stop);
            using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stop);
            (Scan left, Scan right) = (new Scan(engine, "/scan/data"), new Scan(engine, "/other/data", ScanReaders / 4));
            Task both = Task.WhenAll(left.RunAsync(end.Token), right.RunAsync(end.Token));
            await Task.Delay(TimeSpan.FromSeconds(1), stop);
            IReadOnlyList<TenantStatus> before = engine.DescribeTenants();
            long start = Stopwatch.GetTimestamp();
            await Task.Delay(_phase, stop);
            IReadOnlyList<TenantStatus> after = engine.DescribeTenants();
            lefts.Add(BenchmarkReport.MegabytesPerSecond(after[0].Bytes - before[0].Bytes, start));
            rights.Add(BenchmarkReport.MegabytesPerSecond(after[1].Bytes - before[1].Bytes, start));
            await end.CancelAsync();
            await both.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        report.Add(name, "MB/s", BenchmarkReport.Median(rights), BenchmarkReport.Median(lefts), Rounds);
    }

    /// <summary>Batches of a feed for a time: its rate in MB/s, and how long each batch took to come, ms.</summary>
    private static async Task<(double Rate, List<double> Waits)> FeedAsync(
        FeedService feeds, int seed, CancellationToken stop)
    {
        await using FeedRun run = feeds.Open(
            new FeedRequest { Dataset = "serving", Batch = Batch, Order = new Core.Order.OrderSpec { Seed = seed }, Passes = 100 }, "bench");
        List<double> waits = [];
        long bytes = 0;
        long begin = Stopwatch.GetTimestamp();
        for (long start = begin; Stopwatch.GetElapsedTime(begin) < _phase; start = Stopwatch.GetTimestamp())
        {
            if (await run.NextAsync(stop) is not { } batch)
            {
                break;
            }

            waits.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            bytes += batch.Header.DataBytes;
            run.Release(batch.Header.Sequence);
        }

        return (BenchmarkReport.MegabytesPerSecond(bytes, begin), waits);
    }

    /// <summary>Readers that go through whole files in pieces of a MiB, over and over.</summary>
    private sealed class Scan(FileEngine engine, string folder, int readers = ScanReaders)
    {
        /// <summary>What was read, bytes.</summary>
        public long Bytes;

        public Task RunAsync(CancellationToken stop) =>
            Task.WhenAll(Enumerable.Range(0, readers).Select(reader => Task.Run(() => OneAsync(reader, stop), stop)));

        private async Task OneAsync(int reader, CancellationToken stop)
        {
            byte[] buffer = new byte[MiB];
            for (int i = 0; ; i++)
            {
                await using OpenFile file = await engine.OpenFileAsync(
                    string.Create(CultureInfo.InvariantCulture, $"{folder}/{((i * readers) + reader) % ScanFiles:D5}.bin"), write: false, stop);
                for (long at = 0; at < ScanBytes; at += MiB)
                {
                    Interlocked.Add(ref Bytes, await file.ReadAsync(at, buffer, stop));
                }
            }
        }
    }
}
