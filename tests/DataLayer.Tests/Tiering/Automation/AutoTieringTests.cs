using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Automation;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Tests.Tiering.Moving;
using DataLayer.Tests.Tiering.Planning;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Automation;

/// <summary>Files go where the active policy wants them, once in a cool-down, by jobs that can be undone.</summary>
public sealed class AutoTieringTests
{
    private const string Release =
        """
        version: 1
        rules:
          - name: all but b
            match: {path: "/data/{a,c}*"}
            then: {place: release}
        """;

    private const string Pack =
        """
        version: 1
        rules:
          - name: small
            match: {path: "/data/**"}
            then: {place: cold, pack: true}
        """;

    private const string WhenFull =
        """
        version: 1
        rules:
          - name: make room
            match: {path: "/data/**"}
            when: {fill: {pool: default, high: 0.001%, low: 0.0005%}}
            then: {place: release}
        """;

    [Fact]
    public async Task It_does_nothing_before_it_is_on_and_what_it_does_is_a_job_that_can_be_undone()
    {
        await using MoveFixture fixture = await OpenAsync(Release);
        using TempFolder folder = new("auto");
        AutoTieringOptions options = new() { SwitchFile = folder.Combine("on") };
        await using (AutoTiering auto = Make(fixture, options))
        {
            Assert.Equal(0, await auto.LookAsync(CancellationToken.None));
            Assert.Null(auto.Status.LastPassAt);
            auto.Switch(true);

            JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));

            Assert.Equal((JobState.Done, AutoTiering.Owner), (job.State, job.Owner));
            Assert.Equal(["/data/a1", "/data/a2", "/data/c"], (await fixture.MovesAsync(job)).Select(m => m.Path).Order(StringComparer.Ordinal));
            Assert.Equal(TierState.Released, (await fixture.FactsAsync("a1")).State);
            Assert.Equal(TierState.Premigrated, (await fixture.FactsAsync("b")).State);
            Assert.Equal((3, 1, job.Id), (auto.Status.Moves, auto.Status.PolicyVersion, auto.Status.LastJob));
            await fixture.UndoAsync(job);
            Assert.Equal(TierState.Premigrated, (await fixture.FactsAsync("a1")).State);
        }

        await using AutoTiering later = Make(fixture, options);
        Assert.True(later.Status.IsOn); // It stays on over a restart.
        later.Switch(false);
        await using AutoTiering last = Make(fixture, options);
        Assert.False(last.Status.IsOn);
    }

    [Fact]
    public async Task Nothing_moves_twice_within_its_cool_down_also_after_a_restart()
    {
        await using MoveFixture fixture = await OpenAsync(Release);
        await using (AutoTiering auto = Make(fixture, new AutoTieringOptions()))
        {
            auto.Switch(true);
            JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
            await fixture.UndoAsync(job); // The policy wants them released again.
            await fixture.WriteAsync("a3", 500);
            auto.Switch(true); // As at once after the interval.
            JobRecord next = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
            Assert.Equal(["/data/a3"], (await fixture.MovesAsync(next)).Select(m => m.Path));
            Assert.Equal(3, auto.Status.CoolingDown);
        }

        await using AutoTiering again = Make(fixture, new AutoTieringOptions());
        again.Switch(true);
        Assert.Equal(0, await again.LookAsync(CancellationToken.None));
        Assert.Equal((0, 3), (again.Status.Moves, again.Status.CoolingDown)); // The fourth is released: it is in its place.

        await using AutoTiering restless = Make(fixture, new AutoTieringOptions { CoolDown = TimeSpan.Zero });
        restless.Switch(true);
        Assert.Equal(3, (await fixture.MovesAsync(await fixture.EndAsync(await restless.LookAsync(CancellationToken.None)))).Count);
    }

    [Fact]
    public async Task A_passed_mark_begins_a_pass_at_once()
    {
        await using MoveFixture fixture = await OpenAsync(Release);
        await using AutoTiering auto = Make(fixture, new AutoTieringOptions());
        auto.Switch(true);
        await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
        Assert.Equal(0, await auto.LookAsync(CancellationToken.None)); // The interval has not passed.
        await new PolicyVersions(fixture.Tree).SetAsync(WhenFull, "tester", "", true, null, CancellationToken.None);

        JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));

        Assert.Equal(["/data/b"], (await fixture.MovesAsync(job)).Select(m => m.Path)); // The others cool down.
        Assert.Equal(["make room"], auto.Status.PassedMarks);
    }

    [Fact]
    public async Task Classes_change_too_once_in_a_cool_down_and_not_before_the_class_allows()
    {
        await using MoveFixture fixture = await OpenAsync(ClassOf("IA"));
        fixture.Engine.Probe.Classes = [];
        await using (AutoTiering auto = Make(fixture, new AutoTieringOptions()))
        {
            auto.Switch(true);
            JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
            Assert.Equal(JobState.Done, job.State);
            Assert.All(await fixture.MovesAsync(job), m => Assert.Equal((MoveState.Done, (long)MoveKinds.Reclass), (m.State, m.DoneKinds)));
            Assert.Equal(4, fixture.Engine.Probe.Classes.Count(c => c.Value == "IA"));
            Assert.Equal("IA", (await fixture.FactsAsync("a1")).StorageClass);

            await new PolicyVersions(fixture.Tree).SetAsync(ClassOf("ARCHIVE"), "tester", "", true, null, CancellationToken.None);
            Assert.Equal(0, await auto.LookAsync(CancellationToken.None));
            Assert.Equal((0, 4), (auto.Status.Moves, auto.Status.CoolingDown));
        }

        // Without a cool-down the class itself holds them: 30 days are paid for.
        await using AutoTiering restless = Make(fixture, new AutoTieringOptions { CoolDown = TimeSpan.Zero });
        restless.Switch(true);
        Assert.Equal(0, await restless.LookAsync(CancellationToken.None));
        Assert.Equal((0, 4), (restless.Status.Moves, restless.Status.CoolingDown));
    }

    [Fact]
    public async Task A_store_without_classes_is_not_asked_again_and_again()
    {
        await using MoveFixture fixture = await OpenAsync(ClassOf("IA"));
        await using AutoTiering auto = Make(fixture, new AutoTieringOptions());
        auto.Switch(true);
        JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
        Assert.All(await fixture.MovesAsync(job), m => Assert.Equal(MoveState.Skipped, m.State));
        auto.Switch(true); // As at once after the interval.
        Assert.Equal(0, await auto.LookAsync(CancellationToken.None));
        Assert.Equal(4, auto.Status.CoolingDown);
    }

    [Fact]
    public async Task Small_files_wait_until_there_are_enough_for_a_pack_or_for_a_cool_down()
    {
        await using MoveFixture fixture = await OpenAsync(Pack);
        await using AutoTiering auto = Make(fixture, new AutoTieringOptions());
        auto.Switch(true);
        Assert.Equal(0, await auto.LookAsync(CancellationToken.None));
        Assert.Equal((0, 4), (auto.Status.Moves, auto.Status.Gathering));

        await using AutoTiering restless = Make(fixture, new AutoTieringOptions { CoolDown = TimeSpan.Zero });
        restless.Switch(true);
        JobRecord job = await fixture.EndAsync(await restless.LookAsync(CancellationToken.None));

        Assert.All(await fixture.MovesAsync(job), m => Assert.Equal((MoveState.Done, (long)MoveKinds.Pack), (m.State, m.DoneKinds)));
        Assert.Equal(4, (await PacksAsync(fixture)).Single().LiveCount);
        Assert.Equal(0, restless.Status.Gathering);
    }

    [Fact]
    public async Task Packs_mostly_dead_are_written_anew_by_a_job_of_its_own_and_once_in_a_cool_down()
    {
        await using MoveFixture fixture = await OpenAsync(Pack);
        AutoTieringOptions restless = new() { CoolDown = TimeSpan.Zero };
        await using AutoTiering auto = Make(fixture, restless);
        auto.Switch(true);
        await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
        await RemoveAsync(fixture, "a1", "b");

        foreach (AutoTieringOptions options in (AutoTieringOptions[])[new(), restless with { RepackShare = null }, restless with { MaxCostPerDay = 1e-12 }])
        {
            await using AutoTiering calm = Make(fixture, options); // The pack is young; it is turned off; it costs too much.
            calm.Switch(true);
            Assert.Equal(0, await calm.LookAsync(CancellationToken.None));
            Assert.Equal(0, calm.Status.RepackJob);
        }

        auto.Switch(true); // As at once after the interval.
        JobRecord job = await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));

        Assert.Equal((JobState.Done, AutoTiering.Owner, PackRunner.KindName), (job.State, job.Owner, job.Kind));
        Assert.Equal((1, job.Id), (auto.Status.DeadPacks, auto.Status.RepackJob));
        PackUse pack = Assert.Single(await PacksAsync(fixture));
        Assert.Equal((2, 0.0), (pack.LiveCount, pack.DeadShare));
        Assert.Equal(0, await auto.LookAsync(CancellationToken.None)); // The pass that it came before.
        Assert.NotNull(auto.Status.LastPassAt);
        Assert.True(auto.Status.CostOfDay > 0);

        // A job that has tried a pack says so after a restart.
        await RemoveAsync(fixture, "a2");
        await using AutoTiering later = Make(fixture, restless);
        later.Switch(true);
        JobRecord next = await fixture.EndAsync(await later.LookAsync(CancellationToken.None));
        Assert.Equal(PackRunner.KindName, next.Kind);
        Assert.False((await fixture.FactsAsync("c")).IsPacked); // The last of its pack needs none.
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("  - {name: p, match: {path: /x/**}, when: {fill: {pool: default, high: 90%, low: 80%}}, then: {place: cold, pack: true}}", true)]
    [InlineData("  - {name: p, match: {path: /x/**}, when: {window: night}, then: {place: cold, pack: true}}", false)]
    [InlineData("  - {name: p, match: {path: /x/**}, when: {outside: night}, then: {place: cold, pack: true}}", true)]
    public void Packs_are_written_anew_in_the_windows_of_rules_that_pack(string rule, bool isOpen)
    {
        PolicyParseResult parsed = PolicyDocument.Parse(
            "version: 1\nwindows:\n  night: {from: \"22:00\", to: \"04:00\"}\nrules:\n"
            + "  - {name: other, match: {path: /y/**}, then: {place: cold}}\n" + rule);
        Assert.Empty(parsed.Errors);
        PolicyMoment noon = new(new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero), new Dictionary<string, double>(), new HashSet<int>());

        Assert.Equal(isOpen, AutoRepack.IsOpen(parsed.Policy!.Compile(), noon));
    }

    [Fact]
    public async Task Spent_money_stops_it_and_raises_an_alert()
    {
        await using MoveFixture fixture = await OpenAsync(Release);
        await using AutoTiering auto = Make(fixture, new AutoTieringOptions { MaxCostPerDay = 1e-9, CoolDown = TimeSpan.Zero });
        auto.Switch(true);
        await fixture.EndAsync(await auto.LookAsync(CancellationToken.None));
        await using AutoTiering next = Make(fixture, new AutoTieringOptions { MaxCostPerDay = 0 });
        next.Switch(true);
        Assert.Equal(0, await next.LookAsync(CancellationToken.None));
        Assert.Equal("cost", Assert.Single(next.Status.Alerts).Kind);
        Assert.NotNull(next.Status.Obstacle);
    }

    [Fact]
    public void A_storm_is_many_times_the_usual_and_ends_when_it_is_half_over()
    {
        RecallStorm storm = new(minReads: 100, factor: 10);
        DateTimeOffset at = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        long reads = 0;
        bool After(int count)
        {
            reads += count;
            at += TimeSpan.FromMinutes(1);
            return storm.Observe(reads, at);
        }

        Assert.False(storm.Observe(0, at));
        for (int i = 0; i < 600; i++)
        {
            Assert.False(After(50));
        }

        Assert.False(After(400)); // Eight times what is usual.
        Assert.True(After(600));
        Assert.True(storm.IsOn);
        Assert.False(After(600)); // It goes on: no second alert.
        Assert.True(storm.IsOn);
        Assert.False(After(100));
        Assert.False(storm.IsOn);
    }

    private static async Task<IReadOnlyList<PackUse>> PacksAsync(MoveFixture fixture) =>
        await fixture.Tree.ListPacksAsync(0, 10, CancellationToken.None);

    private static async Task RemoveAsync(MoveFixture fixture, params string[] names)
    {
        foreach (string name in names)
        {
            await fixture.Engine.Engine.RemoveAsync("/data/" + name, false, null, CancellationToken.None);
        }
    }

    private static string ClassOf(string name) =>
        $$"""
        version: 1
        rules:
          - name: class
            match: {path: "/data/**"}
            then: {storageClass: {{name}}}
        """;

    private static async Task<MoveFixture> OpenAsync(string policy)
    {
        MoveFixture fixture = await MoveFixture.OpenAsync();
        foreach (string name in new[] { "a1", "a2", "b", "c" })
        {
            await fixture.WriteAsync(name, 1000);
        }

        PolicySetResult set = await new PolicyVersions(fixture.Tree)
            .SetAsync(policy, "tester", "", activate: true, ifActive: null, CancellationToken.None);
        Assert.Empty(set.Parsed.Errors);
        return fixture;
    }

    private static AutoTiering Make(MoveFixture fixture, AutoTieringOptions options) => new(
        new AutoTieringParts(
            fixture.Engine.Engine, new PolicyVersions(fixture.Tree), fixture.Plans, fixture.Jobs, PriceFixture.Pricing),
        (active, _) => new(new PlanOptions { PolicyHash = active.Policy.Hash, PolicyVersion = active.Version }),
        options, NullLogger<AutoTiering>.Instance);
}
