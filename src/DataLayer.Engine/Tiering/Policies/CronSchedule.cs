using System.Globalization;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Start times as cron writes them: minute, hour, day of the month, month, weekday. All five must fit (cron proper
/// takes either of the days where both are given); <c>L</c> is the last day of the month.
/// </summary>
internal sealed class CronSchedule
{
    private const int LastDayBit = 63;
    private readonly ulong _minutes;
    private readonly ulong _hours;
    private readonly ulong _monthDays;
    private readonly ulong _months;
    private readonly ulong _weekdays;

    private CronSchedule(ReadOnlySpan<ulong> masks)
    {
        _minutes = masks[0];
        _hours = masks[1];
        _monthDays = masks[2];
        _months = masks[3];
        _weekdays = masks[4];
    }

    /// <summary>Reads five fields; null with what is wrong.</summary>
    public static CronSchedule? TryParse(string text, out string? fault)
    {
        string[] parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != 5)
        {
            fault = string.Create(CultureInfo.InvariantCulture, $"has {parts.Length} fields, not five");
            return null;
        }

        ReadOnlySpan<CronField> fields =
            [CronField.Minute, CronField.Hour, CronField.MonthDay, CronField.Month, CronField.Weekday];
        Span<ulong> masks = stackalloc ulong[5];
        for (int i = 0; i < 5; i++)
        {
            if (i == 2 && parts[i] == "L")
            {
                masks[i] = 1UL << LastDayBit;
            }
            else if (!fields[i].TryParse(parts[i], out masks[i], out fault))
            {
                fault = $"has a wrong {fields[i].Name}: {fault}";
                return null;
            }
        }

        CronSchedule schedule = new(masks);
        fault = schedule.HasAnyDay() ? null : "names a day that no year has";
        return fault is null ? schedule : null;
    }

    /// <summary>Whether there are start times on a day.</summary>
    public bool IncludesDay(DateOnly day) =>
        (_months & (1UL << day.Month)) != 0
        && (_weekdays & (1UL << (int)day.DayOfWeek)) != 0
        && ((_monthDays & (1UL << day.Day)) != 0
            || (_monthDays == 1UL << LastDayBit && day.Day == DateTime.DaysInMonth(day.Year, day.Month)));

    /// <summary>The start times of a day that has some, in order.</summary>
    public IEnumerable<TimeSpan> GetTimes()
    {
        for (int hour = 0; hour < 24; hour++)
        {
            for (int minute = 0; (_hours & (1UL << hour)) != 0 && minute < 60; minute++)
            {
                if ((_minutes & (1UL << minute)) != 0)
                {
                    yield return new TimeSpan(hour, minute, 0);
                }
            }
        }
    }

    /// <summary>The schedule as text, the same for the same times.</summary>
    public string ToText() =>
        string.Join(
            " ", Compact(_minutes), Compact(_hours),
            _monthDays == 1UL << LastDayBit ? "L" : Compact(_monthDays),
            Compact(_months), Compact(_weekdays));

    private static string Compact(ulong mask) =>
        CronField.NumberText(mask).Replace(" ", string.Empty, StringComparison.Ordinal);

    private bool HasAnyDay()
    {
        // Eight years hold a leap day on any calendar that has one in four or eight; weekdays come round in 28.
        DateOnly day = new(2000, 1, 1);
        for (int i = 0; i < 366 * 28; i++, day = day.AddDays(1))
        {
            if (IncludesDay(day))
            {
                return true;
            }
        }

        return false;
    }
}
