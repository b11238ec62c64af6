using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Costs, budgets, tiers.</content>
public sealed partial class AdminClient
{
    /// <summary>What was paid in a span of time.</summary>
    /// <param name="by">What to tell apart: dataset, tenant, purpose, item, class, with commas between.</param>
    /// <param name="from">From when on; null for the start of today, UTC.</param>
    /// <param name="until">Until when; null for now.</param>
    /// <param name="dataset">One dataset alone; null for all.</param>
    /// <param name="job">One job alone, of whatever time; null for all.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public ValueTask<CostReport> GetCostsAsync(
        string by = "dataset,item", DateTimeOffset? from = null, DateTimeOffset? until = null, string? dataset = null,
        long? job = null, CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.Costs}?by={Uri.EscapeDataString(by)}{Part("from", from)}{Part("until", until)}"
            + $"{Part("dataset", dataset)}{Part("job", job?.ToString(CultureInfo.InvariantCulture))}",
            ProtocolJson.Default.CostReport, cancellationToken);

    /// <summary>The budgets and where they stand.</summary>
    public ValueTask<IReadOnlyList<BudgetReport>> ListBudgetsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Budgets, ProtocolJson.Default.IReadOnlyListBudgetReport, cancellationToken);

    /// <summary>The nodes that use the tree or did within the last day.</summary>
    public ValueTask<IReadOnlyList<NodeReport>> ListNodesAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Nodes, ProtocolJson.Default.IReadOnlyListNodeReport, cancellationToken);

    /// <summary>The tenants, what each holds and what it got.</summary>
    public ValueTask<IReadOnlyList<TenantReport>> ListTenantsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Tenants, ProtocolJson.Default.IReadOnlyListTenantReport, cancellationToken);

    /// <summary>How much of a folder each node has near.</summary>
    /// <param name="path">The folder, or one file.</param>
    /// <param name="maxFiles">How many files each node looks at, a count, 1 to 10 million.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<LocalityReport> GetLocalityAsync(
        string path, int maxFiles = 100_000, CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.Locality}?path={Uri.EscapeDataString(path)}"
            + $"&files={maxFiles.ToString(CultureInfo.InvariantCulture)}",
            ProtocolJson.Default.LocalityReport, cancellationToken);

    /// <summary>What lies where.</summary>
    /// <param name="fresh">Whether to look again where it was looked a moment ago.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<TiersReport> GetTiersAsync(bool fresh = false, CancellationToken cancellationToken = default) =>
        GetAsync(
            ApiRoutes.Tiers + (fresh ? "?fresh=true" : string.Empty), ProtocolJson.Default.TiersReport,
            cancellationToken);

    /// <summary>What the tiers save.</summary>
    /// <param name="days">Days of it, today among them, a count from 1 to 400.</param>
    /// <param name="weeks">Weeks of its trend, a count from 0 to 57.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public ValueTask<SavingsReport> GetSavingsAsync(
        int days = 30, int weeks = 8, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Report}?days={days}&weeks={weeks}"),
            ProtocolJson.Default.SavingsReport, cancellationToken);

    /// <summary>A page of what was paid, by hour, day or month.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public ValueTask<CostHistory> GetCostHistoryAsync(
        string level, DateTimeOffset? from = null, DateTimeOffset? until = null, string? dataset = null,
        CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.CostHistory}?level={Uri.EscapeDataString(level)}{Part("from", from)}{Part("until", until)}"
            + Part("dataset", dataset),
            ProtocolJson.Default.CostHistory, cancellationToken);

    /// <summary>A page of how full a pool was (empty: how large the tree), by hour or day.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public ValueTask<CapacityHistory> GetCapacityHistoryAsync(
        string pool, string level, DateTimeOffset? from = null, DateTimeOffset? until = null,
        CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.CapacityHistory}?pool={Uri.EscapeDataString(pool)}&level={Uri.EscapeDataString(level)}"
            + $"{Part("from", from)}{Part("until", until)}",
            ProtocolJson.Default.CapacityHistory, cancellationToken);

    private static string Part(string name, DateTimeOffset? time) =>
        Part(name, time?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));

    private static string Part(string name, string? value) =>
        value is null ? string.Empty : $"&{name}={Uri.EscapeDataString(value)}";
}
