using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>
/// The instruments of meter <c>DataLayer.Costs</c>: what was spent since the start, by dataset and kind, in the price
/// table's currency; and the budgets. They look when they are collected.
/// </summary>
internal sealed class CostInstruments : IDisposable
{
    private static readonly string[] _kinds = ["requests", "retrieval", "egress", "hotStorage", "coldStorage"];
    private readonly Meter _meter = new("DataLayer.Costs");
    private readonly ConcurrentDictionary<string, long[]> _spent = new(StringComparer.Ordinal);

    public CostInstruments(CostMeter costs)
    {
        _spent[string.Empty] = new long[_kinds.Length]; // So that there is something to see from the start on.
        _meter.CreateObservableCounter(
            "datalayer.cost.spent", ObserveSpent, null,
            "What was spent since the start, in the price table's currency, by dataset and kind.");
        _meter.CreateObservableGauge(
            "datalayer.budget.spent", () => Observe(costs, b => b.SpentNanos / 1e9), null,
            "What a budget has spent in its period, in the price table's currency.");
        _meter.CreateObservableGauge(
            "datalayer.budget.amount", () => Observe(costs, b => b.Budget.Amount), null,
            "What a budget may spend in its period, in the price table's currency.");
        _meter.CreateObservableGauge(
            "datalayer.budget.state", () => Observe(costs, b => (double)b.State), null,
            "Where a budget stands: 0 within, 1 warned, 2 exceeded, 3 easing after a period that was exceeded.");
    }

    /// <summary>Counts an addition. One caller at a time.</summary>
    public void Add(in CostKey key, in CostSums sums)
    {
        if (key.Item >= CostItem.AllHot)
        {
            return;
        }

        long[] amounts = _spent.GetOrAdd(key.Dataset, static _ => new long[_kinds.Length]);
        Interlocked.Add(ref amounts[0], sums.RequestNanos);
        Interlocked.Add(ref amounts[1], sums.RetrievalNanos);
        Interlocked.Add(ref amounts[2], sums.EgressNanos);
        Interlocked.Add(ref amounts[key.Item == CostItem.HotStorage ? 3 : 4], sums.StorageNanos);
    }

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<double>> ObserveSpent()
    {
        foreach ((string dataset, long[] amounts) in _spent)
        {
            for (int kind = 0; kind < amounts.Length; kind++)
            {
                yield return new Measurement<double>(
                    Interlocked.Read(ref amounts[kind]) / 1e9,
                    new KeyValuePair<string, object?>("dataset", dataset),
                    new KeyValuePair<string, object?>("kind", _kinds[kind]));
            }
        }
    }

    private static IEnumerable<Measurement<double>> Observe(CostMeter costs, Func<BudgetStatus, double> read)
    {
        foreach (BudgetStatus one in costs.Budgets)
        {
            yield return new Measurement<double>(
                read(one), new KeyValuePair<string, object?>("budget", one.Budget.Name));
        }
    }
}
