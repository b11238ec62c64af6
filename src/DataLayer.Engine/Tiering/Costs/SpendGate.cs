using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>
/// What spent budgets keep from being asked of object stores: work that no reader waits for. The cost meter sets it;
/// whoever starts such work asks it. Readers never do.
/// </summary>
/// <remarks>
/// Asked before a transfer exists that readers could share, so that no reader waits for work that is put off. Without a
/// budget in force a question costs one read of a field. Safe for concurrent use.
/// </remarks>
public sealed class SpendGate
{
    private readonly TimeProvider _time;
    private readonly double _perSecond;
    private readonly Lock _lock = new();
    private volatile BudgetStatus[] _inForce = [];
    private double _tokens;
    private long _filledAt;
    private long _leftOut;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A gate that is open until <see cref="Set"/>.</summary>
    /// <param name="time">The clock of the throttle.</param>
    /// <param name="requestsPerSecond">How much a throttled budget lets through, all of them together.</param>
    public SpendGate(TimeProvider time, int requestsPerSecond)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_time, _perSecond, _tokens) = (time, requestsPerSecond, requestsPerSecond);
        _filledAt = time.GetTimestamp();
    }

    /// <summary>How often work was left out or refused since start, a count.</summary>
    public long LeftOutCount => Interlocked.Read(ref _leftOut);

    /// <summary>Whether any budget is in force.</summary>
    public bool IsInForce => _inForce.Length > 0;

    /// <summary>Puts budgets in force, in place of those before.</summary>
    public void Set(IReadOnlyList<BudgetStatus> budgets)
    {
        ArgumentNullException.ThrowIfNull(budgets);
        List<BudgetStatus> inForce = [];
        foreach (BudgetStatus one in budgets)
        {
            if (one.InForce is BudgetAction.Throttle or BudgetAction.StopPrefetch)
            {
                inForce.Add(one);
            }
        }

        _inForce = [.. inForce];
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>Ends when budgets are put in force the next time, the same ones or others.</summary>
    internal Task WhenSetAsync() => Volatile.Read(ref _changed).Task;

    /// <summary>Whether something may be fetched ahead of a reader now; it is left out where not.</summary>
    internal bool Allows(Attachment? attachment)
    {
        if (_inForce.Length == 0
            || Find(attachment?.Path ?? string.Empty, OriginUse.Current?.Tenant ?? string.Empty) is not { } budget
            || (budget.InForce == BudgetAction.Throttle && TryTake(1) == TimeSpan.Zero))
        {
            return true;
        }

        Interlocked.Increment(ref _leftOut);
        return false;
    }

    /// <summary>
    /// Waits until some background requests may go out; what the flow of control does for a reader or a writer goes
    /// through at once.
    /// </summary>
    /// <param name="dataset">The path of the attachment they go to.</param>
    /// <param name="requests">How many they are, about; a count.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">QuotaExceeded: a budget that stops such work is spent.</exception>
    public ValueTask WaitAsync(string dataset, long requests, CancellationToken cancellationToken) =>
        _inForce.Length == 0 || OriginUse.Current is not { IsBackground: true } use
            ? ValueTask.CompletedTask
            : WaitSlowAsync(dataset, use.Tenant, requests, cancellationToken);

    private async ValueTask WaitSlowAsync(
        string dataset, string tenant, long requests, CancellationToken cancellationToken)
    {
        while (Find(dataset, tenant) is { } budget)
        {
            if (budget.InForce == BudgetAction.StopPrefetch)
            {
                Interlocked.Increment(ref _leftOut);
                (_, long end) = CostPeriod.Of(budget.PeriodStartNanoseconds, budget.Budget.Period);
                throw new DataLayerException(
                    ErrorCode.QuotaExceeded,
                    $"Budget '{budget.Budget.Name}' is spent: what no reader waits for stops until "
                    + $"{UnixTime.ToTime(end):yyyy-MM-dd HH:mm'Z'}. Raise costs.budgets, or read the files.");
            }

            TimeSpan wait = TryTake(Math.Max(1, requests));
            if (wait == TimeSpan.Zero)
            {
                return;
            }

            await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The strictest budget in force on a dataset and tenant, or null.</summary>
    private BudgetStatus? Find(string dataset, string tenant)
    {
        BudgetStatus? found = null;
        foreach (BudgetStatus one in _inForce)
        {
            if (one.Budget.Covers(dataset, tenant) && (found is null || one.InForce > found.InForce))
            {
                found = one;
            }
        }

        return found;
    }

    /// <summary>
    /// Takes some requests, into debt where they are more than there are; zero where that was possible, else how long
    /// to wait before asking again.
    /// </summary>
    private TimeSpan TryTake(long requests)
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            _tokens = Math.Min(
                _perSecond, _tokens + (_time.GetElapsedTime(_filledAt, now).TotalSeconds * _perSecond));
            _filledAt = now;
            if (_tokens < 1)
            {
                return TimeSpan.FromSeconds(Math.Clamp((1 - _tokens) / _perSecond, 0.01, 1));
            }

            _tokens -= requests;
            return TimeSpan.Zero;
        }
    }
}
