using System.Globalization;
using System.Text;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// The tags of a series as a dictionary key. Up to three tags, what our instruments carry, take no allocation; more
/// are joined to text.
/// </summary>
internal readonly struct TagKey : IEquatable<TagKey>
{
    private readonly KeyValuePair<string, object?> _first;
    private readonly KeyValuePair<string, object?> _second;
    private readonly KeyValuePair<string, object?> _third;
    private readonly string? _rest;
    private readonly int _count;

    public TagKey(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        _count = tags.Length;
        _first = _count > 0 ? tags[0] : default;
        _second = _count > 1 ? tags[1] : default;
        _third = _count > 2 ? tags[2] : default;
        if (_count > 3)
        {
            StringBuilder rest = new();
            for (int i = 3; i < _count; i++)
            {
                AppendLabel(rest, tags[i]);
            }

            _rest = rest.ToString();
        }
    }

    /// <summary>The labels as the text format writes them between braces.</summary>
    public string ToLabels()
    {
        StringBuilder text = new();
        if (_count > 0)
        {
            AppendLabel(text, _first);
        }

        if (_count > 1)
        {
            AppendLabel(text, _second);
        }

        if (_count > 2)
        {
            AppendLabel(text, _third);
        }

        if (_rest is not null)
        {
            _ = text.Append(',').Append(_rest);
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public bool Equals(TagKey other) =>
        _count == other._count
        && Same(_first, other._first)
        && Same(_second, other._second)
        && Same(_third, other._third)
        && _rest == other._rest;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TagKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_count, _first.Value, _second.Value, _third.Value, _rest);

    private static bool Same(KeyValuePair<string, object?> a, KeyValuePair<string, object?> b) =>
        a.Key == b.Key && Equals(a.Value, b.Value);

    private static void AppendLabel(StringBuilder text, KeyValuePair<string, object?> tag)
    {
        if (text.Length > 0)
        {
            text.Append(',');
        }

        text.Append(PrometheusName.Label(tag.Key)).Append("=\"");
        string value = tag.Value switch
        {
            null => string.Empty,
            bool b => b ? "true" : "false",
            IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
            _ => tag.Value.ToString() ?? string.Empty,
        };
        PrometheusName.AppendLabelValue(text, value);
        text.Append('"');
    }
}
