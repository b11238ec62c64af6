namespace DataLayer.Engine.Tiering.Policies;

/// <summary>One rule as read: what it matches, when, and what it wants. Never changed once made.</summary>
internal sealed record PolicyRule
{
    /// <summary>Its place in the document, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>Where it starts.</summary>
    public required PolicyPlace Place { get; init; }

    /// <summary>Its name, alone in the document.</summary>
    public required string Name { get; init; }

    /// <summary>What people wrote about it.</summary>
    public string? Description { get; init; }

    /// <summary>Which files it is about.</summary>
    public required RuleMatch Match { get; init; }

    /// <summary>When it applies.</summary>
    public required RuleTiming When { get; init; }

    /// <summary>What it wants.</summary>
    public required PlacementDecision Decision { get; init; }
}

/// <summary>The conditions on a file; all that are given must hold. Null and everything: not asked.</summary>
internal sealed record RuleMatch
{
    /// <summary>Patterns of paths with braces written out; one must fit.</summary>
    public PathGlob[]? Paths { get; init; }

    /// <summary>The patterns as the document has them, sorted.</summary>
    public IReadOnlyList<string> PathTexts { get; init; } = [];

    /// <summary>Tenants.</summary>
    public NameSet? Tenants { get; init; }

    /// <summary>Datasets.</summary>
    public NameSet? Datasets { get; init; }

    /// <summary>Pools.</summary>
    public NameSet? Pools { get; init; }

    /// <summary>Storage classes of the object.</summary>
    public NameSet? StorageClasses { get; init; }

    /// <summary>Owners, ranges of user ids, sorted.</summary>
    public (int First, int Last)[]? Owners { get; init; }

    /// <summary>Length, bytes.</summary>
    public PolicyRange Size { get; init; } = PolicyRange.Everything;

    /// <summary>Seconds since the last change of the content.</summary>
    public PolicyRange Age { get; init; } = PolicyRange.Everything;

    /// <summary>Seconds since the last known read or write; the last change where none is known.</summary>
    public PolicyRange Idle { get; init; } = PolicyRange.Everything;

    /// <summary>Heat.</summary>
    public PolicyRange Heat { get; init; } = PolicyRange.Everything;

    /// <summary>States, bit <c>1 &lt;&lt; state</c>; 0 for any.</summary>
    public int StateMask { get; init; }

    /// <summary>Whether an owner is asked for.</summary>
    public bool ContainsOwner(int owner)
    {
        foreach ((int first, int last) in Owners!)
        {
            if (owner >= first && owner <= last)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a path fits one of the patterns.</summary>
    public bool ContainsPath(ReadOnlySpan<char> path)
    {
        foreach (PathGlob glob in Paths!)
        {
            if (glob.IsMatch(path))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>When a rule applies; all that is given must hold.</summary>
internal sealed record RuleTiming
{
    /// <summary>Marks of fill, or null.</summary>
    public FillMarks? Fill { get; init; }

    /// <summary>Windows of which one must be open; empty for always.</summary>
    public IReadOnlyList<PolicyWindow> Inside { get; init; } = [];

    /// <summary>Windows that must all be closed.</summary>
    public IReadOnlyList<PolicyWindow> Outside { get; init; } = [];

    /// <summary>Whether the rule applies at all times.</summary>
    public bool IsAlways => Fill is null && Inside.Count == 0 && Outside.Count == 0;
}

/// <summary>Marks of a pool's fill: the rule applies from the high mark on until the low mark is reached.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="High">Fill at which it begins to apply, 0 to 1.</param>
/// <param name="Low">Fill at which it ends, below <paramref name="High"/>.</param>
internal sealed record FillMarks(string Pool, double High, double Low);
