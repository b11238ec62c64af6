using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit.Abstractions;

namespace DataLayer.Tests.Tiering.Jobs;

/// <summary>Simulated weeks of a daily job over a real engine: what it reads is hot when it starts.</summary>
public sealed class LearnedWarmerTests(ITestOutputHelper output)
{
    private const int Files = 2;
    private const int FileBytes = 30_000;
    private const string Daily = "/data/daily";
    private const string Control = "/data/control";

    /// <summary>
    /// Two datasets of the same size are read each trading day: one at 05:30 give or take ten minutes, the other at any
    /// time, so that nothing can be learned of it. Each evening all is released.
    /// </summary>
    [Fact]
    public async Task A_job_at_a_fixed_hour_finds_its_bytes_hot_and_does_not_wait()
    {
        int weeks = Setting("WEEKS", 16);
        int seed = Setting("SEED", 16);
        ManualClock clock = new();
        using TempFolder folder = new("learned");
        await using EngineFixture fixture = new() { Time = clock, RecallQueueBytes = 0 };
        await fixture.StartAsync();
        for (int i = 0; i < Files; i++)
        {
            await fixture.PutObjectAsync($"daily/{i}", BytesContent.Random(FileBytes));
            await fixture.PutObjectAsync($"control/{i}", BytesContent.Random(FileBytes));
        }

        fixture.Probe.ReadDelay = TimeSpan.FromMilliseconds(Setting("LATENCY_MS", 0));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        HashSet<DateOnly> holidays = [new(2027, 1, 18), new(2027, 2, 15), new(2027, 4, 2), new(2027, 5, 31)];
        clock.Advance(TimeSpan.FromDays(368)); // To Monday, 2027-01-04, after the machine's own time.
        await using JobService jobs = await JobService.OpenAsync(
            fixture.Tree, [new WarmRunner(fixture.Engine, new JobInputs(folder.Combine("lists"), 1000))],
            new JobServiceOptions(), clock, NullLogger<JobService>.Instance, CancellationToken.None);
        await using LearnedWarmer learned = new(
            fixture.Engine, jobs, null, new LearnedWarmOptions { IsEnabled = true, Holidays = holidays },
            NullLogger<LearnedWarmer>.Instance);
        Random random = new(seed);
        int runs = 0, hot = 0, vain = 0;
        (Waited Learned, Waited Without) waits = default;
        for (int day = 0; day < weeks * 7; day++)
        {
            DateTimeOffset midnight = new(clock.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
            DateOnly date = DateOnly.FromDateTime(midnight.UtcDateTime);
            bool works = date.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday) && !holidays.Contains(date);
            DateTimeOffset start = midnight + new TimeSpan(5, 20, 0) + TimeSpan.FromSeconds(random.Next(1200));
            await PassAsync(start, clock, learned, jobs);
            if (works)
            {
                runs++;
                hot += await HotShareAsync(fixture, Daily) >= 0.99 ? 1 : 0;
                waits.Learned += await ReadAsync(fixture, Daily);
                await PassAsync(start + TimeSpan.FromMinutes(30 + random.Next(1000)), clock, learned, jobs);
                waits.Without += await ReadAsync(fixture, Control);
            }
            else
            {
                vain += await HotShareAsync(fixture, Daily) >= 0.99 ? 1 : 0;
            }

            await PassAsync(midnight + TimeSpan.FromDays(1), clock, learned, jobs);
            await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        }

        output.WriteLine(
            $"seed {seed}: {hot} of {runs} runs hot, {vain} warm-ups in vain, cold-start wait {waits.Learned} with and {waits.Without} without");
        Assert.True(hot >= 0.95 * runs, $"{hot} of {runs} runs, seed {seed}");
        Assert.True(waits.Learned.Reads <= 0.15 * waits.Without.Reads, $"{waits.Learned} with, {waits.Without} without, seed {seed}");
        Assert.True(vain <= 3, $"{vain} warm-ups on days off, seed {seed}");
        JobRecord last = (await jobs.ListAsync(long.MaxValue, 1, CancellationToken.None))[0];
        WarmSpec spec = WarmSpec.Parse(last.Spec);
        Assert.Equal(LearnedWarmer.Owner, last.Owner);
        Assert.Equal([Daily], spec.Paths);
        Assert.StartsWith("1 folder(s) read on trading days about 05:", spec.Reason, StringComparison.Ordinal);
    }

    private static int Setting(string name, int usual) => int.Parse(
        Environment.GetEnvironmentVariable("DATALAYER_LEARNED_" + name) ?? usual.ToString(CultureInfo.InvariantCulture),
        CultureInfo.InvariantCulture);

    /// <summary>Moves the clock on, from one time at which something may be due to the next.</summary>
    private static async Task PassAsync(
        DateTimeOffset until, ManualClock clock, LearnedWarmer learned, JobService jobs)
    {
        while (true)
        {
            DateTimeOffset? next = await learned.LookAsync(CancellationToken.None);
            foreach (JobRecord job in await jobs.ListAsync(long.MaxValue, 3, CancellationToken.None))
            {
                for (JobRecord now = job; !now.HasEnded;)
                {
                    now = (await jobs.WaitAsync(job.Id, now.Sequence, CancellationToken.None))!;
                }
            }

            if (next is not { } due || due >= until)
            {
                break;
            }

            clock.Advance(due - clock.GetUtcNow());
        }

        clock.Advance(until - clock.GetUtcNow());
    }

    private static async Task<double> HotShareAsync(EngineFixture fixture, string path)
    {
        long size = 0, hot = 0;
        await foreach (FileFacts facts in fixture.Engine.Facts.ReadAsync(path, CancellationToken.None))
        {
            size += facts.SizeBytes;
            hot += facts.HotBytes;
        }

        return (double)hot / size;
    }

    /// <summary>The first pass: how many of its reads waited for an object, and how long they did.</summary>
    private static async Task<Waited> ReadAsync(EngineFixture fixture, string path)
    {
        int before = fixture.Probe.Reads;
        long waited = fixture.Engine.GetStatistics().ColdWaitNanoseconds;
        for (int i = 0; i < Files; i++)
        {
            await fixture.ReadAllAsync($"{path}/{i}");
        }

        await fixture.SettleAsync();
        return new Waited(
            fixture.Probe.Reads - before, (fixture.Engine.GetStatistics().ColdWaitNanoseconds - waited) / 1e6);
    }

    private readonly record struct Waited(long Reads, double Milliseconds)
    {
        public static Waited operator +(Waited left, Waited right) =>
            new(left.Reads + right.Reads, left.Milliseconds + right.Milliseconds);
    }
}
