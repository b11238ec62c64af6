using System.Diagnostics;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Interop;
using DataLayer.Storage.Stripes;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Workloads;

/// <summary>
/// The hot tier against the file system below it. Both sides move the same bytes in the same calls with the same
/// durability, from a
/// cold page cache where the disk is meant.
/// </summary>
internal sealed class StripesWorkload : IWorkload
{
    private const long LargeBytes = 1L << 30;
    private const int CallBytes = 8 << 20;
    private const int SmallBytes = 16 << 10;
    private const int SmallCount = 16_384;
    private const int SmallReaders = 8;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(CallBytes, pinned: true);

    public string Name => "stripes";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        new Random(1).NextBytes(_buffer);
        string root = Directory.CreateTempSubdirectory("datalayer-bench-stripes-").FullName;
        try
        {
            await MeasureLargeAsync(report, root, cancellationToken);
            await MeasureSmallAsync(report, root, cancellationToken);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }

        await MeasureScaleAsync(report, cancellationToken);
    }

    private async Task MeasureLargeAsync(BenchmarkReport report, string root, CancellationToken stop)
    {
        string plain = Path.Combine(root, "plain");
        await using HotTier tier = await OpenAsync(2, Path.Combine(root, "a"), Path.Combine(root, "b"));
        ContentId content = new(new InodeId(2), 1);
        StripedPlacement placement = tier.PlaceStriped(null, content, LargeBytes);
        await report.MeasureAsync("write-width2", "MB/s", 5,
            async () =>
            {
                await tier.DeleteAsync(content, placement, stop);
                long start = Stopwatch.GetTimestamp();
                await WriteStripedAsync(tier, content, placement, stop);
                await tier.FlushAsync(content, placement, stop);
                return BenchmarkReport.MegabytesPerSecond(LargeBytes, start);
            },
            () =>
            {
                File.Delete(plain);
                long start = Stopwatch.GetTimestamp();
                WritePlain(plain);
                return Task.FromResult(BenchmarkReport.MegabytesPerSecond(LargeBytes, start));
            });
        await report.MeasureAsync("read-width2", "MB/s", 5,
            async () =>
            {
                DropCaches();
                long start = Stopwatch.GetTimestamp();
                await ReadStripedAsync(tier, content, placement, LargeBytes, stop);
                return BenchmarkReport.MegabytesPerSecond(LargeBytes, start);
            },
            () =>
            {
                DropCaches();
                long start = Stopwatch.GetTimestamp();
                ReadPlain(plain);
                return Task.FromResult(BenchmarkReport.MegabytesPerSecond(LargeBytes, start));
            });
        await tier.DeleteAsync(content, placement, stop);
        File.Delete(plain);
    }

    private async Task MeasureSmallAsync(BenchmarkReport report, string root, CancellationToken stop)
    {
        string folder = Path.Combine(root, "small");
        await using HotTier tier = await OpenAsync(1, Path.Combine(root, "c"));
        SegmentPlacement[] placements = new SegmentPlacement[SmallCount];
        for (int i = 0; i < SmallCount; i++)
        {
            string path = PathOf(folder, i);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, _buffer.AsMemory(i & 0xFFFF, SmallBytes), stop);
            placements[i] = await tier.AppendSmallAsync(new ContentId(new InodeId(i + 1), 1), null, _buffer.AsMemory(
                i & 0xFFFF, SmallBytes), stop);
        }

        await tier.FlushAsync(new ContentId(new InodeId(SmallCount), 1), placements[^1], stop);
        int[] order = [.. Enumerable.Range(0, SmallCount)];
        new Random(2).Shuffle(order);
        await report.MeasureAsync("small-read", "files/s", 5,
            () => RunReadersAsync(order, async (buffer, i) =>
                await tier.ReadAsync(new ContentId(new InodeId(i + 1), 1), placements[i], SmallBytes, 0, buffer, stop)),
            () => RunReadersAsync(order, (buffer, i) =>
            {
                ReadSmallPlain(PathOf(folder, i), buffer.Span);
                return ValueTask.CompletedTask;
            }));
    }

    private async Task MeasureScaleAsync(BenchmarkReport report, CancellationToken stop)
    {
        const long Bytes = 512L << 20;
        string[] folders = [Directory.CreateTempSubdirectory("datalayer-tmpfs-").FullName,
            Directory.CreateTempSubdirectory("datalayer-tmpfs-").FullName];
        try
        {
            foreach (string folder in folders)
            {
                await MountAsync("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", folder);
            }

            await using (HotTier wide = await OpenAsync(2, Path.Combine(folders[0], "w"),
                Path.Combine(folders[1], "w")))
            await using (HotTier narrow = await OpenAsync(1, Path.Combine(folders[0], "n")))
            {
                ContentId content = new(new InodeId(2), 1);
                StripedPlacement over2 = wide.PlaceStriped(null, content, Bytes);
                StripedPlacement over1 = narrow.PlaceStriped(null, content, Bytes);
                for (long offset = 0; offset < Bytes; offset += CallBytes)
                {
                    await wide.WriteAsync(content, over2, offset, _buffer, stop);
                    await narrow.WriteAsync(content, over1, offset, _buffer, stop);
                }

                await report.MeasureAsync("scale-width2", "MB/s", 9,
                    () => TimeReadAsync(wide, content, over2, Bytes, stop), () => TimeReadAsync(narrow, content, over1,
                        Bytes, stop));
            }
        }
        finally
        {
            foreach (string folder in folders)
            {
                await MountAsync("umount", folder);
                Directory.Delete(folder);
            }
        }
    }

    private async Task<double> TimeReadAsync(HotTier tier, ContentId content, StripedPlacement placement, long bytes,
        CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        await ReadStripedAsync(tier, content, placement, bytes, stop);
        return BenchmarkReport.MegabytesPerSecond(bytes, start);
    }

    private async Task WriteStripedAsync(HotTier tier, ContentId content, StripedPlacement placement,
        CancellationToken stop)
    {
        for (long offset = 0; offset < LargeBytes; offset += CallBytes)
        {
            await tier.WriteAsync(content, placement, offset, _buffer, stop);
        }
    }

    private async Task ReadStripedAsync(HotTier tier, ContentId content, StripedPlacement placement, long bytes,
        CancellationToken stop)
    {
        for (long offset = 0; offset < bytes; offset += CallBytes)
        {
            await tier.ReadAsync(content, placement, bytes, offset, _buffer, stop);
        }
    }

    private void WritePlain(string path)
    {
        using SafeFileHandle file = DurableFile.Open(path, write: true, create: true);
        for (long offset = 0; offset < LargeBytes; offset += CallBytes)
        {
            DurableFile.Write(file, path, _buffer, offset);
        }

        DurableFile.Flush(file, path);
        DurableFile.FlushDirectory(Path.GetDirectoryName(path)!);
    }

    private void ReadPlain(string path)
    {
        using SafeFileHandle file = DurableFile.Open(path, write: false);
        for (long offset = 0; offset < LargeBytes; offset += CallBytes)
        {
            if (DurableFile.Read(file, path, _buffer, offset) != CallBytes)
            {
                throw new IOException($"'{path}' is short.");
            }
        }
    }

    private static void ReadSmallPlain(string path, Span<byte> buffer)
    {
        using SafeFileHandle file = DurableFile.Open(path, write: false);
        if (DurableFile.Read(file, path, buffer, 0) != SmallBytes)
        {
            throw new IOException($"'{path}' is short.");
        }
    }

    private static async Task<double> RunReadersAsync(int[] order, Func<Memory<byte>, int, ValueTask> read)
    {
        DropCaches();
        int next = 0;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, SmallReaders).Select(_ => Task.Run(async () =>
        {
            byte[] buffer = new byte[SmallBytes];
            while (Interlocked.Increment(ref next) - 1 is int at && at < order.Length)
            {
                await read(buffer, order[at]);
            }
        })));
        return order.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static string PathOf(string folder, int i) => Path.Combine(folder, (i % 128).ToString("x2"),
        $"file-{i:d6}.bin");

    /// <summary>Forgets page cache, inodes and names, after writing back what is dirty. Root only.</summary>
    private static void DropCaches()
    {
        using Process sync = Process.Start("sync");
        sync.WaitForExit();
        File.WriteAllText("/proc/sys/vm/drop_caches", "3\n");
    }

    private static async Task MountAsync(string command, params string[] arguments)
    {
        using Process process = Process.Start(command, arguments);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new IOException(
                $"{command} {string.Join(' ', arguments)} failed: this benchmark mounts tmpfs and needs root.");
        }
    }

    private static async Task<HotTier> OpenAsync(int width, params string[] folders) => await HotTier.OpenAsync(
        new HotTierOptions
        {
            Pools = [new PoolOptions { Name = "default", Directories = folders, Width = width, ReserveBytes = 0 }],
        }, TimeProvider.System, NullLogger<HotTier>.Instance, CancellationToken.None);
}
