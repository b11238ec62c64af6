using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Trees;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// Sixteen weeks of a job that reads a dataset at 05:30 give or take ten minutes on trading days, with four holidays, over a real engine and
/// an origin that answers after 30 ms; all is released each evening. Beside it a dataset of the same size is read at random times, so
/// that nothing can be learned of it: what its first reads wait is what the job would wait without warm-ups. Ten seeds. Baselines of
/// the shares are what is wanted.
/// </summary>
internal sealed class LearnedWorkload : IWorkload
{
    private const int Seeds = 10;
    private const int Weeks = 16;
    private const int Files = 2;
    private const int FileBytes = 30_000;
    private const string Bucket = "bucket";
    private const string Daily = "/data/daily";
    private const string Control = "/data/control";

    private static readonly HashSet<DateOnly> _holidays = [new(2027, 1, 18), new(2027, 2, 15), new(2027, 4, 2), new(2027, 5, 31)];

    public string Name => "learned";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        List<Outcome> outcomes = [];
        for (int seed = 1; seed <= Seeds; seed++)
        {
            Outcome one = await SimulateAsync(seed, cancellationToken);
            outcomes.Add(one);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"seed {seed}: {one.Hot} of {one.Runs} runs hot, {one.Vain} warm-ups on days off; first passes waited {one.Waited:N0} ms, {one.WaitedWithout:N0} ms without"));
        }

        report.Add("runs-hot-worst", "%", 100 * outcomes.Min(o => o.Hot / (double)o.Runs), 95, Seeds);
        report.Add("runs-hot-all", "%", 100 * outcomes.Sum(o => o.Hot) / (double)outcomes.Sum(o => o.Runs), 95, Seeds);
        report.Add("wait-saved-worst", "%", 100 * outcomes.Min(o => 1 - (o.Waited / o.WaitedWithout)), 85, Seeds);
        report.Add("wait-saved-all", "%", 100 * (1 - (outcomes.Sum(o => o.Waited) / outcomes.Sum(o => o.WaitedWithout))), 85, Seeds);
    }

    private static async Task<Outcome> SimulateAsync(int seed, CancellationToken cancellationToken)
    {
        ManualClock clock = new();
        await using ScriptedS3 origin = await ScriptedS3.StartAsync(seed);
        origin.MakeBucket(Bucket);
        for (int i = 0; i < Files; i++)
        {
            origin.Put(Bucket, $"daily/{i}", BytesContent.Random(FileBytes));
            origin.Put(Bucket, $"control/{i}", BytesContent.Random(FileBytes));
        }

        ObjectStoreOptions store = new()
        {
            Name = "default",
            Kind = "s3",
            Endpoint = origin.Endpoint.ToString().TrimEnd('/'),
            PathStyle = true,
            AccessKey = "id",
            SecretKey = "secret",
        };
        await using BareEngine bare = await BareEngine.OpenAsync(
            "bench-learned", new BlockCacheOptions { CapacityBytes = 64 << 20 }, [store], cancellationToken, clock: clock);
        await bare.Engine.AttachAsync(
            new AttachRequest { Source = $"s3://{Bucket}", Path = "/data", Freshness = FreshnessMode.Immutable }, null, cancellationToken);
        origin.BeforeServe = static request => Thread.Sleep(request.Verb == "GET" ? 30 : 0);
        clock.Advance(new DateTimeOffset(2027, 1, 4, 0, 0, 0, TimeSpan.Zero) - clock.GetUtcNow());
        await using JobService jobs = await JobService.OpenAsync(
            bare.Tree, [new WarmRunner(bare.Engine, new JobInputs(bare.MakeFolder("lists"), 1000))], new JobServiceOptions(), clock,
            NullLogger<JobService>.Instance, cancellationToken);
        await using LearnedWarmer learned = new(
            bare.Engine, jobs, null, new LearnedWarmOptions { IsEnabled = true, Holidays = _holidays }, NullLogger<LearnedWarmer>.Instance);
        Random random = new(seed);
        Outcome outcome = default;
        for (int day = 0; day < Weeks * 7; day++)
        {
            DateTimeOffset midnight = new(clock.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
            DateOnly date = DateOnly.FromDateTime(midnight.UtcDateTime);
            bool works = date.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday) && !_holidays.Contains(date);
            DateTimeOffset start = midnight + new TimeSpan(5, 20, 0) + TimeSpan.FromSeconds(random.Next(1200));
            await PassAsync(start, clock, learned, jobs, cancellationToken);
            bool isHot = await HotShareAsync(bare.Engine, Daily, cancellationToken) >= 0.99;
            if (works)
            {
                outcome = outcome with { Runs = outcome.Runs + 1, Hot = outcome.Hot + (isHot ? 1 : 0) };
                outcome = outcome with { Waited = outcome.Waited + await ReadAsync(bare.Engine, Daily, cancellationToken) };
                await PassAsync(start + TimeSpan.FromMinutes(30 + random.Next(1000)), clock, learned, jobs, cancellationToken);
                outcome = outcome with { WaitedWithout = outcome.WaitedWithout + await ReadAsync(bare.Engine, Control, cancellationToken) };
            }
            else
            {
                outcome = outcome with { Vain = outcome.Vain + (isHot ? 1 : 0) };
            }

            await PassAsync(midnight + TimeSpan.FromDays(1), clock, learned, jobs, cancellationToken);
            await bare.Engine.EvictAsync("/data", hotToo: true, cancellationToken);
        }

        return outcome;
    }

    /// <summary>Moves the clock on, from one time at which something may be due to the next.</summary>
    private static async Task PassAsync(
        DateTimeOffset until, ManualClock clock, LearnedWarmer learned, JobService jobs, CancellationToken cancellationToken)
    {
        while (true)
        {
            DateTimeOffset? next = await learned.LookAsync(cancellationToken);
            foreach (JobRecord job in await jobs.ListAsync(long.MaxValue, 3, cancellationToken))
            {
                for (JobRecord now = job; !now.HasEnded;)
                {
                    now = (await jobs.WaitAsync(job.Id, now.Sequence, cancellationToken))!;
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

    private static async Task<double> HotShareAsync(FileEngine engine, string path, CancellationToken cancellationToken)
    {
        long size = 0, hot = 0;
        await foreach (FileFacts facts in engine.Facts.ReadAsync(path, cancellationToken))
        {
            size += facts.SizeBytes;
            hot += facts.HotBytes;
        }

        return (double)hot / size;
    }

    /// <summary>The first pass: how long its reads waited for objects, milliseconds.</summary>
    private static async Task<double> ReadAsync(FileEngine engine, string path, CancellationToken cancellationToken)
    {
        long before = engine.GetStatistics().ColdWaitNanoseconds;
        byte[] bytes = new byte[FileBytes];
        for (int i = 0; i < Files; i++)
        {
            await using OpenFile file = await engine.OpenFileAsync($"{path}/{i}", write: false, cancellationToken);
            if (await file.ReadAsync(0, bytes, cancellationToken) != FileBytes)
            {
                throw new InvalidOperationException($"{path}/{i} is short.");
            }
        }

        await engine.Context.Fetches.WhenIdleAsync();
        return (engine.GetStatistics().ColdWaitNanoseconds - before) / 1e6;
    }

    private readonly record struct Outcome(int Runs, int Hot, int Vain, double Waited, double WaitedWithout);
}
