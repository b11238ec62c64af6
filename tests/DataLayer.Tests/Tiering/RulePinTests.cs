using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Tests.Tiering.Moving;
using DataLayer.Tests.Tiering.Planning;

namespace DataLayer.Tests.Tiering;

/// <summary>A rule's <c>pin</c> keeps hot copies while it matches, against all ways out; <c>place: hot</c> is what brings them.</summary>
public sealed class RulePinTests
{
    private const string Pins = "version: 1\nrules: [{name: golden, match: {path: \"/data/a*\"}, then: {pin: true}}]\n";
    private const string Hot = "version: 1\nrules: [{name: golden, match: {path: \"/data/a*\"}, then: {place: hot, pin: true}}]\n";

    [Fact]
    public async Task What_a_rule_pins_stays_hot_whoever_would_release_it_and_goes_again_when_the_rule_is_gone()
    {
        await using MoveFixture fixture = await OpenAsync();
        PolicyVersions policies = new(fixture.Tree);
        fixture.Engine.Engine.FollowPolicy(policies);
        TieringPlan before = await fixture.PlanAsync(PlacementTier.Release);
        await policies.SetAsync(Pins, "tester", "", activate: true, ifActive: null, CancellationToken.None);

        JobRecord job = await fixture.ApplyAsync(before);

        MoveEntry kept = Assert.Single(await fixture.MovesAsync(job), m => m.State == MoveState.Skipped);
        Assert.Equal(("/data/a", "Rule 'golden' of the policy keeps it hot."), (kept.Path, kept.Reason));
        Assert.Equal(TierState.Premigrated, (await fixture.FactsAsync("a")).State);
        Assert.Equal(TierState.Released, (await fixture.FactsAsync("b")).State);
        EvictResult evicted = await fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        Assert.Equal((0, 1), (evicted.ReleasedFiles, evicted.KeptFiles));

        await policies.ActivateAsync(0, ifActive: null, CancellationToken.None);
        evicted = await fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        Assert.Equal((1, 0), (evicted.ReleasedFiles, evicted.KeptFiles));
    }

    [Theory]
    [InlineData(Pins, MoveKinds.None)]
    [InlineData(Hot, MoveKinds.Recall)]
    public async Task A_pin_brings_nothing_in_and_place_hot_does(string policy, MoveKinds expected)
    {
        await using MoveFixture fixture = await OpenAsync();
        await fixture.Engine.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        CompiledPolicy compiled = PolicyDocument.Parse(policy).Policy!.Compile();
        PolicyMoment moment = new(DateTimeOffset.UtcNow, new Dictionary<string, double>(), new HashSet<int>());

        FileFacts file = await fixture.FactsAsync("a");
        PlacementChange change = PlacementChange.Resolve(file, compiled.Decide(file, moment), PriceFixture.Pricing.Table, isReadOnly: false);

        Assert.Equal(expected, change.Kinds);
    }

    private static async Task<MoveFixture> OpenAsync()
    {
        MoveFixture fixture = await MoveFixture.OpenAsync();
        await fixture.WriteAsync("a", 3000);
        await fixture.WriteAsync("b", 4000);
        return fixture;
    }
}
