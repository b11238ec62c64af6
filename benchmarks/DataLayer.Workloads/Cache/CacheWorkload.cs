using System.Diagnostics;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Interop;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Cache;

/// <summary>
/// What the memory tier costs over the copy it cannot avoid. Each case reads or writes blocks in random order; its
/// baseline is memcpy of as many blocks of that size from (or to) random places of a mapping as large, on one thread.
/// </summary>
internal sealed class CacheWorkload : IWorkload
{
    private const long ArenaBytes = 512L << 20;
    private const int Runs = 9;

    public string Name => "cache";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await HitAsync(report, "hit-1MiB", 1 << 20);
        await HitAsync(report, "hit-16KiB", 16 << 10);
        await FillAsync(report, "fill-1MiB", 1 << 20);
    }

    private static async Task HitAsync(BenchmarkReport report, string name, int blockBytes)
    {
        int blocks = (int)(ArenaBytes / blockBytes);
        await using BlockCache cache = NewCache(ArenaBytes + (ArenaBytes / 8), "guard");
        byte[] buffer = new byte[blockBytes];
        new Random(1).NextBytes(buffer);
        for (int i = 0; i < blocks; i++)
        {
            if (!cache.TryFill(new BlockId(i + 1, 1, 0), buffer, 1))
            {
                throw new InvalidOperationException($"Block {i} of {blocks} was not taken in.");
            }
        }

        using NativeMapping arena = Touched(ArenaBytes);
        int[] order = Shuffled(blocks, 2);
        long allocated = 0;
        await report.MeasureAsync(name, "MB/s", Runs, () =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            foreach (int block in order)
            {
                if (!cache.TryRead(new BlockId(block + 1, 1, 0), 0, buffer, 1, out _))
                {
                    throw new InvalidOperationException($"Block {block} is not there.");
                }
            }

            double rate = BenchmarkReport.MegabytesPerSecond(ArenaBytes, start);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            return Task.FromResult(rate);
        }, () => Task.FromResult(CopyOut(arena, order, buffer)));
        Console.WriteLine(
            $"{"cache",-10} {name + "-allocated",-28} {(double)allocated / ((Runs + 1L) * blocks),14:N2} bytes/hit");
    }

    private static async Task FillAsync(BenchmarkReport report, string name, int blockBytes)
    {
        int blocks = (int)(ArenaBytes / blockBytes);
        await using BlockCache cache = NewCache(ArenaBytes, "lru");
        byte[] source = new byte[8 << 20];
        new Random(1).NextBytes(source);
        using NativeMapping arena = Touched(ArenaBytes);
        int[] order = Shuffled(blocks, 3);
        long next = 0;
        await report.MeasureAsync(name, "MB/s", Runs, () =>
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < blocks; i++)
            {
                // Every block is new and the cache is full from the second round on, so each fill evicts one.
                cache.TryFill(new BlockId(++next, 1, 0), source.AsSpan(i % 8 * blockBytes, blockBytes), 1);
            }

            return Task.FromResult(BenchmarkReport.MegabytesPerSecond(ArenaBytes, start));
        }, () => Task.FromResult(CopyIn(arena, order, source, blockBytes)));
    }

    private static BlockCache NewCache(long capacity, string policy) =>
        new(new BlockCacheOptions { CapacityBytes = capacity, Policy = policy, ScrubBytesPerSecond = 0 },
            TimeProvider.System);

    private static unsafe double CopyOut(NativeMapping arena, int[] order, byte[] buffer)
    {
        long start = Stopwatch.GetTimestamp();
        foreach (int block in order)
        {
            new ReadOnlySpan<byte>(arena.Pointer + ((long)block * buffer.Length), buffer.Length).CopyTo(buffer);
        }

        return BenchmarkReport.MegabytesPerSecond(ArenaBytes, start);
    }

    private static unsafe double CopyIn(NativeMapping arena, int[] order, byte[] source, int blockBytes)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < order.Length; i++)
        {
            source.AsSpan(i % 8 * blockBytes, blockBytes).CopyTo(
                new Span<byte>(arena.Pointer + ((long)order[i] * blockBytes), blockBytes));
        }

        return BenchmarkReport.MegabytesPerSecond(ArenaBytes, start);
    }

    private static unsafe NativeMapping Touched(long bytes)
    {
        NativeMapping arena = new(bytes);
        for (long at = 0; at < bytes; at += 1 << 20)
        {
            new Span<byte>(arena.Pointer + at, 1 << 20).Fill(7);
        }

        return arena;
    }

    private static int[] Shuffled(int count, int seed)
    {
        int[] order = new int[count];
        for (int i = 0; i < count; i++)
        {
            order[i] = i;
        }

        new Random(seed).Shuffle(order);
        return order;
    }
}
