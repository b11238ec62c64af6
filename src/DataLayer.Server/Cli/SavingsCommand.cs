using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb report.</summary>
internal static class SavingsCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<int> days = new("--days")
        {
            Description = "Days of it, today among them.",
            HelpName = "N",
            DefaultValueFactory = _ => 30,
        };
        Option<int> weeks = new("--weeks")
        {
            Description = "Weeks of its trend.",
            HelpName = "N",
            DefaultValueFactory = _ => 8,
        };
        return factory.Make(
            "report",
            "Shows what the tiers save: what was paid, beside all hot and all cold; the trend; when pools are full.",
            [days, weeks],
            async (run, cancellationToken) =>
            {
                SavingsReport report = await run.Client.Admin.GetSavingsAsync(
                    run.Arguments.GetValue(days), run.Arguments.GetValue(weeks), cancellationToken);
                run.Write(report, ProtocolJson.Default.SavingsReport, r => Write(run.Out, r));
                return ExitCode.Success;
            });
    }

    private static void Write(IAnsiConsole console, SavingsReport report)
    {
        console.WriteLine($"{Date(report.From)} to {Date(report.Until)}, {report.Currency} by {report.PriceTable}");
        console.WriteLine();
        SavingsLine t = report.Total;
        Table compared = Show.Columns("", "#storage", "#requests and bytes", "#all", "#saved");
        compared.Row(
            "paid", PlanTable.Money(t.HotStorageCost + t.ColdStorageCost), PlanTable.Money(t.OriginCost),
            PlanTable.Money(t.Cost), string.Empty);
        compared.Row(
            "all hot", PlanTable.Money(t.AllHot), PlanTable.Money(0), PlanTable.Money(t.AllHot),
            Saved(t.SavedAgainstAllHot, t.AllHot));
        compared.Row(
            "all cold", PlanTable.Money(t.AllColdStorage), PlanTable.Money(t.AllCold - t.AllColdStorage),
            PlanTable.Money(t.AllCold), Saved(t.SavedAgainstAllCold, t.AllCold));
        console.Write(compared);
        console.WriteLine();
        WriteLines(console, "dataset", report.Datasets, static l => l.Dataset is { Length: > 0 } name ? name : "-");
        WriteLines(console, "week from", report.Trend, static l => Date(l.Week!.Value));
        long read = report.Reads.MemoryBytes + report.Reads.HotBytes + report.Reads.ColdBytes;
        List<(string, string?)> properties =
        [
            ("read", $"{Show.Size(read)}: {Show.Share(report.Reads.MemoryBytes, read)} from memory, "
                + $"{Show.Share(report.Reads.HotBytes, read)} hot, {Show.Share(report.Reads.ColdBytes, read)} cold"),
            ("a month", $"of what is stored now: {PlanTable.Money(report.Month.Hot)} hot and "
                + $"{PlanTable.Money(report.Month.Cold)} cold; all hot {PlanTable.Money(report.Month.AllHot)}, "
                + $"all cold {PlanTable.Money(report.Month.AllCold)}"),
        ];
        foreach (PoolReport pool in report.Pools)
        {
            string fill = (100 * pool.Fill).ToString("0.0", CultureInfo.InvariantCulture);
            properties.Add(
                ($"pool {pool.Pool}", $"{fill} % of {Show.Size(pool.CapacityBytes)}; full: "
                    + CostCommands.Describe(pool.Forecast)));
        }

        Show.Properties(console, properties);
        console.WriteLine();
        foreach (string definition in report.Definitions)
        {
            console.WriteLine(definition);
        }
    }

    private static void WriteLines(
        IAnsiConsole console, string name, IReadOnlyList<SavingsLine> lines, Func<SavingsLine, string> label)
    {
        if (lines.Count == 0)
        {
            return;
        }

        Table table = Show.Columns(
            name, "#requests and bytes", "#hot", "#cold", "#paid", "#all hot", "#saved", "#all cold", "#saved");
        foreach (SavingsLine l in lines)
        {
            table.Row(
                label(l), PlanTable.Money(l.OriginCost), PlanTable.Money(l.HotStorageCost),
                PlanTable.Money(l.ColdStorageCost), PlanTable.Money(l.Cost), PlanTable.Money(l.AllHot),
                Saved(l.SavedAgainstAllHot, l.AllHot), PlanTable.Money(l.AllCold),
                Saved(l.SavedAgainstAllCold, l.AllCold));
        }

        console.Write(table);
        console.WriteLine();
    }

    private static string Saved(double amount, double whole) => whole <= 0
        ? "-"
        : string.Create(
            CultureInfo.InvariantCulture, $"{PlanTable.Money(amount)} ({100 * amount / whole:0.#} %)");

    private static string Date(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
