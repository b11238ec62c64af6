using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>A window that is being prepared or open, or the next one.</summary>
/// <param name="Start">When it opens.</param>
/// <param name="End">When it closes.</param>
/// <param name="IsInForce">Whether the share is reserved now: its lead has begun.</param>
internal readonly record struct HeadroomOccurrence(DateTimeOffset Start, DateTimeOffset End, bool IsInForce);

/// <summary>A headroom whose window was read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Spec">What it reserves.</param>
/// <param name="Window">When.</param>
internal sealed record TimedHeadroom(string Name, HeadroomSpec Spec, PolicyWindow Window)
{
    /// <summary>How far ahead windows are looked for and compared.</summary>
    public static readonly TimeSpan Horizon = TimeSpan.FromDays(400);

    private static readonly TimeSpan _near = TimeSpan.FromDays(8);

    /// <summary>Reads the window of a headroom, by the rules of policies' windows.</summary>
    /// <param name="name">The headroom's name.</param>
    /// <param name="spec">What it reserves.</param>
    /// <param name="calendars">The calendars of the active policy.</param>
    /// <exception cref="DataLayerException">InvalidArgument: all that is wrong with it.</exception>
    public static TimedHeadroom Read(string name, HeadroomSpec spec, IEnumerable<PolicyCalendar> calendars)
    {
        PolicyErrors errors = new();
        PolicyPlace place = new(1, 1);
        PolicyMap map = new(place);
        HeadroomWindow w = spec.Window;
        foreach ((string key, string? value) in (ReadOnlySpan<(string, string?)>)
            [
                ("days", w.Days), ("months", w.Months), ("monthDays", w.MonthDays), ("from", w.From), ("to", w.To),
                ("timeZone", w.TimeZone), ("calendar", w.Calendar), ("on", w.On), ("cron", w.Cron), ("for", w.For),
            ])
        {
            if (value is not null)
            {
                map.Entries.Add((key, place, ToNode(key, value, place)));
            }
        }

        Dictionary<string, PolicyCalendar?> known = new(StringComparer.Ordinal);
        foreach (PolicyCalendar calendar in calendars)
        {
            known[calendar.Name] = calendar;
        }

        PolicyWindow? window = WindowReader.ReadWindow(name, map, TimeZoneInfo.Utc, known, errors);
        if (window is not null && errors.IsEmpty)
        {
            return new TimedHeadroom(name, spec, window);
        }

        List<string> faults = [];
        foreach (PolicyError error in errors.ToErrors())
        {
            faults.Add($"{error.Message} {error.Remedy}");
        }

        throw new DataLayerException(ErrorCode.InvalidArgument, "The window: " + string.Join(' ', faults));
    }

    /// <summary>The window that is in force at a moment, else the next one; null where none is to come.</summary>
    public HeadroomOccurrence? Find(DateTimeOffset now)
    {
        foreach (TimeSpan ahead in (ReadOnlySpan<TimeSpan>)[_near, Horizon])
        {
            if (Window.GetSpans(now, now + ahead) is [(var start, var end), ..])
            {
                return new HeadroomOccurrence(start, end, start - Spec.Lead <= now);
            }
        }

        return null;
    }

    /// <summary>The stretches in which it is reserved, lead included, over the horizon.</summary>
    public List<(DateTimeOffset Start, DateTimeOffset End)> GetReserved(DateTimeOffset now)
    {
        List<(DateTimeOffset Start, DateTimeOffset End)> spans = Window.GetSpans(now, now + Horizon);
        return spans.ConvertAll(s => (s.Start - Spec.Lead, s.End));
    }

    /// <summary>A moment for people.</summary>
    public static string Show(DateTimeOffset at) =>
        at.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>Several weekdays or numbers with commas between are a list in a policy.</summary>
    private static PolicyNode ToNode(string key, string value, PolicyPlace place)
    {
        if (key is not ("days" or "months" or "monthDays") || !value.Contains(',', StringComparison.Ordinal))
        {
            return new PolicyScalar(value, isPlain: false, place);
        }

        PolicyList list = new(place);
        const StringSplitOptions Trimmed = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        foreach (string item in value.Split(',', Trimmed))
        {
            list.Items.Add(new PolicyScalar(item, isPlain: false, place));
        }

        return list;
    }
}
