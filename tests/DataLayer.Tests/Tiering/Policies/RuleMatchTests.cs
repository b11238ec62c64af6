using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using static DataLayer.Tests.Tiering.Policies.PolicyFixture;

namespace DataLayer.Tests.Tiering.Policies;

public sealed class RuleMatchTests
{
    [Fact]
    public void The_first_rule_that_matches_decides()
    {
        CompiledPolicy policy = Rules(
            """
              - {name: keep, match: {path: /data/live/**}, then: {place: hot, copies: 2}}
              - {name: archive, match: {path: /data/**, idle: "> 30d"}, then: {place: release, storageClass: GLACIER_IR}, weight: 2.5}
              - {name: rest, then: {exclude: true}}
            """);
        Assert.Equal("keep", policy.Winner(File("/data/live/a") with { AccessedAt = Noon.AddDays(-90) }));
        FileFacts idle = File("/data/old/a") with { ModifiedAt = Noon.AddDays(-31), AccessedAt = null };
        PlacementDecision archive = policy.Decide(idle, At(Noon));
        Assert.Equal(
            new PlacementDecision
            {
                RuleIndex = 1,
                RuleName = "archive",
                Place = PlacementTier.Release,
                StorageClass = "GLACIER_IR",
                Weight = 2.5,
            },
            archive);
        Assert.Equal("rest", policy.Winner(File("/data/old/a")));
        Assert.True(policy.Decide(File("/other"), At(Noon)).Exclude);
    }

    [Fact]
    public void Without_a_rule_that_matches_nothing_is_wanted()
    {
        CompiledPolicy policy = Rules("  - {name: a, match: {path: /a/**}, then: {place: cold}}");
        Assert.Same(PlacementDecision.None, policy.Decide(File("/b"), At(Noon)));
        PolicyExplanation explanation = policy.Explain(File("/b"), At(Noon));
        RuleTrace trace = Assert.Single(explanation.Rules);
        Assert.Equal(("match.path", "/b does not fit /a/**"), (trace.FailedCondition, trace.Reason));
    }

    [Theory]
    [InlineData("/data/**", "/data/a", true)]
    [InlineData("/data/**", "/data/a/b/c", true)]
    [InlineData("/data/**", "/data", false)]
    [InlineData("/data/**", "/database/a", false)]
    [InlineData("/**", "/a", true)]
    [InlineData("/a/**/b", "/a/b", true)]
    [InlineData("/a/**/b", "/a/x/y/b", true)]
    [InlineData("/a/**/b", "/a/x/y/bb", false)]
    [InlineData("/a/**/b", "/b", false)]
    [InlineData("/**/*.tmp", "/x.tmp", true)]
    [InlineData("/**/*.tmp", "/a/b/.tmp", true)]
    [InlineData("/**/*.tmp", "/a/b.tmp/c", false)]
    [InlineData("/a/*/c", "/a/b/c", true)]
    [InlineData("/a/*/c", "/a/b/b/c", false)]
    [InlineData("/a/*", "/a/b/c", false)]
    [InlineData("/a/?.bin", "/a/x.bin", true)]
    [InlineData("/a/?.bin", "/a/xy.bin", false)]
    [InlineData("/a/?.bin", "/a/😀.bin", true)]
    [InlineData("/a/[a-c]1", "/a/b1", true)]
    [InlineData("/a/[a-c]1", "/a/d1", false)]
    [InlineData("/a/[!a-c]1", "/a/d1", true)]
    [InlineData("/a/[!a-c]1", "/a/a1", false)]
    [InlineData("/a/[a-]x", "/a/-x", true)]
    [InlineData("/a/[😀-😃]", "/a/😁", true)]
    [InlineData("/a/{x,y}/z", "/a/y/z", true)]
    [InlineData("/a/{x,y}/z", "/a/w/z", false)]
    [InlineData("/a/{x,y/{1,2}}/z", "/a/y/2/z", true)]
    [InlineData("/a/run-{1..3}", "/a/run-{1..3}", false)]
    [InlineData("/a/\\*", "/a/*", true)]
    [InlineData("/a/\\*", "/a/b", false)]
    [InlineData("/a/\\{b,c\\}", "/a/{b,c}", true)]
    [InlineData("/a/*x*y*", "/a/1x2y3", true)]
    [InlineData("/a/*x*y*", "/a/1y2x3", false)]
    [InlineData("/A/b", "/a/b", false)]
    [InlineData("/a/**/m/**/z", "/a/1/m/2/m/3/z", true)]
    [InlineData("/a/**/m/**/z", "/a/1/2/z", false)]
    public void A_path_fits_its_pattern_alone(string pattern, string path, bool fits)
    {
        List<PathGlob> globs = [];
        Assert.True(PathGlob.TryParse(pattern, globs, out string? fault), fault);
        Assert.Equal(fits, globs.Exists(g => g.IsMatch(path)));
        CompiledPolicy policy = Rules($"  - {{name: a, match: {{path: '{pattern}'}}, then: {{place: cold}}}}");
        Assert.Equal(fits ? "a" : string.Empty, policy.Winner(File(path)));
    }

    [Theory]
    [InlineData("size: '>= 1 MiB'", true)]
    [InlineData("size: '> 1 MiB'", false)]
    [InlineData("size: '< 1 MiB'", false)]
    [InlineData("size: '<= 1048576'", true)]
    [InlineData("size: '= 1MiB'", true)]
    [InlineData("size: '> 1 MB and < 2 MB'", true)]
    [InlineData("age: '>= 1h'", true)]
    [InlineData("age: '> 1h'", false)]
    [InlineData("age: '>= 3d and < 1w'", false)]
    [InlineData("idle: '< 1d'", true)]
    [InlineData("idle: '> 90m'", false)]
    [InlineData("heat: '< 0.5'", true)]
    [InlineData("heat: '>= 0.26'", false)]
    [InlineData("tenant: research", true)]
    [InlineData("tenant: [risk, 're*']", true)]
    [InlineData("tenant: none", false)]
    [InlineData("dataset: none", true)]
    [InlineData("dataset: '*'", false)]
    [InlineData("owner: 1000", true)]
    [InlineData("owner: [1, 900-1100]", true)]
    [InlineData("owner: 1001-2000", false)]
    [InlineData("state: premigrated", true)]
    [InlineData("state: [hot, released]", false)]
    [InlineData("storageClass: STANDARD", true)]
    [InlineData("storageClass: 'GLACIER*'", false)]
    [InlineData("pool: default", true)]
    [InlineData("pool: slow", false)]
    public void Each_condition_looks_at_its_fact(string condition, bool matches)
    {
        FileFacts facts = File("/a") with
        {
            Tenant = "research",
            OwnerId = 1000,
            Heat = 0.25,
            State = TierState.Premigrated,
            HasObject = true,
            StorageClass = "STANDARD",
        };
        CompiledPolicy policy = Rules($"  - {{name: a, match: {{{condition}}}, then: {{place: cold}}}}");
        Assert.Equal(matches ? "a" : string.Empty, policy.Winner(facts));
        string key = condition[..condition.IndexOf(':', StringComparison.Ordinal)];
        RuleTrace trace = Assert.Single(policy.Explain(facts, At(Noon)).Rules);
        Assert.Equal(matches ? null : "match." + key, trace.FailedCondition);
        Assert.DoesNotContain("  ", trace.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Idle_counts_from_the_last_change_where_no_use_is_known()
    {
        CompiledPolicy policy = Rules("  - {name: a, match: {idle: '>= 2d'}, then: {place: cold}}");
        Assert.Equal("a", policy.Winner(File("/a") with { ModifiedAt = Noon.AddDays(-2), AccessedAt = null }));
        Assert.Equal(string.Empty, policy.Winner(File("/a") with { ModifiedAt = Noon.AddDays(-2), AccessedAt = Noon }));
        Assert.Equal(string.Empty, policy.Winner(File("/a") with { ModifiedAt = Noon, AccessedAt = Noon.AddDays(-3) }));
    }

    [Fact]
    public void Deciding_allocates_nothing()
    {
        CompiledPolicy policy = Rules(
            """
              - {name: a, match: {path: [/data/*/x, /data/**/*.bin]}, then: {place: cold}}
              - {name: b, match: {path: '/**/tmp/**', tenant: t}, then: {place: release}}
              - {name: c, match: {owner: 5, dataset: d}, then: {place: release}}
              - {name: d, match: {size: '> 5 GiB', state: hot}, then: {place: release}}
            """);
        PolicyMoment moment = At(Noon);
        FileFacts facts = File("/data/a/b/c.bin");
        policy.Decide(facts, moment);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            policy.Decide(facts, moment);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
