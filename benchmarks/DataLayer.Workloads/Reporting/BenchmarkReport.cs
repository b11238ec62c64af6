using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace DataLayer.Workloads.Reporting;

/// <summary>Collects the rows of one benchmark, measures pairs, prints the table and writes the JSON result.</summary>
internal sealed class BenchmarkReport(string benchmark)
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web) { WriteIndented = true };
    private readonly List<BenchmarkRow> _rows = [];

    /// <summary>Adds a row with medians that were measured elsewhere; prints it at once.</summary>
    public void Add(string @case, string unit, double value, double baseline, int runs)
    {
        BenchmarkRow row = new(@case, unit, Round(value), Round(baseline), Math.Round(value / baseline, 3), runs);
        _rows.Add(row);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{benchmark,-10} {row.Case,-28} {row.Value,14:N2} {row.Unit,-10} baseline {row.Baseline,14:N2}  ratio {row.Ratio,7:F3}  runs {row.Runs}"));
    }

    /// <summary>
    /// Runs candidate and baseline in turn (which goes first alternates), <paramref name="runs"/> times after one warm-up each,
    /// and adds the medians of what they return: a rate, more is better.
    /// </summary>
    public async Task MeasureAsync(string @case, string unit, int runs, Func<Task<double>> candidate, Func<Task<double>> baseline)
    {
        await baseline();
        await candidate();
        List<double> values = [], baselines = [];
        for (int run = 0; run < runs; run++)
        {
            if (run % 2 == 0)
            {
                baselines.Add(await baseline());
                values.Add(await candidate());
            }
            else
            {
                values.Add(await candidate());
                baselines.Add(await baseline());
            }
        }

        Add(@case, unit, Median(values), Median(baselines), runs);
    }

    /// <summary>The median of at least one value.</summary>
    public static double Median(IReadOnlyList<double> values)
    {
        List<double> sorted = [.. values.Order()];
        int middle = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>A rate in 10⁶ bytes a second.</summary>
    public static double MegabytesPerSecond(long bytes, long startTimestamp) =>
        bytes / 1e6 / Stopwatch.GetElapsedTime(startTimestamp).TotalSeconds;

    /// <summary>Writes <c>NAME.json</c> into the folder.</summary>
    public async Task WriteAsync(string folder, TimeProvider time)
    {
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, benchmark + ".json");
        string date = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var document = new { benchmark, date, machine = Machine.Describe(), rows = _rows };
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(document, _json) + "\n");
        Console.WriteLine($"wrote {Path.GetRelativePath(Directory.GetCurrentDirectory(), file)}");
    }

    private static double Round(double value) => value >= 100 ? Math.Round(value, 1) : Math.Round(value, 4);
}
