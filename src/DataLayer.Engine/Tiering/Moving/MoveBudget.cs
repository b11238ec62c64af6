using System.Globalization;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// The budgets of a run: each move reserves what it will be billed before it begins, and settles afterwards. The first
/// that does not fit ends the run. Any thread.
/// </summary>
internal sealed class MoveBudget(MoveLimits limits, string currency, double spentRequests, double spentCost)
{
    private readonly Lock _lock = new();
    private double _requests = spentRequests;
    private double _cost = spentCost;
    private string? _exhausted;

    /// <summary>The budget that was used up, in words; null while none is.</summary>
    public string? Exhausted
    {
        get
        {
            lock (_lock)
            {
                return _exhausted;
            }
        }
    }

    /// <summary>Sets a bill aside.</summary>
    /// <param name="bill">What it will be.</param>
    /// <param name="isBudgeted">False for what was begun before the budget was used up.</param>
    /// <returns>False where it does not fit any more, or an earlier one did not.</returns>
    public bool TryReserve(in MoveCost bill, bool isBudgeted)
    {
        lock (_lock)
        {
            if (!isBudgeted)
            {
                _requests += bill.Requests;
                _cost += bill.Total;
                return true;
            }

            if (_exhausted is null && _requests + bill.Requests > limits.MaxRequests)
            {
                _exhausted = string.Create(
                    CultureInfo.InvariantCulture, $"the budget of {limits.MaxRequests} requests");
            }
            else if (_exhausted is null && _cost + bill.Total > limits.MaxCost)
            {
                _exhausted = string.Create(CultureInfo.InvariantCulture, $"the budget of {limits.MaxCost} {currency}");
            }

            if (_exhausted is not null)
            {
                return false;
            }

            _requests += bill.Requests;
            _cost += bill.Total;
            return true;
        }
    }

    /// <summary>Replaces what was set aside by what was billed.</summary>
    public void Settle(in MoveCost reserved, in MoveCost billed)
    {
        lock (_lock)
        {
            _requests += billed.Requests - reserved.Requests;
            _cost += billed.Total - reserved.Total;
        }
    }
}
