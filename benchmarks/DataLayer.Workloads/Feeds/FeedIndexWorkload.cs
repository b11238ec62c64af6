using System.Diagnostics;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Feeds;

/// <summary>
/// How fast the index of a million files with folder labels and a split is built, from nothing and again, and how fast its samples are found, in a random order.
/// The baseline of the builds is the bare walk over the same files; that of finding, an array of the same numbers. Prints what an index and a manifest take.
/// </summary>
internal sealed class FeedIndexWorkload : IWorkload
{
    private const int Files = 1_000_000;
    private const int FilesPerFolder = 1000;
    private const int Runs = 3;
    private static readonly DatasetSpec _spec = new() { Path = "/data", Kind = DatasetKind.Files, Labels = LabelSource.Folder, ValidationShare = 0.1 };

    public string Name => "feed-index";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await using BareEngine bare = await BareEngine.OpenAsync(
            "feed-index", new BlockCacheOptions { CapacityBytes = 64 << 20 }, [new ObjectStoreOptions { Name = "default", Kind = "directory" }], cancellationToken);
        (FileEngine engine, TreeStore tree) = (bare.Engine, bare.Tree);
        Attachment attachment = await engine.AttachAsync(new AttachRequest { Source = $"file://{bare.MakeFolder("bucket")}", Path = "/data" }, null, cancellationToken);
        for (int first = 0; first < Files; first += FilesPerFolder)
        {
            string folder = $"class-{first / FilesPerFolder:D4}";
            await tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(first, FilesPerFolder).Select(i => new ImportedObject(
                    $"{folder}/sample-{i:D8}.jpg", $"{folder}/sample-{i:D8}.jpg", $"{i * 2654435761L:x32}", null, 100_000 + (i % 50_021), 1_700_000_000_000_000_000, "STANDARD"))],
                null, cancellationToken);
        }

        int number = 0;
        DatasetRecord built = await BuildAsync(engine, "first", cancellationToken);
        await report.MeasureAsync(
            "build", "files/s", Runs, () => RateAsync(() => BuildAsync(engine, $"set-{number++}", cancellationToken)), () => RateAsync(() => WalkAsync(tree, cancellationToken)));
        await report.MeasureAsync(
            "refresh", "files/s", Runs, () => RateAsync(() => BuildAsync(engine, "first", cancellationToken)), () => RateAsync(() => WalkAsync(tree, cancellationToken)));
        await MeasureFindingAsync(report, engine.Datasets.Open("first"));
        Console.WriteLine($"feed-index bytes-a-sample {(double)built.IndexBytes / built.Samples:N2} manifest {(double)built.ManifestBytes / built.Samples:N2}");
    }

    private static Task MeasureFindingAsync(BenchmarkReport report, SampleIndex index)
    {
        long[] order = [.. Enumerable.Range(0, Files).Select(i => (long)i)];
        new Random(1).Shuffle(order);
        SamplePlace[] table = [.. Enumerable.Range(0, Files).Select(i => index[i])];
        return report.MeasureAsync(
            "find", "samples/s", Runs, () => RateAsync(() => Task.FromResult(Array.TrueForAll(order, i => index[i].LengthBytes > 0))),
            () => RateAsync(() => Task.FromResult(Array.TrueForAll(order, i => table[i].LengthBytes > 0))));
    }

    private static async Task<double> RateAsync<T>(Func<Task<T>> work)
    {
        long start = Stopwatch.GetTimestamp();
        await work();
        return Files / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<DatasetRecord> BuildAsync(FileEngine engine, string name, CancellationToken cancellationToken)
    {
        await engine.Datasets.CreateAsync(name, _spec, cancellationToken);
        DatasetRecord built = await engine.Datasets.BuildAsync(name, _ => { }, cancellationToken);
        return built.Samples == Files ? built : throw new InvalidOperationException($"{built.Samples} samples of {Files}.");
    }

    private static async Task<int> WalkAsync(TreeStore tree, CancellationToken cancellationToken)
    {
        int count = 0;
        string? cursor = null;
        do
        {
            (IReadOnlyList<FileFactRow> page, cursor) = await tree.WalkFactsAsync(InodeId.Root, cursor, 1000, cancellationToken);
            count += page.Count;
        }
        while (cursor is not null);
        return count;
    }
}
