using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>What a <see cref="MemoryStore"/> is built from; checked by <see cref="BlockCacheOptions"/>.</summary>
/// <param name="CapacityBytes">Everything it may hold, bytes.</param>
/// <param name="PinBudgetBytes">The most that may be pinned, bytes.</param>
/// <param name="Policy">The eviction policy's name.</param>
/// <param name="Seed">Seed of the policy's random choices.</param>
/// <param name="SessionCount">How many calls may run at once; more wait.</param>
/// <param name="OnVictim">Called without the lock for each victim while its bytes can still be read; or null.</param>
internal sealed record MemoryStoreSettings(
    long CapacityBytes, long PinBudgetBytes, string Policy, int Seed, int SessionCount,
        Action<MemoryStore, uint>? OnVictim);

/// <summary>Counters of a <see cref="MemoryStore"/>; as in <see cref="BlockCacheStatistics"/>.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MemoryStoreCounters(
    long CapacityBytes, long UsedBytes, long BlockCount, long BlockBytes, long PinnedBytes, long Hits, long HitBytes,
        long Misses,
    long Fills, long FillsRefused, long Evictions, long BadBlocks);
