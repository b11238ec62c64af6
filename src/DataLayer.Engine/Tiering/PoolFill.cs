using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Tiering;

/// <summary>How full pools are.</summary>
public static class PoolFill
{
    /// <summary>The fill of each pool by name, 0 to 1; the reserve counts as used.</summary>
    public static IReadOnlyDictionary<string, double> Read(HotTier hot)
    {
        ArgumentNullException.ThrowIfNull(hot);
        Dictionary<string, (long Capacity, long Free)> pools = new(StringComparer.Ordinal);
        foreach (TargetStatus target in hot.GetTargets())
        {
            (long capacity, long free) = pools.GetValueOrDefault(target.Pool);
            pools[target.Pool] = (capacity + target.CapacityBytes, free + target.FreeBytes);
        }

        Dictionary<string, double> fills = new(StringComparer.Ordinal);
        foreach ((string pool, (long capacity, long free)) in pools)
        {
            fills[pool] = capacity > 0 ? 1 - (free / (double)capacity) : 0;
        }

        return fills;
    }

    /// <summary>The size of a pool's file systems, bytes.</summary>
    public static long CapacityOf(HotTier hot, string pool)
    {
        ArgumentNullException.ThrowIfNull(hot);
        long capacity = 0;
        foreach (TargetStatus target in hot.GetTargets())
        {
            capacity += target.Pool == pool ? target.CapacityBytes : 0;
        }

        return capacity;
    }
}
