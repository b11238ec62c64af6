using System.Text.Json.Serialization;

namespace DataLayer.Workloads.Reporting;

/// <summary>One case. Value and baseline are medians of the same run; more is better (times are turned into rates).</summary>
/// <param name="Case">The case's name, stable.</param>
/// <param name="Unit">Unit of value and baseline, for instance <c>MB/s</c> (10⁶ bytes).</param>
/// <param name="Value">What we reach.</param>
/// <param name="Baseline">What the baseline reaches.</param>
/// <param name="Ratio">Value ÷ baseline.</param>
/// <param name="Runs">How many paired runs the medians are of.</param>
internal sealed record BenchmarkRow(
    [property: JsonPropertyName("case")] string Case, string Unit, double Value, double Baseline, double Ratio, int Runs);
