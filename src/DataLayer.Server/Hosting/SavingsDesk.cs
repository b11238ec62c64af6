using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.Server.Http;

namespace DataLayer.Server.Hosting;

/// <summary>Brings together what was paid, what was read and what is stored for <c>datalayer report</c>.</summary>
internal sealed class SavingsDesk(NodeHost node, TimeProvider time)
{
    /// <summary>Makes a report.</summary>
    /// <param name="days">Days of it, today among them.</param>
    /// <param name="weeks">Weeks of its trend.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask<SavingsReport> MakeAsync(int days, int weeks, CancellationToken cancellationToken)
    {
        StorageNode open = node.Open;
        UsageLook look = await open.Costs.LookAsync(fresh: false, cancellationToken);
        await open.Costs.FlushAsync(cancellationToken);
        await open.Engine.Heat.FlushAsync(cancellationToken);
        long now = UnixTime.ToNanoseconds(time.GetUtcNow());
        long tomorrow = CostPeriod.Of(now, CostLevel.Day).End;
        long asked = tomorrow - (days * CostPeriod.Day);
        long oldest = Math.Min(asked, tomorrow - (weeks * 7 * CostPeriod.Day));
        IReadOnlyList<CostRow> rows = await open.Costs.ListAsync(
            CostLevel.Day, oldest, tomorrow, cancellationToken);
        long first = rows.Count == 0 ? asked : Math.Max(asked, rows[0].StartNanoseconds);
        TierPricing pricing = open.Costs.Pricing;
        List<CostRow> span = [.. rows.Where(r => r.StartNanoseconds >= first)];
        AccessSums read = await ReadAsync(open, "/", first, tomorrow, cancellationToken);
        return new SavingsReport
        {
            Currency = pricing.Table.Currency,
            PriceTable = pricing.Table.Name,
            From = UnixTime.ToTime(first),
            Until = UnixTime.ToTime(now),
            Definitions = Define(pricing, open.Hot.DefaultPool, open.Costs.Options.CopyCount),
            Total = ToLine(ComparedCosts.Of(span, read, pricing)),
            Datasets = await DatasetsAsync(open, look, span, read, (first, tomorrow), cancellationToken),
            Trend = await TrendAsync(open, rows, weeks, tomorrow, cancellationToken),
            Month = CostWire.ToReport(look.CostPerMonth),
            Reads = new ReadShareReport
            {
                MemoryBytes = read.MemoryBytes,
                HotBytes = read.HotBytes,
                ColdBytes = read.ColdBytes,
            },
            Pools = CostWire.ToPools(look, pricing, await ForecastAsync(look, cancellationToken)),
        };
    }

    /// <summary>When each pool is full at the growth of its history.</summary>
    public async ValueTask<IReadOnlyDictionary<string, FillForecast?>> ForecastAsync(
        UsageLook look, CancellationToken cancellationToken)
    {
        Dictionary<string, FillForecast?> forecasts = new(StringComparer.Ordinal);
        long from = look.TimeNanoseconds - ((FillForecast.MaxDays + 1) * CostPeriod.Day);
        foreach (string pool in look.Targets.Select(t => t.Pool).Distinct(StringComparer.Ordinal))
        {
            forecasts[pool] = FillForecast.Of(await node.Open.Tree.ListCapacityAsync(
                pool, CostLevel.Day, from, long.MaxValue, FillForecast.MaxDays + 2, cancellationToken));
        }

        return forecasts;
    }

    private static IReadOnlyList<string> Define(TierPricing pricing, string pool, int copies)
    {
        string copy = copies == 1 ? "one copy" : "two copies";
        string first = pricing.Table.DefaultClass.Name;
        string read = Show.Size(pricing.Shape.ReadBytes);
        return
        [
            $"all hot: every file with all its bytes in pool '{pool}', {copy}, for as long as it was there; no "
                + "objects, no requests",
            $"all cold: every file as an object of the class it has (else {first}), no hot tier; one GET an open "
                + $"and one for each {read} read, whichever is more, at the price of {first} with retrieval and "
                + "egress; uploads and listings as they were",
            "read: what reached the service; the kernel's page cache answers mounts unseen",
        ];
    }

    private static async ValueTask<IReadOnlyList<SavingsLine>> DatasetsAsync(
        StorageNode open, UsageLook look, IReadOnlyList<CostRow> rows, AccessSums read, (long From, long Until) span,
        CancellationToken cancellationToken)
    {
        List<SavingsLine> lines = [];
        AccessSums rest = read;
        TierPricing pricing = open.Costs.Pricing;
        HashSet<string> attached = new(look.Datasets.Values, StringComparer.Ordinal);
        IEnumerable<string> names = rows.Select(r => r.Key.Dataset).Concat(attached).Where(d => d.Length > 0)
            .Distinct(StringComparer.Ordinal);
        foreach (string dataset in names)
        {
            AccessSums own = attached.Contains(dataset)
                ? await ReadAsync(open, dataset, span.From, span.Until, cancellationToken)
                : default;
            rest = Subtract(rest, own);
            lines.Add(ToLine(ComparedCosts.Of(rows.Where(r => r.Key.Dataset == dataset), own, pricing)) with
            {
                Dataset = dataset,
            });
        }

        lines.Add(ToLine(ComparedCosts.Of(rows.Where(r => r.Key.Dataset.Length == 0), rest, pricing)) with
        {
            Dataset = string.Empty,
        });
        return
        [
            .. lines.Where(l => l.Cost + l.AllHot + l.AllCold > 0).OrderByDescending(l => l.Cost)
                .ThenBy(l => l.Dataset, StringComparer.Ordinal),
        ];
    }

    private static async ValueTask<IReadOnlyList<SavingsLine>> TrendAsync(
        StorageNode open, IReadOnlyList<CostRow> rows, int weeks, long until, CancellationToken cancellationToken)
    {
        List<SavingsLine> lines = [];
        for (int week = weeks; week > 0; week--)
        {
            long from = until - (week * 7 * CostPeriod.Day);
            long end = from + (7 * CostPeriod.Day);
            List<CostRow> own = [.. rows.Where(r => r.StartNanoseconds >= from && r.StartNanoseconds < end)];
            if (own.Count > 0)
            {
                AccessSums read = await ReadAsync(
                    open, "/", Math.Max(from, own[0].StartNanoseconds), end, cancellationToken);
                lines.Add(ToLine(ComparedCosts.Of(own, read, open.Costs.Pricing)) with
                {
                    Week = UnixTime.ToTime(from),
                });
            }
        }

        return lines;
    }

    private static async ValueTask<AccessSums> ReadAsync(
        StorageNode open, string path, long from, long until, CancellationToken cancellationToken)
    {
        AccessSums sums = default;
        try
        {
            foreach (AccessBucket day in await open.Engine.Heat.History.QueryAsync(
                path, HistoryLevel.Day, UnixTime.ToTime(from), UnixTime.ToTime(until), cancellationToken))
            {
                sums += day.Sums;
            }
        }
        catch (DataLayerException gone) when (gone.Code is ErrorCode.NotFound or ErrorCode.InvalidArgument)
        {
            // The attachment's folder has another name now: its reads are among those of no dataset.
        }

        return sums;
    }

    private static AccessSums Subtract(in AccessSums all, in AccessSums part) => new(
        Math.Max(0, all.OpenCount - part.OpenCount),
        Math.Max(0, all.ReadCount - part.ReadCount),
        Math.Max(0, all.MemoryBytes - part.MemoryBytes),
        Math.Max(0, all.HotBytes - part.HotBytes),
        Math.Max(0, all.ColdBytes - part.ColdBytes),
        HotWaitNanoseconds: 0,
        ColdWaitNanoseconds: 0);

    private static SavingsLine ToLine(ComparedCosts costs) => new()
    {
        OriginCost = costs.Requests + costs.Retrieval + costs.Egress,
        HotStorageCost = costs.HotStorage,
        ColdStorageCost = costs.ColdStorage,
        Cost = costs.Paid,
        AllHot = costs.AllHot,
        AllCold = costs.AllCold,
        AllColdStorage = costs.AllColdStorage,
        SavedAgainstAllHot = costs.AllHot - costs.Paid,
        SavedAgainstAllCold = costs.AllCold - costs.Paid,
    };
}
