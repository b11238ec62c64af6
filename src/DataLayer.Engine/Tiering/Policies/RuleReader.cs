using System.Globalization;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Reads rules: each on its own, all that is wrong with it at once.</summary>
internal sealed class RuleReader(Dictionary<string, PolicyWindow?> windows, PolicyErrors errors)
{
    private const double LargestWeight = 1e6;
    private const int MaxPatterns = 200_000;
    /// <summary>Hot copies a rule may ask for.</summary>
    public const int MaxCopies = 8;


    private int _patternCount;

    /// <summary>Windows that the rules read so far name.</summary>
    public HashSet<string> UsedWindows { get; } = new(StringComparer.Ordinal);

    /// <summary>Where the name of the last rule stands.</summary>
    public PolicyPlace NamePlace { get; private set; }

    /// <summary>Reads a rule; null where the node is none.</summary>
    public PolicyRule? Read(PolicyNode node, int index)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "a rule", PolicyKeys.Rule, errors);
        if (map is null)
        {
            return null;
        }

        map.Require("name", "Write '- name: …': plans and history speak of rules by name.");
        map.Require("then", "Write 'then:' and what is wanted: then: {place: cold}.");
        PolicyScalar? name = map.Name("name", "a name");
        NamePlace = name?.Place ?? map.Place;
        PolicyScalar? description = map.Text("description", "a text");
        RuleMatch match = map.Find("match") is { } matchNode ? ReadMatch(matchNode) : new RuleMatch();
        RuleTiming when = map.Find("when") is { } whenNode ? ReadTiming(whenNode) : new RuleTiming();
        double weight = map.Number("weight", -LargestWeight, LargestWeight, isWhole: false) ?? 0;
        PlacementDecision decision = new()
        {
            RuleIndex = index,
            RuleName = name?.Text ?? string.Empty,
            Weight = weight,
        };
        return new PolicyRule
        {
            Index = index,
            Place = map.Place,
            Name = decision.RuleName,
            Description = description?.Text,
            Match = match,
            When = when,
            Decision = map.Find("then") is { } then ? ReadActions(then, decision, match) : decision,
        };
    }

    private RuleMatch ReadMatch(PolicyNode node)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "'match'", PolicyKeys.Match, errors);
        if (map is null)
        {
            return new RuleMatch();
        }

        if (map.IsEmpty)
        {
            errors.Add(map.Place, "'match' has no keys.", "Leave 'match' out for a rule about every file.");
        }

        (PathGlob[]? paths, IReadOnlyList<string> texts) = ReadPaths(map);
        return new RuleMatch
        {
            Paths = paths,
            PathTexts = texts,
            Tenants = ReadNames(map, "tenant"),
            Datasets = ReadNames(map, "dataset"),
            Pools = ReadNames(map, "pool"),
            StorageClasses = ReadNames(map, "storageClass"),
            Owners = ReadOwners(map),
            Size = ReadRange(map, "size", PolicyUnit.Bytes, "\">= 10 MiB\""),
            Age = ReadRange(map, "age", PolicyUnit.Seconds, "\"> 30d\""),
            Idle = ReadRange(map, "idle", PolicyUnit.Seconds, "\"> 30d\""),
            Heat = ReadRange(map, "heat", PolicyUnit.Number, "\"< 0.5\""),
            StateMask = ReadStates(map),
        };
    }

    private (PathGlob[]? Paths, IReadOnlyList<string> Texts) ReadPaths(PolicyMapReader map)
    {
        if (map.Texts("path", "a pattern: /data/**") is not { } texts)
        {
            return (null, []);
        }

        List<PathGlob> paths = [];
        SortedSet<string> sorted = new(StringComparer.Ordinal);
        foreach (PolicyScalar text in texts)
        {
            int before = paths.Count;
            if (_patternCount > MaxPatterns)
            {
                errors.Add(
                    text.Place, $"The document has more than {MaxPatterns} patterns, each alternative counted.",
                    "Use wildcards in place of alternatives.");
            }
            else if (!PathGlob.TryParse(text.Text, paths, out string? fault))
            {
                errors.Add(
                    text.Place, $"The path {PolicyErrors.Quote(text.Text)} {fault}.",
                    "Write a pattern from the root: /data/**, /data/*/raw/??.csv, /data/{a,b}/[0-9]*.bin; "
                        + "'\\' before a character takes it as it is.");
            }

            _patternCount += paths.Count - before;
            sorted.Add(text.Text);
        }

        return ([.. paths], [.. sorted]);
    }

    private NameSet? ReadNames(PolicyMapReader map, string key)
    {
        if (map.Texts(key, "a name, or a list of names") is not { } texts)
        {
            return null;
        }

        List<(string Text, GlobSegment Pattern)> patterns = [];
        foreach (PolicyScalar text in texts)
        {
            if (!PolicyMapReader.CheckName(text, key, errors))
            {
                continue;
            }

            if (GlobSegment.TryParse(text.Text, out GlobSegment pattern, out string? fault))
            {
                patterns.Add((text.Text, pattern));
            }
            else
            {
                errors.Add(
                    text.Place, $"The {key} {PolicyErrors.Quote(text.Text)} {fault}.",
                    "Write a name, perhaps with * ? [a-z]; '\\' before a character takes it as it is.");
            }
        }

        return new NameSet(patterns);
    }

    private (int First, int Last)[]? ReadOwners(PolicyMapReader map)
    {
        if (map.Texts("owner", "a user id: 1000, or 1000-1999") is not { } texts)
        {
            return null;
        }

        List<(int First, int Last)> owners = [];
        foreach (PolicyScalar text in texts)
        {
            string[] ends = text.Text.Split('-', StringSplitOptions.TrimEntries);
            if (ends.Length <= 2 && TryId(ends[0], out int first) && TryId(ends[^1], out int last) && first <= last)
            {
                owners.Add((first, last));
            }
            else
            {
                errors.Add(
                    text.Place, $"'owner' is {PolicyErrors.Quote(text.Text)}, not a user id.",
                    "Write the number ('id -u NAME' tells it): 1000, or a range: 1000-1999.");
            }
        }

        owners.Sort();
        return [.. owners];

        static bool TryId(string text, out int id) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id);
    }

    private PolicyRange ReadRange(PolicyMapReader map, string key, PolicyUnit unit, string example)
    {
        if (map.Text(key, example) is not { } text)
        {
            return PolicyRange.Everything;
        }

        if (PolicyRange.TryParse(text.Text, unit, out PolicyRange range, out string? fault))
        {
            return range;
        }

        string units = unit switch
        {
            PolicyUnit.Bytes => "B, KiB, MiB, GiB, TiB, PiB (or kB, MB, GB, TB, PB)",
            PolicyUnit.Seconds => "s, m, h, d, w",
            _ => string.Empty,
        };
        errors.Add(
            text.Place, $"'{key}' {PolicyErrors.Quote(text.Text)} {fault}.",
            $"Write {key}: {example}, in quotes; two comparisons are joined by 'and'."
                + (units.Length > 0 ? $" Units: {units}." : string.Empty));
        return PolicyRange.Everything;
    }

    private static int ReadStates(PolicyMapReader map)
    {
        int mask = 0;
        foreach (PolicyScalar text in map.Texts("state", "a state: [hot, premigrated]") ?? [])
        {
            mask |= map.AsWord(text, "state", PolicyKeys.States) switch
            {
                "hot" => 1 << (int)TierState.Hot,
                "premigrated" => 1 << (int)TierState.Premigrated,
                "released" => 1 << (int)TierState.Released,
                "recalling" => 1 << (int)TierState.Recalling,
                _ => 0,
            };
        }

        return mask;
    }

    private RuleTiming ReadTiming(PolicyNode node)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "'when'", PolicyKeys.When, errors);
        if (map is null)
        {
            return new RuleTiming();
        }

        if (map.IsEmpty)
        {
            errors.Add(map.Place, "'when' has no keys.", "Leave 'when' out for a rule that always applies.");
        }

        List<PolicyWindow> inside = ReadWindows(map, "window");
        List<PolicyWindow> outside = ReadWindows(map, "outside");
        foreach (PolicyWindow window in outside)
        {
            if (inside.Contains(window))
            {
                errors.Add(
                    map.PlaceOf("outside"),
                    $"The rule is to apply inside and outside of {PolicyErrors.Quote(window.Name)}.",
                    "Keep it in 'window' or in 'outside'.");
            }
        }

        return new RuleTiming
        {
            Fill = map.Find("fill") is { } fill ? ReadMarks(fill) : null,
            Inside = inside,
            Outside = outside,
        };
    }

    private List<PolicyWindow> ReadWindows(PolicyMapReader map, string key)
    {
        List<PolicyWindow> named = [];
        foreach (PolicyScalar text in map.Texts(key, "the name of a window, or a list of names") ?? [])
        {
            UsedWindows.Add(text.Text);
            if (!windows.TryGetValue(text.Text, out PolicyWindow? window))
            {
                PolicyReader.AddUnknown(text, "window", windows.Keys, errors);
            }
            else if (window is not null && !named.Contains(window))
            {
                named.Add(window);
            }
        }

        return named;
    }

    private FillMarks? ReadMarks(PolicyNode node)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "'fill'", PolicyKeys.Fill, errors);
        if (map is null)
        {
            return null;
        }

        map.Require("pool", "Name the pool: pool: default.");
        map.Require("high", "Write the fill at which the rule begins to apply: high: 85%.");
        map.Require("low", "Write the fill at which it ends: low: 70%.");
        PolicyScalar? pool = map.Name("pool", "the name of a pool");
        double? high = ReadPercent(map, "high");
        double? low = ReadPercent(map, "low");
        if (high <= low)
        {
            errors.Add(
                map.PlaceOf("low"),
                $"'low' is {PolicyMapReader.Describe(map.Find("low")!)}, not below 'high', "
                    + $"{PolicyMapReader.Describe(map.Find("high")!)}.",
                "Leave room between the marks: high: 85%, low: 70%.");
        }

        return pool is null || high is null || low is null ? null : new FillMarks(pool.Text, high.Value, low.Value);
    }

    private double? ReadPercent(PolicyMapReader map, string key)
    {
        if (map.Text(key, "a share: 85%") is not { } text)
        {
            return null;
        }

        if (text.Text.EndsWith('%')
            && double.TryParse(
                text.Text[..^1].TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture,
                out double percent)
            && percent is > 0 and <= 100)
        {
            return percent / 100;
        }

        errors.Add(
            text.Place, $"'{key}' is {PolicyErrors.Quote(text.Text)}, not a share of a pool.",
            $"Write a percentage above 0% and up to 100%: {key}: 85%.");
        return null;
    }

    private PlacementDecision ReadActions(PolicyNode node, PlacementDecision decision, RuleMatch match)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "'then'", PolicyKeys.Then, errors);
        if (map is null)
        {
            return decision;
        }

        if (map.IsEmpty)
        {
            errors.Add(
                map.Place, "'then' has no keys.", $"Write what is wanted: {string.Join(", ", PolicyKeys.Then)}.");
        }

        string? place = map.Word("place", PolicyKeys.Places);
        decision = decision with
        {
            Place = place switch
            {
                "hot" => PlacementTier.Hot,
                "cold" => PlacementTier.Cold,
                "release" => PlacementTier.Release,
                _ => null,
            },
            StorageClass = ReadStorageClass(map),
            CopyCount = (int?)map.Number("copies", 1, MaxCopies, isWhole: true),
            Pin = map.Flag("pin") ?? false,
            Pack = map.Flag("pack") ?? false,
            Exclude = map.Flag("exclude") ?? false,
            KeepPremigrated = map.Flag("keepPremigrated") ?? true,
        };
        CheckTogether(map, decision);
        if (decision.Pack && double.IsPositiveInfinity(match.Size.High))
        {
            errors.Warn(
                map.PlaceOf("pack"), "Contents of any size would go into packs.",
                "Add a condition: match: {size: \"< 1 MiB\"}.");
        }

        return decision;
    }

    private void CheckTogether(PolicyMapReader map, PlacementDecision decision)
    {
        if (decision.Exclude)
        {
            foreach (string key in PolicyKeys.Then)
            {
                if (key != "exclude" && map.Find(key) is not null)
                {
                    errors.Add(
                        map.PlaceOf(key), $"'{key}' is given beside 'exclude: true', which leaves the file alone.",
                        $"Remove '{key}' or 'exclude'.");
                }
            }

            return;
        }

        if (decision.Pin && decision.Place == PlacementTier.Release)
        {
            errors.Add(
                map.PlaceOf("pin"), "'pin: true' keeps the hot copy that 'place: release' drops.",
                "Use 'place: hot' or 'place: cold' with a pin.");
        }

        if (decision.CopyCount is not null && decision.Place == PlacementTier.Release)
        {
            errors.Add(
                map.PlaceOf("copies"), "'copies' counts hot copies, and 'place: release' leaves none.",
                "Remove 'copies', or use 'place: hot' or 'place: cold'.");
        }

        if (decision.Pack && decision.Place is not (PlacementTier.Cold or PlacementTier.Release))
        {
            errors.Add(
                map.PlaceOf("pack"), "'pack: true' is about cold content, and the rule does not place it there.",
                "Add 'place: cold' or 'place: release'.");
        }

        if (!decision.KeepPremigrated && decision.Place is (PlacementTier.Cold or PlacementTier.Release))
        {
            errors.Add(
                map.PlaceOf("keepPremigrated"),
                "'keepPremigrated: false' gives up the object that the rule's 'place' asks for.",
                "Remove it, or use 'place: hot'.");
        }
    }

    private string? ReadStorageClass(PolicyMapReader map)
    {
        if (map.Name("storageClass", "a storage class: STANDARD_IA") is not { } text)
        {
            return null;
        }

        foreach (char c in text.Text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.'))
            {
                errors.Add(
                    text.Place, $"'storageClass' is {PolicyErrors.Quote(text.Text)}.",
                    "Write the class as the store names it, letters, digits, _ - and .: STANDARD_IA.");
                return null;
            }
        }

        string? meant = NearestName.Find(text.Text, PolicyKeys.StorageClasses);
        if (meant is not null && meant != text.Text)
        {
            errors.Warn(
                text.Place, $"The storage class {PolicyErrors.Quote(text.Text)} is not one that stores commonly have.",
                $"Did you mean '{meant}'?");
        }

        return text.Text;
    }
}
