using System.Diagnostics;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads;

/// <summary>
/// What headrooms cost where the folder has a million files: putting a window into force, a look while it is in force, and adding one that
/// is held against 99 others. The baseline of each is a walk over the folder's files, which is what a measurement of the share takes.
/// </summary>
internal sealed class HeadroomWorkload : IWorkload
{
    private const int Runs = 3;
    private const int Others = 99;

    public string Name => "headroom";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await using BareEngine bare = await BareEngine.OpenAsync(
            Name, new BlockCacheOptions { CapacityBytes = 64 << 20 }, [new ObjectStoreOptions { Name = "default", Kind = "directory" }],
            cancellationToken);
        (FileEngine engine, TreeStore tree) = (bare.Engine, bare.Tree);
        Attachment attachment = await engine.AttachAsync(
            new AttachRequest { Source = $"file://{bare.MakeFolder("bucket")}", Path = "/data" }, null, cancellationToken);
        await FactsWorkload.FillAsync(tree, attachment, cancellationToken);
        JobInputs inputs = new(bare.MakeFolder("lists"), 1 << 20);
        await using JobService jobs = await JobService.OpenAsync(
            tree, [new WarmRunner(engine, inputs)], new JobServiceOptions(), TimeProvider.System, NullLogger<JobService>.Instance, cancellationToken);
        PolicyVersions policies = new(tree);
        ShareMeasurement measurement = new(engine);
        async Task<double> WalkAsync() => await TimeAsync(async () => await measurement.RunAsync("/data", null, 1, new Core.Identity.ShareMap(), cancellationToken));

        await using (HeadroomService service = Make(engine, jobs, inputs, policies))
        {
            await service.AddAsync("open", Spec("/data", null, null), "bench", key: null, cancellationToken);
        }

        await report.MeasureAsync("open", "ms", Runs, async () =>
        {
            await using HeadroomService service = Make(engine, jobs, inputs, policies);
            double took = await TimeAsync(async () => await service.LookOnceAsync(cancellationToken));
            await service.LookAsync(cancellationToken);
            return took;
        }, WalkAsync);
        await using HeadroomService running = Make(engine, jobs, inputs, policies);
        await running.LookAsync(cancellationToken);
        await report.MeasureAsync(
            "look", "ms", Runs, async () => await TimeAsync(async () => await running.LookOnceAsync(cancellationToken)), WalkAsync);
        for (int i = 0; i < Others - 1; i++)
        {
            await engine.MakeDirectoryAsync($"/desk{i}", 0x1ED, true, cancellationToken);
            await running.AddAsync($"desk{i}", Spec($"/desk{i}", $"{i % 24:D2}:00", $"{(i + 9) % 24:D2}:30"), "bench", key: null, cancellationToken);
        }

        await engine.MakeDirectoryAsync("/last", 0x1ED, true, cancellationToken);
        await report.MeasureAsync("add-100th", "ms", Runs, async () =>
        {
            HeadroomStatus? added = null;
            double took = await TimeAsync(
                async () => added = await running.AddAsync("last", Spec("/last", "08:00", "17:00"), "bench", key: null, cancellationToken));
            await running.RemoveAsync(added!.Record.Id, version: null, cancellationToken);
            return took;
        }, WalkAsync);
    }

    private static HeadroomService Make(FileEngine engine, JobService jobs, JobInputs inputs, PolicyVersions policies) =>
        new(new HeadroomParts(engine, jobs, inputs, policies), NullLogger<HeadroomService>.Instance);

    private static HeadroomSpec Spec(string path, string? from, string? to) => new()
    {
        Path = path,
        MemoryBytes = 100_000,
        Window = new HeadroomWindow { From = from, To = to, TimeZone = "America/New_York" },
        Refill = [path + "/none"], // Nothing to bring: jobs are not what is measured.
    };

    private static async Task<double> TimeAsync(Func<Task> work)
    {
        long start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
