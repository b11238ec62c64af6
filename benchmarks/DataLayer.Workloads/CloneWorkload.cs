using System.Diagnostics;
using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Interop;
using DataLayer.Workloads.Reporting;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Workloads;

/// <summary>
/// Clones against copies inside one process (what a snapshot did before): a folder of 10,000 files, a fifth of them in stripes; 2 GiB in
/// one file; 10 GiB in one file of which a tenth was written. Time, and bytes that the target takes for it.
/// </summary>
internal sealed class CloneWorkload : IWorkload
{
    private const int MiB = 1 << 20;
    private const int FilesAtOnce = 8; // As the CSI controller.

    public string Name => "clones";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await MeasureAsync(report, "folder-10000", MakeFolderAsync, 10_000, cancellationToken);
        await MeasureAsync(report, "file-2GiB", (engine, stop) => MakeFileAsync(engine, 2048, 1, stop), 1, cancellationToken);
        await MeasureAsync(report, "file-10GiB-sparse", (engine, stop) => MakeFileAsync(engine, 10_240, 10, stop), 1, cancellationToken);
    }

    private static async Task MeasureAsync(
        BenchmarkReport report, string name, Func<FileEngine, CancellationToken, Task> make, int files, CancellationToken stop)
    {
        await using BareEngine bare = await BareEngine.OpenAsync(
            "bench-clones", new BlockCacheOptions { CapacityBytes = 64L * MiB }, [], stop);
        FileEngine engine = bare.Engine;
        foreach (string folder in (string[])["/from", "/copy", "/clone"])
        {
            await engine.MakeDirectoryAsync(folder, 0x1ED, parents: false, stop);
        }

        await make(engine, stop);
        string target = bare.MakeFolder("t0");
        long before = UsedBytes(target);
        double clone = await RunAsync(engine, "/clone", isClone: true, stop);
        long cloned = UsedBytes(target);
        double copy = await RunAsync(engine, "/copy", isClone: false, stop);
        long copied = UsedBytes(target);
        double change = await ChangeAsync(engine, stop);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"clones     {name}: {before / MiB} MiB, copied in {copy:F2} s and {(copied - cloned) / MiB} MiB, cloned in {clone:F2} s and "
            + $"{(cloned - before) / 1024} KiB; first write to a clone {change * 1000:F1} ms"));
        report.Add(name, "files/s", files / clone, files / copy, 1);
    }

    private static async Task MakeFolderAsync(FileEngine engine, CancellationToken stop)
    {
        byte[] small = new byte[16 << 10];
        byte[] large = new byte[5 * MiB / 4];
        new Random(1).NextBytes(small);
        new Random(2).NextBytes(large);
        await Parallel.ForAsync(0, 10_000, Options(stop), async (i, token) =>
        {
            FileReplacement file = await engine.ReplaceFileAsync($"/from/f{i:D5}", new ReplaceOptions(), token);
            await using (file)
            {
                await file.WriteAsync(i % 5 == 0 ? large : small, token);
                await file.CommitAsync(token);
            }
        });
    }

    private static async Task MakeFileAsync(FileEngine engine, int mebibytes, int every, CancellationToken stop)
    {
        byte[] bytes = new byte[MiB];
        new Random(3).NextBytes(bytes);
        FileReplacement empty = await engine.ReplaceFileAsync("/from/one", new ReplaceOptions(), stop);
        await using (empty)
        {
            await empty.CommitAsync(stop);
        }

        OpenFile file = await engine.OpenFileAsync("/from/one", write: true, stop);
        await using (file)
        {
            for (int at = 0; at < mebibytes; at += every)
            {
                await file.WriteAsync((long)at * MiB, bytes, stop);
            }

            await file.TruncateAsync((long)mebibytes * MiB, stop);
        }
    }

    private static async Task<double> RunAsync(FileEngine engine, string to, bool isClone, CancellationToken stop)
    {
        IReadOnlyList<DirectoryEntry> entries = await engine.ListAsync("/from", null, 20_000, stop);
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(entries, Options(stop), async (entry, token) =>
        {
            if (isClone)
            {
                await engine.CloneFileAsync($"/from/{entry.Name}", $"{to}/{entry.Name}", new CloneOptions { KeepAttributes = true }, token);
            }
            else
            {
                await CopyAsync(engine, $"/from/{entry.Name}", $"{to}/{entry.Name}", token);
            }
        });
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task CopyAsync(FileEngine engine, string from, string to, CancellationToken stop)
    {
        OpenFile source = await engine.OpenFileAsync(from, write: false, stop);
        await using (source)
        {
            ReplaceOptions options = new() { ExpectedSizeBytes = source.Attributes.SizeBytes };
            FileReplacement file = await engine.ReplaceFileAsync(to, options, stop);
            await using (file)
            {
                byte[] buffer = new byte[MiB];
                int read;
                for (long at = 0; (read = await source.ReadAsync(at, buffer, stop)) > 0; at += read)
                {
                    await file.WriteAsync(buffer.AsMemory(0, read), stop);
                }

                await file.CommitAsync(stop);
            }

            await engine.ListXattrsAsync(from, stop);
            await engine.SetAttributesAsync(
                to, new AttributeChanges { ModifyTimeNanoseconds = source.Attributes.ModifyTimeNanoseconds }, stop);
        }
    }

    /// <summary>Seconds of the first write to a clone of the first file, which copies it, until it is durable.</summary>
    private static async Task<double> ChangeAsync(FileEngine engine, CancellationToken stop)
    {
        IReadOnlyList<DirectoryEntry> entries = await engine.ListAsync("/clone", null, 1, stop);
        long start = Stopwatch.GetTimestamp();
        OpenFile file = await engine.OpenFileAsync($"/clone/{entries[0].Name}", write: true, stop);
        await using (file)
        {
            await file.WriteAsync(1000, new byte[] { 1 }, stop);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static long UsedBytes(string folder)
    {
        HashSet<ulong> seen = [];
        long bytes = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using SafeFileHandle file = DurableFile.Open(path, write: false);
            FileStatus status = FileStatus.Of(file, path);
            bytes += seen.Add(status.Inode) ? status.AllocatedBytes : 0;
        }

        return bytes;
    }

    private static ParallelOptions Options(CancellationToken stop) =>
        new() { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = stop };
}
