using System.Globalization;
using System.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Sets of small numbers as cron writes them: <c>*</c>, <c>5</c>, <c>1-5</c>, <c>*/15</c>, <c>8-18/2</c>, lists of
/// these, and names of months and weekdays. A set is a bit mask.
/// </summary>
internal sealed record CronField(string Name, int First, int Last, string[]? Names)
{
    private static readonly string[] _weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    private static readonly string[] _months =
        ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

    /// <summary>Minutes.</summary>
    public static CronField Minute { get; } = new("minute", 0, 59, null);

    /// <summary>Hours.</summary>
    public static CronField Hour { get; } = new("hour", 0, 23, null);

    /// <summary>Days of the month.</summary>
    public static CronField MonthDay { get; } = new("day of the month", 1, 31, null);

    /// <summary>Months.</summary>
    public static CronField Month { get; } = new("month", 1, 12, _months);

    /// <summary>Weekdays, Sunday is 0 and 7.</summary>
    public static CronField Weekday { get; } = new("weekday", 0, 7, _weekdays);

    /// <summary>Weekdays by name only, as calendars and windows write them.</summary>
    public static CronField NamedWeekday { get; } = new("weekday", -1, -1, _weekdays);

    /// <summary>Months by name only.</summary>
    public static CronField NamedMonth { get; } = new("month", -1, -1, _months);

    /// <summary>Reads a set.</summary>
    /// <returns>Whether it was read; else what is wrong.</returns>
    public bool TryParse(string text, out ulong mask, out string? fault)
    {
        mask = 0;
        fault = null;
        foreach (string item in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!TryParseItem(item, ref mask, out fault))
            {
                return false;
            }
        }

        if (Names == _weekdays && (mask & (1UL << 7)) != 0)
        {
            mask = (mask & 0x7F) | 1;
        }

        return true;
    }

    /// <summary>Weekdays as text, Monday first.</summary>
    public static string WeekdayText(int mask) => NamesText((ulong)mask, _weekdays, 1, 7);

    /// <summary>Months as text.</summary>
    public static string MonthText(ulong mask) => NamesText(mask, _months, 1, 12);

    /// <summary>Numbers as text: <c>1, 15, 28-31</c>.</summary>
    public static string NumberText(ulong mask)
    {
        StringBuilder text = new();
        for (int i = 0; i < 64; i++)
        {
            if ((mask & (1UL << i)) == 0)
            {
                continue;
            }

            int last = i;
            while (last < 63 && (mask & (1UL << (last + 1))) != 0)
            {
                last++;
            }

            text.Append(text.Length > 0 ? ", " : string.Empty).Append(CultureInfo.InvariantCulture, $"{i}");
            if (last > i)
            {
                text.Append(CultureInfo.InvariantCulture, $"-{last}");
            }

            i = last;
        }

        return text.ToString();
    }

    private static string NamesText(ulong mask, string[] names, int first, int count)
    {
        StringBuilder text = new();
        for (int i = first; i < first + count; i++)
        {
            int value = i % names.Length;
            if ((mask & (1UL << value)) != 0)
            {
                text.Append(text.Length > 0 ? ", " : string.Empty).Append(names[value]);
            }
        }

        return text.ToString();
    }

    private bool TryParseItem(string item, ref ulong mask, out string? fault)
    {
        fault = null;
        string[] stepped = item.Split('/');
        int step = 1;
        if (stepped.Length > 2
            || (stepped.Length == 2
                && !(int.TryParse(stepped[1], NumberStyles.None, CultureInfo.InvariantCulture, out step)
                    && step is > 0 and < 60)))
        {
            fault = $"{PolicyErrors.Quote(item)} has a step that is none";
            return false;
        }

        int first = First < 0 ? 0 : First;
        int last = First < 0 ? Names!.Length - 1 : Last;
        string[] ends = stepped[0].Split('-');
        if (stepped[0] != "*" || First < 0)
        {
            if (ends.Length > 2 || !TryParseValue(ends[0], out first) || !TryParseValue(ends[^1], out last)
                || (ends.Length == 1 && stepped.Length == 2))
            {
                fault = $"{PolicyErrors.Quote(item)} is not a {Name}"
                    + (First < 0 ? string.Empty : string.Create(CultureInfo.InvariantCulture, $" ({First} to {Last})"));
                return false;
            }
        }
        else if (Names == _weekdays)
        {
            last = 6;
        }

        if (first > last && Names == _weekdays)
        {
            // fri-mon runs over the end of the week.
            last += 7;
        }
        else if (first > last)
        {
            fault = $"{PolicyErrors.Quote(item)} runs backward";
            return false;
        }

        for (int value = first; value <= last; value += step)
        {
            mask |= 1UL << (Names == _weekdays ? value % 7 : value);
        }

        return true;
    }

    private bool TryParseValue(string text, out int value)
    {
        if (Names is not null)
        {
            value = Array.FindIndex(
                Names, n => n.Length > 0 && string.Equals(n, text, StringComparison.OrdinalIgnoreCase));
            if (value >= 0)
            {
                return true;
            }
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value)
            && First >= 0 && value >= First && value <= Last;
    }
}
