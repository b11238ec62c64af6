using System.Globalization;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Reads time zones, calendars and windows.</summary>
internal static class WindowReader
{
    private static readonly string[] _byDayOnly = ["days", "months", "monthDays", "from", "to"];
    private static readonly TimeSpan _day = TimeSpan.FromDays(1);

    /// <summary>Reads a zone of the IANA database; UTC after an error.</summary>
    public static TimeZoneInfo ReadZone(PolicyScalar text, PolicyErrors errors)
    {
        bool isName = text.Text is "UTC" || text.Text.Contains('/', StringComparison.Ordinal);
        if (isName && TimeZoneInfo.TryFindSystemTimeZoneById(text.Text, out TimeZoneInfo? zone))
        {
            return zone;
        }

        List<string> known = ["UTC"];
        foreach (TimeZoneInfo candidate in TimeZoneInfo.GetSystemTimeZones())
        {
            known.Add(candidate.Id);
        }

        string? meant = NearestName.Find(text.Text, known);
        errors.Add(
            text.Place, $"There is no time zone {PolicyErrors.Quote(text.Text)}.",
            meant is not null ? $"Did you mean '{meant}'?"
                : known.Count == 1 ? "This machine has no time zones: install tzdata."
                : "Write an IANA name: America/New_York, Europe/London, UTC.");
        return TimeZoneInfo.Utc;
    }

    /// <summary>Reads a calendar; null after an error that leaves none.</summary>
    public static PolicyCalendar? ReadCalendar(string name, PolicyNode node, PolicyErrors errors)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "a calendar", PolicyKeys.Calendar, errors);
        if (map is null)
        {
            return null;
        }

        int weekdays = (int)(Mask(map, "days", CronField.NamedWeekday, "weekdays: mon-fri", errors) ?? 0x3E);
        Dictionary<DateOnly, bool> dates = [];
        Dictionary<int, bool> yearly = [];
        foreach (string key in (ReadOnlySpan<string>)["closed", "open"])
        {
            foreach (PolicyScalar text in map.Texts(key, "a list of days: [2026-12-25, 01-01]") ?? [])
            {
                ReadDay(text, key, dates, yearly, errors);
            }
        }

        return new PolicyCalendar(name, weekdays, dates, yearly);
    }

    /// <summary>Reads a window; null after an error that leaves none.</summary>
    public static PolicyWindow? ReadWindow(
        string name, PolicyNode node, TimeZoneInfo zone, Dictionary<string, PolicyCalendar?> calendars,
        PolicyErrors errors)
    {
        PolicyMapReader? map = PolicyMapReader.From(node, "a window", PolicyKeys.Window, errors);
        if (map is null)
        {
            return null;
        }

        if (map.IsEmpty)
        {
            errors.Add(map.Place, "A window has no keys.", "Write 'days', 'from' and 'to', or 'cron' and 'for'.");
        }

        if (map.Text("timeZone", "a time zone: Europe/London") is { } zoneText)
        {
            zone = ReadZone(zoneText, errors);
        }

        PolicyCalendar? calendar = null;
        if (map.Text("calendar", "the name of a calendar") is { } text
            && !calendars.TryGetValue(text.Text, out calendar))
        {
            PolicyReader.AddUnknown(text, "calendar", calendars.Keys, errors);
        }

        string? on = map.Word("on", PolicyKeys.CalendarDays);
        if (on is not null && map.Find("calendar") is null)
        {
            errors.Add(map.PlaceOf("on"), "'on' is given without 'calendar'.", "Name the calendar, or remove 'on'.");
        }

        PolicyWindow window = new()
        {
            Name = name,
            Zone = zone,
            Calendar = calendar,
            OnClosedDays = on == "closed",
        };
        return map.Find("cron") is null && map.Find("for") is null
            ? ReadByDay(map, window, errors)
            : ReadByCron(map, window, errors);
    }

    private static PolicyWindow ReadByCron(PolicyMapReader map, PolicyWindow window, PolicyErrors errors)
    {
        map.Require("cron", "Write the start times: cron: \"0 22 * * mon-fri\".");
        map.Require("for", "Write how long it is open after each start: for: 8h.");
        foreach (string key in _byDayOnly)
        {
            if (map.Find(key) is not null)
            {
                errors.Add(
                    map.PlaceOf(key), $"'{key}' is given beside 'cron'.",
                    "Say it in the cron fields, or use 'days', 'from' and 'to' without 'cron'.");
            }
        }

        CronSchedule? cron = null;
        if (map.Text("cron", "five fields: \"0 22 * * mon-fri\"") is { } text)
        {
            cron = CronSchedule.TryParse(text.Text, out string? fault);
            if (cron is null)
            {
                errors.Add(
                    text.Place, $"'cron' {PolicyErrors.Quote(text.Text)} {fault}.",
                    "Write minute, hour, day of the month, month, weekday: \"0 22 * * mon-fri\".");
            }
        }

        TimeSpan length = default;
        if (map.Text("for", "a duration: 8h") is { } lengthText
            && !(UnitText.TryParseDuration(lengthText.Text, out length)
                && length >= TimeSpan.FromMinutes(1) && length <= PolicyWindow.MaxLength))
        {
            errors.Add(
                lengthText.Place,
                $"'for' is {PolicyErrors.Quote(lengthText.Text)}, not a duration from 1m to 7d.", "Write 'for: 8h'.");
        }

        return new PolicyWindow
        {
            Name = window.Name,
            Zone = window.Zone,
            Calendar = window.Calendar,
            OnClosedDays = window.OnClosedDays,
            Cron = cron,
            Length = length,
        };
    }

    private static PolicyWindow ReadByDay(PolicyMapReader map, PolicyWindow window, PolicyErrors errors)
    {
        (ulong monthDays, int count) = ReadMonthDays(map, errors);
        TimeSpan from = Time(map, "from", errors) ?? TimeSpan.Zero;
        TimeSpan to = Time(map, "to", errors) ?? _day;
        if (from == _day)
        {
            errors.Add(map.PlaceOf("from"), "'from' is '24:00'.", "Write \"00:00\" and the next day.");
        }
        else if (from == to)
        {
            errors.Add(
                map.PlaceOf("to"), $"'from' and 'to' are both '{to:hh\\:mm}'.",
                "Leave both out for whole days; or give times that differ.");
        }

        return new PolicyWindow
        {
            Name = window.Name,
            Zone = window.Zone,
            Calendar = window.Calendar,
            OnClosedDays = window.OnClosedDays,
            Weekdays = (int)(Mask(map, "days", CronField.NamedWeekday, "weekdays: mon-fri", errors) ?? 0x7F),
            Months = Mask(map, "months", CronField.NamedMonth, "months: jan, apr", errors) ?? 0x1FFE,
            MonthDays = monthDays,
            MonthDayCount = count,
            From = from,
            To = to,
        };
    }

    private static (ulong Days, int Count) ReadMonthDays(PolicyMapReader map, PolicyErrors errors)
    {
        const string Example = "'first 2', 'last 3' or numbers: 1, 15, 28-31";
        if (map.Texts("monthDays", Example) is not { } texts)
        {
            return (0, 0);
        }

        ulong days = 0;
        foreach (PolicyScalar text in texts)
        {
            string[] words = text.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["first" or "last", string number])
            {
                if (texts.Count == 1
                    && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
                    && count is >= 1 and <= 31)
                {
                    return (0, words[0] == "first" ? count : -count);
                }

                errors.Add(
                    text.Place, $"'monthDays' is {PolicyErrors.Quote(text.Text)}.",
                    $"Write one of {Example}; 1 to 31.");
            }
            else if (CronField.MonthDay.TryParse(text.Text, out ulong mask, out string? fault))
            {
                days |= mask;
            }
            else
            {
                errors.Add(text.Place, $"'monthDays': {fault}.", $"Write {Example}.");
            }
        }

        return (days, 0);
    }

    private static ulong? Mask(
        PolicyMapReader map, string key, CronField field, string example, PolicyErrors errors)
    {
        if (map.Texts(key, example) is not { } texts)
        {
            return null;
        }

        ulong all = 0;
        foreach (PolicyScalar text in texts)
        {
            if (field.TryParse(text.Text, out ulong mask, out string? fault))
            {
                all |= mask;
            }
            else
            {
                errors.Add(text.Place, $"'{key}': {fault}.", $"Write {example}.");
            }
        }

        return all;
    }

    private static TimeSpan? Time(PolicyMapReader map, string key, PolicyErrors errors)
    {
        if (map.Text(key, "a time: \"09:30\"") is not { } text)
        {
            return null;
        }

        if (text.Text == "24:00")
        {
            return _day;
        }

        if (TimeOnly.TryParseExact(
            text.Text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly time))
        {
            return time.ToTimeSpan();
        }

        errors.Add(
            text.Place, $"'{key}' is {PolicyErrors.Quote(text.Text)}, not a time of day.",
            $"Write hours and minutes of 24 hours: {key}: \"09:30\".");
        return null;
    }

    private static void ReadDay(
        PolicyScalar text, string key, Dictionary<DateOnly, bool> dates, Dictionary<int, bool> yearly,
        PolicyErrors errors)
    {
        const int MaxDays = 366;
        const int MaxDates = 10_000;
        bool isOpen = key == "open";
        string[] ends = text.Text.Split("..");
        if (dates.Count > MaxDates)
        {
            errors.Add(text.Place, $"The calendar has more than {MaxDates} dates.", "Leave out years that are over.");
        }
        else if (ends.Length <= 2 && TryDate(ends[0], out DateOnly first) && TryDate(ends[^1], out DateOnly last)
            && first <= last && last.DayNumber - first.DayNumber < MaxDays)
        {
            for (DateOnly day = first; day <= last; day = day.AddDays(1))
            {
                Put(dates, day, $"{day:yyyy-MM-dd}");
            }
        }
        else if (ends.Length == 1 && TryDate("2000-" + text.Text, out DateOnly anyYear))
        {
            Put(yearly, (anyYear.Month * 100) + anyYear.Day, text.Text);
        }
        else
        {
            errors.Add(
                text.Place, $"'{key}' has {PolicyErrors.Quote(text.Text)}, which is no day.",
                "Write 2026-12-25, 12-25 for every year, or 2026-12-24..2026-12-31 for up to a year of days.");
        }

        void Put<T>(Dictionary<T, bool> days, T day, string shown)
            where T : notnull
        {
            if (!days.TryAdd(day, isOpen) && days[day] != isOpen)
            {
                errors.Add(text.Place, $"The day {shown} is both open and closed.", "Keep it in one of the lists.");
            }
        }
    }

    private static bool TryDate(string text, out DateOnly date) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out date)
        && date.Year is >= 1970 and <= 9000;
}
