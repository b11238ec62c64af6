using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using FsCheck;
using FsCheck.Fluent;
using static DataLayer.Tests.Tiering.Policies.PolicyFixture;

namespace DataLayer.Tests.Tiering.Policies;

/// <summary>
/// The compiled policy against a plain reading of the same rules: each in order, each condition by itself, paths by
/// regular expressions.
/// </summary>
public sealed class PolicyModelTests
{
    private static readonly string[] _names = ["a", "b", "ab", "data", "run-1", "run-2", "x.bin", "y.bin", "x.csv", "z"];
    private static readonly string[] _patterns = ["*", "**", "?", "a*", "*.bin", "run-[12]", "[!a]", "{a,b}", "{run-1,data}", "*-?", "x.{bin,csv}"];
    private static readonly string?[] _tenants = [null, "t1", "t2", "risk"];
    private static readonly string[] _states = ["hot", "premigrated", "released", "recalling"];

    private static Gen<string> Pattern =>
        from depth in Gen.Choose(1, 4)
        from parts in Gen.ArrayOf(Gen.Frequency((3, Gen.Elements(_names)), (2, Gen.Elements(_patterns))), depth)
        select "/" + string.Join('/', parts);

    private static Gen<string> Condition =>
        Gen.OneOf(
            from patterns in Gen.NonEmptyListOf(Pattern) select $"path: [{string.Join(", ", patterns.Take(3).Select(p => $"'{p}'"))}]",
            from tenant in Gen.Elements("t1", "[t1, t2]", "none", "'t*'", "[risk, none]") select "tenant: " + tenant,
            from dataset in Gen.Elements("d1", "[d1, d2]", "none", "'?1'") select "dataset: " + dataset,
            from owner in Gen.Elements("1", "[1, 3-5]", "2-4") select "owner: " + owner,
            from size in Gen.Choose(0, 5) from sign in Gen.Elements(">", ">=", "<=", "=") select $"size: '{sign} {size} KiB'",
            from low in Gen.Choose(0, 3) from more in Gen.Choose(1, 3) select $"age: '>= {low}d and < {low + more}d'",
            from days in Gen.Choose(0, 4) from sign in Gen.Elements(">", "<=") select $"idle: '{sign} {days}d'",
            from heat in Gen.Choose(0, 4) from sign in Gen.Elements(">=", "<=") select $"heat: '{sign} 0.{heat}'",
            from state in Gen.SubListOf(_states) select state.Count == 0 ? "state: hot" : $"state: [{string.Join(", ", state)}]",
            from name in Gen.Elements("STANDARD", "none", "'GLACIER*'") select "storageClass: " + name);

    private static Gen<string[]> Conditions =>
        from all in Gen.ListOf(Condition)
        select all.Take(4).GroupBy(c => c.Split(':')[0], StringComparer.Ordinal).Select(g => g.First()).ToArray();

    private static Gen<FileFacts> Facts =>
        from depth in Gen.Choose(1, 4)
        from parts in Gen.ArrayOf(Gen.Elements(_names), depth)
        from tenant in Gen.Elements(_tenants)
        from dataset in Gen.Elements(null, "d1", "d2")
        from owner in Gen.Choose(0, 5)
        from size in Gen.Choose(0, 12)
        from age in Gen.Choose(0, 12)
        from idle in Gen.Choose(-1, 12)
        from heat in Gen.Choose(0, 9)
        from state in Gen.Choose(1, 4)
        from storageClass in Gen.Elements(null, "STANDARD", "GLACIER_IR")
        select new FileFacts
        {
            Path = "/" + string.Join('/', parts),
            Tenant = tenant,
            Dataset = dataset,
            OwnerId = owner,
            SizeBytes = size * 512,
            ModifiedAt = Noon.AddHours(-age * 8),
            AccessedAt = idle < 0 ? null : Noon.AddHours(-idle * 8),
            Heat = heat / 10.0,
            State = (TierState)state,
            StorageClass = storageClass,
        };

    [Fact]
    public void Decides_and_explains_as_a_plain_reading_of_the_rules_does()
    {
        Gen<(string[][] Rules, FileFacts[] Files)> cases =
            from rules in Gen.NonEmptyListOf(Conditions)
            from files in Gen.ArrayOf(Facts, 12)
            select (rules.Take(40).ToArray(), files);
        Prop.ForAll(cases.ToArbitrary(), c => Agrees(c.Rules, c.Files)).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Hundreds_of_rules_decide_as_a_plain_reading_does(int seed)
    {
        // Many rules share starts, ends and folders here, so every kind of index is in use.
        string[][] rules = [.. Conditions.Sample(6, new Rnd((ulong)seed), 400).Where(r => r.Length > 0)];
        FileFacts[] files = [.. Facts.Sample(50, new Rnd((ulong)seed), 300)];
        Assert.True(Agrees(rules, files));
    }

    private static bool Agrees(string[][] rules, FileFacts[] files)
    {
        StringBuilder text = new();
        for (int i = 0; i < rules.Length; i++)
        {
            string match = rules[i].Length == 0 ? string.Empty : $"match: {{{string.Join(", ", rules[i])}}}, ";
            text.Append(CultureInfo.InvariantCulture, $"  - {{name: r{i}, {match}then: {{place: cold}}}}\n");
        }

        PolicyParseResult parsed = PolicyDocument.Parse("version: 1\nrules:\n" + text);
        Assert.True(parsed.Policy is not null, $"{text}\n{string.Join('\n', parsed.Errors)}");
        CompiledPolicy policy = parsed.Policy.Compile();
        HashSet<int> unreachable = [.. parsed.Warnings.Where(w => w.Message.StartsWith("No file", StringComparison.Ordinal)).Select(w => w.Line - 3)];
        PolicyMoment moment = At(Noon);
        foreach (FileFacts facts in files)
        {
            int expected = Array.FindIndex(rules, r => r.All(c => Holds(c, facts)));
            int decided = policy.Decide(facts, moment).RuleIndex;
            PolicyExplanation explained = policy.Explain(facts, moment);
            Assert.True(expected == decided, $"{facts}\nexpected {expected}, decided {decided}\n{text}");
            Assert.Equal(decided, explained.Decision.RuleIndex);
            Assert.Equal(expected < 0 ? rules.Length : expected + 1, explained.Rules.Count);
            Assert.DoesNotContain(decided, unreachable);
            foreach (RuleTrace trace in explained.Rules.Where(t => !t.IsMatch))
            {
                string key = trace.FailedCondition!["match.".Length..];
                Assert.False(Holds(rules[trace.RuleIndex].Single(c => c.StartsWith(key + ":", StringComparison.Ordinal)), facts), trace.ToString());
            }
        }

        return true;
    }

    private static bool Holds(string condition, FileFacts facts)
    {
        string[] parts = condition.Split(": ", 2);
        string[] values = [.. parts[1].Trim('[', ']').Split(", ").Select(v => v.Trim('\''))];
        return parts[0] switch
        {
            "path" => Paths(parts[1]).Any(p => Regex.IsMatch(facts.Path, ToRegex(p), RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)),
            "tenant" => values.Any(v => Name(v, facts.Tenant)),
            "dataset" => values.Any(v => Name(v, facts.Dataset)),
            "storageClass" => values.Any(v => Name(v, facts.StorageClass)),
            "owner" => values.Any(v => int.Parse(v.Split('-')[0], CultureInfo.InvariantCulture) <= facts.OwnerId
                && facts.OwnerId <= int.Parse(v.Split('-')[^1], CultureInfo.InvariantCulture)),
            "state" => values.Contains(facts.State.ToString().ToLowerInvariant()),
            "size" => Compare(parts[1], facts.SizeBytes / 1024.0),
            "heat" => Compare(parts[1], facts.Heat),
            "age" => Compare(parts[1], (Noon - facts.ModifiedAt).TotalDays),
            "idle" => Compare(parts[1], (Noon - (facts.AccessedAt is { } at && at > facts.ModifiedAt ? at : facts.ModifiedAt)).TotalDays),
            _ => throw new ArgumentOutOfRangeException(nameof(condition), condition, null),
        };
    }

    private static IEnumerable<string> Paths(string list) =>
        Regex.Matches(list, "'(?<path>[^']*)'", RegexOptions.CultureInvariant).Select(m => m.Groups["path"].Value);

    private static bool Name(string wanted, string? has) =>
        wanted == "none" ? has is null : has is not null && Regex.IsMatch(has, ToRegex(wanted), RegexOptions.CultureInvariant);

    private static bool Compare(string range, double value) => range.Trim('\'').Split(" and ").All(part =>
    {
        Match m = Regex.Match(part, "^(?<sign>>=|<=|>|<|=) (?<bound>[0-9.]+)", RegexOptions.CultureInvariant);
        double bound = double.Parse(m.Groups["bound"].Value, CultureInfo.InvariantCulture);
        return m.Groups["sign"].Value switch
        {
            ">=" => value >= bound,
            "<=" => value <= bound,
            ">" => value > bound,
            "<" => value < bound,
            _ => value == bound,
        };
    });

    private static string ToRegex(string pattern)
    {
        string regex = Regex.Escape(pattern).Replace("\\]", "]", StringComparison.Ordinal).Replace("\\}", "}", StringComparison.Ordinal);
        regex = regex.Replace("\\[!", "[^/", StringComparison.Ordinal).Replace("\\[", "[", StringComparison.Ordinal);
        regex = Regex.Replace(regex, "\\\\?\\{(?<list>[^{}]*)\\}", m => "(?:" + m.Groups["list"].Value.Replace(",", "|", StringComparison.Ordinal) + ")");
        regex = regex.Replace("\\?", "[^/]", StringComparison.Ordinal);
        regex = Regex.Replace(regex, "(/\\\\\\*\\\\\\*)+$", "/.+");
        regex = Regex.Replace(regex, "(/\\\\\\*\\\\\\*)+(?=/)", "(?:/[^/]+)*");
        return "^" + regex.Replace("\\*", "[^/]*", StringComparison.Ordinal) + "$";
    }
}
