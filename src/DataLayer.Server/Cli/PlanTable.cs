using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>A plan as people read it: a table by rule, totals, warnings.</summary>
internal static class PlanTable
{
    /// <summary>Writes a plan.</summary>
    public static void Write(IAnsiConsole console, PlanReport plan)
    {
        Table table = Show.Columns(
            "rule", "#files", "#moves", "#bytes", "#requests", "#a month now", "#then", "#once", "#if recalled",
            "#expected");
        foreach (PlanRuleReport rule in plan.Rules)
        {
            table.Row(
                rule.Index < 0 ? "(no rule)" : rule.Name, Show.Count(rule.MatchedFiles), Show.Count(rule.Moved.Moves),
                Show.Size(rule.Moved.MovedBytes), Show.Count((long)Math.Ceiling(rule.Moved.Requests)),
                Money(rule.Moved.MonthlyBefore), Money(rule.Moved.MonthlyAfter), Money(rule.Moved.Once),
                Money(rule.Moved.RecallCost), Money(rule.Moved.ExpectedRecallCost));
        }

        console.Write(table);
        console.WriteLine();
        PlanSums all = plan.Totals;
        double saved = all.MonthlyBefore - all.MonthlyAfter;
        Show.Properties(
            console,
            [
                ("plan", $"{plan.Id} of {plan.Path}, valid until {Time(plan.ValidUntil)}"),
                ("files", $"{Show.Count(all.Files)}, {Show.Size(all.Bytes)}; {Show.Count(all.Moves)} move"),
                ("moves", DescribeMoves(all)),
                ("a month", $"{Money(all.MonthlyBefore)} now, {Money(all.MonthlyAfter)} then: "
                    + $"{Money(Math.Abs(saved))} {plan.Currency} {(saved < 0 ? "more" : "less")}"),
                ("once", DescribeOnce(all, plan.Currency)),
                ("needed again", $"{Money(all.RecallCost)} for all that is cold then; "
                    + $"{Money(all.ExpectedRecallCost)} expected within {Number(plan.HorizonDays)} days"),
                ("hit ratio", $"{Number(100 * plan.HitRatioBefore)} % now, {Number(100 * plan.HitRatioAfter)} % then, "
                    + "by what was read lately"),
                ("prices", $"{plan.PriceTable}, {plan.Currency}"),
                ("policy", plan.PolicyVersion is { } version
                    ? string.Create(CultureInfo.InvariantCulture, $"version {version}, {plan.PolicyHash[..12]}")
                    : plan.PolicyHash[..Math.Min(12, plan.PolicyHash.Length)]),
                ("stale", plan.Stale.Count == 0 ? null : string.Join("; ", plan.Stale)),
            ]);
        foreach (PlanWarningReport warning in plan.Warnings)
        {
            console.WriteLine();
            console.WriteLine(
                $"{Show.Count(warning.Files)} files ({Show.Size(warning.Bytes)}), as {warning.Example}: "
                    + warning.Message);
        }
    }

    /// <summary>Adds a plan's line to a list.</summary>
    public static void AddRow(Table table, PlanReport plan) => table.Row(
        plan.Id.ToString(CultureInfo.InvariantCulture), Time(plan.CreatedAt), plan.Path, Show.Count(plan.Totals.Moves),
        Show.Size(plan.Totals.MovedBytes), Money(plan.Totals.Once), Money(plan.Totals.MonthlyBefore),
        Money(plan.Totals.MonthlyAfter), plan.Stale.Count == 0 ? "no" : string.Join("; ", plan.Stale));

    /// <summary>An amount: cents from one on, four significant digits below.</summary>
    public static string Money(double amount) =>
        Math.Abs(amount) >= 1 || amount == 0
            ? amount.ToString("N2", CultureInfo.InvariantCulture)
            : amount.ToString("0.######", CultureInfo.InvariantCulture);

    private static string Number(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);

    private static string DescribeMoves(PlanSums all) =>
        $"{Show.Count(all.Uploads)} uploads ({Show.Size(all.UploadBytes)}), {Show.Count(all.Releases)} releases "
            + $"({Show.Size(all.ReleaseBytes)}), {Show.Count(all.Recalls)} recalls ({Show.Size(all.RecallBytes)}), "
            + $"{Show.Count(all.Reclasses)} changes of class";

    private static string DescribeOnce(PlanSums all, string currency) =>
        $"{Money(all.Once)} {currency}: requests {Money(all.OnceRequests)}, retrieval {Money(all.OnceRetrieval)}, "
            + $"egress {Money(all.OnceEgress)}, early deletion {Money(all.OnceEarlyDeletion)}";

    private static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
