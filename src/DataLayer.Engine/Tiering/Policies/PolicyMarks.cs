namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Remembers which rules' marks are passed: a rule with marks applies from the moment its pool is filled to the high
/// mark until the fill is down at the low mark.
/// </summary>
public static class PolicyMarks
{
    /// <summary>The rules whose marks are passed now.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="fills">Fill of each pool by name, 0 to 1. A pool that is missing counts as below its marks.</param>
    /// <param name="previous">What this returned last time for the same policy; empty at first.</param>
    /// <returns>Indexes of rules, for <see cref="PolicyMoment.ActiveMarks"/>.</returns>
    public static IReadOnlySet<int> Next(
        CompiledPolicy policy, IReadOnlyDictionary<string, double> fills, IReadOnlySet<int> previous)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(fills);
        ArgumentNullException.ThrowIfNull(previous);
        HashSet<int> active = [];
        foreach (PolicyRule rule in policy.Document.Rules)
        {
            if (rule.When.Fill is { } marks
                && fills.TryGetValue(marks.Pool, out double fill)
                && (fill >= marks.High || (fill > marks.Low && previous.Contains(rule.Index))))
            {
                active.Add(rule.Index);
            }
        }

        return active;
    }

    /// <summary>
    /// Takes the passed marks of one policy over to the next version: those of rules that have the same name and pool
    /// there.
    /// </summary>
    public static IReadOnlySet<int> Carry(CompiledPolicy from, CompiledPolicy to, IReadOnlySet<int> active)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        ArgumentNullException.ThrowIfNull(active);
        HashSet<(string Name, string Pool)> passed = [];
        foreach (int index in active)
        {
            if (index < from.Document.RuleCount && from.Document.Rules[index] is { When.Fill: { } marks } rule)
            {
                passed.Add((rule.Name, marks.Pool));
            }
        }

        HashSet<int> carried = [];
        foreach (PolicyRule rule in to.Document.Rules)
        {
            if (rule.When.Fill is { } marks && passed.Contains((rule.Name, marks.Pool)))
            {
                carried.Add(rule.Index);
            }
        }

        return carried;
    }
}
