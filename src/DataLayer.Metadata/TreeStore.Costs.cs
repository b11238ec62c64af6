using DataLayer.Core.Identity;
using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <content>Costs. What is written here survives the end of the process, not a power cut.</content>
public sealed partial class TreeStore
{
    private const string StorageTimeSetting = "cost.storageTime";
    private const string CostStateSetting = "cost.state";

    /// <summary>Adds to the costs, in one transaction.</summary>
    public async ValueTask SaveCostsAsync(CostBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        await ChangeAsync(
            w =>
            {
                foreach (CostAddition addition in batch.Additions)
                {
                    w.Tables.Costs.Add(batch.Currency, addition);
                }

                foreach (CapacitySample sample in batch.Samples)
                {
                    w.Tables.Capacity.Save(sample);
                }

                if (batch.StorageTimeNanoseconds != 0)
                {
                    w.Tables.SetSetting(
                        StorageTimeSetting,
                        batch.StorageTimeNanoseconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
                }

                if (batch.State is { } state)
                {
                    w.Tables.SetSetting(CostStateSetting, state);
                }

                return true;
            },
            cancellationToken,
            relaxed: true).ConfigureAwait(false);
    }

    /// <summary>Until when storage was billed (0 for never), and the state the meter gave last, or null.</summary>
    public ValueTask<(long StorageTimeNanoseconds, string? State)> GetCostStateAsync(
        CancellationToken cancellationToken) =>
        _reads.RunAsync(
            static t => (
                long.TryParse(
                    t.FindSetting(StorageTimeSetting), System.Globalization.NumberStyles.None,
                    System.Globalization.CultureInfo.InvariantCulture, out long time) ? time : 0,
                t.FindSetting(CostStateSetting)),
            cancellationToken);

    /// <summary>
    /// Rows of costs in one currency from a time on and before another, by time and key; at most a number of them,
    /// after a row that is given.
    /// </summary>
    public ValueTask<IReadOnlyList<CostRow>> ListCostsAsync(
        string currency, CostLevel level, long fromNanoseconds, long untilNanoseconds, CostRow? after, int limit,
        CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<CostRow>>(
            t => t.Costs.List(currency, level, fromNanoseconds, untilNanoseconds, after, limit), cancellationToken);
    }

    /// <summary>What one job cost in one currency, by key; empty for a job that cost nothing or is long gone.</summary>
    public ValueTask<IReadOnlyList<CostRow>> ListJobCostsAsync(
        string currency, long jobId, CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<CostRow>>(t => t.Costs.ListJob(currency, jobId), cancellationToken);

    /// <summary>The jobs that cost most in one currency since a time, by number, at most a number of rows.</summary>
    public ValueTask<IReadOnlyList<CostRow>> ListJobCostsSinceAsync(
        string currency, long sinceNanoseconds, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<CostRow>>(
            t => t.Costs.ListJobsSince(currency, sinceNanoseconds, limit), cancellationToken);
    }

    /// <summary>How full a pool (empty: the tree) was, by hour or day, from a time on and before another.</summary>
    public ValueTask<IReadOnlyList<CapacitySample>> ListCapacityAsync(
        string pool, CostLevel level, long fromNanoseconds, long untilNanoseconds, int limit,
        CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<CapacitySample>>(
            t => t.Capacity.List(pool, level, fromNanoseconds, untilNanoseconds, limit), cancellationToken);
    }

    /// <summary>Removes what is kept long enough.</summary>
    /// <returns>How many rows went.</returns>
    public ValueTask<long> TrimCostsAsync(CostCutoffs cutoffs, CancellationToken cancellationToken) =>
        ChangeAsync(
            w => w.Tables.Costs.Trim(cutoffs) + w.Tables.Capacity.Trim(cutoffs), cancellationToken, relaxed: true);

    /// <summary>
    /// Adds what some files come to, in order of their inodes, into <paramref name="sums"/>; a page at a time, so that
    /// no transaction is long.
    /// </summary>
    /// <param name="after">The inode the page before ended with; None for the first.</param>
    /// <param name="leastBytes">By storage class (empty: the default): a smaller object counts as this long.</param>
    /// <param name="sums">Where it is added.</param>
    /// <param name="limit">Inodes a page.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The inode the page ended with; None after the last.</returns>
    public ValueTask<InodeId> AddUsageAsync(
        InodeId after, IReadOnlyDictionary<string, long> leastBytes, IDictionary<UsageGroup, UsageSums> sums,
        int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(leastBytes);
        ArgumentNullException.ThrowIfNull(sums);
        CheckLimit(limit);
        return _reads.RunAsync(t => UsageScan.Run(t, after, leastBytes, sums, limit), cancellationToken);
    }
}
