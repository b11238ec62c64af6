namespace DataLayer.TestSupport;

/// <summary>Reads the tables of docs/METRICS.md.</summary>
public static class MetricsCatalogue
{
    private static readonly string[] _parts = ["_bucket", "_sum", "_count"];

    /// <summary>The metrics by name.</summary>
    public static IReadOnlyDictionary<string, CataloguedMetric> Read()
    {
        var all = new Dictionary<string, CataloguedMetric>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "METRICS.md")))
        {
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            if (cells.Length < 7 || !cells[1].StartsWith('`'))
            {
                continue;
            }

            var metric = new CataloguedMetric(
                cells[1].Trim('`'), cells[2], cells[3],
                [.. cells[4].Split(',', StringSplitOptions.TrimEntries).Select(label => label.Trim('`'))], cells[5]);
            all.Add(metric.Name, metric);
        }

        return all;
    }

    /// <summary>The metric that a sample is of; a histogram's samples have names of their own. Null for none.</summary>
    public static CataloguedMetric? Of(IReadOnlyDictionary<string, CataloguedMetric> metrics, string sample)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        ArgumentNullException.ThrowIfNull(sample);
        if (metrics.TryGetValue(sample, out var metric))
        {
            return metric;
        }

        var part = _parts.FirstOrDefault(p => sample.EndsWith(p, StringComparison.Ordinal));
        return part is not null && metrics.TryGetValue(sample[..^part.Length], out metric) && metric.Type == "histogram" ? metric : null;
    }
}

/// <summary>One row of docs/METRICS.md.</summary>
/// <param name="Name">The metric.</param>
/// <param name="Type">counter, gauge or histogram.</param>
/// <param name="Unit">seconds, bytes, count, or 1 for a ratio.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="Meaning">What it says.</param>
public sealed record CataloguedMetric(string Name, string Type, string Unit, IReadOnlyList<string> Labels, string Meaning);
