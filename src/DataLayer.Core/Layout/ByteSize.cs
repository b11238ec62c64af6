using System.Globalization;

namespace DataLayer.Core.Layout;

/// <summary>
/// Sizes as people write them: <c>4096</c>, <c>64KiB</c>, <c>1.5 GiB</c>, <c>10GB</c>. Binary and decimal units are
/// told apart.
/// </summary>
public static class ByteSize
{
    private static readonly (string Suffix, long Factor)[] _units =
    [
        ("KIB", 1L << 10), ("MIB", 1L << 20), ("GIB", 1L << 30), ("TIB", 1L << 40), ("PIB", 1L << 50),
        ("KB", 1_000L), ("MB", 1_000_000L), ("GB", 1_000_000_000L), ("TB", 1_000_000_000_000L),
        ("PB", 1_000_000_000_000_000L),
        ("K", 1L << 10), ("M", 1L << 20), ("G", 1L << 30), ("T", 1L << 40), ("P", 1L << 50), ("B", 1L),
    ];

    /// <summary>Reads a size; false if the text is none, is negative or passes 8 EiB.</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        string upper = (text ?? string.Empty).Trim().ToUpperInvariant();
        long factor = 1;
        foreach ((string suffix, long unit) in _units)
        {
            if (upper.EndsWith(suffix, StringComparison.Ordinal))
            {
                factor = unit;
                upper = upper[..^suffix.Length].TrimEnd();
                break;
            }
        }

        if (!decimal.TryParse(upper, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            return false;
        }

        if (number > long.MaxValue / factor)
        {
            return false;
        }

        bytes = (long)(number * factor);
        return true;
    }

    /// <summary>Writes a size with three significant digits and a binary unit, for people.</summary>
    public static string Format(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        double value = bytes;
        int unit = 0;
        while (Math.Abs(value) >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        string format = unit == 0 || Math.Abs(value) >= 100 ? "F0" : Math.Abs(value) >= 10 ? "F1" : "F2";
        return value.ToString(format, CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
