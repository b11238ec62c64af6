using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Transfer;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Postgres;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads;

/// <summary>
/// The tree on SQLite and on a PostgreSQL server of its own, reached over a Unix socket, both syncing what they commit, with a million
/// files. Creates are durable: 128 callers share commits, beside one caller alone (SQLite), or beside SQLite. Look-ups are of names that no
/// cache of ours knows, one after the other. The copy to PostgreSQL has as its baseline the dump of the same tree.
/// </summary>
internal sealed class MetadataWorkload : IWorkload
{
    private const int Files = 1_000_000;
    private const int FilesPerFolder = 1000;
    private const int ListedFiles = 100_000;
    private const int Callers = 128;
    private const int Creates = 6_000;
    private const int Lookups = 10_000;
    private const int Runs = 3;

    private int _folders;

    public string Name => "metadata";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        using TempFolder folder = new("metadata");
        TreeStoreOptions file = new() { DatabasePath = folder.Combine("tree.db") };
        await FillAsync(file, cancellationToken);
        await using PostgresServer server = await PostgresServer.StartAsync();
        long start = Stopwatch.GetTimestamp();
        string dump = folder.Combine("dump");
        await using (FileStream stream = File.Create(dump))
        {
            await TreeTransfer.DumpAsync(file, stream, TimeProvider.System, null, cancellationToken);
        }

        double dumped = Files / Stopwatch.GetElapsedTime(start).TotalSeconds;
        File.Delete(dump);
        TreeStoreOptions table = new() { DatabasePath = string.Empty, Postgres = server.OptionsFor("bench") };
        start = Stopwatch.GetTimestamp();
        await TreeTransfer.MigrateAsync(file, table, TimeProvider.System, null, cancellationToken);
        report.Add("migrate-to-postgres", "files/s", Files / Stopwatch.GetElapsedTime(start).TotalSeconds, dumped, 1);

        await using TreeStore sqlite = await OpenAsync(file, cancellationToken);
        await using TreeStore postgres = await OpenAsync(table, cancellationToken);
        await report.MeasureAsync(
            "creates-sqlite", "creates/s", Runs, () => CreateAsync(sqlite, Callers, Creates), () => CreateAsync(sqlite, 1, Creates / 20));
        await report.MeasureAsync(
            "creates-postgres", "creates/s", Runs, () => CreateAsync(postgres, Callers, Creates), () => CreateAsync(sqlite, Callers, Creates));
        List<double> percentiles = [];
        await report.MeasureAsync(
            "lookup-postgres", "lookups/s", Runs, () => LookUpAsync(postgres, percentiles), () => LookUpAsync(sqlite, null));
        report.Add("lookup-p99-postgres", "1/s", 1 / BenchmarkReport.Median(percentiles), 1 / 0.002, Runs);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{Name,-10} p99 of a look-up on PostgreSQL {BenchmarkReport.Median(percentiles) * 1e3:N3} ms (the baseline is 2 ms)"));
        await report.MeasureAsync("ls-100k-sqlite", "entries/s", Runs, () => ListAsync(sqlite), static () => Task.FromResult((double)ListedFiles));
        await report.MeasureAsync("ls-100k-postgres", "entries/s", Runs, () => ListAsync(postgres), static () => Task.FromResult((double)ListedFiles));
    }

    private static Task<TreeStore> OpenAsync(TreeStoreOptions options, CancellationToken stop) =>
        TreeStore.OpenAsync(options, TimeProvider.System, NullLogger<TreeStore>.Instance, stop).AsTask();

    private static async Task FillAsync(TreeStoreOptions options, CancellationToken stop)
    {
        await using TreeStore tree = await OpenAsync(options, stop);
        InodeAttributes folder = await tree.MakeDirectoryAsync(InodeId.Root, "data", new NewInode(0x1ED), stop);
        Attachment attachment = await tree.AddAttachmentAsync(
            new Attachment { Folder = folder.Inode, Path = "/data", Source = "s3://b", StoreName = "default", Mode = AttachmentMode.ReadOnly },
            stop);
        for (int first = 0; first < Files; first += FilesPerFolder)
        {
            string path = first < ListedFiles ? "listed" : $"{first / 100_000}/{first / FilesPerFolder}";
            await tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(first, FilesPerFolder).Select(i => new ImportedObject(
                    $"{path}/{NameOf(i)}", $"{path}/{NameOf(i)}", $"etag-{i:D32}", null, 100_000 + i, 1_700_000_000_000_000_000, "STANDARD"))],
                null, stop);
        }
    }

    private static string NameOf(int number) => $"sample-{number:D8}.jpg";

    private async Task<double> CreateAsync(TreeStore tree, int callers, int count)
    {
        string name = "made-" + Interlocked.Increment(ref _folders).ToString(CultureInfo.InvariantCulture);
        InodeId folder = (await tree.MakeDirectoryAsync(InodeId.Root, name, new NewInode(0x1ED), default)).Inode;
        int next = 0;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is int number && number <= count)
            {
                await tree.CreateFileAsync(folder, NameOf(number), new NewInode(0x1A4), default);
            }
        }));
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<double> LookUpAsync(TreeStore tree, List<double>? percentiles)
    {
        Random random = new(1);
        Dictionary<int, InodeId> folders = [];
        double[] seconds = new double[Lookups];
        for (int i = 0; i < Lookups; i++)
        {
            int file = random.Next(ListedFiles, Files);
            int at = file / FilesPerFolder;
            if (!folders.TryGetValue(at, out InodeId folder))
            {
                folder = (await tree.ResolveAsync($"/data/{file / 100_000}/{at}", true, default)).Inode;
                folders.Add(at, folder);
            }

            long start = Stopwatch.GetTimestamp();
            if (await tree.LookupAsync(folder, NameOf(file), default) is null)
            {
                throw new InvalidOperationException($"{NameOf(file)} is not there.");
            }

            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        double sum = seconds.Sum();
        Array.Sort(seconds);
        percentiles?.Add(seconds[(int)(Lookups * 0.99)]);
        return Lookups / sum;
    }

    private static async Task<double> ListAsync(TreeStore tree)
    {
        InodeId folder = (await tree.ResolveAsync("/data/listed", true, default)).Inode;
        long start = Stopwatch.GetTimestamp();
        string? after = null;
        int count = 0;
        while (true)
        {
            IReadOnlyList<DirectoryEntry> page = await tree.ListAsync(folder, after, 1000, default);
            if (page.Count == 0)
            {
                break;
            }

            count += page.Count;
            after = page[^1].Name;
        }

        return count == ListedFiles
            ? count / Stopwatch.GetElapsedTime(start).TotalSeconds
            : throw new InvalidOperationException($"{count} entries of {ListedFiles}.");
    }
}
