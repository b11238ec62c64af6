using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs cost, budgets and tiers.</summary>
internal static class CostCommands
{
    private const int HeaderEvery = 20;

    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
        [MakeCost(factory), MakeBudgets(factory), MakeTiers(factory), SavingsCommand.Make(factory)];

    private static Command MakeCost(CommandFactory factory)
    {
        Option<string> by = new("--by")
        {
            Description = "What to tell apart: dataset, tenant, purpose, item, class, with commas.",
            HelpName = "WORDS",
            DefaultValueFactory = _ => "dataset,item",
        };
        Option<string?> last = new("--last")
        {
            Description = "The span until now, as 24h or 30d. Default: today, UTC.",
            HelpName = "DURATION",
        };
        Option<string?> dataset = new("--dataset")
        {
            Description = "One dataset alone, the path of an attachment.",
            HelpName = "PATH",
        };
        Option<long?> job = new("--job") { Description = "One job alone, of whatever time.", HelpName = "N" };
        Option<string?> interval = new("--interval", "-i")
        {
            Description = "Live: print a line of what is spent each so often, as 10s.",
            HelpName = "TIME",
        };
        Option<int> count = new("--count", "-c")
        {
            Description = "With --interval: how many lines; 0 for no end.",
            HelpName = "N",
        };
        return factory.Make(
            "cost", "Shows what was paid, by dataset, tenant, purpose or job; with --interval live.",
            [by, last, dataset, job, interval, count],
            async (run, cancellationToken) =>
            {
                DateTimeOffset? from = run.Arguments.GetValue(last) is { } text
                    ? run.Environment.Time.GetUtcNow() - Duration("--last", text)
                    : null;
                Task<CostReport> Ask() => run.Client.Admin.GetCostsAsync(
                    run.Arguments.GetValue(by)!, from, until: null, run.Arguments.GetValue(dataset),
                    run.Arguments.GetValue(job), cancellationToken).AsTask();
                if (run.Arguments.GetValue(interval) is { } wait)
                {
                    await RefreshAsync(
                        run, Ask, Duration("--interval", wait), run.Arguments.GetValue(count), cancellationToken);
                    return ExitCode.Success;
                }

                run.Write(await Ask(), ProtocolJson.Default.CostReport, r => Write(run.Out, r));
                return ExitCode.Success;
            });
    }

    private static Command MakeBudgets(CommandFactory factory) => factory.Make(
        "budgets", "Shows the budgets and where they stand.", [],
        async (run, cancellationToken) =>
        {
            IReadOnlyList<BudgetReport> budgets = await run.Client.Admin.ListBudgetsAsync(cancellationToken);
            run.Write(budgets, ProtocolJson.Default.IReadOnlyListBudgetReport, all =>
            {
                Table table = Show.Columns("budget", "of", "#spent", "#amount", "per", "state", "in force", "until");
                foreach (BudgetReport b in all)
                {
                    string of = b.Dataset ?? (b.Tenant is null ? "all" : "tenant " + b.Tenant);
                    table.Row(
                        b.Name, of, PlanTable.Money(b.Spent), $"{PlanTable.Money(b.Amount)} {b.Currency}", b.Period,
                        b.State, b.InForce ?? "-", Time(b.PeriodEnd));
                }

                run.Out.Write(table);
            });
            return ExitCode.Success;
        });

    private static Command MakeTiers(CommandFactory factory) => factory.Make(
        "tiers", "Shows what lies in memory, pools and storage classes, and when pools are full.", [],
        async (run, cancellationToken) =>
        {
            TiersReport tiers = await run.Client.Admin.GetTiersAsync(fresh: true, cancellationToken);
            run.Write(tiers, ProtocolJson.Default.TiersReport, t => Write(run.Out, t));
            return ExitCode.Success;
        });

    private static async Task RefreshAsync(
        CommandRun run, Func<Task<CostReport>> ask, TimeSpan wait, int count, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(wait, run.Environment.Time);
        CostLine before = (await ask()).Total;
        for (
            int line = 0; (count == 0 || line < count) && await timer.WaitForNextTickAsync(cancellationToken); line++)
        {
            CostReport now = await ask();
            if (run.Json)
            {
                run.WriteJson(now, ProtocolJson.Default.CostReport);
            }
            else
            {
                if (line % HeaderEvery == 0)
                {
                    run.Environment.Out.WriteLine(
                        $"{"spent",14} {"+ now",12} {"requests",10} {"read",10} {"written",10} "
                        + $"{"a day, at this rate",20}");
                }

                double more = now.Total.Cost - before.Cost;
                string perDay = PlanTable.Money(more * TimeSpan.FromDays(1).TotalSeconds / wait.TotalSeconds);
                run.Environment.Out.WriteLine(
                    $"{PlanTable.Money(now.Total.Cost),14} {PlanTable.Money(more),12} "
                    + $"{Show.Count(now.Total.Requests - before.Requests),10} "
                    + $"{Show.Size(now.Total.ReadBytes - before.ReadBytes),10} "
                    + $"{Show.Size(now.Total.WrittenBytes - before.WrittenBytes),10} {perDay,16} {now.Currency}");
            }

            run.Environment.Out.Flush();
            before = now.Total;
        }
    }

    private static void Write(IAnsiConsole console, CostReport report)
    {
        List<string> names = [];
        CostLine? first = report.Lines.Count > 0 ? report.Lines[0] : null;
        void Name(string name, string? value)
        {
            if (value is not null)
            {
                names.Add(name);
            }
        }

        Name("dataset", first?.Dataset);
        Name("tenant", first?.Tenant);
        Name("purpose", first?.Purpose);
        Name("item", first?.Item);
        Name("class", first?.Class);
        Table table = Show.Columns(
        [
            .. names, "#requests", "#failed", "#read", "#written", "#GiB months", "#requests cost", "#retrieval",
            "#egress", "#storage", "#cost",
        ]);
        foreach (CostLine line in report.Lines)
        {
            List<string> cells = [];
            foreach (string? cell in (string?[])[line.Dataset, line.Tenant, line.Purpose, line.Item, line.Class])
            {
                if (cell is not null)
                {
                    cells.Add(cell.Length == 0 ? "-" : cell);
                }
            }

            table.Row([.. cells, .. Amounts(line)]);
        }

        table.Row([.. names.Select((_, i) => i == 0 ? "all" : string.Empty), .. Amounts(report.Total)]);
        console.Write(table);
        console.WriteLine();
        console.WriteLine(
            (report.Job is { } job ? $"job {job}" : $"{Time(report.From)} to {Time(report.Until)}")
            + $"; {report.Currency} by {report.PriceTable}");
    }

    private static IEnumerable<string> Amounts(CostLine line) =>
    [
        Show.Count(line.Requests), Show.Count(line.Failures), Show.Size(line.ReadBytes), Show.Size(line.WrittenBytes),
        line.GibMonths.ToString("0.####", CultureInfo.InvariantCulture), PlanTable.Money(line.RequestCost),
        PlanTable.Money(line.RetrievalCost), PlanTable.Money(line.EgressCost), PlanTable.Money(line.StorageCost),
        PlanTable.Money(line.Cost),
    ];

    private static void Write(IAnsiConsole console, TiersReport tiers)
    {
        Table pools = Show.Columns(
            "pool", "#capacity", "#free", "#fill", "#files", "#hot", "#premigrated", "#a month", "full");
        foreach (PoolReport p in tiers.Pools)
        {
            pools.Row(
                p.Pool, Show.Size(p.CapacityBytes), Show.Size(p.FreeBytes),
                (100 * p.Fill).ToString("0.0", CultureInfo.InvariantCulture) + " %", Show.Count(p.Files),
                Show.Size(p.HotBytes), Show.Size(p.PremigratedBytes), PlanTable.Money(p.CostPerMonth),
                Describe(p.Forecast));
        }

        console.Write(pools);
        console.WriteLine();
        Table classes = Show.Columns("class", "#objects", "#bytes", "#a month", "price");
        foreach (ClassReport c in tiers.Classes)
        {
            classes.Row(
                c.Class, Show.Count(c.Objects), Show.Size(c.ObjectBytes), PlanTable.Money(c.CostPerMonth),
                c.IsPriced ? "its own" : "as the table's first class");
        }

        console.Write(classes);
        console.WriteLine();
        Table states = Show.Columns("state", "#files", "#bytes", "#of it hot");
        foreach (StateReport s in tiers.States)
        {
            states.Row(s.State, Show.Count(s.Files), Show.Size(s.SizeBytes), Show.Size(s.HotBytes));
        }

        console.Write(states);
        console.WriteLine();
        console.WriteLine(
            $"memory {Show.Size(tiers.MemoryUsedBytes)} of {Show.Size(tiers.MemoryCapacityBytes)}; amounts in "
            + tiers.Currency);
    }

    /// <summary>When a pool is full.</summary>
    internal static string Describe(FillForecastReport? forecast) => forecast switch
    {
        null => "unknown: under three days of history",
        { FullAt: null } => $"not at this growth ({forecast.Confidence} confidence, {forecast.Days} days)",
        _ => $"{Date(forecast.FullAt)} ({Date(forecast.FullFrom)} to {Date(forecast.FullUntil)}; "
            + $"{forecast.Confidence} confidence, {forecast.Days} days)",
    };

    private static TimeSpan Duration(string option, string text) =>
        UnitText.TryParseDuration(text, out TimeSpan span) && span >= TimeSpan.FromMilliseconds(10)
            ? span
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{option} '{text}' is not a duration, as 10s, 24h or 30d.");

    private static string Date(DateTimeOffset? time) =>
        time?.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "never";

    private static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
