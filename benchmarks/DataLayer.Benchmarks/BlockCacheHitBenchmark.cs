using BenchmarkDotNet.Attributes;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;

namespace DataLayer.Benchmarks;

/// <summary>What a hit, a miss and a refused fill cost and allocate; a hit and a miss must allocate nothing.</summary>
[MemoryDiagnoser]
public class BlockCacheHitBenchmark : IAsyncDisposable
{
    private const int Blocks = 1024;
    private BlockCache _cache = null!;
    private byte[] _buffer = null!;
    private int _next;

    /// <summary>Length of a block, bytes.</summary>
    [Params(784, 16 << 10, 1 << 20)]
    public int BlockBytes { get; set; }

    /// <summary>The eviction policy.</summary>
    [Params("guard", "lru")]
    public string Policy { get; set; } = "guard";

    [GlobalSetup]
    public void Setup()
    {
        _cache = new BlockCache(
            new BlockCacheOptions
            {
                CapacityBytes = ((long)Blocks * BlockBytes * 5 / 4) + (8 << 20),
                Policy = Policy,
                ScrubBytesPerSecond = 0,
            },
            TimeProvider.System);
        _buffer = new byte[BlockBytes];
        for (int i = 1; i <= Blocks; i++)
        {
            _cache.TryFill(new BlockId(i, 1, 0), _buffer, 1);
        }
    }

    [GlobalCleanup]
    public async Task Cleanup() => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _cache.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public bool Hit() => _cache.TryRead(new BlockId(1 + (_next++ * 7919 & (Blocks - 1)), 1, 0), 0, _buffer, 1, out _);

    [Benchmark]
    public bool Miss() => _cache.TryRead(new BlockId(Blocks + 1, 1, 0), 0, _buffer, 1, out _);

    [Benchmark]
    public bool Replace() => _cache.TryFill(new BlockId(1, 1, 0), _buffer, 1);
}
