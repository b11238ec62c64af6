using System.Diagnostics;
using System.Security.Cryptography;
using DataLayer.Core.Order;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// Positions a second that an order computes on one thread. The baseline is the table that such an order is instead of: an array shuffled once for
/// the pass (its time is counted) and read in turn.
/// </summary>
internal sealed class FeedOrderWorkload : IWorkload
{
    private const int Samples = 10_000_000;
    private const int Batch = 256;
    private const int Runs = 5;
    private static readonly byte[] _hash = SHA256.HashData("feed-order"u8);

    public string Name => "feed-order";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        long[] classes = [.. Enumerable.Repeat(Samples / 1000L, 1000)];
        uint[] weights = [.. Enumerable.Range(1, 1000).Select(i => (uint)i)];
        await MeasureAsync(report, "shuffle", new OrderSpec(), [], byOne: false);
        await MeasureAsync(report, "shuffle-one-by-one", new OrderSpec(), [], byOne: true);
        await MeasureAsync(report, "blocks", new OrderSpec { Mode = OrderMode.Blocks }, [], byOne: false);
        await MeasureAsync(report, "weighted", new OrderSpec { Mode = OrderMode.Weighted, Weights = weights }, classes, byOne: false);
        await MeasureAsync(report, "balanced", new OrderSpec { Mode = OrderMode.Balanced }, classes, byOne: false);
    }

    private static Task MeasureAsync(BenchmarkReport report, string row, OrderSpec spec, long[] classes, bool byOne)
    {
        SampleOrder order = new(spec, _hash, Samples, classes);
        int pass = 0;
        return report.MeasureAsync(row, "positions/s", Runs, () => Task.FromResult(Compute(order, pass++, byOne)), () => Task.FromResult(ReadTable(pass)));
    }

    private static double Compute(SampleOrder order, int pass, bool byOne)
    {
        long[] ordinals = new long[Batch];
        long start = Stopwatch.GetTimestamp();
        long sum = 0;
        for (long first = 0; first + Batch <= Samples; first += Batch)
        {
            if (byOne)
            {
                for (int i = 0; i < Batch; i++)
                {
                    sum += order.At(pass, first + i);
                }
            }
            else
            {
                order.Fill(pass, first, 1, ordinals);
                sum += ordinals[0];
            }
        }

        return sum >= 0 ? Samples / Stopwatch.GetElapsedTime(start).TotalSeconds : throw new InvalidOperationException("The sum is negative.");
    }

    private static double ReadTable(int pass)
    {
        long start = Stopwatch.GetTimestamp();
        long[] table = new long[Samples];
        for (int i = 0; i < table.Length; i++)
        {
            table[i] = i;
        }

        new Random(pass).Shuffle(table);
        long sum = 0;
        foreach (long sample in table)
        {
            sum += sample;
        }

        return sum >= 0 ? Samples / Stopwatch.GetElapsedTime(start).TotalSeconds : throw new InvalidOperationException("The sum is negative.");
    }
}
