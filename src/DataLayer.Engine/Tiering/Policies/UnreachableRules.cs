namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Finds rules that no file reaches because one earlier rule matches all that they match, always. Only what is plain is
/// found: equal patterns, a folder within a folder, narrower ranges and names; never a rule that several others cover
/// together. Candidates come from an index by the start of the path, so large documents take milliseconds; where one
/// start has too many rules, the search ends early, and fewer are found.
/// </summary>
internal static class UnreachableRules
{
    private const long MaxComparisons = 20_000_000;

    /// <summary>Warns of each such rule.</summary>
    public static void Warn(IReadOnlyList<PolicyRule> rules, PolicyErrors errors)
    {
        AffixIndex.Builder byStart = new();
        foreach (PolicyRule rule in rules)
        {
            if (rule.When.Fill is not null)
            {
                // What applies by fill alone may never apply.
                continue;
            }

            if (rule.Match.Paths is null)
            {
                byStart.Add(string.Empty, rule.Index);
                continue;
            }

            foreach (PathGlob glob in rule.Match.Paths)
            {
                byStart.Add(glob.LiteralPrefix, rule.Index);
            }
        }

        AffixIndex index = byStart.Build();
        long left = MaxComparisons;
        foreach (PolicyRule rule in rules)
        {
            if (FindCover(rules, rule, index, ref left) is { } cover)
            {
                errors.Warn(
                    rule.Place,
                    $"No file reaches the rule {PolicyErrors.Quote(rule.Name)}: {PolicyErrors.Quote(cover.Name)} in "
                        + $"line {cover.Place.Line} matches all that it matches.",
                    "Move it before that rule, or remove it.");
            }
        }
    }

    private static PolicyRule? FindCover(
        IReadOnlyList<PolicyRule> rules, PolicyRule rule, AffixIndex index, ref long left)
    {
        string start = rule.Match.Paths is [{ } first, ..] ? first.LiteralPrefix : string.Empty;
        for (int node = index.Find(start); node >= 0; node = index.Next(node))
        {
            foreach (int earlier in index.GetRules(node))
            {
                left -= 1 + ((long)(rules[earlier].Match.Paths?.Length ?? 0) * (rule.Match.Paths?.Length ?? 0));
                if (earlier >= rule.Index || left < 0)
                {
                    break;
                }

                if (Covers(rules[earlier], rule))
                {
                    return rules[earlier];
                }
            }
        }

        return null;
    }

    private static bool Covers(PolicyRule earlier, PolicyRule later)
    {
        RuleMatch a = earlier.Match;
        RuleMatch b = later.Match;
        return CoversTiming(earlier.When, later.When)
            && a.Size.Covers(b.Size) && a.Age.Covers(b.Age) && a.Idle.Covers(b.Idle) && a.Heat.Covers(b.Heat)
            && (a.StateMask == 0 || (b.StateMask != 0 && (b.StateMask & ~a.StateMask) == 0))
            && CoversNames(a.Tenants, b.Tenants) && CoversNames(a.Datasets, b.Datasets)
            && CoversNames(a.Pools, b.Pools) && CoversNames(a.StorageClasses, b.StorageClasses)
            && CoversOwners(a.Owners, b.Owners) && CoversPaths(a.Paths, b.Paths);
    }

    // A rule with windows covers one that asks for the same windows, or for fewer others to be closed.
    private static bool CoversTiming(RuleTiming a, RuleTiming b)
    {
        if (a.IsAlways)
        {
            return true;
        }

        if (a.Fill is not null || (a.Inside.Count > 0 && b.Inside.Count == 0))
        {
            return false;
        }

        foreach (PolicyWindow window in b.Inside)
        {
            if (a.Inside.Count > 0 && !Has(a.Inside, window))
            {
                return false;
            }
        }

        foreach (PolicyWindow window in a.Outside)
        {
            if (!Has(b.Outside, window))
            {
                return false;
            }
        }

        return true;

        static bool Has(IReadOnlyList<PolicyWindow> windows, PolicyWindow wanted)
        {
            foreach (PolicyWindow window in windows)
            {
                if (ReferenceEquals(window, wanted))
                {
                    return true;
                }
            }

            return false;
        }
    }

    private static bool CoversNames(NameSet? a, NameSet? b) => a is null || (b is not null && a.Covers(b));

    private static bool CoversOwners(
        IReadOnlyList<(int First, int Last)>? a, IReadOnlyList<(int First, int Last)>? b)
    {
        if (a is null || b is null)
        {
            return a is null;
        }

        foreach ((int first, int last) in b)
        {
            bool isCovered = false;
            foreach ((int from, int to) in a)
            {
                isCovered |= from <= first && last <= to;
            }

            if (!isCovered)
            {
                return false;
            }
        }

        return true;
    }

    private static bool CoversPaths(IReadOnlyList<PathGlob>? a, IReadOnlyList<PathGlob>? b)
    {
        if (a is null || b is null)
        {
            return a is null;
        }

        foreach (PathGlob narrow in b)
        {
            bool isCovered = false;
            foreach (PathGlob wide in a)
            {
                if (wide.Covers(narrow))
                {
                    isCovered = true;
                    break;
                }
            }

            if (!isCovered)
            {
                return false;
            }
        }

        return true;
    }
}
