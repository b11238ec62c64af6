namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Days that are open or closed: the weekdays that are open, and exceptions both ways. An exception of one year
/// (<c>2026-12-24</c>) beats one of every year (<c>12-25</c>), which beats the weekday.
/// </summary>
internal sealed class PolicyCalendar
{
    private readonly Dictionary<DateOnly, bool> _dates;
    private readonly Dictionary<int, bool> _yearly;

    /// <summary>A calendar.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="openWeekdays">Bit <c>1 &lt;&lt; DayOfWeek</c>.</param>
    /// <param name="dates">Exceptions of one year: whether the day is open.</param>
    /// <param name="yearly">Exceptions of every year by month × 100 + day.</param>
    public PolicyCalendar(string name, int openWeekdays, Dictionary<DateOnly, bool> dates, Dictionary<int, bool> yearly)
    {
        Name = name;
        OpenWeekdays = openWeekdays;
        _dates = dates;
        _yearly = yearly;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>Weekdays that are open, bit <c>1 &lt;&lt; DayOfWeek</c>.</summary>
    public int OpenWeekdays { get; }

    /// <summary>Whether a day is open.</summary>
    public bool IsOpen(DateOnly day) =>
        _dates.TryGetValue(day, out bool isOpen) ? isOpen
        : _yearly.TryGetValue((day.Month * 100) + day.Day, out isOpen) ? isOpen
        : (OpenWeekdays & (1 << (int)day.DayOfWeek)) != 0;

    /// <summary>What it consists of, always in the same order.</summary>
    public IReadOnlyList<PolicyField> ToFields() =>
        [
            new("days", CronField.WeekdayText(OpenWeekdays)),
            new("closed", DatesText(isOpen: false)),
            new("open", DatesText(isOpen: true)),
        ];

    private string DatesText(bool isOpen)
    {
        List<string> texts = [];
        foreach ((DateOnly date, bool open) in _dates)
        {
            if (open == isOpen)
            {
                texts.Add($"{date:yyyy-MM-dd}");
            }
        }

        foreach ((int day, bool open) in _yearly)
        {
            if (open == isOpen)
            {
                texts.Add($"{day / 100:00}-{day % 100:00}");
            }
        }

        texts.Sort(StringComparer.Ordinal);
        return string.Join(", ", texts);
    }
}
