using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace DataLayer.Workloads.Reporting;

/// <summary>Collects the rows of one benchmark, measures pairs, prints the table and writes the JSON result.</summary>
/// <remarks>
/// With <paramref name="only"/> the benchmark runs one group of its cases, and the rows of the others stay in the file. With <paramref name="most"/>
/// each case is run no more often than that: for a quick look.
/// </remarks>
internal sealed class BenchmarkReport(string benchmark, string? only = null, int most = int.MaxValue)
{
    /// <summary>How many files a benchmark of the metadata makes, a count; null for its own number.</summary>
    public int? Files { get; init; }

    /// <summary>Where what a benchmark prepares is kept for its next run; null for a folder that goes afterwards.</summary>
    public string? KeptFolder { get; init; }

    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web) { WriteIndented = true };
    private readonly List<BenchmarkRow> _rows = [];

    /// <summary>Whether a group of cases is to be run.</summary>
    public bool Wants(string group) => only is null || only == group;

    /// <summary>Whether a case of a group is to be run.</summary>
    public bool Wants(string group, string @case) => Wants(group) || only == @case;

    /// <summary>How often a case is run that is measured so often for the record.</summary>
    public int RunsOf(int runs) => Math.Min(runs, most);

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
        runs = RunsOf(runs);
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
        List<BenchmarkRow> rows = only is null ? _rows : await MergeAsync(file);
        var document = new { benchmark, date, machine = Machine.Describe(), rows };
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(document, _json) + "\n");
        Console.WriteLine($"wrote {Path.GetRelativePath(Directory.GetCurrentDirectory(), file)}");
    }

    /// <summary>The file's rows with ours in their places, new ones at the end.</summary>
    private async Task<List<BenchmarkRow>> MergeAsync(string file)
    {
        List<BenchmarkRow> rows = [];
        if (File.Exists(file))
        {
            using JsonDocument before = JsonDocument.Parse(await File.ReadAllTextAsync(file));
            rows = before.RootElement.GetProperty("rows").Deserialize<List<BenchmarkRow>>(_json)!;
        }

        foreach (BenchmarkRow row in _rows)
        {
            int place = rows.FindIndex(other => other.Case == row.Case);
            if (place < 0)
            {
                rows.Add(row);
            }
            else
            {
                rows[place] = row;
            }
        }

        return rows;
    }

    private static double Round(double value) => value >= 100 ? Math.Round(value, 1) : Math.Round(value, 4);
}
