using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Cache;

/// <summary>
/// How much of what is possible each eviction policy keeps, in the real cache: the value is the byte hit ratio in
/// percent, the baseline that of Belady's optimum on the same trace at the same budget, which for the cache includes
/// its index and headers. The rows <c>…-simulator</c> compare the simulator's byte hit ratio with the real cache's.
/// Traces are seeded.
/// </summary>
internal sealed class EvictWorkload : IWorkload
{
    private const int BlockBytes = 65_536;
    private const int Objects = 4000;
    private const int Seed = 20;

    public string Name => "evict";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await CaseAsync(report, "passes-20", CacheTraces.Passes(Objects, 8, reshuffle: true, Seed), 20);
        await CaseAsync(report, "passes-50", CacheTraces.Passes(Objects, 8, reshuffle: true, Seed), 50);
        await CaseAsync(report, "loop-50", CacheTraces.Passes(Objects, 8, reshuffle: false, Seed), 50);
        await CaseAsync(report, "switch-50", CacheTraces.Switch(Objects, 6, Seed), 50);
        await CaseAsync(report, "scan-zipf-50", CacheTraces.ScanZipf(Objects, 100_000, 1.0, 4000, 2000, Seed), 50);
        await CaseAsync(report, "zipf-20", CacheTraces.Zipf(Objects, 100_000, 1.0, Seed), 20);

        // A dataset's passes beside small blocks of no dataset, and a scan outside all datasets after each pass.
        await CaseAsync(report, "metadata-50", CacheTraces.PassesWithMetadata(Objects, 8, 8000, 2, 1000, Seed), 50);

        // The same without a dataset: the policy is told nothing about who asks.
        await CaseAsync(report, "passes-50-untagged",
            CacheTraces.Passes(Objects, 8, reshuffle: true, Seed, datasetId: 0), 50, others: false);
        await CaseAsync(
            report, "switch-50-untagged", CacheTraces.Switch(Objects, 6, Seed, tagged: false), 50, others: false);
    }

    private static async Task CaseAsync(
        BenchmarkReport report, string name, CacheTrace trace, int percent, bool others = true)
    {
        long size = (long)Objects * BlockBytes * percent / 100;
        string[] policies = others ? ["guard", "s3fifo", "lru"] : ["guard"];
        IReadOnlyList<SimulationRow> simulated = CacheSimulator.Run(trace, policies, size);
        double optimum = 100 * simulated[^1].ByteHitRatio;
        foreach (string policy in policies)
        {
            double real = 100 * await ReplayAsync(trace, policy, size);
            report.Add(policy == "guard" ? name : $"{name}-{policy}", "% of bytes", real, optimum, 1);
            double simulation = 100 * simulated.First(row => row.Policy == policy).ByteHitRatio;
            report.Add($"{name}-{policy}-simulator", "% of bytes", simulation, Math.Max(real, 0.01), 1);
        }
    }

    private static async Task<double> ReplayAsync(CacheTrace trace, string policy, long size)
    {
        await using BlockCache cache = new(
            new BlockCacheOptions { CapacityBytes = size, Policy = policy, ScrubBytesPerSecond = 0 },
                TimeProvider.System);
        byte[] buffer = new byte[BlockBytes];
        long hitBytes = 0, bytes = 0;
        for (int i = 0; i < trace.Count; i++)
        {
            int length = trace.Sizes[i];
            bytes += length;
            BlockId block = new(trace.Objects[i] + 1, 1, 0);
            int dataset = trace.DatasetOf[trace.Objects[i]];
            if (cache.TryRead(block, 0, buffer.AsSpan(0, length), dataset, out _))
            {
                hitBytes += length;
            }
            else
            {
                cache.TryFill(block, buffer.AsSpan(0, length), dataset);
            }
        }

        return (double)hitBytes / bytes;
    }
}
