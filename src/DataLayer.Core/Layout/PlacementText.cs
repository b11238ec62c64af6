using System.Collections.Immutable;
using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Layout;

/// <summary>
/// The stored text of a placement: <c>striped:POOL:UNIT:WIDTH:COPIES:T,T,…</c>, with <c>:KEY</c> where it is
/// encrypted, or <c>segment:POOL:ID:OFFSET:LENGTH:T,…</c>.
/// </summary>
public static class PlacementText
{
    internal static string Format(StripedPlacement p) => string.Create(CultureInfo.InvariantCulture,
        $"striped:{p.Pool}:{p.UnitBytes}:{p.Width}:{p.CopyCount}:{string.Join(',', p.Targets)}")
        + (p.KeyId == 0 ? string.Empty : string.Create(CultureInfo.InvariantCulture, $":{p.KeyId}"));

    internal static string Format(SegmentPlacement p) => string.Create(CultureInfo.InvariantCulture,
        $"segment:{p.Pool}:{p.SegmentId}:{p.OffsetBytes}:{p.LengthBytes}:{string.Join(',', p.Targets)}");

    /// <summary>Reads the text back.</summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.Corrupt"/>: the text is not a placement.</exception>
    public static Placement Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        if (parts.Length is 6 or 7 && TryTargets(parts[5], out ImmutableArray<int> targets))
        {
            long key = 0;
            if (parts[0] == "striped" && (parts.Length == 6 || (TryLong(parts[6], out key) && key > 0))
                && TryInt(parts[2], out int unit) && TryInt(parts[3], out int width)
                && TryInt(parts[4], out int copies) && unit > 0 && width > 0 && copies > 0
                && targets.Length == width * copies)
            {
                return new StripedPlacement(parts[1], unit, width, copies, targets) { KeyId = key };
            }

            if (parts.Length == 6 && parts[0] == "segment" && TryLong(parts[2], out long id)
                && TryLong(parts[3], out long offset) && TryInt(parts[4], out int length) && targets.Length is 1 or 2)
            {
                return new SegmentPlacement(parts[1], id, offset, length, targets);
            }
        }

        throw new DataLayerException(ErrorCode.Corrupt,
            $"'{text}' is not a placement. The metadata is damaged: run 'datalayer fsck'.");
    }

    /// <summary>
    /// The pool and how many copies of each byte it holds, without reading the rest of the text.
    /// </summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.Corrupt"/>: the text is not a placement.</exception>
    public static (string Pool, int CopyCount) ReadPool(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ReadOnlySpan<char> all = text;
        Span<Range> parts = stackalloc Range[8];
        int count = all.Split(parts, ':');
        if (count is 6 or 7)
        {
            if (all[parts[0]] is "striped" && int.TryParse(
                all[parts[4]], NumberStyles.None, CultureInfo.InvariantCulture, out int copies))
            {
                return (string.Intern(text[parts[1]]), copies);
            }

            if (count == 6 && all[parts[0]] is "segment")
            {
                return (string.Intern(text[parts[1]]), all[parts[5]].Count(',') + 1);
            }
        }

        throw new DataLayerException(ErrorCode.Corrupt,
            $"'{text}' is not a placement. The metadata is damaged: run 'datalayer fsck'.");
    }

    private static bool TryInt(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static bool TryLong(string text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static bool TryTargets(string text, out ImmutableArray<int> targets)
    {
        ImmutableArray<int>.Builder builder = ImmutableArray.CreateBuilder<int>();
        foreach (string part in text.Split(','))
        {
            if (!TryInt(part, out int target))
            {
                targets = default;
                return false;
            }

            builder.Add(target);
        }

        targets = builder.ToImmutable();
        return true;
    }
}
