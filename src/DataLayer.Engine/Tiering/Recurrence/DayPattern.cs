namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>On which days something recurs.</summary>
public enum DayPattern
{
    /// <summary>Each day.</summary>
    Daily = 1,

    /// <summary>Monday to Friday, holidays or not.</summary>
    Weekdays = 2,

    /// <summary>Monday to Friday without the holidays of the calendar.</summary>
    TradingDays = 3,

    /// <summary>One day of the week.</summary>
    Weekly = 4,

    /// <summary>The last day of the month.</summary>
    MonthEnd = 5,

    /// <summary>The last trading day of the month.</summary>
    LastTradingDay = 6,
}
