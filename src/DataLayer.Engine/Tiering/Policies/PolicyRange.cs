using System.Globalization;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>What a range counts.</summary>
internal enum PolicyUnit
{
    /// <summary>Bytes: <c>10 MiB</c>.</summary>
    Bytes,

    /// <summary>Seconds, written as a duration: <c>30d</c>.</summary>
    Seconds,

    /// <summary>A plain number: <c>0.5</c>.</summary>
    Number,
}

/// <summary>
/// Numbers between two bounds, written as one or more comparisons joined by <c>and</c>:
/// <c>&gt;= 10 MiB and &lt; 1 GiB</c>. A double holds bytes up to 8 PiB and ticks of a century exactly enough.
/// </summary>
internal readonly record struct PolicyRange(double Low, bool IsLowOpen, double High, bool IsHighOpen)
{
    private const int MaxComparisons = 4;
    private static readonly string[] _operators = [">=", "<=", ">", "<", "="];

    /// <summary>Every number.</summary>
    public static PolicyRange Everything { get; } =
        new(double.NegativeInfinity, false, double.PositiveInfinity, false);

    /// <summary>Whether no number is in it.</summary>
    public bool IsEmpty => Low > High || (Low == High && (IsLowOpen || IsHighOpen));

    /// <summary>Whether a number is in it.</summary>
    public bool Contains(double value) =>
        (IsLowOpen ? value > Low : value >= Low) && (IsHighOpen ? value < High : value <= High);

    /// <summary>Whether every number of another range is in it.</summary>
    public bool Covers(PolicyRange other) =>
        (Low < other.Low || (Low == other.Low && (!IsLowOpen || other.IsLowOpen)))
        && (High > other.High || (High == other.High && (!IsHighOpen || other.IsHighOpen)));

    /// <summary>Reads the text of a range.</summary>
    /// <param name="text">The text.</param>
    /// <param name="unit">What it counts.</param>
    /// <param name="range">The range read.</param>
    /// <param name="fault">What is wrong: null where nothing is.</param>
    /// <returns>Whether it was read.</returns>
    public static bool TryParse(string text, PolicyUnit unit, out PolicyRange range, out string? fault)
    {
        range = Everything;
        string[] parts = text.Split(" and ", StringSplitOptions.TrimEntries);
        fault = parts.Length > MaxComparisons ? "has more than four comparisons" : null;
        foreach (string part in parts)
        {
            if (fault is not null)
            {
                return false;
            }

            string sign = string.Empty;
            foreach (string candidate in _operators)
            {
                if (part.StartsWith(candidate, StringComparison.Ordinal))
                {
                    sign = candidate;
                    break;
                }
            }

            if (sign.Length == 0)
            {
                fault = part.Length == 0 ? "is empty" : "does not start with >=, >, <=, < or =";
            }
            else if (!TryParseNumber(part[sign.Length..].Trim(), unit, out double number))
            {
                fault = $"compares with {PolicyErrors.Quote(part[sign.Length..].Trim())}, which is not "
                    + unit switch
                    {
                        PolicyUnit.Bytes => "a size",
                        PolicyUnit.Seconds => "a duration",
                        _ => "a number from 0",
                    };
            }
            else
            {
                range = range.And(sign, number);
            }
        }

        if (fault is null && (range.IsEmpty || range.High < 0 || (range.High == 0 && range.IsHighOpen)))
        {
            fault = "leaves nothing that could match";
        }

        return fault is null;
    }

    /// <summary>The range as a document has it, the same text for the same range.</summary>
    public string ToText(PolicyUnit unit)
    {
        if (Low == High)
        {
            return "= " + FormatNumber(Low, unit);
        }

        string low = double.IsNegativeInfinity(Low)
            ? string.Empty
            : (IsLowOpen ? "> " : ">= ") + FormatNumber(Low, unit);
        string high = double.IsPositiveInfinity(High)
            ? string.Empty
            : (IsHighOpen ? "< " : "<= ") + FormatNumber(High, unit);
        return low.Length > 0 && high.Length > 0 ? $"{low} and {high}" : low + high;
    }

    /// <summary>A number with its unit.</summary>
    public static string FormatNumber(double number, PolicyUnit unit) =>
        unit switch
        {
            PolicyUnit.Bytes => UnitText.FormatSize((long)number),
            PolicyUnit.Seconds => UnitText.FormatDuration(TimeSpan.FromSeconds(number)),
            _ => number.ToString("R", CultureInfo.InvariantCulture),
        };

    private static bool TryParseNumber(string text, PolicyUnit unit, out double number)
    {
        switch (unit)
        {
            case PolicyUnit.Bytes:
                bool isSize = UnitText.TryParseSize(text, out long bytes);
                number = bytes;
                return isSize;
            case PolicyUnit.Seconds:
                bool isDuration = UnitText.TryParseDuration(text, out TimeSpan duration);
                number = duration.TotalSeconds;
                return isDuration;
            default:
                return double.TryParse(
                    text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number)
                    && double.IsFinite(number);
        }
    }

    private PolicyRange And(string sign, double number) =>
        sign switch
        {
            ">=" when number > Low => this with { Low = number, IsLowOpen = false },
            ">" when number >= Low => this with { Low = number, IsLowOpen = true },
            "<=" when number < High => this with { High = number, IsHighOpen = false },
            "<" when number <= High => this with { High = number, IsHighOpen = true },
            "=" => And(">=", number).And("<=", number),
            _ => this,
        };
}
