namespace DataLayer.Metadata;

/// <content>Tiering plans.</content>
public sealed partial class TreeStore
{
    /// <summary>Takes a plan's number, never to be given out again.</summary>
    public ValueTask<long> ReservePlanIdAsync(CancellationToken cancellationToken) =>
        ChangeAsync(static w => w.Tables.Reserve("plan", 1), cancellationToken);

    /// <summary>Keeps a plan under its reserved number.</summary>
    public ValueTask AddPlanAsync(StoredPlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return ChangeVoidAsync(
            w =>
            {
                w.Tables.Plans.Add(plan);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Forgets a plan.</summary>
    /// <returns>Whether it was there.</returns>
    public ValueTask<bool> RemovePlanAsync(long id, CancellationToken cancellationToken) =>
        ChangeAsync(w => w.Tables.Plans.Remove(id), cancellationToken);

    /// <summary>One plan, or null.</summary>
    public ValueTask<StoredPlan?> GetPlanAsync(long id, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Plans.Find(id), cancellationToken);

    /// <summary>Plans with a smaller number than <paramref name="before"/>, newest first, at most
    /// <paramref name="limit"/>.</summary>
    public ValueTask<IReadOnlyList<StoredPlan>> ListPlansAsync(
        long before, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<StoredPlan>>(t => t.Plans.ListPage(before, limit), cancellationToken);
    }
}
