using System.Globalization;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Storage.Cache;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Relay;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads;

/// <summary>
/// What readers feel of a plan that is carried out: the 99th percentile of their reads with moves beside them (recalls,
/// then releases, and again) against that without, in turns in one run, over a Ceph gateway that answers after 10 ms.
/// Groups for <c>--only</c>: memory, hot, cold.
/// </summary>
internal sealed class MoveWorkload : IWorkload
{
    private const int MiB = 1 << 20;
    private const int Rounds = 6;
    private static readonly TimeSpan _phase = TimeSpan.FromSeconds(2);
    private long _job;

    public string Name => "moves";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("bench");
        try
        {
            await WarmWorkload.PutAsync(cluster, bucket, cancellationToken);
            TimeSpan latency = TimeSpan.FromMilliseconds(10);
            await using LatencyRelay relay = LatencyRelay.Start(
                cluster.Address, new LatencyRelayOptions { MinimumLatency = latency, MaximumLatency = latency });
            await using BareEngine bare = await BareEngine.OpenAsync(
                "bench-moves", new BlockCacheOptions { CapacityBytes = 96L * MiB },
                [cluster.CreateStoreOptions(endpoint: relay.Endpoint)], cancellationToken);
            foreach (string folder in new[] { "read", "warm" })
            {
                await bare.Engine.AttachAsync(
                    new AttachRequest { Source = $"s3://{bucket}/{folder}", Path = "/" + folder }, progress: null, cancellationToken);
            }

            PriceTable free = new("none", [new StorageClassPrice { Name = "STANDARD", PerGibMonth = 0 }]);
            await using Packer packer = new(bare.Engine, new PackOptions());
            await using Mover mover = new(bare.Engine, new TierPricing(free, new TransferShape()), packer);
            if (report.Wants("memory"))
            {
                await MeasureAsync(
                    report, bare.Engine, mover, new("memory-paced", "/read/small", 4096, 2, TimeSpan.FromMilliseconds(5)), cancellationToken);
            }

            await bare.Engine.WarmAsync("/read/large", intoMemory: false, progress: null, cancellationToken);
            if (report.Wants("hot"))
            {
                await MeasureAsync(
                    report, bare.Engine, mover, new("hot-paced", "/read/large", 64 << 10, 2, TimeSpan.FromMilliseconds(5)), cancellationToken);
            }

            if (report.Wants("cold"))
            {
                await MeasureAsync(
                    report, bare.Engine, mover, new("cold", "/read/large", 64 << 10, 2, TimeSpan.Zero) { IsCold = true }, cancellationToken);
            }
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    private async Task MeasureAsync(
        BenchmarkReport report, FileEngine engine, Mover mover, WarmWorkload.Readers readers, CancellationToken stop)
    {
        List<double>[] latencies = [[], []];
        long moved = 0;
        await readers.BeginAsync(engine, _phase, stop);
        for (int round = 0; round < Rounds; round++)
        {
            for (int side = 0; side < 2; side++)
            {
                bool isBeside = (side + round) % 2 == 1;
                if (readers.IsCold)
                {
                    await engine.Context.Fetches.WhenIdleAsync();
                    await engine.EvictAsync(readers.Path, hotToo: true, stop);
                }

                using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stop);
                string folder = round % 2 == 0 ? "/warm/small" : "/warm/large";
                Task<long> moving = isBeside ? MoveAsync(engine, mover, folder, end.Token) : Task.FromResult(0L);
                latencies[isBeside ? 1 : 0].AddRange(await readers.RunAsync(engine, _phase, round, stop));
                await end.CancelAsync();
                moved += await moving;
            }
        }

        double without = WarmWorkload.Percentile(latencies[0], 0.99);
        double beside = WarmWorkload.Percentile(latencies[1], 0.99);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"moves      {readers.Name}: p50 {WarmWorkload.Percentile(latencies[0], 0.5):F3} -> {WarmWorkload.Percentile(latencies[1], 0.5):F3} ms, "
            + $"p99 {without:F3} -> {beside:F3} ms ({beside / without:F2} times); reads {latencies[0].Count} -> {latencies[1].Count}; "
            + $"{moved / _phase.TotalSeconds / Rounds:F0} moves/s"));
        report.Add(readers.Name, "1/s at p99", 1000 / beside, 1000 / without, Rounds);
    }

    /// <summary>Recalls all files of a folder that are cold and releases the others, and so on until it is stopped; how many moves were done.</summary>
    private async Task<long> MoveAsync(FileEngine engine, Mover mover, string folder, CancellationToken stop)
    {
        long moved = 0;
        try
        {
            while (true)
            {
                List<PlannedMove> moves = [];
                await foreach (FileFacts file in engine.Facts.ReadAsync(folder, stop))
                {
                    moves.Add(new PlannedMove
                    {
                        Inode = file.Inode,
                        Version = file.Version,
                        Path = file.Path,
                        RuleIndex = 0,
                        Kinds = file.HotBytes < file.SizeBytes ? MoveKinds.Recall : MoveKinds.Release,
                        SizeBytes = file.SizeBytes,
                        HotBytes = file.HotBytes,
                        FromClass = file.StorageClass,
                    });
                }

                long before = moved;
                MoveRun run = mover.Begin(
                    new MoveOrigin(++_job, 0, 0, string.Empty), new MoveLimits(), changed: o => Volatile.Write(ref moved, before + o.Moved));
                await run.MoveAsync(0, moves, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return Volatile.Read(ref moved);
        }
    }
}
