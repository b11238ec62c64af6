namespace DataLayer.Storage.Cache;

/// <summary>A snapshot of the memory tier: sizes now, and counters since start.</summary>
/// <param name="CapacityBytes">The hard budget.</param>
/// <param name="UsedBytes">What is taken of it: blocks with rounding, headers, index, policy state.</param>
/// <param name="BlockCount">Blocks cached in memory.</param>
/// <param name="PinnedBytes">What pinned blocks take.</param>
/// <param name="Hits">Reads answered from memory.</param>
/// <param name="HitBytes">Bytes they copied.</param>
/// <param name="Misses">Reads not answered from memory.</param>
/// <param name="Fills">Blocks taken in.</param>
/// <param name="FillsRefused">Blocks that the admission control did not take in.</param>
/// <param name="Evictions">Blocks given up for others.</param>
/// <param name="SpillHits">Reads answered from the SSD spill.</param>
/// <param name="SpillBytes">Bytes that blocks take in the spill now.</param>
/// <param name="BadBlocks">Blocks dropped because checksum or identity was wrong, in memory and spill.</param>
public readonly record struct BlockCacheStatistics(
    long CapacityBytes, long UsedBytes, long BlockCount, long PinnedBytes, long Hits, long HitBytes, long Misses,
    long Fills, long FillsRefused, long Evictions, long SpillHits, long SpillBytes, long BadBlocks);
