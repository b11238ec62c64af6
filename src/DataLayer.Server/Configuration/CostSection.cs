using DataLayer.Engine.Tiering.Costs;
using DataLayer.Metadata;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>costs</c>.</summary>
internal static class CostSection
{
    private const double MaxAmount = 1e9;

    /// <summary>Reads the section.</summary>
    /// <param name="section">The section.</param>
    /// <param name="copyCount">Copies in the default pool.</param>
    public static CostOptions Read(SettingReader section, int copyCount)
    {
        CostOptions d = new();
        CostOptions costs = new()
        {
            CopyCount = copyCount,
            FlushInterval = section.Duration(
                "flush", d.FlushInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10),
                "How often costs are priced, weighed against the budgets and written: a killed service loses the "
                + "requests of that long."),
            StorageInterval = section.Duration(
                "storageInterval", d.StorageInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24),
                "How often it is looked at what is stored; less often where a look takes over a hundredth of that."),
            HourRetention = section.Duration(
                "hours", d.HourRetention, TimeSpan.FromDays(2), TimeSpan.FromDays(3650),
                "How long costs and fills are kept by the hour."),
            DayRetention = section.Duration(
                "days", d.DayRetention, TimeSpan.FromDays(35), TimeSpan.FromDays(36500),
                "How long costs and fills are kept by the day, and what jobs cost."),
            MonthRetention = section.Duration(
                "months", d.MonthRetention, TimeSpan.FromDays(70), TimeSpan.FromDays(36500),
                "How long costs are kept by the month."),
            ThrottledRequestsPerSecond = section.Count(
                "throttledRequests", d.ThrottledRequestsPerSecond, 1, 10_000,
                "Requests a second that no reader waits for, where a budget throttles them."),
            Budgets = section.Items("budgets", ReadBudget, () => []),
        };
        PoolSection.CheckUnique(section, "budgets", "name", costs.Budgets.Select(b => b.Name));
        section.Done();
        return costs;
    }

    private static CostBudget ReadBudget(SettingReader section)
    {
        CostBudget d = new() { Name = "default", Amount = 1 };
        CostBudget budget = new()
        {
            Name = section.Text("name", d.Name, "The budget's name, in logs, metrics and the API.", "a name")!,
            Dataset = section.Text(
                "dataset", null, "The attachment whose costs count, by the path it was attached at. Default: all.",
                "a path"),
            Tenant = section.Text(
                "tenant", null, "The token whose requests count, by its name. Default: all.", "a token's name"),
            Period = section.Choice("per", "day", "A day or a month of UTC.", "day", "month") == "day"
                ? CostLevel.Day : CostLevel.Month,
            Amount = section.Number(
                "amount", 0, 0, MaxAmount, "What it may cost in that time, in the price table's currency."),
            WarnAt = section.Number(
                "warnAt", d.WarnAt, 0, 1, "From which part of the amount on it is warned."),
            Action = Enum.Parse<BudgetAction>(
                section.Choice(
                    "action", "warn",
                    "What is done when it is spent: 'throttle' slows down what no reader waits for (readahead, "
                    + "recalls, warm-ups, moves), 'stopPrefetch' stops it. Readers are never refused or delayed.",
                    "warn", "throttle", "stopPrefetch"),
                ignoreCase: true),
            IncludesStorage = section.Flag(
                "storage", d.IncludesStorage, "Whether storage counts too, or only what requests cause."),
        };
        PoolSection.CheckName(section, "budget", budget.Name);
        if (budget.Amount <= 0)
        {
            section.Report("amount", "A budget has an amount above 0.", "Write what it may cost, as 50.");
        }

        if (budget.Dataset is { } dataset && (!dataset.StartsWith('/') || (dataset.Length > 1 && dataset[^1] == '/')))
        {
            section.Report("dataset", $"'{dataset}' is no path of an attachment.", "Write it as /data/research.");
        }

        if (budget is { Tenant: not null, IncludesStorage: true })
        {
            section.Report(
                "storage", "Storage belongs to no tenant, so a tenant's budget cannot count it.",
                "Leave it out, or give the dataset instead of the tenant.");
        }

        section.Done();
        return budget;
    }
}
