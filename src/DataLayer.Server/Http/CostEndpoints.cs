using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>What was paid, budgets, what lies where, and all of that by time.</summary>
internal sealed class CostEndpoints(NodeHost node, SavingsDesk savings, TimeProvider time)
{
    private const int MaxRows = 10_000;
    private static readonly ApiParameter _from =
        new("from", ApiParameterPlace.Query, "string", "From this time on (ISO 8601).");

    private static readonly ApiParameter _until =
        new("until", ApiParameterPlace.Query, "string", "Before this time. Default now.");

    private static readonly ApiParameter _dataset =
        new("dataset", ApiParameterPlace.Query, "string", "One dataset, the path of an attachment. Default all.");

    private static readonly ApiParameter _limit =
        new("limit", ApiParameterPlace.Query, "integer", "Rows a page, 1 to 10,000. Default 1,000.");

    private static readonly ApiParameter _tag =
        new("If-None-Match", ApiParameterPlace.Header, "string", "The entity tag known; 304 if it holds.");

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Now(), .. ByTime()];

    private IEnumerable<ApiOperation> Now()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Costs, "getCosts", "What was paid in a span of time.", CostsAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(CostReport),
            Statuses = [200, 304],
            Parameters =
            [
                new(
                    "by", ApiParameterPlace.Query, "string",
                    "What to tell apart: dataset, tenant, purpose, item, class, with commas. Default dataset,item."),
                _from with { Summary = "From this time on (ISO 8601). Default the start of today, UTC." },
                _until,
                new("level", ApiParameterPlace.Query, "string", "hour, day or month. Default by the span's length."),
                _dataset,
                new("job", ApiParameterPlace.Query, "integer", "One job, of whatever time. Default all."),
                _tag,
            ],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Budgets, "listBudgets", "The budgets and where they stand.", BudgetsAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(IReadOnlyList<BudgetReport>),
            Statuses = [200, 304],
            Parameters = CollectionPage.Parameters,
        };
        yield return new ApiOperation("GET", ApiRoutes.Tiers, "getTiers", "What lies where.", TiersAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(TiersReport),
            Statuses = [200, 304],
            Parameters =
            [
                new(
                    "fresh", ApiParameterPlace.Query, "boolean",
                    "Look again: else a look of a second ago will do, or of up to twenty times as long as one takes."),
                _tag,
            ],
        };
    }

    private IEnumerable<ApiOperation> ByTime()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Report, "getReport",
            "What the tiers save: what was paid, beside all hot and all cold; the trend; when pools are full.",
            ReportAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(SavingsReport),
            Statuses = [200, 304],
            Parameters =
            [
                new("days", ApiParameterPlace.Query, "integer", "Days of it, today among them, 1 to 400. Default 30."),
                new("weeks", ApiParameterPlace.Query, "integer", "Weeks of its trend, 0 to 57. Default 8."),
                _tag,
            ],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.CostHistory, "costHistory", "What was paid, by time.", CostHistoryAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(CostHistory),
            Statuses = [200, 304],
            Parameters =
            [
                new("level", ApiParameterPlace.Query, "string", "hour, day or month. Default day."),
                _dataset, _from, _until, _limit, _tag,
            ],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.CapacityHistory, "capacityHistory", "How full a pool was, or how large the tree, by time.",
            CapacityHistoryAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "costs",
            Answer = typeof(CapacityHistory),
            Statuses = [200, 304],
            Parameters =
            [
                new("pool", ApiParameterPlace.Query, "string", "The pool. Default (empty) the whole tree."),
                new("level", ApiParameterPlace.Query, "string", "hour or day. Default day."),
                _from, _until, _limit, _tag,
            ],
        };
    }

    private async Task CostsAsync(HttpContext context)
    {
        CostDimensions by = CostWire.Dimensions(RequestTarget.Text(context, "by") ?? "dataset,item");
        CostMeter costs = await FlushAsync(context);
        long now = UnixTime.ToNanoseconds(time.GetUtcNow());
        long from = TimeOf(context, "from") ?? CostPeriod.Of(now, CostLevel.Day).Start;
        long until = TimeOf(context, "until") ?? now;
        if (from > until)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "from is after until: turn them round.");
        }

        string word = RequestTarget.Text(context, "level") ?? DefaultLevel(costs, from, until, now);
        CostLevel level = LevelOf(word);
        from = CostPeriod.Of(from, level).Start;
        until = CostPeriod.Of(Math.Max(until - 1, from), level).End;
        long job = RequestTarget.Number(context, "job", 0, 0, long.MaxValue);
        string? dataset = RequestTarget.Text(context, "dataset");
        IReadOnlyList<CostRow> rows = job != 0
            ? await node.Open.Tree.ListJobCostsAsync(costs.Pricing.Table.Currency, job, context.RequestAborted)
            : await costs.ListAsync(level, from, until, context.RequestAborted);
        IReadOnlyList<CostRow> paid =
            [.. rows.Where(r => r.Key.Item < CostItem.AllHot && (dataset is null || r.Key.Dataset == dataset))];
        CostReport report = new()
        {
            Currency = costs.Pricing.Table.Currency,
            PriceTable = costs.Pricing.Table.Name,
            Level = word,
            From = UnixTime.ToTime(from),
            Until = UnixTime.ToTime(until),
            Job = job == 0 ? null : job,
            Total = CostWire.Total(paid),
            Lines = CostWire.Lines(paid, by),
        };
        await ApiJson.WriteTaggedAsync(context, report, ProtocolJson.Default.CostReport);
    }

    private async Task BudgetsAsync(HttpContext context)
    {
        CostMeter costs = await FlushAsync(context);
        IReadOnlyList<BudgetReport> all =
            [.. costs.Budgets.Select(b => CostWire.ToReport(b, costs.Pricing.Table.Currency))];
        await CollectionPage.WriteAsync(
            context, all, static b => b.Name, ProtocolJson.Default.IReadOnlyListBudgetReport);
    }

    private async Task TiersAsync(HttpContext context)
    {
        StorageNode open = node.Open;
        UsageLook look = await open.Costs.LookAsync(
            RequestTarget.Flag(context, "fresh"), context.RequestAborted);
        IReadOnlyDictionary<string, FillForecast?> forecasts = await savings.ForecastAsync(
            look, context.RequestAborted);
        TiersReport report = CostWire.ToReport(look, open.Costs.Pricing, open.Cache.GetStatistics(), forecasts);
        await ApiJson.WriteTaggedAsync(context, report, ProtocolJson.Default.TiersReport);
    }

    private async Task ReportAsync(HttpContext context)
    {
        SavingsReport report = await savings.MakeAsync(
            RequestTarget.Count(context, "days", 30, 1, 400), RequestTarget.Count(context, "weeks", 8, 0, 57),
            context.RequestAborted);
        await ApiJson.WriteTaggedAsync(context, report, ProtocolJson.Default.SavingsReport);
    }

    private async Task CostHistoryAsync(HttpContext context)
    {
        string word = RequestTarget.Text(context, "level") ?? "day";
        CostLevel level = LevelOf(word);
        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxRows);
        CostMeter costs = await FlushAsync(context);
        string? dataset = RequestTarget.Text(context, "dataset");
        IReadOnlyList<CostRow> rows = await costs.ListAsync(
            level, TimeOf(context, "from") ?? 0, TimeOf(context, "until") ?? long.MaxValue, context.RequestAborted);
        List<CostHistoryRow> all =
        [
            .. rows.Where(r => r.Key.Item < CostItem.AllHot && (dataset is null || r.Key.Dataset == dataset))
                .GroupBy(r => r.StartNanoseconds).Take(limit + 1).Select(g => CostWire.ToRow(g.Key, [.. g])),
        ];
        CostHistory history = new()
        {
            Currency = costs.Pricing.Table.Currency,
            Dataset = dataset,
            Level = word,
            Rows = [.. all.Take(limit)],
            Next = all.Count > limit ? all[limit].Start : null,
        };
        await ApiJson.WriteTaggedAsync(context, history, ProtocolJson.Default.CostHistory);
    }

    private async Task CapacityHistoryAsync(HttpContext context)
    {
        string word = RequestTarget.Text(context, "level") ?? "day";
        CostLevel level = LevelOf(word);
        if (level == CostLevel.Month)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "level is neither hour nor day.");
        }

        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxRows);
        string pool = RequestTarget.Text(context, "pool") ?? string.Empty;
        await FlushAsync(context);
        IReadOnlyList<CapacitySample> rows = await node.Open.Tree.ListCapacityAsync(
            pool, level, TimeOf(context, "from") ?? 0, TimeOf(context, "until") ?? long.MaxValue, limit + 1,
            context.RequestAborted);
        CapacityHistory history = new()
        {
            Pool = pool,
            Level = word,
            Rows = [.. rows.Take(limit).Select(CostWire.ToRow)],
            Next = rows.Count > limit ? UnixTime.ToTime(CostPeriod.Of(rows[limit].TimeNanoseconds, level).Start)
                : null,
        };
        await ApiJson.WriteTaggedAsync(context, history, ProtocolJson.Default.CapacityHistory);
    }

    /// <summary>The meter with all in it that was counted until now.</summary>
    private async ValueTask<CostMeter> FlushAsync(HttpContext context)
    {
        CostMeter costs = node.Open.Costs;
        await costs.FlushAsync(context.RequestAborted);
        return costs;
    }

    private static string DefaultLevel(CostMeter costs, long from, long until, long now)
    {
        bool hasHours = now - from < costs.Options.HourRetention.Ticks * 100;
        bool hasDays = now - from < costs.Options.DayRetention.Ticks * 100;
        return hasHours && until - from <= 3 * CostPeriod.Day ? "hour" : hasDays ? "day" : "month";
    }

    private static CostLevel LevelOf(string word) => word switch
    {
        "hour" => CostLevel.Hour,
        "day" => CostLevel.Day,
        "month" => CostLevel.Month,
        _ => throw new DataLayerException(ErrorCode.InvalidArgument, "level is none of hour, day and month."),
    };

    private static long? TimeOf(HttpContext context, string name) =>
        RequestTarget.Time(context, name) is { } at ? UnixTime.ToNanoseconds(at) : null;
}
