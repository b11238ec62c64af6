using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>
/// Holidays that come on the same date each year, learned from the days of earlier years: a weekday on which nothing
/// was read although nearly all weekdays around it were days of reading. Pure.
/// </summary>
internal static class LearnedHolidays
{
    private const int AroundDays = 14;
    private const double MinActiveShare = 0.8;

    /// <summary>The dates from a day on, for a number of days, that are holidays by the years before.</summary>
    /// <param name="days">Rows of days (UTC), in order of time.</param>
    /// <param name="from">The first date asked for.</param>
    /// <param name="count">How many dates.</param>
    public static IEnumerable<DateOnly> Find(IReadOnlyList<AccessBucket> days, DateOnly from, int count)
    {
        HashSet<DateOnly> active = [];
        DateOnly first = DateOnly.MaxValue;
        foreach (AccessBucket row in days)
        {
            if (row.Sums.ReadBytes > 0)
            {
                DateOnly day = DateOnly.FromDateTime(
                    UnixTime.ToTime(row.StartNanoseconds).UtcDateTime);
                active.Add(day);
                first = day < first ? day : first;
            }
        }

        for (int i = 0; i < count; i++)
        {
            DateOnly day = from.AddDays(i);
            for (DateOnly earlier = day.AddYears(-1); earlier > first; earlier = earlier.AddYears(-1))
            {
                if (IsWeekday(earlier) && !active.Contains(earlier) && IsActiveAround(active, earlier))
                {
                    yield return day;
                    break;
                }
            }
        }
    }

    private static bool IsActiveAround(HashSet<DateOnly> active, DateOnly day)
    {
        int weekdays = 0;
        int hits = 0;
        for (int i = -AroundDays; i <= AroundDays; i++)
        {
            if (i != 0 && IsWeekday(day.AddDays(i)))
            {
                weekdays++;
                hits += active.Contains(day.AddDays(i)) ? 1 : 0;
            }
        }

        return hits >= MinActiveShare * weekdays;
    }

    private static bool IsWeekday(DateOnly day) => day.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday);
}
