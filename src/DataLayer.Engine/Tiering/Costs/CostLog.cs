using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What is logged about costs.</summary>
internal static partial class CostLog
{
    [LoggerMessage(60, LogLevel.Warning, "Costs cannot be stored and are kept in memory: {Cause}")]
    internal static partial void NotSaved(ILogger log, string cause);

    [LoggerMessage(
        61, LogLevel.Warning,
        "Budget '{Budget}' is {State}: {Spent} of {Amount} {Currency} since {PeriodStart}; in force: {InForce}")]
    internal static partial void Worse(
        ILogger log, string budget, string state, double spent, double amount, string currency,
        DateTimeOffset periodStart, string inForce);

    [LoggerMessage(62, LogLevel.Information, "Budget '{Budget}' is {State} again in its new period")]
    internal static partial void Better(ILogger log, string budget, string state);

    [LoggerMessage(
        63, LogLevel.Warning,
        "Storage was not billed from {From} to {Until}: the service did not run for longer than it bills afterwards")]
    internal static partial void Gap(ILogger log, DateTimeOffset from, DateTimeOffset until);
}
