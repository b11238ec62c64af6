using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataLayer.Client.Feeds;
using DataLayer.TestSupport.Processes;
using DataLayer.Workloads.Reporting;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// Loads shaped like those of DLIO (sizes, batches and compute times of its accelerators; fewer samples; no result of MLPerf), all of it in memory. Rows
/// <c>-warm</c>: samples a second of a feed against plain reads of the same files on ext4 with a warm page cache, by as many threads as there are
/// processors, into as many buffers. Rows <c>-busy</c>: the share of the time that an emulated accelerator computes, against what is wanted.
/// </summary>
internal sealed class AcceleratorsWorkload : IWorkload
{
    private const int Runs = 5;

    public string Name => "accelerators";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await MeasureAsync(report, new Shape("retinanet", 322_957, 960, 24) { Passes = 8 }, [("b200", 0.04755, 0.85)], cancellationToken);
        await MeasureAsync(report, new Shape("resnet50", 114_660, 2800, 400) { Passes = 8 }, [("h100", 0.224, 0.9)], cancellationToken);
        await MeasureAsync(report, new Shape("unet3d", 146_600_628, 14, 7) { Passes = 4, Slabs = 2 }, [("h100", 0.323, 0.9), ("b200", 0.162, 0.9)], cancellationToken);
        await MeasureAsync(report, new Shape("cosmoflow", 2_828_486, 150, 1) { Passes = 8 }, [("h100", 0.0035, 0.7)], cancellationToken);
        if (report.Wants("retinanet-cold") || report.Wants("latency-50"))
        {
            await DistantLoads.MeasureAsync(report, cancellationToken);
        }
    }

    private static async Task MeasureAsync(
        BenchmarkReport report, Shape shape, (string Accelerator, double Seconds, double Wanted)[] loads, CancellationToken stop)
    {
        if (!report.Wants(shape.Name, shape.Name + "-warm"))
        {
            return;
        }

        await using FeedBench bench = await FeedBench.StartAsync(
            "bench-accelerators", s => s with { MemoryBytes = 3L << 30, More = "feeds:\n  slabMemory: 4GiB\n" });
        bench.WriteFiles(shape.Name, shape.Count, shape.Bytes);
        await bench.MakeAsync(shape.Name, c => c, warm: true, stop);
        TrainingFeedOptions options = new() { Server = string.Empty, Dataset = shape.Name, Batch = shape.Batch, Slabs = shape.Slabs };
        string[] files = Directory.GetFiles(bench.BucketOf(shape.Name), "*", SearchOption.AllDirectories);
        using PlainReader reader = new(files, shape);
        await report.MeasureAsync(
            shape.Name + "-warm", "samples/s", Runs, async () => (await bench.ReadAsync(options, shape.Passes, stop)).Samples, () => reader.RunAsync(stop));
        foreach ((string accelerator, double seconds, double wanted) in report.Wants(shape.Name) ? loads : [])
        {
            double[] busy = new double[report.RunsOf(3)];
            for (int run = 0; run < busy.Length; run++)
            {
                busy[run] = await KeepBusyAsync(bench, shape, seconds, stop);
            }

            report.Add($"{shape.Name}-{accelerator}-busy", "share", BenchmarkReport.Median(busy), wanted, busy.Length);
        }
    }

    /// <summary>One emulated accelerator for about ten seconds, as <c>datalayer feed bench</c> has it.</summary>
    private static async Task<double> KeepBusyAsync(FeedBench bench, Shape shape, double seconds, CancellationToken stop)
    {
        double steps = Math.Ceiling(10 / seconds);
        double passes = Math.Ceiling(steps / (shape.Count / shape.Batch));
        CommandResult result = await bench.Service.RunVerbAsync(
            stop, "feed", "bench", shape.Name, "--accelerators", "1", "--batch", shape.Batch.ToString(CultureInfo.InvariantCulture), "--compute",
            seconds.ToString(CultureInfo.InvariantCulture), "--slabs", shape.Slabs.ToString(CultureInfo.InvariantCulture), "--steps",
            steps.ToString(CultureInfo.InvariantCulture), "--passes", passes.ToString(CultureInfo.InvariantCulture), "--socket", bench.Socket["unix:".Length..], "--json");
        return UtilisationOf(result);
    }

    /// <summary>The share of time in which the accelerators of <c>datalayer feed bench</c> were busy.</summary>
    public static double UtilisationOf(CommandResult result)
    {
        if (result.ExitCode != 0)
        {
            throw new InvalidOperationException($"feed bench failed: {result.Error}");
        }

        using JsonDocument report = JsonDocument.Parse(result.Output);
        return report.RootElement.GetProperty("utilisation").GetDouble();
    }

    /// <summary>What is read.</summary>
    /// <param name="Name">The model.</param>
    /// <param name="Bytes">A sample.</param>
    /// <param name="Count">Samples there are.</param>
    /// <param name="Batch">Samples in a batch.</param>
    private sealed record Shape(string Name, int Bytes, int Count, int Batch)
    {
        public int Passes { get; init; }

        public int Slabs { get; init; } = 4;
    }

    /// <summary>Opens, reads and closes the files of shuffled passes, batch after batch, each batch by all threads.</summary>
    private sealed class PlainReader(string[] files, Shape shape) : IDisposable
    {
        private readonly byte[][] _samples = [.. Enumerable.Range(0, shape.Slabs * shape.Batch).Select(_ => GC.AllocateUninitializedArray<byte>(shape.Bytes))];

        public async Task<double> RunAsync(CancellationToken stop)
        {
            int[] order = [.. Enumerable.Range(0, files.Length)];
            Random random = new(1);
            long start = Stopwatch.GetTimestamp();
            long count = 0;
            for (int pass = 0; pass < shape.Passes; pass++)
            {
                random.Shuffle(order);
                int samples = files.Length / shape.Batch * shape.Batch;
                await Parallel.ForAsync(0, samples, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = stop }, (i, _) =>
                {
                    Read(files[order[i]], _samples[((pass * samples) + i) % _samples.Length]);
                    return ValueTask.CompletedTask;
                });
                count += samples;
            }

            return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        private static void Read(string path, byte[] buffer)
        {
            using SafeFileHandle file = File.OpenHandle(path);
            if (RandomAccess.Read(file, buffer, 0) != buffer.Length)
            {
                throw new InvalidOperationException($"{path} is short.");
            }
        }

        public void Dispose()
        {
            Array.Clear(_samples);
            GC.Collect();
        }
    }
}
