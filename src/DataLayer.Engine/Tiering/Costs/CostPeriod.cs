using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>Hours, days and months of UTC, in nanoseconds since 1970.</summary>
public static class CostPeriod
{
    /// <summary>Nanoseconds of an hour.</summary>
    public const long Hour = 3_600_000_000_000;

    /// <summary>Nanoseconds of a day.</summary>
    public const long Day = 24 * Hour;

    /// <summary>Where the period of a time begins and where the next one does.</summary>
    public static (long Start, long End) Of(long timeNanoseconds, CostLevel level)
    {
        if (level == CostLevel.Month)
        {
            DateTimeOffset time = UnixTime.ToTime(timeNanoseconds);
            DateTimeOffset month = new(time.Year, time.Month, 1, 0, 0, 0, TimeSpan.Zero);
            return (UnixTime.ToNanoseconds(month), UnixTime.ToNanoseconds(month.AddMonths(1)));
        }

        long span = level == CostLevel.Hour ? Hour : Day;
        long start = timeNanoseconds - (((timeNanoseconds % span) + span) % span);
        return (start, start + span);
    }
}
