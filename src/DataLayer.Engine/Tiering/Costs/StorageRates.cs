using DataLayer.Core.Objects;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What is stored at a moment, and what it costs by time. Immutable.</summary>
internal sealed class StorageRates
{
    private const double Gib = 1L << 30;

    /// <summary>Nanoseconds of a billed month.</summary>
    public const double MonthNanoseconds = PriceTable.DaysPerMonth * CostPeriod.Day;

    private StorageRates(IReadOnlyList<StorageRate> rates) => Rates = rates;

    /// <summary>What there is, by key.</summary>
    public IReadOnlyList<StorageRate> Rates { get; }

    /// <summary>Prices what a look found.</summary>
    /// <param name="usage">The files, by group.</param>
    /// <param name="datasets">The paths of the attachments by number.</param>
    /// <param name="pricing">The prices.</param>
    /// <param name="defaultPool">The pool that all-hot is compared by.</param>
    /// <param name="copyCount">Its copies.</param>
    public static StorageRates Of(
        IReadOnlyDictionary<UsageGroup, UsageSums> usage, IReadOnlyDictionary<long, string> datasets,
        TierPricing pricing, string defaultPool, int copyCount)
    {
        Dictionary<CostKey, (double Gib, double Cost)> sums = [];
        foreach ((UsageGroup group, UsageSums sum) in usage)
        {
            string dataset = datasets.GetValueOrDefault(group.AttachmentId, string.Empty);
            StorageClassPrice price = pricing.Table.Find(group.StorageClass) ?? pricing.Table.DefaultClass;
            string storageClass = group.StorageClass ?? price.Name;
            if (group.Pool is { } pool && sum.HotBytes > 0)
            {
                Add(CostItem.HotStorage, pool, sum.HotBytes * (double)group.CopyCount,
                    pricing.HotPerMonth(pool, sum.HotBytes, group.CopyCount));
            }

            if (group.HasObject)
            {
                Add(CostItem.ColdStorage, storageClass, sum.ObjectBytes,
                    pricing.ObjectsPerMonth(price, sum.FileCount, sum.ObjectBilledBytes));
            }

            Add(CostItem.AllHot, defaultPool, sum.SizeBytes * (double)copyCount,
                pricing.HotPerMonth(defaultPool, sum.SizeBytes, copyCount));
            Add(CostItem.AllCold, storageClass, sum.SizeBytes,
                pricing.ObjectsPerMonth(price, sum.FileCount, sum.FileBilledBytes));

            void Add(CostItem item, string which, double bytes, double cost)
            {
                CostKey key = new(dataset, string.Empty, OriginPurpose.Other, item, which);
                (double gib, double amount) = sums.GetValueOrDefault(key);
                sums[key] = (gib + (bytes / Gib), amount + cost);
            }
        }

        List<StorageRate> rates = new(sums.Count);
        foreach ((CostKey key, (double gib, double cost)) in sums)
        {
            rates.Add(new StorageRate(key, gib, cost));
        }

        return new StorageRates(rates);
    }
}

/// <summary>What is stored of one key.</summary>
/// <param name="Key">What it is.</param>
/// <param name="Gibibytes">How much.</param>
/// <param name="CostPerMonth">What it costs in a month of 30 days.</param>
internal readonly record struct StorageRate(CostKey Key, double Gibibytes, double CostPerMonth);
