using System.Globalization;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using static DataLayer.Tests.Tiering.Policies.PolicyFixture;

namespace DataLayer.Tests.Tiering.Policies;

public sealed class WindowTests
{
    private const string Nyse = "{days: mon-fri, closed: [2026-11-26, 12-25, 2027-01-01..2027-01-03], open: [2026-11-28, 2026-12-25]}";

    [Theory]
    [InlineData("{from: '09:30', to: '16:00'}", "2026-03-04T14:29:59Z", false)] // EST: UTC-5
    [InlineData("{from: '09:30', to: '16:00'}", "2026-03-04T14:30:00Z", true)]
    [InlineData("{from: '09:30', to: '16:00'}", "2026-03-04T20:59:59Z", true)]
    [InlineData("{from: '09:30', to: '16:00'}", "2026-03-04T21:00:00Z", false)]
    [InlineData("{from: '09:30', to: '16:00'}", "2026-07-01T13:30:00Z", true)] // EDT: UTC-4
    [InlineData("{from: '09:30', to: '16:00'}", "2026-07-01T20:00:00Z", false)]
    [InlineData("{days: mon-fri}", "2026-03-07T04:59:59Z", true)] // still Friday in New York
    [InlineData("{days: mon-fri}", "2026-03-07T05:00:00Z", false)]
    [InlineData("{days: fri-mon}", "2026-03-07T12:00:00Z", true)]
    [InlineData("{days: fri-mon}", "2026-03-04T12:00:00Z", false)]
    [InlineData("{days: fri, from: '22:00', to: '06:00'}", "2026-03-07T10:00:00Z", true)] // Saturday 05:00 is Friday's night
    [InlineData("{days: fri, from: '22:00', to: '06:00'}", "2026-03-06T10:00:00Z", false)]
    [InlineData("{days: fri, from: '22:00', to: '06:00'}", "2026-03-07T11:00:00Z", false)]
    [InlineData("{months: 'mar, jun'}", "2026-03-31T23:00:00Z", true)]
    [InlineData("{months: 'mar, jun'}", "2026-04-01T05:00:00Z", false)]
    [InlineData("{monthDays: '1, 15-17'}", "2026-03-16T12:00:00Z", true)]
    [InlineData("{monthDays: '1, 15-17'}", "2026-03-18T12:00:00Z", false)]
    [InlineData("{monthDays: last 1}", "2026-02-28T12:00:00Z", true)]
    [InlineData("{monthDays: last 1}", "2028-02-28T12:00:00Z", false)] // leap year
    [InlineData("{monthDays: last 1}", "2028-02-29T12:00:00Z", true)]
    [InlineData("{days: mon-fri, monthDays: last 1}", "2026-05-29T12:00:00Z", true)] // the 30th and 31st are a weekend
    [InlineData("{days: mon-fri, monthDays: first 1}", "2026-03-02T12:00:00Z", true)] // the 1st is a Sunday
    [InlineData("{days: mon-fri, monthDays: first 1}", "2026-03-01T12:00:00Z", false)]
    [InlineData("{to: '24:00', from: '20:00'}", "2026-03-05T04:59:00Z", true)]
    [InlineData("{to: '24:00', from: '20:00'}", "2026-03-05T05:00:00Z", false)]
    public void A_window_of_days_is_open_by_the_clock_of_its_zone(string window, string now, bool isOpen) =>
        Assert.Equal(isOpen, IsOpen(window, now));

    [Theory]
    [InlineData("{calendar: c}", "2026-11-26T15:00:00Z", false)] // closed this year
    [InlineData("{calendar: c}", "2025-11-26T15:00:00Z", true)]
    [InlineData("{calendar: c}", "2026-11-28T15:00:00Z", true)] // a Saturday that is open
    [InlineData("{calendar: c}", "2025-12-25T15:00:00Z", false)] // closed every year
    [InlineData("{calendar: c}", "2026-12-25T15:00:00Z", true)] // but open this one
    [InlineData("{calendar: c}", "2027-01-01T15:00:00Z", false)]
    [InlineData("{calendar: c, on: closed}", "2026-11-26T15:00:00Z", true)]
    [InlineData("{calendar: c, on: closed}", "2026-11-27T15:00:00Z", false)]
    [InlineData("{calendar: c, on: closed, days: mon-fri}", "2026-11-29T15:00:00Z", false)]
    [InlineData("{calendar: c, monthDays: last 2}", "2026-11-28T15:00:00Z", true)] // 30th and Saturday the 28th
    [InlineData("{calendar: c, monthDays: last 2}", "2026-11-27T15:00:00Z", false)]
    [InlineData("{calendar: c, monthDays: first 1}", "2027-01-04T15:00:00Z", true)] // 1st to 3rd closed
    [InlineData("{calendar: c, cron: '0 9 * * *', for: 2h}", "2026-11-26T15:00:00Z", false)]
    [InlineData("{calendar: c, cron: '0 9 * * *', for: 2h}", "2026-11-27T15:00:00Z", true)]
    public void A_calendar_lets_days_through(string window, string now, bool isOpen) =>
        Assert.Equal(isOpen, IsOpen(window, now));

    [Theory]
    [InlineData("{cron: '0 22 * * mon-fri', for: 8h}", "2026-03-05T03:00:00Z", true)] // Wednesday 22:00
    [InlineData("{cron: '0 22 * * mon-fri', for: 8h}", "2026-03-05T02:59:59Z", false)]
    [InlineData("{cron: '0 22 * * mon-fri', for: 8h}", "2026-03-05T10:59:59Z", true)]
    [InlineData("{cron: '0 22 * * mon-fri', for: 8h}", "2026-03-05T11:00:00Z", false)]
    [InlineData("{cron: '0 22 * * mon-fri', for: 8h}", "2026-03-08T04:00:00Z", false)] // Saturday night
    [InlineData("{cron: '*/15 * * * *', for: 15m}", "2026-03-04T12:07:00Z", true)]
    [InlineData("{cron: '*/30 * * * *', for: 15m}", "2026-03-04T12:16:00Z", false)]
    [InlineData("{cron: '0 0 L * *', for: 1d}", "2026-02-28T20:00:00Z", true)]
    [InlineData("{cron: '0 0 L * *', for: 1d}", "2026-02-27T20:00:00Z", false)]
    [InlineData("{cron: '0 0 1-7 * mon', for: 1d}", "2026-03-02T20:00:00Z", true)] // the first Monday
    [InlineData("{cron: '0 0 1-7 * mon', for: 1d}", "2026-03-09T20:00:00Z", false)]
    [InlineData("{cron: '0 0 * * 7', for: 1d}", "2026-03-08T20:00:00Z", true)] // Sunday is 0 and 7
    [InlineData("{cron: '0 0 * * sat', for: 7d}", "2026-03-13T12:00:00Z", true)]
    [InlineData("{cron: '0 0 29 feb *', for: 1d}", "2028-02-29T12:00:00Z", true)]
    public void A_window_of_starts_is_open_after_each(string window, string now, bool isOpen) =>
        Assert.Equal(isOpen, IsOpen(window, now));

    /// <summary>New York sets its clocks forward on 2026-03-08 at 02:00 (07:00 UTC), back on 2026-11-01 at 02:00 (06:00 UTC).</summary>
    [Theory]
    [InlineData("{from: '02:30', to: '04:00'}", "2026-03-08T06:59:59Z", false)] // 01:59:59
    [InlineData("{from: '02:30', to: '04:00'}", "2026-03-08T07:00:00Z", true)] // 03:00: 02:30 was skipped
    [InlineData("{from: '02:30', to: '04:00'}", "2026-03-08T08:00:00Z", false)]
    [InlineData("{from: '01:00', to: '02:30'}", "2026-03-08T06:59:59Z", true)]
    [InlineData("{from: '01:00', to: '02:30'}", "2026-03-08T07:00:00Z", false)]
    [InlineData("{from: '02:10', to: '02:50'}", "2026-03-08T07:00:00Z", false)] // wholly skipped
    [InlineData("{from: '01:30', to: '03:00'}", "2026-11-01T05:30:00Z", true)] // the first 01:30
    [InlineData("{from: '01:30', to: '03:00'}", "2026-11-01T05:29:59Z", false)]
    [InlineData("{from: '01:30', to: '03:00'}", "2026-11-01T06:10:00Z", true)] // the second 01:10 lies in between
    [InlineData("{from: '00:00', to: '01:30'}", "2026-11-01T06:29:59Z", true)] // until the second 01:30
    [InlineData("{from: '00:00', to: '01:30'}", "2026-11-01T06:30:00Z", false)]
    [InlineData("{cron: '30 2 * * *', for: 30m}", "2026-03-08T07:00:00Z", true)] // skipped: at the change
    [InlineData("{cron: '30 2 * * *', for: 30m}", "2026-03-08T07:30:00Z", false)]
    [InlineData("{cron: '30 1 * * *', for: 10m}", "2026-11-01T05:35:00Z", true)] // shown twice: twice
    [InlineData("{cron: '30 1 * * *', for: 10m}", "2026-11-01T05:45:00Z", false)]
    [InlineData("{cron: '30 1 * * *', for: 10m}", "2026-11-01T06:35:00Z", true)]
    [InlineData("{cron: '0 22 * * *', for: 8h}", "2026-03-08T10:30:00Z", true)] // eight hours of time, not of the clock
    [InlineData("{cron: '0 22 * * *', for: 8h}", "2026-03-08T11:00:00Z", false)]
    public void Where_clocks_change_a_window_is_not_shorter_than_written(string window, string now, bool isOpen) =>
        Assert.Equal(isOpen, IsOpen(window, now));

    [Theory]
    [InlineData("Australia/Lord_Howe", "2026-04-04T15:15:00Z", true)] // half an hour back at 02:00 (15:00 UTC): the second 01:45
    [InlineData("Asia/Kolkata", "2026-03-04T20:10:00Z", true)] // +05:30
    [InlineData("Pacific/Apia", "2011-12-30T10:00:00Z", false)] // the 30th does not exist there: it is midnight of the 31st
    public void Odd_zones_are_understood(string zone, string now, bool isOpen) =>
        Assert.Equal(isOpen, IsOpen("{from: '01:30', to: '01:50', timeZone: " + zone + "}", now));

    [Fact]
    public void Every_minute_of_a_year_agrees_with_the_clock_where_it_is_plain()
    {
        // Away from changes of the clock a window of days is what the wall clock says.
        TimeZoneInfo zone = TimeZoneInfo.FindSystemTimeZoneById("America/New_York");
        CompiledPolicy policy = Policy("{days: mon-thu, from: '04:15', to: '23:45'}");
        for (DateTimeOffset now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero); now.Year == 2026; now = now.AddMinutes(7))
        {
            DateTime local = TimeZoneInfo.ConvertTime(now, zone).DateTime;
            bool expected = local.DayOfWeek is >= DayOfWeek.Monday and <= DayOfWeek.Thursday
                && local.TimeOfDay >= new TimeSpan(4, 15, 0) && local.TimeOfDay < new TimeSpan(23, 45, 0);
            Assert.True(expected == (policy.Decide(File("/a"), At(now)).RuleIndex == 0), $"{now:u}");
        }
    }

    [Fact]
    public void A_rule_applies_inside_of_one_window_and_outside_of_all_others()
    {
        CompiledPolicy policy = Read(
            """
            version: 1
            windows:
              morning: {from: "06:00", to: "12:00"}
              evening: {from: "18:00", to: "24:00"}
              weekend: {days: sat-sun}
            rules:
              - {name: a, when: {window: [morning, evening], outside: weekend}, then: {place: cold}}
              - {name: b, then: {place: hot}}
            """).Compile();
        Assert.Equal("a", policy.Winner(File("/x"), At(Noon.AddHours(-1))));
        Assert.Equal("b", policy.Winner(File("/x"), At(Noon)));
        Assert.Equal("a", policy.Winner(File("/x"), At(Noon.AddHours(7))));
        Assert.Equal("b", policy.Winner(File("/x"), At(Noon.AddHours(7).AddDays(3))));
        Assert.Equal("when.window", policy.Explain(File("/x"), At(Noon)).Rules[0].FailedCondition);
        RuleTrace outside = policy.Explain(File("/x"), At(Noon.AddHours(7).AddDays(3))).Rules[0];
        Assert.Equal(("when.outside", "Sat 2026-03-07 19:00 UTC is inside of weekend"), (outside.FailedCondition, outside.Reason));
    }

    [Fact]
    public void Marks_hold_from_high_until_low()
    {
        CompiledPolicy policy = Rules(
            """
              - {name: full, when: {fill: {pool: default, high: 85%, low: 70%}}, then: {place: release}}
              - {name: fuller, when: {fill: {pool: default, high: 95%, low: 90%}}, then: {place: release}}
              - {name: other, when: {fill: {pool: slow, high: 50%, low: 40%}}, then: {place: release}}
            """);
        IReadOnlySet<int> active = new HashSet<int>();
        (double Fill, int[] Active)[] steps =
        [
            (0.69, []), (0.80, []), (0.8499, []), (0.85, [0]), (0.94, [0]), (0.95, [0, 1]), (0.91, [0, 1]), (0.90, [0]),
            (0.94, [0]), (0.71, [0]), (0.70, []), (0.80, []), (0.99, [0, 1]), (0.10, []),
        ];
        foreach ((double fill, int[] expected) in steps)
        {
            active = PolicyMarks.Next(policy, new Dictionary<string, double>(StringComparer.Ordinal) { ["default"] = fill, ["else"] = 1 }, active);
            Assert.Equal(expected, active.Order());
        }

        Assert.Empty(PolicyMarks.Next(policy, new Dictionary<string, double>(StringComparer.Ordinal), new HashSet<int> { 0, 1, 2 }));
    }

    [Fact]
    public void A_rule_with_marks_is_about_files_of_that_pool_while_the_mark_is_passed()
    {
        CompiledPolicy policy = Rules("  - {name: full, when: {fill: {pool: default, high: 85%, low: 70%}}, then: {place: release}}");
        Assert.Equal("full", policy.Winner(File("/x"), At(Noon, 0)));
        Assert.Equal(string.Empty, policy.Winner(File("/x"), At(Noon)));
        Assert.Equal(string.Empty, policy.Winner(File("/x") with { Pool = "slow" }, At(Noon, 0)));
        PolicyMoment known = new(Noon, new Dictionary<string, double>(StringComparer.Ordinal) { ["default"] = 0.8 }, new HashSet<int>());
        Assert.Equal("pool default is 80% full, asked for from 85% until 70%", policy.Explain(File("/x"), known).Rules[0].Reason);
        Assert.Equal("when.fill.pool", policy.Explain(File("/x") with { Pool = null }, known).Rules[0].FailedCondition);
    }

    [Fact]
    public void Passed_marks_go_over_to_the_next_version_by_rule_and_pool()
    {
        CompiledPolicy old = Rules(
            """
              - {name: a, when: {fill: {pool: p, high: 85%, low: 70%}}, then: {place: release}}
              - {name: b, when: {fill: {pool: p, high: 85%, low: 70%}}, then: {place: hot}}
              - {name: c, when: {fill: {pool: p, high: 85%, low: 70%}}, then: {place: cold}}
            """);
        CompiledPolicy young = Rules(
            """
              - {name: new, match: {path: /n}, then: {place: hot}}
              - {name: c, when: {fill: {pool: p, high: 95%, low: 75%}}, then: {place: cold}}
              - {name: b, when: {fill: {pool: q, high: 85%, low: 70%}}, then: {place: hot}}
              - {name: a, when: {fill: {pool: p, high: 85%, low: 70%}}, then: {place: release}}
            """);
        Assert.Equal([1, 3], PolicyMarks.Carry(old, young, new HashSet<int> { 0, 1, 2 }).Order());
        Assert.Equal([3], PolicyMarks.Carry(old, young, new HashSet<int> { 0, 99 }).Order());
    }

    private static CompiledPolicy Policy(string window) => Read(
        $"version: 1\ntimeZone: America/New_York\ncalendars: {{c: {Nyse}}}\nwindows: {{w: {window}, used: {{calendar: c}}}}\n"
            + "rules:\n- {name: a, when: {window: w}, then: {place: cold}}\n- {name: b, when: {window: used}, match: {path: /never}, then: {place: hot}}\n").Compile();

    private static bool IsOpen(string window, string now) =>
        Policy(window).Decide(File("/a"), At(DateTimeOffset.Parse(now, CultureInfo.InvariantCulture))).RuleIndex == 0;
}
