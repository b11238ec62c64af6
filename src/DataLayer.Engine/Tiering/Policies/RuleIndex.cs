using System.Buffers;
using System.Runtime.InteropServices;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Finds the rules that may match a file without looking at the others. Each rule stands under one property that every
/// file it matches has: the start of the path, its end, a folder's name, the tenant, the dataset, the storage class or
/// the owner; of these the one that the fewest other rules share. Rules without any stand in lists by state, and where
/// they are many in lists by intervals of size, age, idle time and heat, of which a file's shortest is looked at.
/// </summary>
/// <remarks>
/// A file is looked up once under each property that is in use: a binary search for the path's start and end, a hash
/// for the others. What is found is scanned only up to the best match so far, so the cost is the candidates', not the
/// rules'. <see cref="Collect"/> does not allocate.
/// </remarks>
internal sealed class RuleIndex
{
    private const int StateCount = 5;
    private const int ManyRules = 16;
    private readonly AffixIndex _starts;
    private readonly AffixIndex _ends;
    private readonly Dictionary<string, int[]> _folders;
    private readonly Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _foldersBySpan;
    private readonly Dictionary<string, int[]> _tenants;
    private readonly Dictionary<string, int[]> _datasets;
    private readonly Dictionary<string, int[]> _classes;
    private readonly Dictionary<int, int[]> _owners;
    private readonly int[][] _byState;
    private readonly RangeLists? _bySize;
    private readonly RangeLists? _byAge;
    private readonly RangeLists? _byIdle;
    private readonly RangeLists? _byHeat;

    /// <summary>Indexes rules.</summary>
    public RuleIndex(IReadOnlyList<PolicyRule> rules)
    {
        Shares shares = new();
        foreach (PolicyRule rule in rules)
        {
            shares.Count(rule.Match);
        }

        Lists lists = new();
        foreach (PolicyRule rule in rules)
        {
            lists.Add(rule, shares.Choose(rule.Match));
        }

        _starts = lists.Starts.Build();
        _ends = lists.Ends.Build();
        _folders = Lists.Freeze(lists.Folders);
        _foldersBySpan = _folders.GetAlternateLookup<ReadOnlySpan<char>>();
        _tenants = Lists.Freeze(lists.Tenants);
        _datasets = Lists.Freeze(lists.Datasets);
        _classes = Lists.Freeze(lists.Classes);
        _owners = Lists.Freeze(lists.Owners);
        _byState = lists.ByState.ConvertAll(static l => l.ToArray()).ToArray();
        if (lists.Unlisted.Count > ManyRules)
        {
            _bySize = new RangeLists(lists.Unlisted, static m => m.Size);
            _byAge = new RangeLists(lists.Unlisted, static m => m.Age);
            _byIdle = new RangeLists(lists.Unlisted, static m => m.Idle);
            _byHeat = new RangeLists(lists.Unlisted, static m => m.Heat);
        }
    }

    private enum Property
    {
        None,
        Start,
        End,
        Folder,
        Tenant,
        Dataset,
        StorageClass,
        Owner,
    }

    /// <summary>The first rule that matches a file; -1 where none does.</summary>
    /// <param name="facts">The file.</param>
    /// <param name="age">Its age, seconds.</param>
    /// <param name="idle">Its idle time, seconds.</param>
    /// <param name="test">Says whether a candidate matches.</param>
    public int Collect<TTest>(in FileFacts facts, double age, double idle, ref TTest test)
        where TTest : struct, IRuleTest
    {
        int best = int.MaxValue;
        ReadOnlySpan<char> path = facts.Path;
        for (int node = _starts.Find(path); node >= 0; node = _starts.Next(node))
        {
            Scan(_starts.GetRules(node), ref test, ref best);
        }

        if (!_ends.IsEmpty)
        {
            ScanEnds(path, ref test, ref best);
        }

        if (_folders.Count > 0)
        {
            foreach (Range name in path.Split('/'))
            {
                Scan(_foldersBySpan, path[name], ref test, ref best);
            }
        }

        Scan(_tenants, facts.Tenant, ref test, ref best);
        Scan(_datasets, facts.Dataset, ref test, ref best);
        Scan(_classes, facts.StorageClass, ref test, ref best);
        if (_owners.TryGetValue(facts.OwnerId, out int[]? owned))
        {
            Scan(owned, ref test, ref best);
        }

        int state = (int)facts.State;
        ReadOnlySpan<int> unlisted = _byState[(uint)state < StateCount ? state : 0];
        if (_bySize is not null)
        {
            unlisted = Shorter(unlisted, _bySize.Find(facts.SizeBytes));
            unlisted = Shorter(unlisted, _byAge!.Find(age));
            unlisted = Shorter(unlisted, _byIdle!.Find(idle));
            unlisted = Shorter(unlisted, _byHeat!.Find(facts.Heat));
        }

        Scan(unlisted, ref test, ref best);
        return best == int.MaxValue ? -1 : best;
    }

    private void ScanEnds<TTest>(ReadOnlySpan<char> path, ref TTest test, ref int best)
        where TTest : struct, IRuleTest
    {
        char[]? rented = path.Length > 512 ? ArrayPool<char>.Shared.Rent(path.Length) : null;
        Span<char> reversed = rented is null ? stackalloc char[path.Length] : rented.AsSpan(0, path.Length);
        path.CopyTo(reversed);
        reversed.Reverse();
        for (int node = _ends.Find(reversed); node >= 0; node = _ends.Next(node))
        {
            Scan(_ends.GetRules(node), ref test, ref best);
        }

        if (rented is not null)
        {
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    private static void Scan<TTest>(
        Dictionary<string, int[]> lists, string? key, ref TTest test, ref int best)
        where TTest : struct, IRuleTest
    {
        if (key is not null && lists.TryGetValue(key, out int[]? rules))
        {
            Scan(rules, ref test, ref best);
        }
    }

    private static void Scan<TTest>(
        Dictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> lists, ReadOnlySpan<char> key, ref TTest test,
        ref int best)
        where TTest : struct, IRuleTest
    {
        if (lists.TryGetValue(key, out int[]? rules))
        {
            Scan(rules, ref test, ref best);
        }
    }

    private static void Scan<TTest>(ReadOnlySpan<int> rules, ref TTest test, ref int best)
        where TTest : struct, IRuleTest
    {
        foreach (int rule in rules)
        {
            if (rule >= best)
            {
                return;
            }

            if (test.Matches(rule))
            {
                best = rule;
                return;
            }
        }
    }

    private static ReadOnlySpan<int> Shorter(ReadOnlySpan<int> a, ReadOnlySpan<int> b) =>
        a.Length <= b.Length ? a : b;

    private static string Reverse(string text)
    {
        char[] reversed = text.ToCharArray();
        Array.Reverse(reversed);
        return new string(reversed);
    }

    /// <summary>The values of a property that every file of a rule has one of; null where it has no such.</summary>
    private static List<string>? ValuesOf(RuleMatch match, Property property)
    {
        switch (property)
        {
            case Property.Tenant:
                return match.Tenants?.Literals is { } tenants ? [.. tenants] : null;
            case Property.Dataset:
                return match.Datasets?.Literals is { } datasets ? [.. datasets] : null;
            case Property.StorageClass:
                return match.StorageClasses?.Literals is { } classes ? [.. classes] : null;
            case Property.Owner when match.Owners is not null:
                return OwnersOf(match.Owners);
            case Property.Start or Property.End or Property.Folder when match.Paths is not null:
                List<string> values = [];
                foreach (PathGlob glob in match.Paths)
                {
                    string? value = property switch
                    {
                        Property.Start => glob.LiteralPrefix,
                        Property.End => glob.LiteralSuffix is { Length: > 0 } end ? Reverse(end) : null,
                        _ => Longest(glob.LiteralSegments),
                    };
                    if (value is null)
                    {
                        return null;
                    }

                    values.Add(value);
                }

                return values;
            default:
                return null;
        }
    }

    private static List<string>? OwnersOf(IReadOnlyList<(int First, int Last)> owners)
    {
        const int MaxOwners = 64;
        List<string> values = [];
        foreach ((int first, int last) in owners)
        {
            if (last - first >= MaxOwners - values.Count)
            {
                return null;
            }

            for (int owner = first; owner <= last; owner++)
            {
                values.Add($"{owner}");
            }
        }

        return values;
    }

    private static string? Longest(IEnumerable<string> names)
    {
        string? longest = null;
        foreach (string name in names)
        {
            longest = name.Length > (longest?.Length ?? 0) ? name : longest;
        }

        return longest;
    }

    /// <summary>Counts how many rules share each value, and chooses the rarest for each.</summary>
    private sealed class Shares
    {
        private static readonly Property[] _properties =
        [
            Property.Start, Property.End, Property.Folder, Property.Dataset, Property.Tenant, Property.Owner,
            Property.StorageClass,
        ];

        private readonly Dictionary<(Property, string), int> _counts = [];

        public void Count(RuleMatch match)
        {
            foreach (Property property in _properties)
            {
                foreach (string value in ValuesOf(match, property) ?? [])
                {
                    CollectionsMarshal.GetValueRefOrAddDefault(_counts, (property, value), out _)++;
                }
            }
        }

        public (Property Property, List<string> Values) Choose(RuleMatch match)
        {
            (Property Property, List<string> Values) best = (Property.None, []);
            long bestCount = long.MaxValue;
            foreach (Property property in _properties)
            {
                if (ValuesOf(match, property) is not { } values)
                {
                    continue;
                }

                long count = 0;
                foreach (string value in values)
                {
                    // All paths start with '/': as a start it tells nothing.
                    count += property == Property.Start && value.Length == 1
                        ? int.MaxValue
                        : _counts[(property, value)];
                }

                if (count < bestCount)
                {
                    bestCount = count;
                    best = (property, values);
                }
            }

            return bestCount >= int.MaxValue ? (Property.None, []) : best;
        }
    }

    private sealed class Lists
    {
        public AffixIndex.Builder Starts { get; } = new();

        public AffixIndex.Builder Ends { get; } = new();

        public Dictionary<string, List<int>> Folders { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, List<int>> Tenants { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, List<int>> Datasets { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, List<int>> Classes { get; } = new(StringComparer.Ordinal);

        public Dictionary<int, List<int>> Owners { get; } = [];

        // Those without a property to list them by.
        public List<PolicyRule> Unlisted { get; } = [];

        // Of these, at 0 those of files whose state is none of ours.
        public List<List<int>> ByState { get; } = [[], [], [], [], []];

        public void Add(PolicyRule rule, (Property Property, List<string> Values) choice)
        {
            if (choice.Property == Property.None)
            {
                Unlisted.Add(rule);
                for (int state = 0; state < StateCount; state++)
                {
                    if (rule.Match.StateMask == 0 || (rule.Match.StateMask & (1 << state)) != 0)
                    {
                        ByState[state].Add(rule.Index);
                    }
                }
            }

            foreach (string value in choice.Values)
            {
                switch (choice.Property)
                {
                    case Property.Start:
                        Starts.Add(value, rule.Index);
                        break;
                    case Property.End:
                        Ends.Add(value, rule.Index);
                        break;
                    case Property.Owner:
                        Add(Owners, int.Parse(value, System.Globalization.CultureInfo.InvariantCulture), rule.Index);
                        break;
                    case Property.Folder:
                        Add(Folders, value, rule.Index);
                        break;
                    case Property.Tenant:
                        Add(Tenants, value, rule.Index);
                        break;
                    case Property.Dataset:
                        Add(Datasets, value, rule.Index);
                        break;
                    default:
                        Add(Classes, value, rule.Index);
                        break;
                }
            }
        }

        public static Dictionary<TKey, int[]> Freeze<TKey>(Dictionary<TKey, List<int>> lists)
            where TKey : notnull
        {
            Dictionary<TKey, int[]> frozen = new(lists.Count, lists.Comparer);
            foreach ((TKey key, List<int> list) in lists)
            {
                frozen.Add(key, [.. list]);
            }

            return frozen;
        }

        private static void Add<TKey>(Dictionary<TKey, List<int>> lists, TKey key, int rule)
            where TKey : notnull
        {
            if (!lists.TryGetValue(key, out List<int>? list))
            {
                lists.Add(key, list = []);
            }

            if (list is not [.., int last] || last != rule)
            {
                list.Add(rule);
            }
        }
    }
}

/// <summary>Says whether a rule matches the file at hand.</summary>
internal interface IRuleTest
{
    /// <summary>Whether it does.</summary>
    bool Matches(int rule);
}
