using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Cache;

namespace DataLayer.Server.Http;

/// <summary>What costs are told apart by.</summary>
[Flags]
internal enum CostDimensions
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The attachment.</summary>
    Dataset = 1,

    /// <summary>Who caused them.</summary>
    Tenant = 2,

    /// <summary>What they were for.</summary>
    Purpose = 4,

    /// <summary>What is paid for.</summary>
    Item = 8,

    /// <summary>The storage class or pool.</summary>
    Class = 16,
}

/// <summary>Costs, budgets and tiers as they go over the wire.</summary>
internal static class CostWire
{
    /// <summary>Reads what is to be told apart.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public static CostDimensions Dimensions(string by)
    {
        CostDimensions all = CostDimensions.None;
        foreach (string word in by.Split(
            ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            all |= word switch
            {
                "dataset" => CostDimensions.Dataset,
                "tenant" => CostDimensions.Tenant,
                "purpose" => CostDimensions.Purpose,
                "item" => CostDimensions.Item,
                "class" => CostDimensions.Class,
                _ => throw new DataLayerException(
                    ErrorCode.InvalidArgument, "by names something else than dataset, tenant, purpose, item, class."),
            };
        }

        return all;
    }

    /// <summary>All rows together.</summary>
    public static CostLine Total(IEnumerable<CostRow> rows) => ToLine(rows, CostDimensions.None, default);

    /// <summary>Rows by what is told apart, dearest first.</summary>
    public static IReadOnlyList<CostLine> Lines(IEnumerable<CostRow> rows, CostDimensions by)
    {
        CostKey KeyOf(CostRow row) => new(
            by.HasFlag(CostDimensions.Dataset) ? row.Key.Dataset : string.Empty,
            by.HasFlag(CostDimensions.Tenant) ? row.Key.Tenant : string.Empty,
            by.HasFlag(CostDimensions.Purpose) ? row.Key.Purpose : default,
            by.HasFlag(CostDimensions.Item) ? row.Key.Item : default,
            by.HasFlag(CostDimensions.Class) ? row.Key.Class : string.Empty);
        return
        [
            .. rows.GroupBy(KeyOf).Select(g => ToLine(g, by, g.Key)).OrderByDescending(l => l.Cost)
                .ThenByDescending(l => l.Requests).ThenBy(l => l.Dataset, StringComparer.Ordinal),
        ];
    }

    /// <summary>One hour, day or month.</summary>
    public static CostHistoryRow ToRow(long start, IReadOnlyList<CostRow> rows)
    {
        CostLine total = Total(rows);
        double hot = rows.Where(r => r.Key.Item == CostItem.HotStorage).Sum(r => r.Sums.StorageNanos) / 1e9;
        return new CostHistoryRow
        {
            Start = UnixTime.ToTime(start),
            Requests = total.Requests,
            ReadBytes = total.ReadBytes,
            WrittenBytes = total.WrittenBytes,
            RequestCost = total.RequestCost,
            RetrievalCost = total.RetrievalCost,
            EgressCost = total.EgressCost,
            HotStorageCost = hot,
            ColdStorageCost = total.StorageCost - hot,
            Cost = total.Cost,
        };
    }

    /// <summary>One look of an hour or a day.</summary>
    public static CapacityRow ToRow(CapacitySample sample) => new()
    {
        At = UnixTime.ToTime(sample.TimeNanoseconds),
        CapacityBytes = sample.CapacityBytes,
        FreeBytes = sample.FreeBytes,
        UsedBytes = sample.UsedBytes,
        HotBytes = sample.HotBytes,
        PremigratedBytes = sample.PremigratedBytes,
        ColdBytes = sample.ColdBytes,
        ObjectBytes = sample.ObjectBytes,
        Files = sample.FileCount,
    };

    /// <summary>A budget.</summary>
    public static BudgetReport ToReport(BudgetStatus status, string currency)
    {
        CostBudget budget = status.Budget;
        return new BudgetReport
        {
            Name = budget.Name,
            Dataset = budget.Dataset,
            Tenant = budget.Tenant,
            Period = WireWord.Of(budget.Period),
            Storage = budget.IncludesStorage,
            Amount = budget.Amount,
            Currency = currency,
            WarnAt = budget.WarnAt,
            Action = WireWord.Of(budget.Action),
            PeriodStart = UnixTime.ToTime(status.PeriodStartNanoseconds),
            PeriodEnd = UnixTime.ToTime(CostPeriod.Of(status.PeriodStartNanoseconds, budget.Period).End),
            Spent = status.SpentNanos / 1e9,
            State = WireWord.Of(status.State),
            Since = UnixTime.ToTime(status.SinceNanoseconds),
            InForce = status.InForce is { } action ? WireWord.Of(action) : null,
        };
    }

    /// <summary>What lies where.</summary>
    public static TiersReport ToReport(
        UsageLook look, TierPricing pricing, BlockCacheStatistics cache,
        IReadOnlyDictionary<string, FillForecast?> forecasts) => new()
        {
            TakenAt = UnixTime.ToTime(look.TimeNanoseconds),
            Currency = pricing.Table.Currency,
            Files = look.Usage.Values.Sum(u => u.FileCount),
            SizeBytes = look.Usage.Values.Sum(u => u.SizeBytes),
            MemoryCapacityBytes = cache.CapacityBytes,
            MemoryUsedBytes = cache.UsedBytes,
            Pools = ToPools(look, pricing, forecasts),
            Classes =
            [
                .. look.Usage.Where(u => u.Key.HasObject)
                    .GroupBy(u => u.Key.StorageClass ?? pricing.Table.DefaultClass.Name, StringComparer.Ordinal)
                    .OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => ToClass(g.Key, [.. g], pricing)),
            ],
            States =
            [
                .. look.Usage.GroupBy(u => u.Key.State).OrderBy(g => g.Key).Select(g => new StateReport
                {
                    State = WireWord.Of(g.Key),
                    Files = g.Sum(u => u.Value.FileCount),
                    SizeBytes = g.Sum(u => u.Value.SizeBytes),
                    HotBytes = g.Sum(u => u.Value.HotBytes),
                }),
            ],
        };

    /// <summary>The pools by name.</summary>
    public static IReadOnlyList<PoolReport> ToPools(
        UsageLook look, TierPricing pricing, IReadOnlyDictionary<string, FillForecast?> forecasts) =>
    [
        .. look.Samples().Where(s => s.Pool.Length > 0).OrderBy(s => s.Pool, StringComparer.Ordinal)
            .Select(s => ToPool(s, look, pricing, forecasts.GetValueOrDefault(s.Pool))),
    ];

    /// <summary>A month of what is stored.</summary>
    public static StorageRateReport ToReport(StorageCosts costs) =>
        new() { Hot = costs.Hot, Cold = costs.Cold, AllHot = costs.AllHot, AllCold = costs.AllCold };

    private static PoolReport ToPool(
        CapacitySample sample, UsageLook look, TierPricing pricing, FillForecast? forecast) => new()
        {
            Pool = sample.Pool,
            CapacityBytes = sample.CapacityBytes,
            FreeBytes = sample.FreeBytes,
            UsedBytes = sample.UsedBytes,
            Fill = sample.CapacityBytes == 0 ? 0 : 1 - (sample.FreeBytes / (double)sample.CapacityBytes),
            Files = sample.FileCount,
            HotBytes = sample.HotBytes,
            PremigratedBytes = sample.PremigratedBytes,
            CostPerMonth = look.Usage.Where(u => u.Key.Pool == sample.Pool)
                .Sum(u => pricing.HotPerMonth(sample.Pool, u.Value.HotBytes, u.Key.CopyCount)),
            Forecast = forecast is null ? null : ToForecast(forecast),
        };

    private static FillForecastReport ToForecast(FillForecast forecast) => new()
    {
        Days = forecast.DayCount,
        BytesPerDay = forecast.BytesPerDay,
        LeastBytesPerDay = forecast.LeastBytesPerDay,
        MostBytesPerDay = forecast.MostBytesPerDay,
        Fit = forecast.Fit,
        Confidence = WireWord.Of(forecast.Confidence),
        FullAt = forecast.FullAt,
        FullFrom = forecast.FullFrom,
        FullUntil = forecast.FullUntil,
    };

    private static ClassReport ToClass(
        string name, IReadOnlyList<KeyValuePair<UsageGroup, UsageSums>> groups, TierPricing pricing)
    {
        StorageClassPrice? price = pricing.Table.Find(name);
        return new ClassReport
        {
            Class = name,
            Objects = groups.Sum(g => g.Value.FileCount),
            ObjectBytes = groups.Sum(g => g.Value.ObjectBytes),
            CostPerMonth = groups.Sum(g => pricing.ObjectsPerMonth(
                price ?? pricing.Table.DefaultClass, g.Value.FileCount, g.Value.ObjectBilledBytes)),
            IsPriced = price is not null,
        };
    }

    private static CostLine ToLine(IEnumerable<CostRow> rows, CostDimensions by, CostKey key)
    {
        CostSums sums = default;
        long read = 0;
        foreach (CostRow row in rows)
        {
            sums += row.Sums;
            read += row.Key.Item == CostItem.Get ? row.Sums.Bytes : 0;
        }

        return new CostLine
        {
            Dataset = by.HasFlag(CostDimensions.Dataset) ? key.Dataset : null,
            Tenant = by.HasFlag(CostDimensions.Tenant) ? key.Tenant : null,
            Purpose = by.HasFlag(CostDimensions.Purpose) ? WireWord.Of(key.Purpose) : null,
            Item = by.HasFlag(CostDimensions.Item) ? WireWord.Of(key.Item) : null,
            Class = by.HasFlag(CostDimensions.Class) ? key.Class : null,
            Requests = sums.Requests,
            Failures = sums.Failures,
            ReadBytes = read,
            WrittenBytes = sums.Bytes - read,
            GibMonths = sums.GibMonthNanos / 1e9,
            RequestCost = sums.RequestNanos / 1e9,
            RetrievalCost = sums.RetrievalNanos / 1e9,
            EgressCost = sums.EgressNanos / 1e9,
            StorageCost = sums.StorageNanos / 1e9,
            Cost = sums.TotalNanos / 1e9,
        };
    }
}
