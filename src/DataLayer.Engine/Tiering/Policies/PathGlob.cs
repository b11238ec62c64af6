using System.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// A pattern of paths without braces: names of <see cref="GlobSegment"/> between slashes, and <c>**</c> for any number
/// of folders. <c>/a/**</c> is everything below <c>/a</c>; <c>/a/**/b</c> is <c>/a/b</c> too.
/// </summary>
internal sealed class PathGlob
{
    /// <summary>Characters a pattern may have.</summary>
    public const int MaxLength = 4096;

    // A null is '**'.
    private readonly GlobSegment?[] _segments;
    private readonly bool _isPrefixOnly;

    private PathGlob(string text, GlobSegment?[] segments)
    {
        Text = text;
        _segments = segments;
        (LiteralPrefix, Exact) = FindPrefix(segments);
        LiteralSuffix = FindSuffix(segments);
        _isPrefixOnly = Exact is null && LiteralPrefix.EndsWith('/')
            && segments is [.., null, { IsAnything: true }] && CountLiterals(segments) == segments.Length - 2;
    }

    /// <summary>The pattern.</summary>
    public string Text { get; }

    /// <summary>The one path it stands for, where it has no wildcard.</summary>
    public string? Exact { get; }

    /// <summary>Text with which each path that matches starts; <c>/</c> at least.</summary>
    public string LiteralPrefix { get; }

    /// <summary>Text with which each path that matches ends; perhaps empty.</summary>
    public string LiteralSuffix { get; }

    /// <summary>Names without wildcards that each path that matches has somewhere.</summary>
    public IEnumerable<string> LiteralSegments
    {
        get
        {
            foreach (GlobSegment? segment in _segments)
            {
                if (segment?.Literal is { } literal)
                {
                    yield return literal;
                }
            }
        }
    }

    /// <summary>Reads a pattern with its braces written out; false with what is wrong.</summary>
    public static bool TryParse(string text, List<PathGlob> into, out string? fault)
    {
        fault = text.Length == 0 ? "is empty"
            : text[0] != '/' ? "does not start at the root"
            : text.Length > MaxLength ? $"has more than {MaxLength} characters"
            : text.Contains('\0', StringComparison.Ordinal) ? "has a NUL character"
            : null;
        if (fault is not null || !GlobBraces.TryExpand(text, out List<string> alternatives, out fault))
        {
            return false;
        }

        foreach (string alternative in alternatives)
        {
            if (TryParseOne(alternative, out fault) is { } glob)
            {
                into.Add(glob);
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a path fits.</summary>
    public bool IsMatch(ReadOnlySpan<char> path)
    {
        if (Exact is not null)
        {
            return path.SequenceEqual(Exact);
        }

        if (!path.StartsWith(LiteralPrefix) || !path.EndsWith(LiteralSuffix))
        {
            return false;
        }

        return _isPrefixOnly ? path.Length > LiteralPrefix.Length : IsMatchBySegments(path);
    }

    /// <summary>Whether each path that fits another pattern surely fits this one; false where that is not
    /// plain.</summary>
    public bool Covers(PathGlob other) =>
        string.Equals(Text, other.Text, StringComparison.Ordinal)
        || (_isPrefixOnly && other.LiteralPrefix.StartsWith(LiteralPrefix, StringComparison.Ordinal))
        || (other.Exact is not null && IsMatch(other.Exact));

    private bool IsMatchBySegments(ReadOnlySpan<char> path)
    {
        int at = 1;
        int segment = 0;
        int starSegment = -1;
        int starAt = 0;
        while (true)
        {
            bool atEnd = at > path.Length;
            if (segment < _segments.Length && _segments[segment] is null)
            {
                starSegment = ++segment;
                starAt = at;
                continue;
            }

            if (segment == _segments.Length && atEnd)
            {
                return true;
            }

            int length = atEnd ? 0 : NameLength(path[at..]);
            if (segment < _segments.Length && !atEnd && _segments[segment]!.IsMatch(path.Slice(at, length)))
            {
                at += length + 1;
                segment++;
            }
            else if (starSegment >= 0 && starAt <= path.Length)
            {
                starAt += NameLength(path[starAt..]) + 1;
                at = starAt;
                segment = starSegment;
            }
            else
            {
                return false;
            }
        }
    }

    private static int NameLength(ReadOnlySpan<char> rest)
    {
        int slash = rest.IndexOf('/');
        return slash < 0 ? rest.Length : slash;
    }

    private static PathGlob? TryParseOne(string text, out string? fault)
    {
        List<GlobSegment?> segments = [];
        fault = text.StartsWith('/') ? null : "does not start at the root in one of its alternatives";
        List<string> names = SplitNames(text);
        foreach (string name in names)
        {
            if (fault is not null)
            {
                return null;
            }

            if (name is "" or "." or "..")
            {
                fault = name.Length > 0 ? $"has the name '{name}'"
                    : names.Count > segments.Count + 1 ? "has two slashes in a row"
                    : "ends with a slash";
            }
            else if (name == "**")
            {
                if (segments is not [.., null])
                {
                    segments.Add(null);
                }
            }
            else if (name.Contains("**", StringComparison.Ordinal)
                && !name.Contains("\\*", StringComparison.Ordinal))
            {
                fault = $"has '**' inside the name {PolicyErrors.Quote(name)}; it stands alone between slashes";
            }
            else if (GlobSegment.TryParse(name, out GlobSegment segment, out fault))
            {
                segments.Add(segment);
            }
        }

        if (fault is not null)
        {
            return null;
        }

        if (segments[^1] is null)
        {
            // Only what is below a folder, never the folder: '**' at the end takes one name at least.
            segments.Add(GlobSegment.Anything);
        }

        return new PathGlob(text, [.. segments]);
    }

    // Splits at slashes; one behind a '\' is none of a name either.
    private static List<string> SplitNames(string text)
    {
        List<string> names = [];
        int start = 1;
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i += i + 1 < text.Length && text[i + 1] != '/' ? 1 : 0;
            }
            else if (text[i] == '/')
            {
                names.Add(text[start..i]);
                start = i + 1;
            }
        }

        names.Add(start <= text.Length ? text[start..] : string.Empty);
        return names;
    }

    private static (string Prefix, string? Exact) FindPrefix(GlobSegment?[] segments)
    {
        StringBuilder prefix = new("/");
        for (int i = 0; i < segments.Length; i++)
        {
            if (segments[i]?.Literal is not { } literal)
            {
                prefix.Append(segments[i]?.LiteralStart);
                return (prefix.ToString(), null);
            }

            prefix.Append(literal);
            if (i + 1 < segments.Length)
            {
                prefix.Append('/');
            }
        }

        string exact = prefix.ToString();
        return (exact, exact);
    }

    private static string FindSuffix(GlobSegment?[] segments)
    {
        string suffix = string.Empty;
        for (int i = segments.Length - 1; i >= 0; i--)
        {
            if (segments[i]?.Literal is not { } literal)
            {
                return segments[i]?.LiteralEnd + suffix;
            }

            suffix = "/" + literal + suffix;
        }

        return suffix;
    }

    private static int CountLiterals(GlobSegment?[] segments)
    {
        int count = 0;
        foreach (GlobSegment? segment in segments)
        {
            count += segment?.Literal is null ? 0 : 1;
        }

        return count;
    }
}
