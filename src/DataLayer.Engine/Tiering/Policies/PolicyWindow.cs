using System.Globalization;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Times at which a rule applies: hours of certain days (<c>days</c>, <c>months</c>, <c>monthDays</c>, <c>from</c>,
/// <c>to</c>), or a stretch after each of certain start times (<c>cron</c>, <c>for</c>); in a time zone; perhaps only
/// on open, or closed, days of a calendar.
/// </summary>
/// <remarks>
/// A window over midnight belongs to the day it starts on. Where clocks are set forward, a time that is skipped counts
/// as the moment of the change. Where they are set back, a day's window runs from the first time the clock shows
/// <c>from</c> to the last time it shows <c>to</c>, and a start of <c>cron</c> counts both times: a window is never
/// shorter than it is written.
/// </remarks>
internal sealed class PolicyWindow
{
    /// <summary>The longest stretch after a start.</summary>
    public static readonly TimeSpan MaxLength = TimeSpan.FromDays(7);

    private static readonly TimeSpan _day = TimeSpan.FromDays(1);

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The zone its times are of.</summary>
    public required TimeZoneInfo Zone { get; init; }

    /// <summary>The calendar that lets days through, or null.</summary>
    public PolicyCalendar? Calendar { get; init; }

    /// <summary>Whether closed days are let through instead of open ones.</summary>
    public bool OnClosedDays { get; init; }

    /// <summary>Weekdays, bit <c>1 &lt;&lt; DayOfWeek</c>.</summary>
    public int Weekdays { get; init; } = 0x7F;

    /// <summary>Months, bit by number.</summary>
    public ulong Months { get; init; } = 0x1FFE;

    /// <summary>Days of the month, bit by number; 0 for all.</summary>
    public ulong MonthDays { get; init; }

    /// <summary>The first (above 0) or last (below 0) so many days of the month that everything else lets
    /// through.</summary>
    public int MonthDayCount { get; init; }

    /// <summary>Time of day it starts at.</summary>
    public TimeSpan From { get; init; }

    /// <summary>Time of day it ends at; at or before <see cref="From"/>: on the next day.</summary>
    public TimeSpan To { get; init; } = _day;

    /// <summary>Start times, or null for hours of days.</summary>
    public CronSchedule? Cron { get; init; }

    /// <summary>How long it is open after each start.</summary>
    public TimeSpan Length { get; init; }

    /// <summary>Whether it is open at a moment.</summary>
    public bool IsOpen(DateTimeOffset now)
    {
        const long Margin = 400 * TimeSpan.TicksPerDay;
        if (now.UtcTicks < Margin || DateTime.MaxValue.Ticks - now.UtcTicks < Margin)
        {
            return false;
        }

        DateOnly today = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, Zone).DateTime);
        return Cron is null ? IsOpenByDay(now, today) : IsOpenByCron(Cron, now, today);
    }

    /// <summary>
    /// The stretches it is open in that reach into a time, in order; those that touch are one.
    /// </summary>
    public List<(DateTimeOffset Start, DateTimeOffset End)> GetSpans(DateTimeOffset from, DateTimeOffset until)
    {
        List<(DateTimeOffset Start, DateTimeOffset End)> spans = [];
        DateOnly last = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(until, Zone).DateTime).AddDays(1);
        DateOnly day = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(from, Zone).DateTime)
            .AddDays(-(int)Math.Ceiling(MaxLength.TotalDays) - 1);
        for (; day <= last; day = day.AddDays(1))
        {
            if (Cron is null && IncludesDay(day))
            {
                spans.Add((Moment(day, From, last: false), Moment(day, To > From ? To : To + _day, last: true)));
            }
            else if (Cron is not null && Cron.IncludesDay(day) && IsLetThrough(day))
            {
                foreach (TimeSpan time in Cron.GetTimes())
                {
                    DateTimeOffset start = Moment(day, time, last: false);
                    spans.Add((start, Moment(day, time, last: true) + Length));
                }
            }
        }

        spans.Sort();
        List<(DateTimeOffset Start, DateTimeOffset End)> joined = [];
        foreach ((DateTimeOffset start, DateTimeOffset end) in spans)
        {
            if (joined.Count > 0 && start <= joined[^1].End)
            {
                joined[^1] = (joined[^1].Start, end > joined[^1].End ? end : joined[^1].End);
            }
            else
            {
                joined.Add((start, end));
            }
        }

        joined.RemoveAll(s => s.End <= from || s.Start >= until);
        return joined;
    }

    /// <summary>What it consists of, always in the same order.</summary>
    public IReadOnlyList<PolicyField> ToFields()
    {
        List<PolicyField> fields = [new("timeZone", Zone.Id)];
        if (Calendar is not null)
        {
            fields.Add(new("calendar", Calendar.Name));
            fields.Add(new("on", OnClosedDays ? "closed" : "open"));
        }

        if (Cron is not null)
        {
            fields.Add(new("cron", Cron.ToText()));
            fields.Add(new("for", UnitText.FormatDuration(Length)));
            return fields;
        }

        fields.Add(new("days", CronField.WeekdayText(Weekdays)));
        fields.Add(new("months", CronField.MonthText(Months)));
        fields.Add(new(
            "monthDays",
            MonthDayCount != 0
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(MonthDayCount > 0 ? "first" : "last")} {Math.Abs(MonthDayCount)}")
                : CronField.NumberText(MonthDays)));
        fields.Add(new("from", $"{From:hh\\:mm}"));
        fields.Add(new("to", To == _day ? "24:00" : $"{To:hh\\:mm}"));
        return fields;
    }

    private bool IsOpenByDay(DateTimeOffset now, DateOnly today)
    {
        TimeSpan end = To > From ? To : To + _day;
        for (int back = 1; back >= 0; back--)
        {
            DateOnly day = today.AddDays(-back);
            if (IncludesDay(day)
                && Moment(day, From, last: false) <= now
                && now < Moment(day, end, last: true))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsOpenByCron(CronSchedule cron, DateTimeOffset now, DateOnly today)
    {
        DateOnly first = today.AddDays(-(int)Math.Ceiling(Length.TotalDays) - 1);
        for (DateOnly day = today; day >= first; day = day.AddDays(-1))
        {
            if (!cron.IncludesDay(day) || !IsLetThrough(day))
            {
                continue;
            }

            foreach (TimeSpan time in cron.GetTimes())
            {
                if (Covers(Moment(day, time, last: false), now) || Covers(Moment(day, time, last: true), now))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private bool Covers(DateTimeOffset start, DateTimeOffset now) => start <= now && now - start < Length;

    private bool IncludesDay(DateOnly day)
    {
        if (!IsLetThrough(day) || (MonthDays != 0 && (MonthDays & (1UL << day.Day)) == 0))
        {
            return false;
        }

        if (MonthDayCount == 0)
        {
            return true;
        }

        int step = MonthDayCount > 0 ? -1 : 1;
        int before = 0;
        for (DateOnly other = day.AddDays(step); other.Month == day.Month; other = other.AddDays(step))
        {
            before += IsLetThrough(other) ? 1 : 0;
        }

        return before < Math.Abs(MonthDayCount);
    }

    private bool IsLetThrough(DateOnly day) =>
        (Weekdays & (1 << (int)day.DayOfWeek)) != 0
        && (Months & (1UL << day.Month)) != 0
        && (Calendar is null || Calendar.IsOpen(day) != OnClosedDays);

    // The moment at which the zone's clock shows a time, for the first or the last time; where it never does, the
    // moment at which it was set forward.
    private DateTimeOffset Moment(DateOnly day, TimeSpan time, bool last)
    {
        DateTime local = day.ToDateTime(TimeOnly.MinValue).Add(time);
        while (Zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(1);
        }

        if (!Zone.IsAmbiguousTime(local))
        {
            return new DateTimeOffset(local, Zone.GetUtcOffset(local));
        }

        TimeSpan chosen = Zone.GetUtcOffset(local);
        foreach (TimeSpan offset in Zone.GetAmbiguousTimeOffsets(local))
        {
            // The larger offset is the earlier moment.
            chosen = last ? (offset < chosen ? offset : chosen) : offset > chosen ? offset : chosen;
        }

        return new DateTimeOffset(local, chosen);
    }
}
