namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>What a simulation came to.</summary>
/// <param name="Days">Day by day.</param>
/// <param name="Plans">Plan by plan; the last one's time is cut off by the trace's end.</param>
/// <param name="HotCapacityBytes">The hot tier's capacity.</param>
public sealed record SimulationResult(
    IReadOnlyList<SimulatedDay> Days, IReadOnlyList<SimulatedPlan> Plans, long HotCapacityBytes)
{
    /// <summary>All that was billed.</summary>
    public double Billed => Sum(static d => d.Billed);

    /// <summary>The same files all in the hot tier.</summary>
    public double AllHotCost => Sum(static d => d.AllHotCost);

    /// <summary>Part of the all-hot cost that was not spent, moves and recalls counted against it.</summary>
    public double SavedShare => 1 - (Billed / AllHotCost);

    /// <summary>Part of the bytes read that were hot when they were read.</summary>
    public double ServedHotShare
    {
        get
        {
            double served = Sum(static d => d.ServedBytes);
            return served / (served + Sum(static d => d.WaitedBytes));
        }
    }

    /// <summary>The worst day's bytes recalled, promoted and released, as a part of the capacity.</summary>
    public double WorstChurn
    {
        get
        {
            double worst = 0;
            foreach (SimulatedDay day in Days)
            {
                worst = Math.Max(worst, ChurnOf(day));
            }

            return worst;
        }
    }

    /// <summary>The same on average.</summary>
    public double MeanChurn => Sum(ChurnOf) / Days.Count;

    /// <summary>How far the sum of what plans foretold is off what was billed, as a part of the latter.</summary>
    public double PlanError
    {
        get
        {
            (double predicted, double billed, _) = SumPlans();
            return Math.Abs(predicted - billed) / billed;
        }
    }

    /// <summary>The same plan by plan, errors of both signs added up: no error pays for another.</summary>
    public double MeanPlanError
    {
        get
        {
            (_, double billed, double errors) = SumPlans();
            return errors / billed;
        }
    }

    private double ChurnOf(SimulatedDay day) => (day.RecalledBytes + day.ReleasedBytes) / (double)HotCapacityBytes;

    private (double Predicted, double Billed, double Errors) SumPlans()
    {
        (double predicted, double billed, double errors) = (0, 0, 0);
        foreach (SimulatedPlan plan in Plans)
        {
            predicted += plan.Predicted;
            billed += plan.Billed;
            errors += Math.Abs(plan.Predicted - plan.Billed);
        }

        return (predicted, billed, errors);
    }

    private double Sum(Func<SimulatedDay, double> of)
    {
        double sum = 0;
        foreach (SimulatedDay day in Days)
        {
            sum += of(day);
        }

        return sum;
    }
}
