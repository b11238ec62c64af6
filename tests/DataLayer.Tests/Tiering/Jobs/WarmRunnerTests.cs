using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Jobs;

/// <summary>Warm-ups of a profile and of what was used lately.</summary>
public sealed class WarmRunnerTests : IDisposable
{
    private const int MiB = 1 << 20;
    private readonly TempFolder _folder = new("warm-runner");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_profile_is_warmed_by_its_blocks_and_checked()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("large", BytesContent.Random(4 * MiB));
        await fixture.PutObjectAsync("small", BytesContent.Random(1000));
        await fixture.PutObjectAsync("other", BytesContent.Random(1000));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.Profiles.RecordAsync("p", "/data", null, CancellationToken.None);
        await fixture.ReadAllAsync("/data/small");
        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/large", false, CancellationToken.None))
        {
            await file.ReadAsync(2 * MiB, new byte[MiB], CancellationToken.None);
        }

        await fixture.Engine.Profiles.StopAsync("p", CancellationToken.None);
        await MakeColdAsync(fixture);

        WarmOutcome missing = await RunAsync(fixture, new WarmSpec { Profile = "p", Mode = WarmMode.Check });
        Assert.Equal((2, 0, 2), (missing.Files, missing.Resident, missing.Missing));
        WarmOutcome warmed = await RunAsync(fixture, new WarmSpec { Profile = "p" });
        Assert.Equal((2, 2, 0), (warmed.Files, warmed.Resident, warmed.Missing));
        Assert.Equal((2, 0, MiB + 1000), (warmed.Checksummed, warmed.AlreadyHot, warmed.BroughtBytes));
        WarmOutcome again = await RunAsync(fixture, new WarmSpec { Profile = "p", Mode = WarmMode.Check });
        Assert.Equal((2, 2), (again.Resident, again.AlreadyHot));
        WarmOutcome all = await RunAsync(fixture, new WarmSpec { Paths = ["/data"], Mode = WarmMode.Check });
        Assert.Equal((1, 2), (all.Resident, all.Missing)); // Of the large file a block, of the third nothing.
    }

    [Fact]
    public async Task What_the_last_uses_read_and_what_is_new_is_learned_and_nothing_else()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = new() { Time = clock };
        await fixture.StartAsync();
        foreach (string name in new[] { "never", "long-ago", "used", "new" })
        {
            await fixture.PutObjectAsync(name, BytesContent.Random(1000));
        }

        await fixture.AttachAsync(AttachmentMode.ReadWrite);
        clock.Advance(TimeSpan.FromDays(400)); // The bucket's files are of the machine's time.
        Assert.Equal(0, (await RunAsync(fixture, new WarmSpec { Paths = ["/data"], Learned = true })).Files);
        foreach (string name in new[] { "long-ago", "used", "used", "used" })
        {
            clock.Advance(TimeSpan.FromDays(1));
            await fixture.ReadAllAsync("/data/" + name);
            await fixture.Engine.Heat.FlushAsync(CancellationToken.None);
        }

        clock.Advance(TimeSpan.FromHours(3));
        await fixture.WriteFileAsync("/data/new", BytesContent.Random(2000));
        await fixture.JournalDoneAsync();
        await MakeColdAsync(fixture);

        WarmOutcome learned = await RunAsync(fixture, new WarmSpec { Paths = ["/data"], Learned = true });
        Assert.Equal((2, 2, 0), (learned.Files, learned.Resident, learned.Missing));
        Assert.Equal(3000, learned.BroughtBytes);
    }

    private static async Task MakeColdAsync(EngineFixture fixture)
    {
        await fixture.SettleAsync();
        await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
    }

    private async Task<WarmOutcome> RunAsync(EngineFixture fixture, WarmSpec spec)
    {
        WarmRunner runner = new(fixture.Engine, new JobInputs(_folder.Combine("lists"), MiB));
        await using JobService jobs = await JobService.OpenAsync(
            fixture.Tree, [runner], new JobServiceOptions(), TimeProvider.System, NullLogger<JobService>.Instance,
            CancellationToken.None);
        (JobRecord job, _) = await jobs.AddAsync(
            WarmRunner.KindName, spec.ToText(), "test", [], null, CancellationToken.None);
        while (!job.HasEnded)
        {
            job = (await jobs.WaitAsync(job.Id, job.Sequence, CancellationToken.None))!;
        }

        return WarmOutcome.Parse(job.Result!)!;
    }
}
