using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What datasets and tenants have cost in the current day and month. Not safe for concurrent use.</summary>
internal sealed class SpentPeriods
{
    private readonly Dictionary<(CostLevel Period, string Dataset, string Tenant), (long Origin, long Storage)> _sums =
        [];

    private long _day = long.MinValue;
    private long _month = long.MinValue;

    /// <summary>Lets go of what is over; a clock that goes back changes nothing.</summary>
    public void MoveTo(long nowNanoseconds)
    {
        _day = Move(CostLevel.Day, _day, nowNanoseconds);
        _month = Move(CostLevel.Month, _month, nowNanoseconds);
    }

    /// <summary>Adds to the periods it is of; comparisons cost nothing.</summary>
    public void Add(long timeNanoseconds, in CostKey key, in CostSums sums)
    {
        if (key.Item >= CostItem.AllHot)
        {
            return;
        }

        Add(CostLevel.Day, _day, timeNanoseconds, key, sums);
        Add(CostLevel.Month, _month, timeNanoseconds, key, sums);
    }

    /// <summary>Adds a stored row of a day or month.</summary>
    public void Load(CostLevel period, in CostRow row)
    {
        if (row.Key.Item < CostItem.AllHot)
        {
            Add(period, period == CostLevel.Day ? _day : _month, row.StartNanoseconds, row.Key, row.Sums);
        }
    }

    /// <summary>What a budget has spent, billionths.</summary>
    public long Of(CostBudget budget)
    {
        long spent = 0;
        foreach (((CostLevel period, string dataset, string tenant), (long origin, long storage)) in _sums)
        {
            if (period == budget.Period && budget.Covers(dataset, tenant))
            {
                spent += origin + (budget.IncludesStorage ? storage : 0);
            }
        }

        return spent;
    }

    private long Move(CostLevel period, long start, long now)
    {
        (long next, _) = CostPeriod.Of(now, period);
        if (next <= start)
        {
            return start;
        }

        foreach ((CostLevel Period, string, string) key in _sums.Keys)
        {
            if (key.Period == period)
            {
                _sums.Remove(key); // A dictionary may lose entries while it is walked.
            }
        }

        return next;
    }

    private void Add(CostLevel period, long start, long time, in CostKey key, in CostSums sums)
    {
        if (CostPeriod.Of(time, period).Start == start)
        {
            (CostLevel, string, string) where = (period, key.Dataset, key.Tenant);
            (long origin, long storage) = _sums.GetValueOrDefault(where);
            _sums[where] = (origin + sums.OriginNanos, storage + sums.StorageNanos);
        }
    }
}
