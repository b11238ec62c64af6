using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Fuse;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.Workloads.Mounts.Peers;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads.Mounts;

/// <summary>
/// The mount: hits against the least a FUSE server in C# can do (<see cref="MemoryResponder"/>), small files, creation
/// and listing
/// against the ext4 the benchmark's folder lies on, and a bucket against other programs that mount it
/// (<see cref="PeerCases"/>).
/// Clients are processes of their own. <c>--only=hits|passthrough|files|peers</c> runs one group, <c>--only=peer-seq|peer-small</c> half of the last.
/// </summary>
internal sealed class MountWorkload : IWorkload
{
    private const long BigBytes = 512L << 20;
    private const int SmallBytes = 16 << 10;
    private const int SmallCount = 8192;
    private const int WarmPasses = 20;
    private const int Threads = 2;
    private const int Runs = 5;

    public string Name => "mount";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        if (report.Wants("hits"))
        {
            await MeasureHitsAsync(report, cancellationToken);
        }

        if (report.Wants("passthrough"))
        {
            await MeasurePassthroughAsync(report, cancellationToken);
        }

        if (report.Wants("files"))
        {
            await MeasureFilesAsync(report, cancellationToken);
        }

        if (report.Wants("peers", "peer-seq") || report.Wants("peers", "peer-small"))
        {
            await PeerCases.MeasureAsync(report, cancellationToken);
        }
    }

    private static async Task MeasurePassthroughAsync(BenchmarkReport report, CancellationToken stop)
    {
        await using MountedTree tree = await MountedTree.StartAsync(
            new MountedTreeOptions { Mount = options => options with { ReadOnly = true } });
        using TempFolder folder = new("bench-mount-plain");
        await FillAsync(tree.Engine, "/big", BigBytes, 1, stop);
        string plain = folder.Combine("f0");
        byte[] buffer = new byte[1 << 20];
        new Random(1).NextBytes(buffer);
        await using (FileStream file = File.Create(plain))
        {
            for (long at = 0; at < BigBytes; at += buffer.Length)
            {
                await file.WriteAsync(buffer, stop);
            }
        }

        CpuMeter ours = new();
        CpuMeter theirs = new();
        string mounted = Path.Combine(tree.Path, "big", "f0");
        await report.MeasureAsync("passthrough-seq", "MB/s", Runs,
            () => SequentialAsync(mounted, ours), () => SequentialAsync(plain, theirs));
        if (tree.Mount.Status.ReadBytes > 0)
        {
            throw new InvalidOperationException("The file was read through the service: this is no passthrough.");
        }
    }

    private static async Task MeasureHitsAsync(BenchmarkReport report, CancellationToken stop)
    {
        await using MountedTree tree = await MountedTree.StartAsync(
            new MountedTreeOptions { CacheBytes = 1536L << 20 });
        using TempFolder folder = new("bench-mount");
        await FillAsync(tree.Engine, "/big", BigBytes, 1, stop);
        await FillAsync(tree.Engine, "/small", SmallBytes, SmallCount, stop);
        string big = Path.Combine(tree.Path, "big", "f0");
        string small = Path.Combine(tree.Path, "small");
        KernelReadahead.Raise(tree.Path);
        using (Responder baseline = new(folder.Combine("big"), BigBytes, 1))
        {
            string plain = Path.Combine(baseline.Path, "f0");
            CpuMeter ours = new();
            CpuMeter theirs = new();
            await report.MeasureAsync("hit-seq-1MiB", "MB/s", Runs,
                () => SequentialAsync(big, ours), () => SequentialAsync(plain, theirs));
            report.Add("hit-seq-1MiB-cpu", "MB/cpu-s", ours.Median, theirs.Median, Runs);
            (ours, theirs) = (new CpuMeter(), new CpuMeter());
            await report.MeasureAsync("hit-rand-4KiB-4t", "reads/s", Runs,
                () => RandomAsync(big, ours), () => RandomAsync(plain, theirs));
            report.Add("hit-rand-4KiB-4t-cpu", "reads/cpu-s", ours.Median, theirs.Median, Runs);
        }

        using (Responder baseline = new(folder.Combine("small"), SmallBytes, SmallCount))
        {
            CpuMeter ours = new();
            CpuMeter theirs = new();
            await report.MeasureAsync("hit-small-16KiB", "files/s", Runs,
                () => SmallAsync(small, Threads, ours), () => SmallAsync(baseline.Path, Threads, theirs));
            report.Add("hit-small-16KiB-cpu", "files/cpu-s", ours.Median, theirs.Median, Runs);
        }

        await MeasureWarmAsync(report, tree, folder, stop);
    }

    private static async Task MeasureWarmAsync(
        BenchmarkReport report, MountedTree tree, TempFolder folder, CancellationToken stop)
    {
        string plain = folder.MakeFolder("plain");
        byte[] content = new byte[SmallBytes];
        for (int i = 0; i < SmallCount; i++)
        {
            await File.WriteAllBytesAsync(Path.Combine(plain, Numbered(i)), content, stop);
        }

        InodeAttributes root = await tree.Engine.StatAsync("/small", followLast: true, stop);
        using FusePoint point = new(folder.Combine("warm"), readOnly: true);
        FuseMount mount = await FuseMount.StartAsync(
            point.Device, tree.Engine,
            new FuseMountOptions { MountId = "warm", Root = root.Inode, ReadOnly = true, Profile = MountProfile.Small },
            TimeProvider.System, NullLoggerFactory.Instance, stop);
        CpuMeter ours = new();
        CpuMeter theirs = new();
        await report.MeasureAsync("small-warm", "files/s", Runs,
            () => SmallAsync(point.Path, 1, ours, WarmPasses), () => SmallAsync(plain, 1, theirs, WarmPasses));
        using (Responder least = new(folder.Combine("least"), SmallBytes, SmallCount, withoutOpens: true))
        {
            // The same in the kernel, nothing of ours in the way: how near to ext4 any mount can come here.
            await report.MeasureAsync("small-warm-least", "files/s", Runs,
                () => SmallAsync(point.Path, 1, ours, WarmPasses), () => SmallAsync(least.Path, 1, theirs, WarmPasses));
        }

        point.Dispose();
        await mount.DisposeAsync();
    }

    private static async Task MeasureFilesAsync(BenchmarkReport report, CancellationToken stop)
    {
        const int CreateCount = 5000;
        const int FolderCount = 100;
        const int FilesInFolder = 1000;
        await using MountedTree tree = await MountedTree.StartAsync();
        using TempFolder folder = new("bench-mount-ext4");
        int round = 0;
        await report.MeasureAsync("create-small", "files/s", Runs,
            () => CreateAsync(Directory.CreateDirectory(Path.Combine(tree.Path, $"c{round++}")).FullName, CreateCount),
            () => CreateAsync(folder.MakeFolder($"c{round++}"), CreateCount));
        foreach (string place in (string[])[tree.Path, folder.Path])
        {
            await Python.RunAsync(place, """
                os.mkdir("long")
                for d in range(int(sys.argv[1])):
                    os.mkdir(f"long/d{d}")
                    for i in range(int(sys.argv[2])):
                        os.close(os.open(f"long/d{d}/file-{i}", os.O_CREAT | os.O_WRONLY))
                """, FolderCount.ToString(CultureInfo.InvariantCulture), FilesInFolder.ToString(CultureInfo.InvariantCulture));
        }

        await report.MeasureAsync("list-long", "names/s", Runs,
            () => ListAsync(Path.Combine(tree.Path, "long"), FolderCount * FilesInFolder),
            () => ListAsync(folder.Combine("long"), FolderCount * FilesInFolder));
        _ = stop;
    }

    private static async Task FillAsync(FileEngine engine, string folder, long bytes, int count, CancellationToken stop)
    {
        await engine.MakeDirectoryAsync(folder, 0x1ED, parents: false, stop);
        byte[] buffer = new byte[(int)Math.Min(bytes, 1 << 20)];
        Random random = new(1);
        for (int i = 0; i < count; i++)
        {
            random.NextBytes(buffer);
            await using FileReplacement file = await engine.ReplaceFileAsync(
                $"{folder}/{Numbered(i)}", new ReplaceOptions { ExpectedSizeBytes = bytes }, stop);
            for (long at = 0; at < bytes; at += buffer.Length)
            {
                await file.WriteAsync(buffer, stop);
            }

            await file.CommitAsync(stop);
        }

        await engine.WarmAsync(folder, intoMemory: true, progress: null, stop);
    }

    private static async Task<double> SequentialAsync(string file, CpuMeter cpu)
    {
        DropCaches();
        cpu.Begin();
        double seconds = await MountClient.RunAsync("seq", file);
        cpu.End(BigBytes / 1e6);
        return BigBytes / 1e6 / seconds;
    }

    private static async Task<double> RandomAsync(string file, CpuMeter cpu)
    {
        const int Count = 40_000;
        const int Readers = 4;
        cpu.Begin();
        double seconds = await MountClient.RunAsync("rand", file, BigBytes, Count, Readers);
        cpu.End(Count * Readers);
        return Count * Readers / seconds;
    }

    private static async Task<double> SmallAsync(string folder, int threads, CpuMeter cpu, int warmPasses = 0)
    {
        if (warmPasses == 0)
        {
            DropCaches();
        }

        cpu.Begin();
        int passes = Math.Max(1, warmPasses);
        double seconds = await MountClient.RunAsync("small", folder, SmallCount, threads, passes);
        cpu.End(SmallCount * passes);
        return SmallCount * passes / seconds;
    }

    private static async Task<double> CreateAsync(string folder, int count) =>
        count / await MountClient.RunAsync("create", folder, count);

    private static async Task<double> ListAsync(string folder, int names)
    {
        long start = Stopwatch.GetTimestamp();
        using Process ls = Process.Start(new ProcessStartInfo("ls", ["-lR", folder])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        await ls.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        await ls.WaitForExitAsync();
        return names / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static string Numbered(int i) => string.Create(CultureInfo.InvariantCulture, $"f{i}");

    /// <summary>Forgets the page cache; names and inodes only where asked. Root only.</summary>
    internal static void DropCaches(bool namesToo = false)
    {
        using Process sync = Process.Start("sync");
        sync.WaitForExit();
        File.WriteAllText("/proc/sys/vm/drop_caches", namesToo ? "3\n" : "1\n");
    }

    /// <summary>The baseline's mount.</summary>
    private sealed class Responder : IDisposable
    {
        private readonly FusePoint _point;
        private readonly MemoryResponder _responder;

        public Responder(string path, long fileBytes, int fileCount, bool withoutOpens = false)
        {
            _point = new FusePoint(path);
            _responder = new MemoryResponder(_point.Device, fileBytes, fileCount, Threads, withoutOpens);
            Path = path;
            KernelReadahead.Raise(path);
        }

        public string Path { get; }

        public void Dispose()
        {
            _point.Detach();
            _responder.Dispose();
            _point.Dispose();
        }
    }

    /// <summary>
    /// Work for a second of this process's processor time: the server's cost, as clients are other processes.
    /// </summary>
    private sealed class CpuMeter
    {
        private readonly List<double> _rates = [];
        private TimeSpan _began;

        public double Median => BenchmarkReport.Median(_rates);

        public void Begin() => _began = Environment.CpuUsage.TotalTime;

        public void End(double work) => _rates.Add(work / (Environment.CpuUsage.TotalTime - _began).TotalSeconds);
    }
}
