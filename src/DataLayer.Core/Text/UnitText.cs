using System.Globalization;

namespace DataLayer.Core.Text;

/// <summary>Sizes (<c>512MiB</c>) and durations (<c>30s</c>) as people write them.</summary>
public static class UnitText
{
    private static readonly (string Unit, double Factor)[] _sizes =
    [
        ("KiB", 1L << 10),
        ("MiB", 1L << 20),
        ("GiB", 1L << 30),
        ("TiB", 1L << 40),
        ("PiB", 1L << 50),
        ("kB", 1e3),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("PB", 1e15),
        ("B", 1),
        (string.Empty, 1),
    ];

    private static readonly (string Unit, double Seconds)[] _durations =
    [
        ("ms", 1e-3),
        ("s", 1),
        ("min", 60),
        ("m", 60),
        ("h", 3600),
        ("d", 86400),
        ("w", 7 * 86400),
    ];

    /// <summary>
    /// Reads a size: a number and a unit of bytes. Binary units (KiB to PiB) and decimal ones (kB to PB); none is
    /// bytes.
    /// </summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        if (!TrySplit(text, out double number, out string unit))
        {
            return false;
        }

        foreach ((string name, double factor) in _sizes)
        {
            if (unit == name)
            {
                double value = number * factor;
                bytes = value < long.MaxValue ? (long)value : 0;
                return value < long.MaxValue;
            }
        }

        return false;
    }

    /// <summary>Reads a duration: a number and ms, s, m (or min), h, d or w.</summary>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        if (!TrySplit(text, out double number, out string unit))
        {
            return false;
        }

        foreach ((string name, double seconds) in _durations)
        {
            if (unit == name)
            {
                double value = number * seconds;
                duration = value < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(value) : default;
                return value < TimeSpan.MaxValue.TotalSeconds;
            }
        }

        return false;
    }

    /// <summary>
    /// Writes a size so that <see cref="TryParseSize"/> reads the same number: the largest unit that divides it.
    /// </summary>
    public static string FormatSize(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        int unit = 0;
        while (bytes != 0 && bytes % 1024 == 0 && unit < units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes}{units[unit]}");
    }

    /// <summary>Writes a duration so that <see cref="TryParseDuration"/> reads the same one.</summary>
    public static string FormatDuration(TimeSpan duration)
    {
        double seconds = duration.TotalSeconds;
        (string Unit, double Seconds)[] units = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)];
        foreach ((string unit, double factor) in units)
        {
            if (seconds >= factor && seconds % factor == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{seconds / factor}{unit}");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMilliseconds}ms");
    }

    /// <summary>Writes bytes for people: three digits and a binary unit.</summary>
    public static string HumanSize(double bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        int unit = 0;
        while (Math.Abs(bytes) >= 1000 && unit < units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        string number = bytes.ToString(
            unit == 0 || Math.Abs(bytes) >= 100 ? "0"
                : Math.Abs(bytes) >= 10 ? "0.0"
                : "0.00",
            CultureInfo.InvariantCulture);
        return $"{number} {units[unit]}";
    }

    private static bool TrySplit(string text, out double number, out string unit)
    {
        text = text.Trim();
        int digits = 0;
        while (digits < text.Length && (char.IsAsciiDigit(text[digits]) || text[digits] == '.'))
        {
            digits++;
        }

        unit = text[digits..].Trim();
        return double.TryParse(
            text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
    }
}
