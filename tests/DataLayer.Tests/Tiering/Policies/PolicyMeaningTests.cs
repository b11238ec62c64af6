using DataLayer.Engine.Tiering.Policies;
using static DataLayer.Tests.Tiering.Policies.PolicyFixture;

namespace DataLayer.Tests.Tiering.Policies;

/// <summary>Hash, comparison, warnings.</summary>
public sealed class PolicyMeaningTests
{
    private const string Plain =
        """
        version: 1
        windows: {night: {from: "22:00", to: "06:00"}}
        rules:
          - {name: a, match: {path: [/a/**, /b/**], size: ">= 1 MiB", state: [hot, premigrated]}, when: {window: night}, then: {place: cold}}
          - {name: b, match: {tenant: [x, y]}, then: {place: hot, copies: 2}, weight: 3}
        """;

    [Theory]
    [InlineData("version: 1", "# a comment\nversion: 1\ndescription: other words")]
    [InlineData("[/a/**, /b/**]", "[/b/**, /a/**]")]
    [InlineData("\">= 1 MiB\"", "'>=  1048576 B'")]
    [InlineData("[hot, premigrated]", "[premigrated, hot, hot]")]
    [InlineData("[x, y]", "[y, x]")]
    [InlineData("{place: hot, copies: 2}, weight: 3", "{copies: 2, place: hot, pin: false}, weight: 3.0")]
    [InlineData("{from: \"22:00\", to: \"06:00\"}", "{to: \"06:00\", from: \"22:00\", timeZone: UTC, days: mon-sun}")]
    public void The_hash_does_not_see_how_a_policy_is_written(string from, string to)
    {
        Assert.Contains(from, Plain, StringComparison.Ordinal);
        PolicyDocument other = Read(Plain.Replace(from, to, StringComparison.Ordinal));
        Assert.Equal(Read(Plain).Compile().Hash, other.Compile().Hash);
        Assert.Empty(PolicyDiff.Between(Read(Plain), other));
    }

    [Theory]
    [InlineData("name: a,", "name: c,", "renamed rules c: ")]
    [InlineData("/a/**", "/a/*", "changed rules a: match.path /a/**, /b/** → /a/*, /b/**")]
    [InlineData("\">= 1 MiB\"", "\"> 1 MiB\"", "changed rules a: match.size >= 1MiB → > 1MiB")]
    [InlineData("[hot, premigrated]", "hot", "changed rules a: match.state hot, premigrated → hot")]
    [InlineData("weight: 3", "weight: 4", "changed rules b: weight 3 → 4")]
    [InlineData(", weight: 3", "", "changed rules b: weight 3 → -")]
    [InlineData("copies: 2", "pin: true", "changed rules b: then.pin - → true; then.copies 2 → -")]
    [InlineData("\"06:00\"", "\"05:00\"", "changed windows night: to 06:00 → 05:00")]
    public void A_change_of_meaning_changes_the_hash_and_is_named(string from, string to, string expected)
    {
        PolicyDocument before = Read(Plain);
        PolicyDocument after = Read(Plain.Replace(from, to, StringComparison.Ordinal));
        Assert.NotEqual(before.Compile().Hash, after.Compile().Hash);
        Assert.Equal([expected], PolicyDiff.Between(before, after).Select(Describe));
    }

    [Fact]
    public void Added_removed_and_moved_rules_are_told_apart_and_few_are_called_moved()
    {
        PolicyDocument before = Rules(string.Concat(Enumerable.Range(0, 9).Select(i => $"  - {{name: r{i}, match: {{path: /{i}/**}}, then: {{place: cold}}}}\n"))).Document;
        string[] order = ["r8", "r0", "r1", "new", "r2", "r4", "r5", "r3", "r7"];
        PolicyDocument after = Rules(string.Concat(order.Select(n => $"  - {{name: {n}, match: {{path: /{n[^1]}{(n == "new" ? "x" : "")}/**}}, then: {{place: cold}}}}\n"))).Document;
        Assert.Equal(
            [
                "moved rules r8: ", "added rules new: match.path - → /wx/**; then.place - → cold", "moved rules r3: ",
                "removed rules r6: match.path /6/** → -; then.place cold → -",
            ],
            PolicyDiff.Between(before, after).Select(Describe));
        PolicyChange moved = PolicyDiff.Between(before, after)[0];
        Assert.Equal((8, 0), (moved.IndexBefore, moved.IndexAfter));
    }

    [Fact]
    public void Renamed_rules_and_changed_calendars_are_named()
    {
        const string Text = "version: 1\ncalendars: {c: {closed: [12-25]}}\nwindows: {w: {calendar: c}}\nrules:\n- {name: a, when: {window: w}, then: {place: hot}}\n";
        PolicyDocument before = Read(Text);
        PolicyDocument after = Read(Text.Replace("name: a", "name: z", StringComparison.Ordinal).Replace("[12-25]", "[12-25, 12-26]", StringComparison.Ordinal));
        IReadOnlyList<PolicyChange> changes = PolicyDiff.Between(before, after);
        Assert.Equal(["changed calendars c: closed 12-25 → 12-25, 12-26", "renamed rules z: "], changes.Select(Describe));
        Assert.Equal("a", changes[1].FormerName);
    }

    [Theory]
    [InlineData("path: /a/**", "path: /a/b/**", true)]
    [InlineData("path: /a/**", "path: '/a/*.csv'", true)]
    [InlineData("path: /a/**", "path: /a", false)]
    [InlineData("path: /a/**", "path: /ab/**", false)]
    [InlineData("path: /a/*", "path: /a/b", true)]
    [InlineData("path: '/a/*'", "path: '/a/*.csv'", false)] // true, and not plain
    [InlineData("path: [/a/**, /b/**]", "path: [/b/1, /a/2]", true)]
    [InlineData("path: [/a/**, /b/**]", "path: [/b/1, /c/2]", false)]
    [InlineData("size: '> 1 MiB'", "size: '> 2 MiB'", true)]
    [InlineData("size: '> 1 MiB'", "size: '>= 1 MiB'", false)]
    [InlineData("idle: '> 1d'", "idle: '> 1d and < 3d', path: /x", true)]
    [InlineData("idle: '> 1d'", "age: '> 1d'", false)]
    [InlineData("tenant: [a, b]", "tenant: a", true)]
    [InlineData("tenant: 'a*'", "tenant: [ab, ac]", true)]
    [InlineData("tenant: '*'", "tenant: none", false)]
    [InlineData("tenant: a", "path: /a", false)]
    [InlineData("owner: 0-100", "owner: [5, 7-9]", true)]
    [InlineData("owner: 5", "owner: 5-6", false)]
    [InlineData("state: [hot, released]", "state: released", true)]
    [InlineData("state: hot", "path: /a", false)]
    [InlineData("heat: '< 1'", "heat: '< 0.5'", true)]
    public void A_rule_that_none_can_reach_is_a_warning(string earlier, string later, bool warns)
    {
        PolicyDocument policy = Rules(
            $"  - {{name: a, match: {{{earlier}}}, then: {{place: hot}}}}\n  - {{name: b, match: {{{later}}}, then: {{place: cold}}}}\n", warns).Document;
        IReadOnlyList<PolicyError> warnings = PolicyDocument.Parse(policy.Text).Warnings;
        Assert.Equal(warns ? [4] : [], warnings.Select(w => w.Line));
    }

    [Fact]
    public void Rules_with_times_cover_only_those_with_the_same_times()
    {
        const string Text =
            """
            version: 1
            windows: {w: {days: mon}, v: {days: tue}}
            rules:
              - {name: a, match: {path: /a/**}, when: {window: w}, then: {place: hot}}
              - {name: b, match: {path: /a/**}, then: {place: cold}}
              - {name: c, match: {path: /a/**}, when: {window: v}, then: {place: hot}}
              - {name: d, match: {path: /b/**}, when: {fill: {pool: p, high: 9%, low: 8%}}, then: {place: hot}}
              - {name: e, match: {path: /b/**}, when: {fill: {pool: p, high: 9%, low: 8%}}, then: {place: hot}}
              - {name: f, match: {path: /c/**}, when: {outside: w}, then: {place: hot}}
              - {name: g, match: {path: /c/x}, when: {outside: [w, v]}, then: {place: hot}}
            """;
        Assert.Equal([6, 10], PolicyDocument.Parse(Text).Warnings.Select(w => w.Line));
    }

    [Fact]
    public void Unused_windows_and_calendars_and_unlikely_classes_and_packs_are_warnings()
    {
        PolicyParseResult result = PolicyDocument.Parse(
            """
            version: 1
            calendars: {c: {closed: [12-25]}}
            windows: {w: {days: mon}}
            rules:
              - {name: a, then: {place: cold, storageClass: STANDRAD_IA, pack: true}}
            """);
        Assert.NotNull(result.Policy);
        Assert.Equal([2, 3, 5, 5], result.Warnings.Select(w => w.Line));
        Assert.Contains(result.Warnings, w => w.Remedy.Contains("STANDARD_IA", StringComparison.Ordinal));
    }

    private static string Describe(PolicyChange change) =>
        $"{change.Kind.ToString().ToLowerInvariant()} {change.Section} {change.Name}: "
            + string.Join("; ", change.Fields.Select(f => $"{f.Field} {f.Before ?? "-"} → {f.After ?? "-"}"));
}
