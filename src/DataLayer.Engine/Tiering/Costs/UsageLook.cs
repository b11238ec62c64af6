using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What was stored where at a moment. Immutable.</summary>
public sealed class UsageLook
{
    internal UsageLook(
        long timeNanoseconds, IReadOnlyDictionary<UsageGroup, UsageSums> usage,
        IReadOnlyDictionary<long, string> datasets, IReadOnlyList<TargetStatus> targets, StorageRates rates)
    {
        (TimeNanoseconds, Usage, Datasets, Targets, Rates) = (timeNanoseconds, usage, datasets, targets, rates);
    }

    /// <summary>When, nanoseconds since 1970 UTC.</summary>
    public long TimeNanoseconds { get; }

    /// <summary>The files, by group.</summary>
    public IReadOnlyDictionary<UsageGroup, UsageSums> Usage { get; }

    /// <summary>The paths of the attachments by number.</summary>
    public IReadOnlyDictionary<long, string> Datasets { get; }

    /// <summary>The hot tier's targets.</summary>
    public IReadOnlyList<TargetStatus> Targets { get; }

    internal StorageRates Rates { get; }

    /// <summary>What a month of 30 days of it costs, and would cost in one tier alone.</summary>
    public StorageCosts CostPerMonth
    {
        get
        {
            (double hot, double cold, double allHot, double allCold) = (0, 0, 0, 0);
            foreach (StorageRate rate in Rates.Rates)
            {
                hot += rate.Key.Item == CostItem.HotStorage ? rate.CostPerMonth : 0;
                cold += rate.Key.Item == CostItem.ColdStorage ? rate.CostPerMonth : 0;
                allHot += rate.Key.Item == CostItem.AllHot ? rate.CostPerMonth : 0;
                allCold += rate.Key.Item == CostItem.AllCold ? rate.CostPerMonth : 0;
            }

            return new StorageCosts(hot, cold, allHot, allCold);
        }
    }

    /// <summary>How full each pool is, and with an empty name the whole tree.</summary>
    public IReadOnlyList<CapacitySample> Samples()
    {
        Dictionary<string, CapacitySample> pools = new(StringComparer.Ordinal)
        {
            [string.Empty] = new CapacitySample(TimeNanoseconds, string.Empty, 0, 0, 0, 0, 0, 0, 0, 0),
        };
        foreach (TargetStatus target in Targets)
        {
            CapacitySample known = Of(target.Pool);
            pools[target.Pool] = known with
            {
                CapacityBytes = known.CapacityBytes + target.CapacityBytes,
                FreeBytes = known.FreeBytes + target.FreeBytes,
                UsedBytes = known.UsedBytes + target.UsedBytes,
            };
            pools[string.Empty] = Of(string.Empty) with
            {
                UsedBytes = Of(string.Empty).UsedBytes + target.UsedBytes,
            };
        }

        foreach ((UsageGroup group, UsageSums sums) in Usage)
        {
            long premigrated = group.State == TierState.Hot ? 0 : sums.HotBytes;
            CapacitySample tree = Of(string.Empty);
            pools[string.Empty] = tree with
            {
                HotBytes = tree.HotBytes + sums.HotBytes,
                PremigratedBytes = tree.PremigratedBytes + premigrated,
                ColdBytes = tree.ColdBytes + sums.SizeBytes - sums.HotBytes,
                ObjectBytes = tree.ObjectBytes + sums.ObjectBytes,
                FileCount = tree.FileCount + sums.FileCount,
            };
            if (group.Pool is { } pool && sums.HotBytes > 0)
            {
                CapacitySample known = Of(pool);
                pools[pool] = known with
                {
                    HotBytes = known.HotBytes + sums.HotBytes,
                    PremigratedBytes = known.PremigratedBytes + premigrated,
                    FileCount = known.FileCount + sums.FileCount,
                };
            }
        }

        return [.. pools.Values];

        CapacitySample Of(string pool) =>
            pools.GetValueOrDefault(pool, new CapacitySample(TimeNanoseconds, pool, 0, 0, 0, 0, 0, 0, 0, 0));
    }
}

/// <summary>What storage costs in a month of 30 days, in the price table's currency.</summary>
/// <param name="Hot">The hot tier.</param>
/// <param name="Cold">Objects.</param>
/// <param name="AllHot">All files in the hot tier, for comparison.</param>
/// <param name="AllCold">All files as objects, for comparison.</param>
public readonly record struct StorageCosts(double Hot, double Cold, double AllHot, double AllCold);
