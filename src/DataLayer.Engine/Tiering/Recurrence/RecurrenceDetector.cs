namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>
/// Finds uses that recur at a fixed time of day (give or take) on days of some pattern, and tells when each is due
/// next. Pure: what it says follows from its arguments.
/// </summary>
/// <remarks>
/// <para>Starts are grouped by local time of day: the window of twice the tolerance in which starts of most days lie
/// takes them, its middle is their median, and so on with the rest while enough is left. The day of a start is that
/// whose usual time is nearest, so that a job about midnight stays one.</para>
/// <para>Two days are enough where so few other uses are seen that two of them would hardly meet by chance
/// (<see cref="RecurrenceOptions.MaxChance"/>): with a use a day they do once in 36 times.</para>
/// <para>Each group is held against each rule of days, from the first day it was seen until now: how many of the days
/// that the rule names had a start (precision), and how many of the starts the rule explains (recall). The best product
/// wins; of equals, the rule that names fewer days. A job that stopped, or moved to another time, loses its confidence
/// with each day that it does not come.</para>
/// <para>Cost: quadratic in the starts, of which the last thousand count.</para>
/// </remarks>
/// <param name="options">What counts as recurring.</param>
public sealed class RecurrenceDetector(RecurrenceOptions options)
{
    private const int MaxUses = 1000;
    private const int HorizonDays = 62;
    private static readonly TimeSpan _day = TimeSpan.FromDays(1);

    /// <summary>What is due after <paramref name="now"/>, soonest first.</summary>
    /// <param name="uses">Uses until now, in order of time; later ones are not looked at.</param>
    /// <param name="now">The time.</param>
    public IReadOnlyList<UsePrediction> Predict(IReadOnlyList<DatasetUse> uses, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(uses);
        List<DateTime> starts = [];
        for (int i = Math.Max(0, uses.Count - MaxUses); i < uses.Count; i++)
        {
            if (uses[i].Start <= now)
            {
                starts.Add(TimeZoneInfo.ConvertTime(uses[i].Start, options.TimeZone).DateTime);
            }
        }

        int needed = NeededDays(starts);
        List<UsePrediction> predictions = [];
        while (TryTakeGroup(
            starts, needed, out TimeSpan middle, out List<TimeSpan> offsets, out SortedSet<DateOnly> days))
        {
            if (Explain(days, needed, middle, now) is { } best && best.Confidence >= options.MinConfidence
                && NextDay(best.Rule, middle, offsets, now) is { } day)
            {
                predictions.Add(ToPrediction(best.Rule, middle, offsets, day, best.Confidence, days.Count));
            }
        }

        predictions.Sort(static (a, b) => a.ExpectedStart.CompareTo(b.ExpectedStart));
        return predictions;
    }

    /// <summary>Takes the starts of the most common time of day out of the list; false when none is common.</summary>
    private bool TryTakeGroup(
        List<DateTime> starts, int needed, out TimeSpan middle, out List<TimeSpan> offsets,
        out SortedSet<DateOnly> days)
    {
        middle = default;
        offsets = [];
        days = [];
        int most = 0;
        HashSet<DateOnly> seen = [];
        foreach (DateTime candidate in starts)
        {
            seen.Clear();
            TimeSpan center = Wrap(candidate.TimeOfDay + options.Tolerance);
            foreach (DateTime start in starts)
            {
                (DateOnly day, TimeSpan offset) = Place(start, center);
                if (offset.Duration() <= options.Tolerance)
                {
                    seen.Add(day);
                }
            }

            if (seen.Count > most)
            {
                most = seen.Count;
                middle = center;
            }
        }

        if (most < needed)
        {
            return false;
        }

        List<TimeSpan> around = Offsets(starts, middle, options.Tolerance);
        around.Sort();
        middle = Wrap(middle + ((around[(around.Count - 1) / 2] + around[around.Count / 2]) / 2));
        offsets = Offsets(starts, middle, 2 * options.Tolerance);
        for (int i = starts.Count - 1; i >= 0; i--)
        {
            (DateOnly day, TimeSpan offset) = Place(starts[i], middle);
            if (offset.Duration() <= 2 * options.Tolerance)
            {
                days.Add(day);
                starts.RemoveAt(i);
            }
        }

        return days.Count >= needed;
    }

    /// <summary>On how many days something must have been seen.</summary>
    private int NeededDays(List<DateTime> starts)
    {
        if (starts.Count < 2)
        {
            return options.MinSupport;
        }

        // The others' chance to lie in the window of one of them on one day, were they spread evenly.
        double days = (starts[^1].Date - starts[0].Date).TotalDays + 1;
        double one = 1 - Math.Exp(-starts.Count / days * (2 * options.Tolerance / _day));
        return starts.Count * one <= options.MaxChance ? Math.Min(2, options.MinSupport) : options.MinSupport;
    }

    private static List<TimeSpan> Offsets(List<DateTime> starts, TimeSpan middle, TimeSpan within)
    {
        List<TimeSpan> offsets = [];
        foreach (DateTime start in starts)
        {
            TimeSpan offset = Place(start, middle).Offset;
            if (offset.Duration() <= within)
            {
                offsets.Add(offset);
            }
        }

        return offsets;
    }

    /// <summary>The day whose time <paramref name="middle"/> is nearest to a start, and how far off it is.</summary>
    private static (DateOnly Day, TimeSpan Offset) Place(DateTime start, TimeSpan middle)
    {
        DateTime usual = start.Date + middle;
        TimeSpan offset = start - usual;
        int shift = offset > _day / 2 ? 1 : offset < -_day / 2 ? -1 : 0;
        return (DateOnly.FromDateTime(start.Date).AddDays(shift), offset - (shift * _day));
    }

    private static TimeSpan Wrap(TimeSpan time) =>
        TimeSpan.FromTicks(((time.Ticks % _day.Ticks) + _day.Ticks) % _day.Ticks);

    /// <summary>The rule of days that explains a group best, and how sure that is.</summary>
    private (DayRule Rule, double Confidence)? Explain(
        SortedSet<DateOnly> days, int needed, TimeSpan middle, DateTimeOffset now)
    {
        DateTime local = TimeZoneInfo.ConvertTime(now, options.TimeZone).DateTime;
        DateOnly last = DateOnly.FromDateTime(local.Date);
        if (local.TimeOfDay < middle + (2 * options.Tolerance) && !days.Contains(last))
        {
            last = last.AddDays(-1); // Today's may still come.
        }

        (DayRule Rule, double Score, int Named, double Confidence)? best = null;
        foreach (DayRule rule in Rules(days))
        {
            (int named, int hits, double confidence) = Hold(rule, days, last);
            if (hits < needed)
            {
                continue;
            }

            double score = (double)hits / named * hits / days.Count;
            if (best is not { } known || score > known.Score + 1e-9
                || (score > known.Score - 1e-9 && named < known.Named))
            {
                best = (rule, score, named, confidence * hits / days.Count);
            }
        }

        return best is { } found ? (found.Rule, found.Confidence) : null;
    }

    private static List<DayRule> Rules(SortedSet<DateOnly> days)
    {
        List<DayRule> rules =
        [
            new(DayPattern.Daily, null), new(DayPattern.TradingDays, null), new(DayPattern.Weekdays, null),
            new(DayPattern.LastTradingDay, null), new(DayPattern.MonthEnd, null),
        ];
        HashSet<DayOfWeek> weekdays = [];
        foreach (DateOnly day in days)
        {
            if (weekdays.Add(day.DayOfWeek))
            {
                rules.Add(new DayRule(DayPattern.Weekly, day.DayOfWeek));
            }
        }

        return rules;
    }

    /// <summary>How many days a rule names from the first seen on, and on how many of them it came.</summary>
    private (int Named, int Hits, double Confidence) Hold(DayRule rule, SortedSet<DateOnly> days, DateOnly last)
    {
        int named = 0;
        int hits = 0;
        int recent = 0;
        int recentHits = 0;
        for (DateOnly day = last; day >= days.Min; day = day.AddDays(-1))
        {
            if (!rule.Names(day, options.Holidays))
            {
                continue;
            }

            int hit = days.Contains(day) ? 1 : 0;
            named++;
            hits += hit;
            if (recent < options.RecentCount)
            {
                recent++;
                recentHits += hit;
            }
        }

        return (Math.Max(1, named), hits, (recentHits + 1.0) / (recent + 2.0));
    }

    /// <summary>The next day that a rule names and whose start may still come; null within two months.</summary>
    private DateOnly? NextDay(DayRule rule, TimeSpan middle, List<TimeSpan> offsets, DateTimeOffset now)
    {
        DateOnly day = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, options.TimeZone).Date).AddDays(-1);
        for (int i = 0; i < HorizonDays; i++, day = day.AddDays(1))
        {
            if (rule.Names(day, options.Holidays) && ToTime(day, middle) + Bounds(offsets).Latest > now)
            {
                return day;
            }
        }

        return null;
    }

    private UsePrediction ToPrediction(
        DayRule rule, TimeSpan middle, List<TimeSpan> offsets, DateOnly day, double confidence, int support)
    {
        DateTimeOffset expected = ToTime(day, middle);
        (TimeSpan earliest, TimeSpan latest) = Bounds(offsets);
        return new UsePrediction(
            rule.Pattern, rule.DayOfWeek, middle, expected, expected + earliest, expected + latest, confidence,
            support);
    }

    /// <summary>As far as it was ever off, at least the tolerance: few starts do not show all that may be.</summary>
    private (TimeSpan Earliest, TimeSpan Latest) Bounds(List<TimeSpan> offsets)
    {
        TimeSpan earliest = -options.Tolerance;
        TimeSpan latest = options.Tolerance;
        foreach (TimeSpan offset in offsets)
        {
            earliest = offset < earliest ? offset : earliest;
            latest = offset > latest ? offset : latest;
        }

        // The middle is known as well as a handful of starts tell it.
        TimeSpan doubt = options.Tolerance / Math.Sqrt(Math.Max(1, offsets.Count));
        return (earliest - doubt, latest + doubt);
    }

    private DateTimeOffset ToTime(DateOnly day, TimeSpan middle)
    {
        DateTime local = day.ToDateTime(TimeOnly.FromTimeSpan(middle));
        while (options.TimeZone.IsInvalidTime(local))
        {
            local = local.AddMinutes(30); // The clock jumps over it.
        }

        return new DateTimeOffset(local, options.TimeZone.GetUtcOffset(local)).ToUniversalTime();
    }
}
