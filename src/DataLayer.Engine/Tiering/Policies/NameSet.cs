namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Names a rule asks for (tenants, datasets, pools, storage classes): each perhaps with wildcards, and <c>none</c> for
/// files that have no such name.
/// </summary>
internal sealed class NameSet
{
    /// <summary>The word for "has none".</summary>
    public const string None = "none";

    private readonly GlobSegment[] _patterns;

    /// <summary>A set of patterns.</summary>
    public NameSet(IReadOnlyList<(string Text, GlobSegment Pattern)> patterns)
    {
        List<string> texts = [];
        List<GlobSegment> kept = [];
        List<string> literals = [];
        bool isLiteral = true;
        foreach ((string text, GlobSegment pattern) in patterns)
        {
            texts.Add(text);
            if (text == None)
            {
                HasNone = true;
                isLiteral = false;
                continue;
            }

            kept.Add(pattern);
            isLiteral &= pattern.Literal is not null;
            literals.Add(pattern.Literal ?? string.Empty);
        }

        texts.Sort(StringComparer.Ordinal);
        Texts = texts;
        _patterns = [.. kept];
        Literals = isLiteral ? literals : null;
    }

    /// <summary>Whether files without a name match.</summary>
    public bool HasNone { get; }

    /// <summary>What the document says, sorted.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <summary>The names, where none has a wildcard and a name is needed; else null.</summary>
    public IReadOnlyList<string>? Literals { get; }

    /// <summary>Whether a name is in it.</summary>
    public bool Contains(string? name)
    {
        if (name is null)
        {
            return HasNone;
        }

        foreach (GlobSegment pattern in _patterns)
        {
            if (pattern.IsMatch(name))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether each name of another set is surely in it.</summary>
    public bool Covers(NameSet other)
    {
        foreach (string text in other.Texts)
        {
            bool isIn = false;
            foreach (string mine in Texts)
            {
                isIn |= string.Equals(mine, text, StringComparison.Ordinal) || (mine == "*" && text != None);
            }

            if (!isIn && (other.Literals is null || !Contains(text)))
            {
                return false;
            }
        }

        return true;
    }
}
