using System.Diagnostics.Metrics;

namespace DataLayer.Storage.Cache;

/// <summary>
/// The meter <c>DataLayer.Cache</c>: all values are read from the cache's own counters when somebody collects them.
/// </summary>
internal sealed class BlockCacheMeter : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "DataLayer.Cache";

    private readonly Meter _meter = new(Name);

    /// <summary>Starts to report a cache.</summary>
    public BlockCacheMeter(BlockCache cache)
    {
        Counter("datalayer.cache.hits", "{read}", "Reads answered from memory", s => s.Hits);
        Counter("datalayer.cache.hit.bytes", "By", "Bytes copied from memory", s => s.HitBytes);
        Counter("datalayer.cache.misses", "{read}", "Reads not answered from memory", s => s.Misses);
        Counter("datalayer.cache.fills", "{block}", "Blocks taken in", s => s.Fills);
        Counter("datalayer.cache.fills.refused", "{block}", "Blocks the admission control did not take in",
            s => s.FillsRefused);
        Counter("datalayer.cache.evictions", "{block}", "Blocks given up for others", s => s.Evictions);
        Counter("datalayer.cache.bad_blocks", "{block}", "Blocks dropped for a wrong checksum or identity",
            s => s.BadBlocks);
        Counter("datalayer.cache.spill.hits", "{read}", "Reads answered from the SSD spill", s => s.SpillHits);
        Counter("datalayer.cache.spill.errors", "{operation}", "Reads and writes the spill's device failed",
            _ => cache.SpillErrors);
        Gauge("datalayer.cache.capacity", "By", "The hard budget", s => s.CapacityBytes);
        Gauge("datalayer.cache.used", "By", "What is taken of the budget", s => s.UsedBytes);
        Gauge("datalayer.cache.blocks", "{block}", "Blocks in memory", s => s.BlockCount);
        Gauge("datalayer.cache.pinned", "By", "What pinned blocks take", s => s.PinnedBytes);
        Gauge("datalayer.cache.spill.used", "By", "What blocks take in the spill", s => s.SpillBytes);

        void Counter(string name, string unit, string what, Func<BlockCacheStatistics, long> value) =>
            _meter.CreateObservableCounter(name, () => value(cache.GetStatistics()), unit, what);

        void Gauge(string name, string unit, string what, Func<BlockCacheStatistics, long> value) =>
            _meter.CreateObservableGauge(name, () => value(cache.GetStatistics()), unit, what);
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
