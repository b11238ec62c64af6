namespace DataLayer.Engine.Tiering.Policies;

/// <summary>What became of a rule, window or calendar between two versions of a policy.</summary>
public enum PolicyChangeKind
{
    /// <summary>Only the newer version has it.</summary>
    Added = 1,

    /// <summary>Only the older version has it.</summary>
    Removed = 2,

    /// <summary>Settings differ; its place may as well.</summary>
    Changed = 3,

    /// <summary>Only its place among the others differs.</summary>
    Moved = 4,

    /// <summary>Only its name differs.</summary>
    Renamed = 5,
}

/// <summary>One setting that differs.</summary>
/// <param name="Field">The key with those above it: <c>match.size</c>.</param>
/// <param name="Before">The older value; null where there was none.</param>
/// <param name="After">The newer value; null where there is none.</param>
public sealed record PolicyFieldChange(string Field, string? Before, string? After);

/// <summary>One rule, window or calendar that differs.</summary>
/// <param name="Section"><c>rules</c>, <c>windows</c> or <c>calendars</c>.</param>
/// <param name="Name">Its name, the newer one where it was renamed.</param>
/// <param name="Kind">What became of it.</param>
public sealed record PolicyChange(string Section, string Name, PolicyChangeKind Kind)
{
    /// <summary>The name before, where it was renamed.</summary>
    public string? FormerName { get; init; }

    /// <summary>A rule's place before, from 0; null where there was none, and for windows and calendars.</summary>
    public int? IndexBefore { get; init; }

    /// <summary>A rule's place after, from 0; null where there is none, and for windows and calendars.</summary>
    public int? IndexAfter { get; init; }

    /// <summary>The settings that differ; all of them where it was added or removed.</summary>
    public IReadOnlyList<PolicyFieldChange> Fields { get; init; } = [];
}

/// <summary>
/// Compares two policies by meaning: comments, layout and descriptions do not count. Rules are the same by name; one
/// that is gone and one that is new with equal settings are one that was renamed. Moved are the fewest rules that
/// explain the new order (those outside a longest common order).
/// </summary>
public static class PolicyDiff
{
    /// <summary>What differs, calendars and windows first, then rules by their new place, then removed rules.</summary>
    public static IReadOnlyList<PolicyChange> Between(PolicyDocument before, PolicyDocument after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        List<PolicyChange> changes = [];
        AddNamed(
            changes, "calendars", PolicyCanonical.Sorted(before.Calendars, static c => c.Name),
            PolicyCanonical.Sorted(after.Calendars, static c => c.Name), static c => c.Name, static c => c.ToFields());
        AddNamed(
            changes, "windows", PolicyCanonical.Sorted(before.Windows, static w => w.Name),
            PolicyCanonical.Sorted(after.Windows, static w => w.Name), static w => w.Name, static w => w.ToFields());
        AddRules(changes, before.Rules, after.Rules);
        return changes;
    }

    private static void AddNamed<T>(
        List<PolicyChange> changes, string section, List<T> before, List<T> after, Func<T, string> name,
        Func<T, IReadOnlyList<PolicyField>> fields)
    {
        Dictionary<string, T> old = new(StringComparer.Ordinal);
        foreach (T item in before)
        {
            old.Add(name(item), item);
        }

        foreach (T item in after)
        {
            bool isOld = old.Remove(name(item), out T? former);
            List<PolicyFieldChange> differing = Compare(isOld ? fields(former!) : [], fields(item));
            if (!isOld || differing.Count > 0)
            {
                changes.Add(
                    new PolicyChange(section, name(item), isOld ? PolicyChangeKind.Changed : PolicyChangeKind.Added)
                    {
                        Fields = differing,
                    });
            }
        }

        foreach (T item in before)
        {
            if (old.ContainsKey(name(item)))
            {
                changes.Add(
                    new PolicyChange(section, name(item), PolicyChangeKind.Removed)
                    {
                        Fields = Compare(fields(item), []),
                    });
            }
        }
    }

    private static void AddRules(
        List<PolicyChange> changes, IReadOnlyList<PolicyRule> before, IReadOnlyList<PolicyRule> after)
    {
        Dictionary<PolicyRule, PolicyRule> pairs = Pair(before, after);
        HashSet<PolicyRule> moved = FindMoved(pairs, after);
        HashSet<PolicyRule> kept = new(ReferenceEqualityComparer.Instance);
        foreach (PolicyRule rule in after)
        {
            PolicyRule? former = pairs.GetValueOrDefault(rule);
            List<PolicyFieldChange> fields = Compare(
                former is null ? [] : PolicyCanonical.FieldsOf(former), PolicyCanonical.FieldsOf(rule));
            PolicyChangeKind? kind = former is null ? PolicyChangeKind.Added
                : fields.Count > 0 ? PolicyChangeKind.Changed
                : former.Name != rule.Name ? PolicyChangeKind.Renamed
                : moved.Contains(rule) ? PolicyChangeKind.Moved
                : null;
            if (former is not null)
            {
                kept.Add(former);
            }

            if (kind is not null)
            {
                changes.Add(
                    new PolicyChange("rules", rule.Name, kind.Value)
                    {
                        FormerName = former is not null && former.Name != rule.Name ? former.Name : null,
                        IndexBefore = former?.Index,
                        IndexAfter = rule.Index,
                        Fields = fields,
                    });
            }
        }

        foreach (PolicyRule rule in before)
        {
            if (!kept.Contains(rule))
            {
                changes.Add(
                    new PolicyChange("rules", rule.Name, PolicyChangeKind.Removed)
                    {
                        IndexBefore = rule.Index,
                        Fields = Compare(PolicyCanonical.FieldsOf(rule), []),
                    });
            }
        }
    }

    /// <summary>Each newer rule with its older one: by name, and what is left by equal settings.</summary>
    private static Dictionary<PolicyRule, PolicyRule> Pair(
        IReadOnlyList<PolicyRule> before, IReadOnlyList<PolicyRule> after)
    {
        Dictionary<string, PolicyRule> byName = new(StringComparer.Ordinal);
        foreach (PolicyRule rule in before)
        {
            byName.Add(rule.Name, rule);
        }

        Dictionary<PolicyRule, PolicyRule> pairs = new(ReferenceEqualityComparer.Instance);
        foreach (PolicyRule rule in after)
        {
            if (byName.Remove(rule.Name, out PolicyRule? former))
            {
                pairs.Add(rule, former);
            }
        }

        Dictionary<string, PolicyRule> byFields = new(StringComparer.Ordinal);
        foreach (PolicyRule rule in before)
        {
            if (byName.ContainsKey(rule.Name))
            {
                byFields.TryAdd(string.Join('\n', PolicyCanonical.FieldsOf(rule)), rule);
            }
        }

        foreach (PolicyRule rule in after)
        {
            if (!pairs.ContainsKey(rule)
                && byFields.Remove(string.Join('\n', PolicyCanonical.FieldsOf(rule)), out PolicyRule? former))
            {
                pairs.Add(rule, former);
            }
        }

        return pairs;
    }

    /// <summary>The rules outside a longest rising run of old places: patience sorting, n log n.</summary>
    private static HashSet<PolicyRule> FindMoved(
        Dictionary<PolicyRule, PolicyRule> pairs, IReadOnlyList<PolicyRule> after)
    {
        List<PolicyRule> paired = [];
        foreach (PolicyRule rule in after)
        {
            if (pairs.ContainsKey(rule))
            {
                paired.Add(rule);
            }
        }

        int[] previous = new int[paired.Count];
        List<int> tails = [];
        for (int i = 0; i < paired.Count; i++)
        {
            int place = pairs[paired[i]].Index;
            int low = 0;
            int high = tails.Count;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                if (pairs[paired[tails[middle]]].Index < place)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            previous[i] = low > 0 ? tails[low - 1] : -1;
            if (low == tails.Count)
            {
                tails.Add(i);
            }
            else
            {
                tails[low] = i;
            }
        }

        HashSet<PolicyRule> moved = new(paired, ReferenceEqualityComparer.Instance);
        for (int i = tails.Count > 0 ? tails[^1] : -1; i >= 0; i = previous[i])
        {
            moved.Remove(paired[i]);
        }

        return moved;
    }

    private static List<PolicyFieldChange> Compare(IReadOnlyList<PolicyField> before, IReadOnlyList<PolicyField> after)
    {
        Dictionary<string, string> old = new(StringComparer.Ordinal);
        foreach (PolicyField field in before)
        {
            old.Add(field.Name, field.Value);
        }

        List<PolicyFieldChange> changes = [];
        foreach (PolicyField field in after)
        {
            old.Remove(field.Name, out string? former);
            if (former != field.Value)
            {
                changes.Add(new PolicyFieldChange(field.Name, former, field.Value));
            }
        }

        foreach (PolicyField field in before)
        {
            if (old.ContainsKey(field.Name))
            {
                changes.Add(new PolicyFieldChange(field.Name, field.Value, null));
            }
        }

        return changes;
    }
}
