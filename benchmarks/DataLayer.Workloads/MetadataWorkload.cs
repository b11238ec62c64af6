using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Transfer;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Cache;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Service;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads;

/// <summary>
/// The tree on SQLite and on a PostgreSQL server of its own, reached over a Unix socket, both syncing what they commit, with a million
/// files (<c>--files</c>). Creates are durable: 128 callers share commits, beside one caller alone (SQLite), or beside SQLite. Look-ups are
/// of names that no cache of ours knows, one after the other. `stat` is by path, of files that the engine has looked at before. The copy to
/// PostgreSQL has as its baseline the dump of the same tree. A real service over the tree lists and looks at files, and its largest resident
/// size is compared with 1 GiB. Cases carry the count of files where it is not a million.
/// </summary>
internal sealed class MetadataWorkload : IWorkload
{
    private const int StandardFiles = 1_000_000;
    private const int FilesPerFolder = 1000;
    private const int ListedFiles = 100_000;
    private const int Callers = 128;
    private const int Creates = 6_000;
    private const int Lookups = 10_000;
    private const int CachedFiles = 50_000;
    private const int Stats = 500_000;
    private const int ServiceMemoryBytes = 64 << 20;
    private const int Runs = 3;

    private int _files;
    private int _folders;
    private string _suffix = string.Empty;

    public string Name => "metadata";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        _files = report.Files ?? StandardFiles;
        _suffix = _files == StandardFiles ? string.Empty : "-" + _files.ToString("0e0", CultureInfo.InvariantCulture);
        using TempFolder own = new("metadata");
        string folder = report.KeptFolder ?? own.Path;
        TreeStoreOptions file = new() { DatabasePath = Path.Combine(folder, "state", "tree.db") };
        await using PostgresServer server = await PostgresServer.StartAsync(
            keptFolder: report.KeptFolder is null ? null : Path.Combine(folder, "pg"));
        TreeStoreOptions table = new() { DatabasePath = string.Empty, Postgres = server.OptionsFor("bench") };
        if (report.Wants("fill"))
        {
            await FillAsync(report, file, table, folder, cancellationToken);
        }

        await using (TreeStore sqlite = await OpenAsync(file, cancellationToken))
        {
            await using TreeStore postgres = await OpenAsync(table, cancellationToken);
            await MeasureAsync(report, sqlite, postgres);
        }

        if (report.Wants("stat"))
        {
            await MeasureStatAsync(report, file, cancellationToken);
        }

        if (report.Wants("service"))
        {
            await MeasureServiceAsync(report, folder, cancellationToken);
        }
    }

    private async Task FillAsync(
        BenchmarkReport report, TreeStoreOptions file, TreeStoreOptions table, string folder, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        await ImportAsync(file, stop);
        double imported = _files / Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        string dump = Path.Combine(folder, "dump");
        await using (FileStream stream = File.Create(dump))
        {
            await TreeTransfer.DumpAsync(file, stream, TimeProvider.System, null, stop);
        }

        double dumped = _files / Stopwatch.GetElapsedTime(start).TotalSeconds;
        report.Add("import-sqlite" + _suffix, "files/s", imported, dumped, 1);
        report.Add("dump-bytes" + _suffix, "bytes/file", (double)new FileInfo(dump).Length / _files,
            (double)new FileInfo(file.DatabasePath).Length / _files, 1);
        File.Delete(dump);
        start = Stopwatch.GetTimestamp();
        await TreeTransfer.MigrateAsync(file, table, TimeProvider.System, null, stop);
        report.Add(
            "migrate-to-postgres" + _suffix, "files/s", _files / Stopwatch.GetElapsedTime(start).TotalSeconds, dumped, 1);
    }

    private async Task MeasureAsync(BenchmarkReport report, TreeStore sqlite, TreeStore postgres)
    {
        if (report.Wants("creates"))
        {
            await report.MeasureAsync(
                "creates-sqlite" + _suffix, "creates/s", Runs, () => CreateAsync(sqlite, Callers, Creates),
                () => CreateAsync(sqlite, 1, Creates / 20));
            await report.MeasureAsync(
                "creates-postgres" + _suffix, "creates/s", Runs, () => CreateAsync(postgres, Callers, Creates),
                () => CreateAsync(sqlite, Callers, Creates));
        }

        if (report.Wants("lookups"))
        {
            List<double> percentiles = [], sqlitePercentiles = [];
            await report.MeasureAsync(
                "lookup-postgres" + _suffix, "lookups/s", Runs, () => LookUpAsync(postgres, percentiles),
                () => LookUpAsync(sqlite, sqlitePercentiles));
            report.Add("lookup-p99-postgres" + _suffix, "1/s", 1 / BenchmarkReport.Median(percentiles), 1 / 0.002, Runs);
            report.Add("lookup-p99-sqlite" + _suffix, "1/s", 1 / BenchmarkReport.Median(sqlitePercentiles), 1 / 0.002, Runs);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{Name,-10} p99 of a look-up on PostgreSQL {BenchmarkReport.Median(percentiles) * 1e3:N3} ms (the baseline is 2 ms)"));
        }

        if (report.Wants("ls"))
        {
            await report.MeasureAsync(
                "ls-100k-sqlite" + _suffix, "entries/s", Runs, () => ListAsync(sqlite), static () => Task.FromResult((double)ListedFiles));
            await report.MeasureAsync(
                "ls-100k-postgres" + _suffix, "entries/s", Runs, () => ListAsync(postgres), static () => Task.FromResult((double)ListedFiles));
        }
    }

    /// <summary>`stat` by path of files that were looked at once, on one thread; the baseline is 100,000 a second.</summary>
    private async Task MeasureStatAsync(BenchmarkReport report, TreeStoreOptions file, CancellationToken stop)
    {
        await using BareEngine engine = await BareEngine.OpenAsync(
            "metadata", new BlockCacheOptions { CapacityBytes = ServiceMemoryBytes }, [], stop, tree: file);
        string[] paths = [.. Enumerable.Range(0, CachedFiles).Select(PathOf)];
        await report.MeasureAsync(
            "stat-cached" + _suffix, "stats/s", Runs,
            async () =>
            {
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < Stats; i++)
                {
                    InodeAttributes found = await engine.Engine.StatAsync(paths[i % paths.Length], followLast: true, stop);
                    if (found.SizeBytes == 0)
                    {
                        throw new InvalidOperationException($"{paths[i % paths.Length]} is not what was made.");
                    }
                }

                return Stats / Stopwatch.GetElapsedTime(start).TotalSeconds;
            },
            static () => Task.FromResult(100_000.0));
    }

    /// <summary>
    /// A service over the tree that lists up to a million files in pages and looks at some thousand: what it takes of memory beside the
    /// memory tier's 64 MiB and all else that a service holds, against 1 GiB.
    /// </summary>
    private async Task MeasureServiceAsync(BenchmarkReport report, string folder, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        await using ServiceProcess service = await ServiceProcess.StartAsync(new ServiceSettings
        {
            StateFolder = Path.Combine(folder, "state"),
            MemoryBytes = ServiceMemoryBytes,
            Stores = [new StoreSettings(new Uri("http://127.0.0.1:1"))],
        });
        double started = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long idle = service.ResidentBytes;
        int listed = 0;
        start = Stopwatch.GetTimestamp();
        for (int first = 0; first < Math.Min(_files, StandardFiles); first += first < ListedFiles ? ListedFiles : FilesPerFolder)
        {
            string path = PathOf(first);
            await foreach (FileStatus _ in service.Client.ListAsync(path[..path.LastIndexOf('/')], cancellationToken: stop))
            {
                listed++;
            }
        }

        double rate = listed / Stopwatch.GetElapsedTime(start).TotalSeconds;
        Random random = new(2);
        for (int i = 0; i < Lookups; i++)
        {
            _ = await service.Client.StatAsync(PathOf(random.Next(_files)), cancellationToken: stop);
        }

        report.Add("service-ls-http" + _suffix, "entries/s", rate, ListedFiles, 1);
        report.Add("service-start" + _suffix, "1/s", 1 / started, 1, 1);
        report.Add("service-memory-idle" + _suffix, "1/GiB", (double)(1 << 30) / idle, 1, 1);
        report.Add("service-memory-peak" + _suffix, "1/GiB", (double)(1 << 30) / service.PeakResidentBytes, 1, 1);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Name,-10} service: start {started:N2} s, {idle >> 20} MiB then, at most {service.PeakResidentBytes >> 20} MiB after {listed:N0} entries"));
        await service.StopAsync();
    }

    private static Task<TreeStore> OpenAsync(TreeStoreOptions options, CancellationToken stop) =>
        TreeStore.OpenAsync(options, TimeProvider.System, NullLogger<TreeStore>.Instance, stop).AsTask();

    private async Task ImportAsync(TreeStoreOptions options, CancellationToken stop)
    {
        await using TreeStore tree = await OpenAsync(options, stop);
        InodeAttributes folder = await tree.MakeDirectoryAsync(InodeId.Root, "data", new NewInode(0x1ED), stop);
        Attachment attachment = await tree.AddAttachmentAsync(
            new Attachment { Folder = folder.Inode, Path = "/data", Source = "s3://generated", StoreName = "default", Mode = AttachmentMode.ReadOnly },
            stop);
        for (int first = 0; first < _files; first += FilesPerFolder)
        {
            await tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(first, FilesPerFolder).Select(i => new ImportedObject(
                    KeyOf(i), KeyOf(i), $"etag-{i:D32}", null, 100_000 + i, 1_700_000_000_000_000_000, "STANDARD"))],
                null, stop);
        }
    }

    private static string NameOf(int number) => $"sample-{number:D8}.jpg";

    private static string PathOf(int number) => "/data/" + KeyOf(number);

    private static string KeyOf(int number) =>
        number < ListedFiles ? $"listed/{NameOf(number)}" : $"{number / 100_000}/{number / FilesPerFolder}/{NameOf(number)}";

    private async Task<double> CreateAsync(TreeStore tree, int callers, int count)
    {
        string name = $"made-{Environment.ProcessId}-{Interlocked.Increment(ref _folders)}";
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

    private async Task<double> LookUpAsync(TreeStore tree, List<double> percentiles)
    {
        Random random = new(1);
        Dictionary<int, InodeId> folders = [];
        double[] seconds = new double[Lookups];
        for (int i = 0; i < Lookups; i++)
        {
            int file = random.Next(ListedFiles, _files);
            string path = PathOf(file);
            int at = file / FilesPerFolder;
            if (!folders.TryGetValue(at, out InodeId folder))
            {
                folder = (await tree.ResolveAsync(path[..path.LastIndexOf('/')], true, default)).Inode;
                folders.Add(at, folder);
            }

            long start = Stopwatch.GetTimestamp();
            if (await tree.LookupAsync(folder, NameOf(file), default) is null)
            {
                throw new InvalidOperationException($"{path} is not there.");
            }

            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        double sum = seconds.Sum();
        Array.Sort(seconds);
        percentiles.Add(seconds[(int)(Lookups * 0.99)]);
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
