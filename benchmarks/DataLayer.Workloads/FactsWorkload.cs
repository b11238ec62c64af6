using System.Diagnostics;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads;

/// <summary>
/// How fast the facts of a million files stream, a tenth of them with heat. The baseline is the walk that upkeep takes over the same
/// files, which reads their contents and no heat. Prints what the managed heap grew by meanwhile.
/// </summary>
internal sealed class FactsWorkload : IWorkload
{
    private const int Files = 1_000_000;
    private const int FilesPerFolder = 1000;
    private const int Runs = 3;

    public string Name => "facts";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await using BareEngine bare = await BareEngine.OpenAsync(
            "facts", new BlockCacheOptions { CapacityBytes = 64 << 20 }, [new ObjectStoreOptions { Name = "default", Kind = "directory" }],
            cancellationToken);
        (FileEngine engine, TreeStore tree) = (bare.Engine, bare.Tree);
        Attachment attachment = await engine.AttachAsync(
            new AttachRequest { Source = $"file://{bare.MakeFolder("bucket")}", Path = "/data" }, null, cancellationToken);
        await FillAsync(tree, attachment, cancellationToken);
        GC.Collect();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        long most = 0;
        await report.MeasureAsync("files", "files/s", Runs, async () =>
        {
            long start = Stopwatch.GetTimestamp();
            int count = 0;
            await foreach (FileFacts facts in engine.Facts.ReadAsync("/", cancellationToken))
            {
                if (++count % 100_000 == 0)
                {
                    most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
                }
            }

            return count == Files
                ? count / Stopwatch.GetElapsedTime(start).TotalSeconds
                : throw new InvalidOperationException($"{count} files were told of {Files}.");
        }, () => WalkAsync(tree, cancellationToken));
        Console.WriteLine($"{"facts",-10} {"heap-growth",-28} {most / 1e6,14:N2} MB");
    }

    /// <summary>Makes a million files in folders of a thousand.</summary>
    public static async Task FillAsync(TreeStore tree, Attachment attachment, CancellationToken cancellationToken)
    {
        for (int first = 0; first < Files; first += FilesPerFolder)
        {
            string folder = $"{first / 100_000}/{first / FilesPerFolder}";
            await tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(first, FilesPerFolder).Select(i => new ImportedObject(
                    $"{folder}/sample-{i:D8}.jpg", $"{folder}/sample-{i:D8}.jpg", $"etag-{i:D32}", null, 100_000 + i, 1_700_000_000_000_000_000, "STANDARD"))],
                null, cancellationToken);
            (IReadOnlyList<FileFactRow> page, _) = await tree.WalkFactsAsync(attachment.Folder, null, 1, cancellationToken);
            long newest = page[0].Attributes.Inode.Value + first;
            await tree.SaveAccessesAsync(
                [.. Enumerable.Range(0, FilesPerFolder / 10).Select(i => new HeatRecord(new(newest + (i * 10)), 1, 1, 1_700_000_000_000_000_000, 1, 1))],
                [], cancellationToken);
        }
    }

    private static async Task<double> WalkAsync(TreeStore tree, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        int count = 0;
        string? cursor = null;
        do
        {
            (IReadOnlyList<FileContent> page, cursor) = await tree.WalkFilesAsync(Core.Identity.InodeId.Root, cursor, 1000, cancellationToken);
            count += page.Count;
        }
        while (cursor is not null);
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
