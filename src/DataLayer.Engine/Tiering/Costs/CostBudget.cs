using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What is done when a budget is spent. Readers are never refused or delayed.</summary>
public enum BudgetAction
{
    /// <summary>It is told: log, metrics, API.</summary>
    Warn = 0,

    /// <summary>Work that no reader waits for (readahead, recalls, warm-ups, moves) goes on slowly.</summary>
    Throttle = 1,

    /// <summary>Work that no reader waits for stops until the period's end.</summary>
    StopPrefetch = 2,
}

/// <summary>Where a budget stands.</summary>
public enum BudgetState
{
    /// <summary>Less than its warning share is spent.</summary>
    Within = 0,

    /// <summary>Its warning share is spent.</summary>
    Warned = 1,

    /// <summary>All of it is spent; its action holds until the period's end.</summary>
    Exceeded = 2,

    /// <summary>
    /// A new period began after one that was exceeded: for its first 24th part background work goes on slowly, so that
    /// what piled up does not spend the new period at once.
    /// </summary>
    Easing = 3,
}

/// <summary>An amount that a dataset, a tenant or all may cost in a day or a month of UTC.</summary>
public sealed record CostBudget
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The dataset it is of, the path of an attachment; null for all.</summary>
    public string? Dataset { get; init; }

    /// <summary>The tenant it is of, a token's name; null for all.</summary>
    public string? Tenant { get; init; }

    /// <summary>Day or Month.</summary>
    public CostLevel Period { get; init; } = CostLevel.Day;

    /// <summary>The amount, in the price table's currency; above 0.</summary>
    public required double Amount { get; init; }

    /// <summary>From which part of the amount on it warns, 0 to 1. Default 0.8.</summary>
    public double WarnAt { get; init; } = 0.8;

    /// <summary>What is done when it is spent.</summary>
    public BudgetAction Action { get; init; } = BudgetAction.Warn;

    /// <summary>Whether storage counts too; without, only what requests cause. Storage belongs to no tenant.</summary>
    public bool IncludesStorage { get; init; }

    /// <summary>Whether a cost of some dataset and tenant counts for it.</summary>
    public bool Covers(string dataset, string tenant) =>
        (Dataset is null || Dataset == dataset) && (Tenant is null || Tenant == tenant);
}

/// <summary>A budget and where it stands.</summary>
/// <param name="Budget">The budget.</param>
/// <param name="PeriodStartNanoseconds">Where its day or month began, nanoseconds since 1970 UTC.</param>
/// <param name="SpentNanos">What is spent in it, billionths of the currency's unit.</param>
/// <param name="State">Where it stands.</param>
/// <param name="SinceNanoseconds">Since when it stands there.</param>
public sealed record BudgetStatus(
    CostBudget Budget, long PeriodStartNanoseconds, long SpentNanos, BudgetState State, long SinceNanoseconds)
{
    /// <summary>What is in force now; null for nothing.</summary>
    public BudgetAction? InForce => State switch
    {
        BudgetState.Exceeded => Budget.Action,
        BudgetState.Easing when Budget.Action != BudgetAction.Warn => BudgetAction.Throttle,
        _ => null,
    };

    /// <summary>
    /// The status that follows. Within a period a state only gets worse; at its turn all is new, but for
    /// <see cref="BudgetState.Easing"/>. A clock that goes back does not bring an older period back, and another amount
    /// is weighed anew.
    /// </summary>
    /// <param name="budget">The budget as it is configured now.</param>
    /// <param name="before">The status before; null for none.</param>
    /// <param name="spentNanos">What is spent in the period of <paramref name="nowNanoseconds"/>.</param>
    /// <param name="nowNanoseconds">Now.</param>
    public static BudgetStatus Next(CostBudget budget, BudgetStatus? before, long spentNanos, long nowNanoseconds)
    {
        ArgumentNullException.ThrowIfNull(budget);
        (long start, long end) = CostPeriod.Of(nowNanoseconds, budget.Period);
        if (before is not null && start < before.PeriodStartNanoseconds)
        {
            return before with { Budget = budget };
        }

        double share = spentNanos / 1e9 / budget.Amount;
        BudgetState state = share >= 1 ? BudgetState.Exceeded
            : share >= budget.WarnAt ? BudgetState.Warned
            : BudgetState.Within;
        if (before is not null && before.Budget.Amount.Equals(budget.Amount))
        {
            bool isNew = start > before.PeriodStartNanoseconds;
            bool eases = nowNanoseconds - start < (end - start) / 24
                && (isNew ? before.State == BudgetState.Exceeded : before.State == BudgetState.Easing);
            state = eases && state != BudgetState.Exceeded ? BudgetState.Easing
                : !isNew && before.State == BudgetState.Exceeded ? BudgetState.Exceeded
                : !isNew && before.State == BudgetState.Warned && state == BudgetState.Within ? BudgetState.Warned
                : state;
        }

        return before?.State == state && before.PeriodStartNanoseconds == start
            ? before with { Budget = budget, SpentNanos = spentNanos }
            : new BudgetStatus(budget, start, spentNanos, state, nowNanoseconds);
    }
}
