using System.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Writes out the alternatives of a pattern: <c>/a/{b,c}/d</c> is <c>/a/b/d</c> and <c>/a/c/d</c>.</summary>
internal static class GlobBraces
{
    /// <summary>Alternatives one pattern may stand for.</summary>
    public const int MaxAlternatives = 256;

    private const int MaxDepth = 4;

    /// <summary>Expands a pattern; false with what is wrong. Escapes stay as they are.</summary>
    public static bool TryExpand(string pattern, out List<string> alternatives, out string? fault)
    {
        int at = 0;
        alternatives = Read(pattern, ref at, 0, out fault);
        if (fault is null && at < pattern.Length)
        {
            fault = "has a '}' without a '{' before it";
        }

        return fault is null;
    }

    // Reads up to the end, or inside braces up to the ',' or '}' that is not its own.
    private static List<string> Read(string pattern, ref int at, int depth, out string? fault)
    {
        List<string> made = [string.Empty];
        StringBuilder literal = new();
        fault = null;
        bool isInSet = false;
        while (at < pattern.Length && fault is null)
        {
            char c = pattern[at];
            if (c == '\\' && at + 1 < pattern.Length)
            {
                literal.Append(c).Append(pattern[at + 1]);
                at += 2;
                continue;
            }

            isInSet = isInSet ? c != ']' : c == '[';
            if (!isInSet && (c == '}' || (c == ',' && depth > 0)))
            {
                break;
            }

            if (!isInSet && c == '{')
            {
                made = Join(made, [literal.ToString()], ref fault);
                literal.Clear();
                made = Join(made, ReadBraces(pattern, ref at, depth + 1, ref fault), ref fault);
                continue;
            }

            literal.Append(c);
            at++;
        }

        return Join(made, [literal.ToString()], ref fault);
    }

    private static List<string> ReadBraces(string pattern, ref int at, int depth, ref string? fault)
    {
        List<string> choices = [];
        if (depth > MaxDepth)
        {
            fault = "has braces within each other, deeper than 4";
            return choices;
        }

        do
        {
            at++;
            choices.AddRange(Read(pattern, ref at, depth, out string? inner));
            fault ??= inner;
        }
        while (fault is null && at < pattern.Length && pattern[at] == ',');

        if (fault is null && (at >= pattern.Length || pattern[at] != '}'))
        {
            fault = "has a '{' without a '}' behind it";
        }

        at++;
        return choices;
    }

    private static List<string> Join(List<string> starts, List<string> ends, ref string? fault)
    {
        if ((long)starts.Count * ends.Count > MaxAlternatives)
        {
            fault ??= $"stands for more than {MaxAlternatives} patterns";
            return starts;
        }

        List<string> joined = new(starts.Count * ends.Count);
        foreach (string start in starts)
        {
            foreach (string end in ends)
            {
                joined.Add(start + end);
            }
        }

        return joined;
    }
}
