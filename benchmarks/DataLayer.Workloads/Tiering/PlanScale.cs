using System.Diagnostics;
using System.Globalization;
using System.Text;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// A plan of 10,000 rules over 1,000,000 files: the policy read from YAML, each file decided, priced, and, as most move, written to the
/// sorted file of moves. Facts come from a generator as they would from the tree.
/// </summary>
internal static class PlanScale
{
    private const int Rules = 10_000;
    private const int Files = 1_000_000;
    private const int Folders = 20_000;
    private static readonly DateTimeOffset _now = new(2026, 11, 23, 3, 0, 0, TimeSpan.Zero);

    /// <summary>Plans once and adds the rows.</summary>
    public static void Measure(BenchmarkReport report)
    {
        string folder = Directory.CreateTempSubdirectory("datalayer-bench-plan-").FullName;
        try
        {
            long start = Stopwatch.GetTimestamp();
            CompiledPolicy policy = PolicyDocument.Parse(MakePolicy()).Policy!.Compile();
            double compiled = Stopwatch.GetElapsedTime(start).TotalSeconds;
            TierPricing pricing = new(PriceTableReader.Load("aws-us-east-1").Table!, new TransferShape());
            using MoveSpool spool = new(Path.Combine(folder, "moves"));
            Dictionary<string, double> fill = new(StringComparer.Ordinal) { ["default"] = 0.5 };
            PlanBuilder builder = new(
                PolicyAtMoment.Make(policy, _now, fill, new HashSet<int>()), pricing, new PlanOptions { PolicyHash = policy.Hash }, _now, spool);
            foreach (FileFacts file in MakeFiles())
            {
                builder.Add(file);
            }

            TieringPlan plan = builder.Complete();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"policy {compiled:N2} s, plan {seconds - compiled:N2} s; {plan.Totals.Moves:N0} moves by {plan.Rules.Count:N0} rules in {plan.SpoolBytes:N0} bytes"));
            report.Add("plan-10k-rules-1M-files", "s, less", seconds, 60, 1);
            report.Add("plan-10k-rules-1M-files-memory", "MiB, less", PeakBytes() / (double)(1 << 20), 1024, 1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Plans a tree of as many cold files and adds the rows: facts from the metadata store, the plan kept in it.</summary>
    public static async Task MeasureTreeAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("datalayer-bench-plan-").FullName;
        try
        {
            ServerConfiguration configuration = ServerConfigurationReader.ReadText(
                $"stateDirectory: {folder}\nmemory: {{budget: 512MiB}}\n", "bench", new Dictionary<string, string>(StringComparer.Ordinal)).Configuration!;
            await FillAsync(configuration, cancellationToken);
            await using StorageNode node = await StorageNode.OpenAsync(configuration, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            TierPricing pricing = new(configuration.Tiering.Prices, new TransferShape());
            using PlanMaker maker = new(node.Engine.Facts.ReadAsync, node.Plans, pricing, TimeProvider.System);

            // From here on the peak of memory counts anew.
            await File.WriteAllTextAsync("/proc/self/clear_refs", "5", cancellationToken);
            long start = Stopwatch.GetTimestamp();
            CompiledPolicy policy = PolicyDocument.Parse(MakePolicy()).Policy!.Compile();
            Dictionary<string, double> fill = new(StringComparer.Ordinal) { ["default"] = 0.5 };
            TieringPlan plan = await maker.MakeAsync(
                now => PolicyAtMoment.Make(policy, now, fill, new HashSet<int>()), new PlanOptions { PolicyHash = policy.Hash }, null, cancellationToken);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"tree: {plan.Totals.Files:N0} files, {plan.Totals.Moves:N0} moves by {plan.Rules.Count:N0} rules"));
            report.Add("plan-10k-rules-1M-files-of-a-tree", "s, less", seconds, 60, 1);
            report.Add("plan-10k-rules-1M-files-of-a-tree-memory", "MiB, less", PeakBytes() / (double)(1 << 20), 1024, 1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Lists a bucket of a million objects into the tree, as attaching it would.</summary>
    private static async Task FillAsync(ServerConfiguration configuration, CancellationToken cancellationToken)
    {
        const int Page = 10_000;
        await using TreeStore tree = await TreeStore.OpenAsync(configuration.Tree, TimeProvider.System, NullLogger<TreeStore>.Instance, cancellationToken);
        InodeAttributes data = await tree.MakeDirectoryAsync(InodeId.Root, "data", new NewInode(0x1ED), cancellationToken);
        Attachment attachment = await tree.AddAttachmentAsync(
            new Attachment { Folder = data.Inode, Path = "/data", Source = "s3://bucket/data", StoreName = "default", Mode = AttachmentMode.ReadWrite },
            cancellationToken);
        long written = (DateTimeOffset.UtcNow.AddDays(-100) - DateTimeOffset.UnixEpoch).Ticks * 100;
        List<ImportedObject> page = new(Page);
        foreach (FileFacts file in MakeFiles())
        {
            string path = file.Path["/data/".Length..];
            page.Add(new ImportedObject(path, "data/" + path, "etag", null, file.SizeBytes, written, "STANDARD"));
            if (page.Count == Page)
            {
                await tree.ImportAsync(attachment.Id, page, null, cancellationToken);
                page.Clear();
            }
        }
    }

    /// <summary>Rules by folder, by name, by size and by idleness, and one for the rest.</summary>
    private static string MakePolicy()
    {
        StringBuilder text = new("version: 1\nrules:\n");
        for (int i = 0; i < Rules - 1; i++)
        {
            string path = (i % 4) switch
            {
                0 => $"/data/team-{i % 100:d2}/set-{i:d5}/**",
                1 => $"/data/team-{i % 100:d2}/set-{i:d5}/**/*.parquet",
                2 => $"/data/team-{i % 100:d2}/set-{i:d5}/part-*",
                _ => $"/data/team-{i % 100:d2}/*/part-{i:d5}*",
            };
            text.Append(CultureInfo.InvariantCulture, $"  - name: rule {i}\n    match: {{path: \"{path}\", idle: \"> {1 + (i % 60)}d\"}}\n");
            text.Append(CultureInfo.InvariantCulture, $"    then: {{place: release, storageClass: {(i % 2 == 0 ? "STANDARD_IA" : "GLACIER_IR")}}}\n    weight: {i % 50}\n");
        }

        return text.Append("  - name: the rest\n    match: {path: \"/data/**\", idle: \"> 20d\"}\n    then: {place: cold}\n").ToString();
    }

    private static IEnumerable<FileFacts> MakeFiles()
    {
        Random random = new(5);
        for (int i = 0; i < Files; i++)
        {
            int folder = i / (Files / Folders);
            long size = 1 + random.NextInt64(64L << 20);
            bool isCold = random.Next(4) == 0;
            yield return new FileFacts
            {
                Inode = new InodeId(i + 2),
                Version = 1,
                Path = string.Create(CultureInfo.InvariantCulture, $"/data/team-{folder % 100:d2}/set-{folder:d5}/part-{i:d7}.{(i % 3 == 0 ? "parquet" : "bin")}"),
                Dataset = "/data",
                SizeBytes = size,
                HotBytes = isCold ? 0 : size,
                CopyCount = isCold ? 0 : 1,
                ModifiedAt = _now.AddDays(-100),
                AccessedAt = _now.AddDays(-random.Next(90)),
                Heat = random.NextDouble(),
                State = isCold ? TierState.Released : TierState.Hot,
                Pool = "default",
                HasObject = isCold,
                AttachmentId = 1,
                StorageClass = isCold ? "STANDARD" : null,
                StoredAt = isCold ? _now.AddDays(-40) : null,
            };
        }
    }

    /// <summary>The most memory the process ever held.</summary>
    private static long PeakBytes()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
