using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// When a schedule is due. Its fields are local times of its zone. A time that a clock change skips is due when the
/// clock has jumped; one that comes twice is due the first time.
/// </summary>
internal static class ScheduleTimes
{
    /// <summary>
    /// Days looked ahead: weekdays fall on a leap day within 28 years, or 40 over a century without one.
    /// </summary>
    private const int MaxDays = 366 * 40;

    /// <summary>The first due time after a moment; null where there is none.</summary>
    public static DateTimeOffset? NextAfter(CronSchedule cron, TimeZoneInfo zone, DateTimeOffset after)
    {
        // From the day before: a time of it that was skipped by the clock may be due today.
        DateOnly day = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(after, zone).DateTime).AddDays(-1);
        for (int i = 0; i < MaxDays; i++, day = day.AddDays(1))
        {
            if (!cron.IncludesDay(day))
            {
                continue;
            }

            foreach (TimeSpan time in cron.GetTimes())
            {
                DateTimeOffset due = ToMoment(day.ToDateTime(TimeOnly.FromTimeSpan(time)), zone);
                if (due > after)
                {
                    return due;
                }
            }
        }

        return null;
    }

    private static DateTimeOffset ToMoment(DateTime local, TimeZoneInfo zone)
    {
        while (zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(1);
        }

        TimeSpan offset = zone.GetUtcOffset(local);
        if (zone.IsAmbiguousTime(local))
        {
            foreach (TimeSpan possible in zone.GetAmbiguousTimeOffsets(local))
            {
                offset = possible > offset ? possible : offset;
            }
        }

        return new DateTimeOffset(local, offset).ToUniversalTime();
    }
}
