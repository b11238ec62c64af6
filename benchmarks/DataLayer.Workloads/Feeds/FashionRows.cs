using System.Globalization;
using System.Text.Json;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// A CNN on the real Fashion-MNIST (Debian's <c>dataset-fashion-mnist</c>), trained from tensors in memory and through a feed: same weights at the begin, same
/// number of passes, on the processors that the service uses too. <c>fashion-accuracy</c>: the mean accuracy over seeds, in percent;
/// <c>fashion-epoch</c>: samples a second of a pass, training included.
/// </summary>
internal static class FashionRows
{
    private const string DataFolder = "/usr/share/datasets/fashion-mnist";
    private const int Seeds = 3;

    public static async Task MeasureAsync(BenchmarkReport report, FeedBench bench, CancellationToken stop)
    {
        if (!Directory.Exists(DataFolder))
        {
            throw new InvalidOperationException($"There is no {DataFolder}: install Debian's dataset-fashion-mnist.");
        }

        List<double>[] accuracies = [[], []];
        List<double>[] rates = [[], []];
        for (int seed = 0; seed < Seeds; seed++)
        {
            Dictionary<string, string> environment = new(StringComparer.Ordinal) { ["PYTHONPATH"] = Path.Combine(RepositoryRoot.Path, "src", "python") };
            CommandResult result = await Command.TryRunAsync(
                "/usr/bin/python3",
                [
                    Path.Combine(RepositoryRoot.Path, "benchmarks", "python", "fashion.py"), "--data", DataFolder, "--server",
                    bench.Service.Endpoint.ToString().TrimEnd('/'), "--seed", seed.ToString(CultureInfo.InvariantCulture),
                ],
                environment, stop);
            if (result.ExitCode != 0)
            {
                throw new InvalidOperationException($"fashion.py failed: {result.Error}");
            }

            using JsonDocument line = JsonDocument.Parse(result.Output);
            JsonElement found = line.RootElement;
            foreach ((int side, string way) in new[] { (0, "feed"), (1, "memory") })
            {
                accuracies[side].Add(found.GetProperty(way).GetDouble() * 100);
                foreach (JsonElement seconds in found.GetProperty("seconds").GetProperty(way).EnumerateArray())
                {
                    rates[side].Add(found.GetProperty("samples").GetInt64() / seconds.GetDouble());
                }
            }

            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"feed       fashion, seed {seed}: accuracy {accuracies[0][^1]:F2} % through the feed, {accuracies[1][^1]:F2} % in memory"));
        }

        report.Add("fashion-accuracy", "%", accuracies[0].Average(), accuracies[1].Average(), Seeds);
        report.Add("fashion-epoch", "samples/s", BenchmarkReport.Median(rates[0]), BenchmarkReport.Median(rates[1]), rates[0].Count);
    }
}
