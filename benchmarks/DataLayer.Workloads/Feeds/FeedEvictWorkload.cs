using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Simulation;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Feeds;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// What the memory tier keeps of a dataset that feeds read shuffled, pass after pass: the real cache, filled on misses, with the courses of the
/// feeds (<c>future</c>) and with each policy that does not know them. The value is the byte hit ratio in percent, the baseline that of Belady's
/// optimum on the same trace at the same budget, which for the cache includes its index and headers. Rows: JOBS-PERCENT of the dataset that fits.
/// </summary>
internal sealed class FeedEvictWorkload : IWorkload
{
    private const int BlockBytes = 65_536;
    private const int Samples = 4000;
    private const int Batch = 16;
    private static readonly string[] _others = ["guard", "s3fifo", "lru"];

    public string Name => "feed-evict";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        using TempFolder folder = new("feed-evict");
        SampleIndex index = FeedIndexes.Files(folder.Combine("index"), Samples, BlockBytes);
        foreach (int percent in (int[])[10, 20, 25, 50, 75])
        {
            await CaseAsync(report, index, $"one-job-{percent}", percent, [Job(index, seed: 1, passes: 8)]);
            await CaseAsync(report, index, $"two-jobs-{percent}", percent, [Job(index, 1, 8), Job(index, 2, 8)]);
            await CaseAsync(report, index, $"four-jobs-{percent}", percent,
                [Job(index, 1, 6), Job(index, 2, 6), Job(index, 3, 6), Job(index, 4, 6)]);
            await CaseAsync(report, index, $"sharded-{percent}", percent, [Job(index, 1, 24, world: 4)]);
        }

        await MeasureNextUsesAsync(report, FeedIndexes.Files(folder.Combine("million"), 1_000_000, BlockBytes, stride: 3));

        // The second job is three times as fast as the first.
        await CaseAsync(report, index, "two-speeds-20", 20, [Job(index, 1, 4), Job(index, 2, 12, speed: 3)]);
    }

    /// <summary>
    /// Questions a second for the next use of a block of a million files, at random; the baseline is a table that holds the answers.
    /// </summary>
    private static async Task MeasureNextUsesAsync(BenchmarkReport report, SampleIndex index)
    {
        const int Questions = 500_000;
        FeedFutures futures = new(TimeProvider.System, TimeSpan.FromMinutes(5));
        SampleOrder order = index.MakeOrder(new OrderSpec());
        using FeedCourse course = futures.Register(index, order, new RankSlice(order.PassLength, 1, 0, Batch, LastStep.Pad), 0, long.MaxValue);
        course.MoveTo(order.PassLength / 2);
        Dictionary<BlockId, long> table = [];
        BlockId[] asked = new BlockId[Questions];
        Random random = new(1);
        for (long file = 0; file < index.FileCount; file++)
        {
            table.Add(new BlockId(index.ContentOf(file), 0), file);
        }

        for (int i = 0; i < asked.Length; i++)
        {
            asked[i] = new BlockId(index.ContentOf(random.NextInt64(index.FileCount)), 0);
        }

        await report.MeasureAsync(
            "next-use", "questions/s", 5,
            () => Task.FromResult(Ask(asked, block => futures.NextUseOf(block))), () => Task.FromResult(Ask(asked, block => table[block])));
    }

    private static double Ask(BlockId[] asked, Func<BlockId, long> nextUseOf)
    {
        long sum = 0, start = Stopwatch.GetTimestamp();
        foreach (BlockId block in asked)
        {
            sum += nextUseOf(block);
        }

        return sum > 0 ? asked.Length / Stopwatch.GetElapsedTime(start).TotalSeconds : throw new InvalidOperationException("Nothing was found.");
    }

    private static JobOf Job(SampleIndex index, long seed, int passes, int world = 1, int speed = 1)
    {
        SampleOrder order = index.MakeOrder(new OrderSpec { Seed = seed });
        return new JobOf(order, new RankSlice(order.PassLength, world, 0, Batch, LastStep.Pad), passes, speed);
    }

    private static async Task CaseAsync(BenchmarkReport report, SampleIndex index, string name, int percent, JobOf[] jobs)
    {
        long size = (long)Samples * BlockBytes * percent / 100;
        List<(int Job, FeedStep Step, long[] Samples)> steps = Plan(index, jobs);
        CacheTrace trace = new();
        for (int i = 0; i < Samples; i++)
        {
            trace.AddObject(1);
        }

        foreach ((_, _, long[] samples) in steps)
        {
            foreach (long sample in samples)
            {
                trace.Add((int)sample, BlockBytes);
            }
        }

        IReadOnlyList<SimulationRow> simulated = CacheSimulator.Run(trace, [], size);
        double optimum = 100 * simulated[^1].ByteHitRatio;
        long start = Stopwatch.GetTimestamp();
        report.Add(name, "% of bytes", 100 * await ReplayAsync(index, jobs, steps, "guard", isFuture: true, size), optimum, 1);
        double perAccess = Stopwatch.GetElapsedTime(start).TotalMicroseconds / trace.Count;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"",-10} {name + "-simulator",-28} {100 * CacheSimulator.Replay(trace, CacheSimulator.FutureName, size).ByteHitRatio,14:N4} % of bytes; {perAccess:N2} us an access"));
        foreach (string policy in _others)
        {
            report.Add($"{name}-{policy}", "% of bytes", 100 * await ReplayAsync(index, jobs, steps, policy, isFuture: false, size), optimum, 1);
        }
    }

    /// <summary>The steps of all jobs in turn, each as many as its speed says.</summary>
    private static List<(int Job, FeedStep Step, long[] Samples)> Plan(SampleIndex index, JobOf[] jobs)
    {
        List<(int, FeedStep, long[])> steps = [];
        long[] cursors = new long[jobs.Length];
        for (bool any = true; any;)
        {
            any = false;
            for (int job = 0; job < jobs.Length; job++)
            {
                (SampleOrder order, RankSlice slice, int passes, int speed) = jobs[job];
                for (int i = 0; i < speed && cursors[job] < passes * order.PassLength; i++)
                {
                    FeedStep step = slice.StepAt(cursors[job]);
                    long[] samples = new long[step.Count - step.PaddingCount];
                    for (int k = 0; k < samples.Length; k++)
                    {
                        samples[k] = index.Select(order.Spec.Part, order.Sorting, order.At(step.Pass, step[k]));
                    }

                    steps.Add((job, step, samples));
                    cursors[job] = step.NextCursor;
                    any = true;
                }
            }
        }

        return steps;
    }

    private static async Task<double> ReplayAsync(
        SampleIndex index, JobOf[] jobs, List<(int Job, FeedStep Step, long[] Samples)> steps, string policy, bool isFuture, long size)
    {
        await using BlockCache cache = new(
            new BlockCacheOptions { CapacityBytes = size, Policy = policy, ScrubBytesPerSecond = 0 }, TimeProvider.System);
        FeedFutures futures = new(TimeProvider.System, TimeSpan.FromMinutes(5));
        FeedCourse[] courses = isFuture
            ? [.. jobs.Select(job => futures.Register(index, job.Order, job.Slice, 0, job.Passes * job.Order.PassLength))]
            : [];
        cache.SetFuture(isFuture ? futures : null);
        byte[] buffer = new byte[BlockBytes];
        long hitBytes = 0, bytes = 0;
        foreach ((int job, FeedStep step, long[] samples) in steps)
        {
            foreach (long sample in samples)
            {
                BlockId block = new(index.ContentOf(sample), 0);
                bytes += BlockBytes;
                if (cache.TryRead(block, 0, buffer, 1, out _))
                {
                    hitBytes += BlockBytes;
                }
                else
                {
                    cache.TryFill(block, buffer, 1);
                }
            }

            if (isFuture)
            {
                courses[job].MoveTo(step.NextCursor);
            }
        }

        return (double)hitBytes / bytes;
    }

    private sealed record JobOf(SampleOrder Order, RankSlice Slice, int Passes, int Speed);
}
