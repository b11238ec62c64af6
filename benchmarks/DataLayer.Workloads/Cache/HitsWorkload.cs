using System.Diagnostics;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Storage.Cache;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Cache;

/// <summary>
/// What the engine adds to a memory hit: its checks, its counters and the file's heat. The baseline of each case is the same reads of the
/// same blocks from the cache below it, in random order.
/// </summary>
internal sealed class HitsWorkload : IWorkload
{
    private const int Files = 256;
    private const int Runs = 401;
    private const int SliceBytes = 8 << 20;
    private const int FileBytes = 1 << 20;

    public string Name => "hits";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        BlockCacheOptions memory = new() { CapacityBytes = (long)Files * FileBytes * 5 / 4, ScrubBytesPerSecond = 0 };
        await using BareEngine bare = await BareEngine.OpenAsync("hits", memory, [], cancellationToken);
        (FileEngine engine, BlockCache cache) = (bare.Engine, bare.Cache);
        List<OpenFile> files = [];
        try
        {
            byte[] content = new byte[FileBytes];
            new Random(1).NextBytes(content);
            for (int i = 0; i < Files; i++)
            {
                await using (FileReplacement file = await engine.ReplaceFileAsync($"/f{i}", new ReplaceOptions(), cancellationToken))
                {
                    await file.WriteAsync(content, cancellationToken);
                    await file.CommitAsync(cancellationToken);
                }

                OpenFile opened = await engine.OpenFileAsync($"/f{i}", write: false, cancellationToken);
                files.Add(opened);
                for (int read = 0; read < 3; read++)
                {
                    await opened.ReadAsync(0, content, cancellationToken);
                }
            }

            await MeasureAsync(report, "hit-1MiB", files, cache, FileBytes);
            await MeasureAsync(report, "hit-16KiB", files, cache, 16 << 10);
            await MeasureAsync(report, "hit-512B", files, cache, 512);
        }
        finally
        {
            foreach (OpenFile file in files)
            {
                await file.DisposeAsync();
            }
        }
    }

    private static async Task MeasureAsync(BenchmarkReport report, string name, List<OpenFile> files, BlockCache cache, int bytes)
    {
        int reads = Math.Min(SliceBytes / bytes, 4096);
        byte[] buffer = new byte[bytes];
        Random random = new(2), baseline = new(2);
        long allocated = 0;
        int run = 0;
        await report.MeasureAsync(name, "hits/s", Runs, async () =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            for (int i = 0; i < reads; i++)
            {
                await files[random.Next(files.Count)].ReadAsync(0, buffer, default); // Done at once, on this thread.
            }

            double rate = reads / Stopwatch.GetElapsedTime(start).TotalSeconds;
            allocated += run++ == 0 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            return rate;
        }, () =>
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < reads; i++)
            {
                InodeAttributes file = files[baseline.Next(files.Count)].Attributes;
                if (!cache.TryRead(new BlockId(file.Content, 0), 0, buffer, (int)file.AttachmentId, out _))
                {
                    throw new InvalidOperationException("A block was not in memory.");
                }
            }

            return Task.FromResult(reads / Stopwatch.GetElapsedTime(start).TotalSeconds);
        });
        Console.WriteLine($"{"hits",-10} {name + "-allocated",-28} {(double)allocated / ((long)Runs * reads),14:N2} bytes/hit");
    }
}
