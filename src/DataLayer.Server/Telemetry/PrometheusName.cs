using System.Text;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// Turns names and values of System.Diagnostics.Metrics into those of the Prometheus text format 0.0.4.
/// </summary>
internal static class PrometheusName
{
    private const string Count = "_count";

    /// <summary>A metric's name: letters, digits and '_', the unit at the end, <c>_total</c> after a counter.</summary>
    /// <param name="instrument">The instrument's name: <c>datalayer.cache.hits</c>.</param>
    /// <param name="unit">Its unit as UCUM writes it: <c>By</c>, <c>s</c>, <c>{request}</c>; or null.</param>
    /// <param name="isCounter">Whether it only grows.</param>
    public static string Metric(string instrument, string? unit, bool isCounter)
    {
        StringBuilder name = new(Sanitize(instrument));
        string suffix = unit switch
        {
            "By" => "bytes",
            "s" => "seconds",
            "ms" => "milliseconds",
            "us" => "microseconds",
            "ns" => "nanoseconds",
            "%" => "percent",
            "By/s" => "bytes_per_second",
            _ => string.Empty,
        };
        string stem = name.ToString();
        if (isCounter && stem.EndsWith("_total", StringComparison.Ordinal))
        {
            name.Length -= "_total".Length;
        }

        if (suffix.Length > 0 && !name.ToString().EndsWith("_" + suffix, StringComparison.Ordinal))
        {
            name.Append('_').Append(suffix);
        }

        if (isCounter)
        {
            return name.Append("_total").ToString();
        }

        // The end _count is kept for histograms.
        string whole = name.ToString();
        return whole.EndsWith(Count, StringComparison.Ordinal) ? whole[..^Count.Length] + "_number" : whole;
    }

    /// <summary>A label's name.</summary>
    public static string Label(string tag)
    {
        string name = Sanitize(tag);
        return name.StartsWith("__", StringComparison.Ordinal) ? "tag" + name : name;
    }

    /// <summary>Appends a label's value: backslash, quote and line feed are escaped.</summary>
    public static void AppendLabelValue(StringBuilder text, string value)
    {
        foreach (char c in value)
        {
            _ = c switch
            {
                '\\' => text.Append("\\\\"),
                '"' => text.Append("\\\""),
                '\n' => text.Append("\\n"),
                _ => text.Append(c),
            };
        }
    }

    /// <summary>Appends a HELP text: backslash and line feed are escaped.</summary>
    public static void AppendHelp(StringBuilder text, string help)
    {
        foreach (char c in help)
        {
            _ = c switch
            {
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                _ => text.Append(c),
            };
        }
    }

    private static string Sanitize(string name)
    {
        StringBuilder clean = new(name.Length);
        foreach (char c in name)
        {
            char good = char.IsAsciiLetterOrDigit(c) ? c : '_';
            if (good != '_' || clean.Length == 0 || clean[^1] != '_')
            {
                clean.Append(good);
            }
        }

        if (clean.Length == 0 || char.IsAsciiDigit(clean[0]))
        {
            clean.Insert(0, '_');
        }

        return clean.ToString();
    }
}
