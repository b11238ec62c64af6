namespace DataLayer.Core.Text;

/// <summary>
/// Names that are also names of files: ASCII letters, digits, '-', '_' and '.', not beginning with '.'.
/// </summary>
public static class PlainName
{
    /// <summary>The longest name, characters.</summary>
    public const int MaxLength = 100;

    /// <summary>What a name may be, to end an error with.</summary>
    public static string Rule => $"1 to {MaxLength} letters, digits, '-', '_' and '.', not beginning with '.'";

    /// <summary>Whether it is such a name.</summary>
    public static bool IsValid(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        bool good = name.Length is > 0 and <= MaxLength && name[0] != '.';
        foreach (char c in name)
        {
            good &= char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.';
        }

        return good;
    }
}
