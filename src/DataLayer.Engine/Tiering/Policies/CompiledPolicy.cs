using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// A policy that decides. Pure: the same facts and moment give the same decision. Safe for concurrent use; deciding
/// allocates nothing.
/// </summary>
/// <remarks>
/// What depends on the moment alone (windows, marks) is worked out once for each moment and kept with it, so callers
/// use one <see cref="PolicyMoment"/> for many files, and do not change what it refers to.
/// </remarks>
public sealed class CompiledPolicy
{
    private readonly PolicyRule[] _rules;
    private readonly RuleIndex _index;
    private AtMoment? _last;

    internal CompiledPolicy(PolicyDocument document)
    {
        Document = document;
        _rules = [.. document.Rules];
        _index = new RuleIndex(document.Rules);
        Hash = PolicyCanonical.Hash(document);
    }

    /// <summary>What it was made from.</summary>
    public PolicyDocument Document { get; }

    /// <summary>
    /// SHA-256 of the policy's meaning, 64 hexadecimal digits: the same for documents that differ in comments, layout,
    /// descriptions or order of keys alone.
    /// </summary>
    public string Hash { get; }

    /// <summary>What the first rule that matches wants of a file.</summary>
    /// <returns>The rule's decision; <see cref="PlacementDecision.None"/> where no rule matches.</returns>
    public PlacementDecision Decide(in FileFacts facts, PolicyMoment moment)
    {
        ArgumentNullException.ThrowIfNull(moment);
        AtMoment at = Get(moment);
        double age = AgeOf(facts, moment.Now);
        double idle = IdleOf(facts, moment.Now);
        RuleTest test = new(this, at, facts, age, idle);
        int rule = _index.Collect(facts, age, idle, ref test);
        return rule < 0 ? PlacementDecision.None : _rules[rule].Decision;
    }

    /// <summary>
    /// Looks at each rule in order up to the one that matches, and says of each the first condition that fails, with
    /// what the file has and what the rule asks for.
    /// </summary>
    public PolicyExplanation Explain(in FileFacts facts, PolicyMoment moment)
    {
        ArgumentNullException.ThrowIfNull(moment);
        List<RuleTrace> traces = [];
        foreach (PolicyRule rule in _rules)
        {
            RuleTrace trace = RuleTracer.Trace(rule, facts, moment);
            traces.Add(trace);
            if (trace.IsMatch)
            {
                return new PolicyExplanation(rule.Decision, traces);
            }
        }

        return new PolicyExplanation(PlacementDecision.None, traces);
    }

    /// <summary>Seconds since the last change of the content; not below 0.</summary>
    internal static double AgeOf(in FileFacts facts, DateTimeOffset now) =>
        Math.Max(0, (now - facts.ModifiedAt).TotalSeconds);

    /// <summary>Seconds since the last known read or write; not below 0.</summary>
    internal static double IdleOf(in FileFacts facts, DateTimeOffset now)
    {
        DateTimeOffset last = facts.AccessedAt is { } accessed && accessed > facts.ModifiedAt
            ? accessed
            : facts.ModifiedAt;
        return Math.Max(0, (now - last).TotalSeconds);
    }

    /// <summary>Whether a rule applies at a moment, whatever the file.</summary>
    internal static bool Applies(PolicyRule rule, PolicyMoment moment) =>
        (rule.When.Fill is null || moment.ActiveMarks.Contains(rule.Index)) && IsInWindow(rule, moment.Now);

    /// <summary>Whether a rule's windows let it apply at a time, whatever the fill.</summary>
    internal static bool IsInWindow(PolicyRule rule, DateTimeOffset now) =>
        (rule.When.Inside.Count == 0 || AnyOpen(rule.When.Inside, now)) && !AnyOpen(rule.When.Outside, now);

    private static bool AnyOpen(IReadOnlyList<PolicyWindow> windows, DateTimeOffset now)
    {
        foreach (PolicyWindow window in windows)
        {
            if (window.IsOpen(now))
            {
                return true;
            }
        }

        return false;
    }

    private AtMoment Get(PolicyMoment moment)
    {
        AtMoment? last = Volatile.Read(ref _last);
        if (last is not null && ReferenceEquals(last.Moment, moment))
        {
            return last;
        }

        Dictionary<PolicyWindow, bool> open = [];
        foreach (PolicyWindow window in Document.Windows)
        {
            open.Add(window, window.IsOpen(moment.Now));
        }

        bool[] applies = new bool[_rules.Length];
        for (int i = 0; i < applies.Length; i++)
        {
            RuleTiming when = _rules[i].When;
            bool inside = when.Inside.Count == 0;
            foreach (PolicyWindow window in when.Inside)
            {
                inside |= open[window];
            }

            foreach (PolicyWindow window in when.Outside)
            {
                inside &= !open[window];
            }

            applies[i] = inside && (when.Fill is null || moment.ActiveMarks.Contains(i));
        }

        AtMoment made = new(moment, applies);
        Volatile.Write(ref _last, made);
        return made;
    }

    private sealed record AtMoment(PolicyMoment Moment, bool[] Applies);

    /// <summary>Tests rules against one file; cheap conditions first, the path last.</summary>
    private readonly struct RuleTest : IRuleTest
    {
        private readonly CompiledPolicy _policy;
        private readonly AtMoment _at;
        private readonly FileFacts _facts;
        private readonly double _age;
        private readonly double _idle;
        private readonly int _stateBit;

        public RuleTest(CompiledPolicy policy, AtMoment at, in FileFacts facts, double age, double idle)
        {
            _policy = policy;
            _at = at;
            _facts = facts;
            _age = age;
            _idle = idle;
            _stateBit = facts.State is >= TierState.Hot and <= TierState.Recalling ? 1 << (int)facts.State : 0;
        }

        public bool Matches(int rule)
        {
            if (!_at.Applies[rule])
            {
                return false;
            }

            PolicyRule tested = _policy._rules[rule];
            RuleMatch match = tested.Match;
            return (match.StateMask == 0 || (match.StateMask & _stateBit) != 0)
                && match.Size.Contains(_facts.SizeBytes)
                && match.Idle.Contains(_idle)
                && match.Age.Contains(_age)
                && match.Heat.Contains(_facts.Heat)
                && (match.Owners is null || match.ContainsOwner(_facts.OwnerId))
                && (match.Tenants is null || match.Tenants.Contains(_facts.Tenant))
                && (match.Datasets is null || match.Datasets.Contains(_facts.Dataset))
                && (match.StorageClasses is null || match.StorageClasses.Contains(_facts.StorageClass))
                && (match.Pools is null || match.Pools.Contains(_facts.Pool))
                && (tested.When.Fill is not { } fill || fill.Pool == _facts.Pool)
                && (match.Paths is null || match.ContainsPath(_facts.Path));
        }
    }
}
