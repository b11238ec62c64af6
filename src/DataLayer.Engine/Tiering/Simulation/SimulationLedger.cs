using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>Keeps the bill of a simulation: storage by time, everything else as it happens, cut into days and plans.
/// Nothing before time zero counts.</summary>
internal sealed class SimulationLedger(SimulatedTree tree, long hotCapacityBytes)
{
    private static readonly TimeSpan _month = TimeSpan.FromDays(PriceTable.DaysPerMonth);
    private readonly List<SimulatedDay> _days = [];
    private readonly List<SimulatedPlan> _plans = [];
    private SimulatedDay _today = new() { Day = 0 };
    private SimulatedPlan? _plan;
    private TimeSpan _now;
    private double _billed;
    private double _billedAtPlan;
    private double _recalls;

    /// <summary>Lets storage accrue up to a time, day by day.</summary>
    public void AccrueTo(TimeSpan time)
    {
        while (_now < time)
        {
            TimeSpan midnight = TimeSpan.FromDays(_today.Day + 1);
            TimeSpan until = time < midnight ? time : midnight;
            double months = (until - _now) / _month;
            double hot = tree.HotPerMonth * months;
            double cold = tree.ColdPerMonth * months;
            _billed += hot + cold;
            _today = _today with
            {
                HotCost = _today.HotCost + hot,
                ColdCost = _today.ColdCost + cold,
                AllHotCost = _today.AllHotCost + (tree.AllHotPerMonth * months),
                OverflowBytes = Math.Max(_today.OverflowBytes, tree.HotBytes - hotCapacityBytes),
            };
            _now = until;
            if (until == midnight)
            {
                EndDay();
            }
        }
    }

    /// <summary>Adds what something cost.</summary>
    public void Bill(MoveCost cost, TimeSpan at)
    {
        if (at >= TimeSpan.Zero && cost != default)
        {
            _billed += cost.Total;
            _today = _today with { Once = _today.Once + cost };
        }
    }

    /// <summary>Adds what a recall cost; there is none before time zero.</summary>
    public void BillRecall(MoveCost cost)
    {
        Bill(cost, TimeSpan.Zero);
        _recalls += cost.Total;
    }

    /// <summary>Counts a read.</summary>
    public void Serve(long hotBytes, long waitedBytes, TimeSpan at)
    {
        if (at >= TimeSpan.Zero)
        {
            _today = _today with
            {
                ServedBytes = _today.ServedBytes + hotBytes,
                WaitedBytes = _today.WaitedBytes + waitedBytes,
            };
        }
    }

    /// <summary>Counts bytes brought in.</summary>
    public void Recalled(long bytes) => _today = _today with { RecalledBytes = _today.RecalledBytes + bytes };

    /// <summary>Counts bytes dropped.</summary>
    public void Released(long bytes) => _today = _today with { ReleasedBytes = _today.ReleasedBytes + bytes };

    /// <summary>Counts bytes uploaded.</summary>
    public void Uploaded(long bytes) => _today = _today with { UploadedBytes = _today.UploadedBytes + bytes };

    /// <summary>A plan is made: what is billed from now on is its. What the one before came to is known.</summary>
    /// <returns>What recalls cost since the one before.</returns>
    public double BeginPlan()
    {
        if (_plan is not null)
        {
            _plans.Add(_plan with { Billed = _billed - _billedAtPlan });
            _plan = null;
        }

        _billedAtPlan = _billed;
        double recalls = _recalls;
        _recalls = 0;
        return recalls;
    }

    /// <summary>Notes what the plan begun foretells.</summary>
    public void Foretell(SimulatedPlan plan) => _plan = plan;

    /// <summary>The result. The last plan counts where its whole time was billed.</summary>
    public SimulationResult Complete(TimeSpan length)
    {
        AccrueTo(length);
        if (_now > TimeSpan.FromDays(_today.Day))
        {
            EndDay();
        }

        return new SimulationResult(_days, _plans, hotCapacityBytes);
    }

    private void EndDay()
    {
        _days.Add(_today with { HotBytes = tree.HotBytes, Bytes = tree.Bytes });
        _today = new SimulatedDay { Day = _today.Day + 1 };
    }
}
