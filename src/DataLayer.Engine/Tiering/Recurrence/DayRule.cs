namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>One concrete rule of days.</summary>
internal readonly record struct DayRule(DayPattern Pattern, DayOfWeek? DayOfWeek)
{
    /// <summary>Whether the rule names a day.</summary>
    public bool Names(DateOnly day, IReadOnlySet<DateOnly> holidays) => Pattern switch
    {
        DayPattern.Daily => true,
        DayPattern.Weekdays => IsWeekday(day),
        DayPattern.TradingDays => IsTradingDay(day, holidays),
        DayPattern.Weekly => day.DayOfWeek == DayOfWeek,
        DayPattern.MonthEnd => day.AddDays(1).Day == 1,
        _ => IsLastTradingDay(day, holidays),
    };

    private static bool IsWeekday(DateOnly day) =>
        day.DayOfWeek is not (System.DayOfWeek.Saturday or System.DayOfWeek.Sunday);

    private static bool IsTradingDay(DateOnly day, IReadOnlySet<DateOnly> holidays) =>
        IsWeekday(day) && !holidays.Contains(day);

    private static bool IsLastTradingDay(DateOnly day, IReadOnlySet<DateOnly> holidays)
    {
        if (!IsTradingDay(day, holidays))
        {
            return false;
        }

        for (DateOnly next = day.AddDays(1); next.Month == day.Month; next = next.AddDays(1))
        {
            if (IsTradingDay(next, holidays))
            {
                return false;
            }
        }

        return true;
    }
}
