using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>Where budgets stood, as text between two runs of the service.</summary>
internal static class BudgetMemory
{
    /// <summary>Writes it.</summary>
    public static string Write(IReadOnlyList<BudgetStatus> budgets)
    {
        List<BudgetEntry> entries = new(budgets.Count);
        foreach (BudgetStatus one in budgets)
        {
            entries.Add(new BudgetEntry(
                one.Budget.Name, one.Budget.Amount, one.PeriodStartNanoseconds, one.SpentNanos, one.State,
                one.SinceNanoseconds));
        }

        return JsonSerializer.Serialize(entries, BudgetJson.Default.ListBudgetEntry);
    }

    /// <summary>Reads it back for the budgets there are now; text that cannot be read is as none.</summary>
    public static BudgetStatus[] Read(string? text, IReadOnlyList<CostBudget> budgets)
    {
        List<BudgetEntry> entries = [];
        try
        {
            entries = text is null ? [] : JsonSerializer.Deserialize(text, BudgetJson.Default.ListBudgetEntry) ?? [];
        }
        catch (JsonException)
        {
            // The state follows from what is spent, but for the ease after a period that was exceeded.
        }

        List<BudgetStatus> known = [];
        foreach (CostBudget budget in budgets)
        {
            if (entries.Find(e => e.Name == budget.Name) is { } entry)
            {
                known.Add(new BudgetStatus(
                    budget with { Amount = entry.Amount }, entry.PeriodStart, entry.Spent, entry.State, entry.Since));
            }
        }

        return [.. known];
    }
}

/// <summary>One budget's state as it is stored.</summary>
internal sealed record BudgetEntry(
    string Name, double Amount, long PeriodStart, long Spent, BudgetState State, long Since);

/// <summary>Writes and reads it.</summary>
[JsonSerializable(typeof(List<BudgetEntry>))]
internal sealed partial class BudgetJson : JsonSerializerContext;
