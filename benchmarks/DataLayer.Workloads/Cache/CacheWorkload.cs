using System.Diagnostics;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Interop;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Cache;

/// <summary>
/// What the memory tier costs over the copy it cannot avoid. Each case reads or writes blocks in random order; its
/// baseline is memcpy of as many blocks of that size from (or to) random places of a mapping as large, on one thread. A
/// run is a slice of about a millisecond and there are many of them in turn, so that the medians stand a machine that
/// does other work too.
/// </summary>
internal sealed class CacheWorkload : IWorkload
{
    private const long ArenaBytes = 512L << 20;
    private const int Runs = 601;
    private const int SliceBytes = 8 << 20;

    public string Name => "cache";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        await HitAsync(report, "hit-1MiB", 1 << 20);
        await HitAsync(report, "hit-16KiB", 16 << 10);
        await FillAsync(report, "fill-1MiB", 1 << 20, keptShare: 0);

        // Nearly half of the blocks stay: sweeps move their index records, and fills compare their checksums.
        await FillAsync(report, "fill-1MiB-survivors", 1 << 20, keptShare: 0.45);
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
        Slices slices = new(blocks, SliceBytes / blockBytes, seed: 2),
            baseline = new(blocks, SliceBytes / blockBytes, seed: 3);
        long allocated = 0;
        int run = 0;
        await report.MeasureAsync(name, "MB/s", Runs, () =>
        {
            ReadOnlySpan<int> order = slices.Next();
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            foreach (int block in order)
            {
                if (!cache.TryRead(new BlockId(block + 1, 1, 0), 0, buffer, 1, out _))
                {
                    throw new InvalidOperationException($"Block {block} is not there.");
                }
            }

            double rate = BenchmarkReport.MegabytesPerSecond(SliceBytes, start);

            // The warm-up may still compile.
            allocated += run++ == 0 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            return Task.FromResult(rate);
        }, () => Task.FromResult(CopyOut(arena, baseline.Next(), buffer)));
        double perHit = (double)allocated / ((long)Runs * (SliceBytes / blockBytes));
        Console.WriteLine($"{"cache",-10} {name + "-allocated",-28} {perHit,14:N2} bytes/hit");
    }

    private static async Task FillAsync(BenchmarkReport report, string name, int blockBytes, double keptShare)
    {
        int blocks = (int)(ArenaBytes / blockBytes);
        await using BlockCache cache = NewCache(ArenaBytes, "lru");
        byte[] source = new byte[8 << 20];
        new Random(1).NextBytes(source);
        using NativeMapping arena = Touched(ArenaBytes);
        Slices slices = new(blocks, SliceBytes / blockBytes, seed: 3);
        long next = 0;

        // Every block is new. Once round fills the cache; from then on each fill evicts one.
        for (int i = 0; i < blocks; i++)
        {
            cache.TryFill(new BlockId(++next, 1, 0), source.AsSpan(i % 8 * blockBytes, blockBytes), 1);
        }

        await report.MeasureAsync(name, "MB/s", Runs, () =>
        {
            for (long kept = blocks; kept > blocks - (long)(keptShare * blocks); kept--)
            {
                if (!cache.TryRead(new BlockId(kept, 1, 0), 0, source.AsSpan(0, 1), 1, out _))
                {
                    throw new InvalidOperationException($"Block {kept} did not stay.");
                }
            }

            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < SliceBytes / blockBytes; i++)
            {
                cache.TryFill(new BlockId(++next, 1, 0), source.AsSpan(i % 8 * blockBytes, blockBytes), 1);
            }

            return Task.FromResult(BenchmarkReport.MegabytesPerSecond(SliceBytes, start));
        }, () => Task.FromResult(CopyIn(arena, slices.Next(), source, blockBytes)));
    }

    private static BlockCache NewCache(long capacity, string policy) =>
        new(new BlockCacheOptions { CapacityBytes = capacity, Policy = policy, ScrubBytesPerSecond = 0 },
            TimeProvider.System);

    private static unsafe double CopyOut(NativeMapping arena, ReadOnlySpan<int> order, byte[] buffer)
    {
        long start = Stopwatch.GetTimestamp();
        foreach (int block in order)
        {
            new ReadOnlySpan<byte>(arena.Pointer + ((long)block * buffer.Length), buffer.Length).CopyTo(buffer);
        }

        return BenchmarkReport.MegabytesPerSecond(SliceBytes, start);
    }

    private static unsafe double CopyIn(NativeMapping arena, ReadOnlySpan<int> order, byte[] source, int blockBytes)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < order.Length; i++)
        {
            source.AsSpan(i % 8 * blockBytes, blockBytes).CopyTo(
                new Span<byte>(arena.Pointer + ((long)order[i] * blockBytes), blockBytes));
        }

        return BenchmarkReport.MegabytesPerSecond(SliceBytes, start);
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

    /// <summary>A random order of all blocks, handed out in slices, round and round.</summary>
    private sealed class Slices
    {
        private readonly int[] _order;
        private readonly int _length;
        private int _next;

        public Slices(int blocks, int length, int seed)
        {
            _order = new int[blocks];
            _length = length;
            for (int i = 0; i < blocks; i++)
            {
                _order[i] = i;
            }

            new Random(seed).Shuffle(_order);
        }

        public ReadOnlySpan<int> Next()
        {
            ReadOnlySpan<int> slice = _order.AsSpan(_next, _length);
            _next = (_next + _length) % _order.Length;
            return slice;
        }
    }
}
