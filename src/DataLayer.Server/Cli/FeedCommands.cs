using System.CommandLine;
using System.Globalization;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Server.Cli;

/// <summary>Verb feed: batches of a dataset, as a training job gets them.</summary>
internal static class FeedCommands
{
    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory) => CommandFactory.Group(
        "feed", "Batches of a dataset, as a training job gets them.", [FeedListCommand.Make(factory), Bench(factory)]);

    private static Command Bench(CommandFactory factory)
    {
        Argument<string> dataset = new("dataset") { Description = "The dataset's name." };
        Option<int> accelerators = Number("--accelerators", 1, "How many to emulate: ranks of one world. Default: 1.");
        Option<int> batch = Number("--batch", 32, "Samples a batch of one. Default: 32.");
        Option<double> compute = new("--compute")
        {
            Description = "How long one is busy with a batch, seconds. Default: 0.",
            HelpName = "SECONDS",
        };
        Option<string?> socket = new("--socket")
        {
            Description = "feed.sock in the service's state folder: shared memory. Default: over --server.",
            HelpName = "PATH",
        };
        Option<int> passes = Number("--passes", 1, "Passes over the dataset. Default: 1.");
        Option<int> steps = Number("--steps", 0, "At most so many batches each; 0 is all. Default: 0.");
        Option<OrderMode> mode = new("--mode")
        {
            Description = "sequential, shuffle, blocks, lengths or balanced. Default: shuffle.",
            DefaultValueFactory = _ => OrderMode.Shuffle,
            HelpName = "MODE",
        };
        Option<long> seed = new("--seed") { Description = "The order's seed. Default: 0.", HelpName = "N" };
        Option<int> slabs = Number("--slabs", 4, "Batches assembled ahead or held, 2 to 64. Default: 4.");
        Option<BatchLayoutKind?> layout = new("--layout")
        {
            Description = "samples, dense or padded. Default: dense for records, else samples.",
            HelpName = "LAYOUT",
        };
        return factory.Make(
            "bench", "Reads as accelerators would that work so long on a batch: how busy are they kept?",
            [dataset, accelerators, batch, compute, socket, passes, steps, mode, seed, slabs, layout],
            async (run, cancellationToken) =>
            {
                int count = run.Arguments.GetValue(accelerators);
                double seconds = run.Arguments.GetValue(compute);
                if (count is < 1 or > 1024 || seconds is not (>= 0 and <= 3600))
                {
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument,
                        $"{count} accelerators and {seconds} s: give 1 to 1,024 accelerators, and 0 to 3,600 s.");
                }

                string? path = run.Arguments.GetValue(socket);
                DataLayerClientOptions client = run.ClientOptions();
                TrainingFeedOptions options = new()
                {
                    Server = path is null ? run.Server : "unix:" + path,
                    Token = client.Token,
                    TokenFile = client.TokenFile,
                    Tls = client.Tls,
                    Dataset = run.Arguments.GetValue(dataset)!,
                    Batch = run.Arguments.GetValue(batch),
                    World = count,
                    Passes = Math.Max(1, run.Arguments.GetValue(passes)),
                    Slabs = run.Arguments.GetValue(slabs),
                    Layout = run.Arguments.GetValue(layout),
                    Order = new OrderSpec
                    {
                        Mode = run.Arguments.GetValue(mode),
                        Seed = run.Arguments.GetValue(seed),
                    },
                };
                FeedBenchReport report = await RunAsync(
                    options, TimeSpan.FromSeconds(seconds), run.Arguments.GetValue(steps), cancellationToken);
                run.Write(report, FeedBenchJson.Default.FeedBenchReport, r => ShowReport(run, r));
                return ExitCode.Success;
            });
    }

    private static Option<int> Number(string name, int fallback, string description) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => fallback,
        HelpName = "N",
    };

    private static async Task<FeedBenchReport> RunAsync(
        TrainingFeedOptions options, TimeSpan compute, long maxSteps, CancellationToken cancellationToken)
    {
        List<TrainingFeed> feeds = [];
        try
        {
            for (int rank = 0; rank < options.World; rank++)
            {
                feeds.Add(await TrainingFeed.OpenAsync(options with { Rank = rank }, cancellationToken));
            }

            EmulatedAccelerator[] all = [.. feeds.Select(feed => new EmulatedAccelerator(feed, compute, maxSteps))];
            await Task.WhenAll(all.Select(one => one.RunAsync(cancellationToken)));
            return Report(options, compute, all);
        }
        finally
        {
            foreach (TrainingFeed feed in feeds)
            {
                await feed.DisposeAsync();
            }
        }
    }

    private static FeedBenchReport Report(
        TrainingFeedOptions options, TimeSpan compute, EmulatedAccelerator[] all)
    {
        LatencyHistogram waits = new();
        foreach (EmulatedAccelerator one in all)
        {
            waits.Add(one.Waits);
        }

        return new FeedBenchReport(
            options.Dataset, all.Length, options.Batch, compute.TotalSeconds, all.Sum(a => a.Steps),
            all.Sum(a => a.Samples), all.Sum(a => a.Bytes), all.Average(a => a.Utilisation),
            all.Min(a => a.Utilisation), all.Sum(a => PerSecond(a.Samples, a.Elapsed)),
            all.Sum(a => PerSecond(a.Bytes, a.Elapsed)), all.Max(a => a.FirstWait.TotalSeconds),
            waits.QuantileSeconds(0.5), waits.QuantileSeconds(0.99), waits.LongestSeconds);
    }

    private static double PerSecond(long amount, TimeSpan time) =>
        time > TimeSpan.Zero ? amount / time.TotalSeconds : 0;

    private static void ShowReport(CommandRun run, FeedBenchReport r) => Show.Properties(
        run.Out,
        [
            ("dataset", r.Dataset),
            ("accelerators", Format($"{r.Accelerators}, batches of {r.Batch}, {r.ComputeSeconds:0.####} s each")),
            ("read", $"{Show.Count(r.Samples)} samples in {Show.Count(r.Steps)} batches, {Show.Size(r.Bytes)}"),
            ("utilisation", Format($"{r.Utilisation * 100:0.0} % (lowest {r.LowestUtilisation * 100:0.0} %)")),
            ("samples/s", Format($"{r.SamplesPerSecond:0}")),
            ("bytes/s", Show.Size((long)r.BytesPerSecond)),
            ("first wait", Format($"{r.FirstWaitSeconds * 1e3:0.000} ms")),
            ("wait p50", Format($"{r.WaitP50Seconds * 1e3:0.000} ms")),
            ("wait p99", Format($"{r.WaitP99Seconds * 1e3:0.000} ms")),
            ("wait max", Format($"{r.WaitMaxSeconds * 1e3:0.000} ms")),
        ]);

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
