using System.Globalization;

namespace DataLayer.Client.Checkpoints;

/// <summary>
/// A checkpoint's file name, taken apart at its last number: <c>step-</c>, 100, <c>.pt</c>. Names that differ only
/// there are one row of checkpoints.
/// </summary>
/// <param name="Before">What stands in front of the number.</param>
/// <param name="Number">The number.</param>
/// <param name="After">What stands behind it.</param>
internal readonly record struct CheckpointName(string Before, UInt128 Number, string After)
{
    private const int MostDigits = 38;

    /// <summary>Whether a name is that of the parts of a checkpoint which is being written.</summary>
    public static bool IsHidden(string name) =>
        name.StartsWith('.') && name.EndsWith(HiddenEnding, StringComparison.Ordinal);

    /// <summary>What the names of unfinished checkpoints end with.</summary>
    public const string HiddenEnding = ".part";

    /// <summary>Takes a name apart; null where it has no number, or is hidden.</summary>
    public static CheckpointName? TryParse(string name)
    {
        int end = name.Length;
        while (end > 0 && !char.IsAsciiDigit(name[end - 1]))
        {
            end--;
        }

        int start = end;
        while (start > 0 && char.IsAsciiDigit(name[start - 1]))
        {
            start--;
        }

        return end > start && end - start <= MostDigits && !name.StartsWith('.')
            ? new CheckpointName(
                name[..start], UInt128.Parse(name.AsSpan(start, end - start), CultureInfo.InvariantCulture),
                name[end..])
            : null;
    }
}
