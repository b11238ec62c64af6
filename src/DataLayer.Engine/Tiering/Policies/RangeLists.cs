namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Finds the rules whose range of one number may hold a value: the axis is cut into intervals of about equally many
/// bounds, and each interval lists the rules whose range touches it.
/// </summary>
internal sealed class RangeLists
{
    private const int MaxIntervals = 64;
    private readonly double[] _cuts;
    private readonly int[][] _lists;

    /// <summary>Lists rules by one of their ranges.</summary>
    /// <param name="rules">The rules, in their order.</param>
    /// <param name="range">The range.</param>
    public RangeLists(IReadOnlyList<PolicyRule> rules, Func<RuleMatch, PolicyRange> range)
    {
        List<double> bounds = [];
        foreach (PolicyRule rule in rules)
        {
            PolicyRange asked = range(rule.Match);
            AddFinite(bounds, asked.Low);
            AddFinite(bounds, asked.High);
        }

        bounds.Sort();
        List<double> cuts = [];
        for (int i = 1; i < MaxIntervals && bounds.Count > 0; i++)
        {
            double cut = bounds[(int)((long)i * bounds.Count / MaxIntervals)];
            if (cuts is not [.., double last] || last < cut)
            {
                cuts.Add(cut);
            }
        }

        _cuts = [.. cuts];
        _lists = new int[_cuts.Length + 1][];
        for (int i = 0; i < _lists.Length; i++)
        {
            _lists[i] = ListTouching(
                rules, range, i == 0 ? double.NegativeInfinity : _cuts[i - 1],
                i == _cuts.Length ? double.PositiveInfinity : _cuts[i]);
        }
    }

    /// <summary>The rules whose range may hold a value, in their order.</summary>
    public ReadOnlySpan<int> Find(double value)
    {
        int at = Array.BinarySearch(_cuts, value);

        // A cut belongs to the intervals on both sides, so either is right.
        return _lists[at < 0 ? ~at : at];
    }

    private static void AddFinite(List<double> bounds, double bound)
    {
        if (double.IsFinite(bound))
        {
            bounds.Add(bound);
        }
    }

    private static int[] ListTouching(
        IReadOnlyList<PolicyRule> rules, Func<RuleMatch, PolicyRange> range, double low, double high)
    {
        List<int> touching = [];
        foreach (PolicyRule rule in rules)
        {
            PolicyRange asked = range(rule.Match);
            if (asked.Low <= high && asked.High >= low)
            {
                touching.Add(rule.Index);
            }
        }

        return [.. touching];
    }
}
