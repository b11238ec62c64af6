using System.Collections.Concurrent;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Origins;

namespace DataLayer.Tests.Diagnosis;

/// <summary>
/// The doctor before scripted faults: each test makes one thing ill, reads, and asks for the first cause and the one
/// setting. Faults are injected where they arise (the object store's answers, the network, targets, the tree, the
/// kernel's files), never in the doctor's figures.
/// </summary>
public sealed class DoctorTests
{
    private const int MiB = DoctorBench.MiB;

    [Fact]
    public async Task Slow_object_store()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 4, MiB);
        bench.Delay("GET", 250);
        await AssertAsync(bench, "origin-slow", "datalayer warm", () => DoctorBench.ForFilesAsync("a", 4, 2, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Throttled_object_store()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 8, MiB);
        ConcurrentDictionary<string, int> refused = new(StringComparer.Ordinal);
        bench.Origin.Script = request => request.Verb == "GET" && refused.AddOrUpdate(request.Key, 1, (_, n) => n + 1) <= 3
            ? OriginScript.SlowDown
            : OriginScript.Serve;
        await AssertAsync(
            bench, "origin-throttled", "objectStores[].requests", () => DoctorBench.ForFilesAsync("a", 8, 4, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Full_hot_tier()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { CacheMiB = 4 });
        await bench.FillAndAttachAsync("a", 8, MiB);
        bench.Delay("GET", 20);
        bench.FillTargets();
        await AssertAsync(bench, "hot-tier-full", "pools[].directories", async () =>
        {
            await DoctorBench.ForFilesAsync("a", 8, 4, p => bench.ReadAsync(p));
            await bench.Node.Engine.Context.Fetches.WhenIdleAsync();
            await DoctorBench.ForFilesAsync("a", 8, 4, p => bench.ReadAsync(p));
        });
    }

    [Fact]
    public async Task Tiny_cache()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { CacheMiB = 4 });
        await bench.FillAndAttachAsync("a", 16, MiB);
        await bench.MakeHotAsync("a");
        await AssertAsync(bench, "cache-too-small", "cache.capacity", async () =>
        {
            for (int pass = 0; pass < 4; pass++)
            {
                await DoctorBench.ForFilesAsync("a", 16, 1, p => bench.ReadAsync(p));
            }
        });
    }

    [Fact]
    public async Task Cold_dataset()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 12, MiB);
        bench.Delay("GET", 25);
        await AssertAsync(bench, "cold-dataset", "datalayer warm", () => DoctorBench.ForFilesAsync("a", 12, 4, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Small_random_reads_over_big_objects()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { More = "engine: {subBlock: 512KiB}" });
        await bench.FillAndAttachAsync("a", 2, 24 * MiB);
        bench.Delay("GET", 15);
        Random random = new(3);
        await AssertAsync(bench, "small-random-reads", "engine.subBlock", () => Task.WhenAll(Enumerable.Range(0, 48).Select(
            i => bench.ReadAsync($"/a/f{i % 2}", random.Next(24 * MiB / 4096) * 4096L, 4096))));
    }

    [Fact]
    public async Task Noisy_neighbour()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { More = "engine: {requests: 4}" });
        await bench.FillAndAttachAsync("hog", 4, 12 * MiB);
        await bench.FillAndAttachAsync("victim", 12, MiB);
        bench.Delay("GET", 15);
        DoctorCause cause = await AssertAsync(bench, "noisy-neighbour", "engine.requestsPerFile", () => Task.WhenAll(
            DoctorBench.ForFilesAsync("hog", 4, 4, p => bench.ReadThroughAsync(p, 12 * MiB)),
            DoctorBench.ForFilesAsync("victim", 12, 2, p => bench.ReadAsync(p, 0, 64 << 10))));
        Assert.Contains("/hog", cause.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Slow_disk()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 12, MiB);
        await bench.MakeHotAsync("a");
        bench.DelayTargets(60);
        await AssertAsync(bench, "slow-disk", "pools[].directories", () => DoctorBench.ForFilesAsync("a", 12, 2, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Processor_bound_transform()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 1, MiB);
        await bench.ReadAsync("/a/f0");
        Stat(bench, busy: 1000, idle: 1000);
        await AssertAsync(bench, "processor-bound", "the job's transforms and worker count", async () =>
        {
            await bench.ReadAsync("/a/f0");
            Compute(TimeSpan.FromMilliseconds(300));
            Stat(bench, busy: 1196, idle: 1004);
        });
    }

    [Fact]
    public async Task Slow_metadata()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { TreeDelay = TimeSpan.FromMilliseconds(5) });
        await bench.FillAndAttachAsync("a", 24, 4096);
        await bench.MakeHotAsync("a");
        await AssertAsync(bench, "slow-metadata", "stateDirectory", () => DoctorBench.ForFilesAsync("a", 24, 2, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Readahead_too_small()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { More = "engine: {readahead: 1MiB}" });
        await bench.FillAndAttachAsync("a", 1, 16 * MiB);
        bench.Delay("GET", 50);
        await AssertAsync(bench, "readahead-too-small", "engine.readahead", () => bench.ReadThroughAsync("/a/f0", 16 * MiB));
    }

    [Fact]
    public async Task Too_few_connections()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { More = "engine: {requests: 1}" });
        await bench.FillAndAttachAsync("a", 12, MiB);
        bench.Delay("GET", 20);
        await AssertAsync(bench, "too-few-connections", "engine.requests", () => DoctorBench.ForFilesAsync("a", 12, 8, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Too_few_connections_of_the_store()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { StoreRequests = 1 });
        await bench.FillAndAttachAsync("a", 12, MiB);
        bench.Delay("GET", 20);
        await AssertAsync(
            bench, "too-few-connections", "objectStores[].requests", () => DoctorBench.ForFilesAsync("a", 12, 8, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Object_store_that_is_down()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 4, MiB);
        bench.Origin.Script = request => request.Verb == "GET" ? OriginAct.ResetBefore : OriginScript.Serve;
        await AssertAsync(bench, "origin-failing", "objectStores[].endpoint", () => DoctorBench.ForFilesAsync("a", 4, 4, async p =>
        {
            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => bench.ReadAsync(p));
            Assert.Equal(ErrorCode.OriginUnavailable, error.Code);
        }));
    }

    [Fact]
    public async Task Requests_that_fail_and_are_tried_again()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 6, MiB);
        ConcurrentDictionary<string, int> broken = new(StringComparer.Ordinal);
        bench.Origin.Script = request => request.Verb == "GET" && broken.AddOrUpdate(request.Key, 1, (_, n) => n + 1) <= 3
            ? OriginAct.ResetBefore
            : OriginScript.Serve;
        await AssertAsync(
            bench, "origin-failing", "objectStores[].endpoint", () => DoctorBench.ForFilesAsync("a", 6, 3, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Endpoint_in_another_region()
    {
        TimeSpan far = TimeSpan.FromMilliseconds(80);
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { Distance = far });
        await bench.FillAndAttachAsync("a", 8, MiB);
        bench.Delay("GET", 80);
        await AssertAsync(bench, "far-endpoint", "objectStores[].endpoint", () => DoctorBench.ForFilesAsync("a", 8, 4, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Foreign_changes_with_revalidation_at_each_open()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        bench.Fill("a", 4, 64 << 10);
        await bench.AttachAsync("a", FreshnessMode.Always);
        bench.Delay("HEAD", 20);
        await AssertAsync(bench, "revalidation", "attach --freshness", async () =>
        {
            for (int pass = 0; pass < 8; pass++)
            {
                await DoctorBench.ForFilesAsync("a", 4, 2, p => bench.ReadAsync(p));
                bench.Origin.Put("bucket", "a/f0", Enumerable.Repeat((byte)pass, 64 << 10).ToArray());
            }
        });
    }

    [Fact]
    public async Task Mount_that_is_read_past_the_page_cache()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 1, MiB);
        await bench.ReadAsync("/a/f0");
        bench.Mounts = [Mount(0, 0)];
        await AssertAsync(bench, "no-page-cache", "the reader's O_DIRECT, or its container's memory limit", async () =>
        {
            for (int i = 0; i < 20; i++)
            {
                await bench.ReadAsync("/a/f0");
            }

            bench.Mounts = [Mount(1L << 30, 262_144)];
        });
    }

    [Fact]
    public async Task Many_tiny_files_that_are_listed()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        bench.Fill("a", 2500, 100);
        bench.Delay("LIST", 120);
        await AssertAsync(bench, "listing", "engine.lists", async () =>
        {
            await bench.AttachAsync("a");
            await bench.ReadAsync("/a/f0");
        });
    }

    [Fact]
    public async Task Many_tiny_files_that_are_read()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 60, 8 << 10);
        bench.Delay("GET", 20);
        await AssertAsync(bench, "small-files", "datalayer warm", () => DoctorBench.ForFilesAsync("a", 60, 4, p => bench.ReadAsync(p)));
    }

    [Fact]
    public async Task Second_dataset_that_pushes_the_first_out_of_memory()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { CacheMiB = 12 });
        await bench.FillAndAttachAsync("a", 6, MiB);
        await bench.FillAndAttachAsync("scan", 24, MiB);
        await bench.MakeHotAsync("a");
        await bench.MakeHotAsync("scan");
        await AssertAsync(bench, "cache-thrash", "cache.policy", async () =>
        {
            for (int pass = 0; pass < 4; pass++)
            {
                await DoctorBench.ForFilesAsync("a", 6, 1, p => bench.ReadAsync(p));
                await DoctorBench.ForFilesAsync("scan", 24, 1, p => bench.ReadAsync(p));
            }
        });
    }

    [Fact]
    public async Task Warm_up_that_competes_with_readers()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync(new BenchSetup { More = "engine: {requests: 1}" });
        await bench.FillAndAttachAsync("warm", 8, 2 * MiB);
        await bench.FillAndAttachAsync("a", 8, 64 << 10);
        TaskCompletionSource warming = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bench.Origin.Script = request =>
        {
            bool isWarm = request.Key.StartsWith("warm/", StringComparison.Ordinal);
            if (request.Verb != "GET" || !isWarm)
            {
                return default;
            }

            warming.TrySetResult();
            return new OriginScript(OriginAct.Delay, Wait: TimeSpan.FromMilliseconds(200));
        };
        Task warm = Task.CompletedTask;
        await AssertAsync(bench, "warm-up-competes", "engine.upkeep", async () =>
        {
            warm = bench.Node.Engine.WarmAsync("/warm", false, null, CancellationToken.None).AsTask();
            await warming.Task;
            await DoctorBench.ForFilesAsync("a", 8, 1, p => bench.ReadAsync(p));
        });
        await warm;
    }

    [Fact]
    public async Task A_healthy_service_gets_no_advice()
    {
        await using DoctorBench bench = await DoctorBench.OpenAsync();
        await bench.FillAndAttachAsync("a", 8, MiB);
        Task ReadAsync() => DoctorBench.ForFilesAsync("a", 8, 1, p => bench.ReadAsync(p));
        await ReadAsync();
        Stat(bench, busy: 1000, idle: 1000);
        DoctorReport report = await bench.DiagnoseAsync(async () =>
        {
            await ReadAsync();
            Compute(TimeSpan.FromMilliseconds(300));
            await ReadAsync();
            Stat(bench, busy: 1050, idle: 1150);
        });
        Assert.True(report.Healthy, report.Verdict);
        Assert.Empty(report.Causes);
    }

    private static async Task<DoctorCause> AssertAsync(DoctorBench bench, string cause, string setting, Func<Task> run)
    {
        DoctorReport report = await bench.DiagnoseAsync(run);
        string all = report.Verdict + string.Concat(report.Causes.Select(c =>
            $"\n{c.Cause} {c.Share:P0} {c.LostSeconds:0.000} s: {string.Join("; ", c.Evidence)} -> {c.Setting}"))
            + string.Concat(report.WaitSeconds.Select(w => $"\n{w.Key} {w.Value:0.000}"));
        Assert.True(report.Causes is [{ } first, ..] && first.Cause == cause && first.Setting == setting, all);
        DoctorCause found = report.Causes[0];
        Assert.NotEmpty(found.Evidence);
        Assert.All(found.Evidence, e => Assert.Contains(e, char.IsDigit));
        Assert.NotEmpty(found.Change);
        Assert.NotEmpty(found.Effect);
        Assert.InRange(found.Share, 0.3, 1.0);
        return found;
    }

    private static MountReport Mount(long bytes, long reads) => new()
    {
        MountId = "m",
        TreePath = "/",
        MountPoint = "/mnt",
        Protocol = "7.45",
        Paths = [],
        Requests = new Dictionary<string, long>(StringComparer.Ordinal) { ["Read"] = reads },
        ReadBytes = bytes,
    };

    private static void Stat(DoctorBench bench, int busy, int idle)
    {
        string proc = Directory.CreateDirectory(Path.Combine(bench.Machine, "proc")).FullName;
        File.WriteAllText(Path.Combine(proc, "stat"), string.Create(CultureInfo.InvariantCulture, $"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n"));
    }

    /// <summary>What a job does between two reads.</summary>
    private static void Compute(TimeSpan length)
    {
        long end = TimeProvider.System.GetTimestamp() + (long)(length.TotalSeconds * TimeProvider.System.TimestampFrequency);
        while (TimeProvider.System.GetTimestamp() < end)
        {
            Thread.SpinWait(1000);
        }
    }
}
