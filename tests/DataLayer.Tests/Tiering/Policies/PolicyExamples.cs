namespace DataLayer.Tests.Tiering.Policies;

/// <summary>Good policies: those of the user guide and one that uses every key.</summary>
internal static class PolicyExamples
{
    /// <summary>Every key of the language.</summary>
    public const string Everything =
        """
        version: 1
        description: everything at once
        timeZone: Europe/London
        calendars:
          nyse:
            days: mon-fri
            closed: [2026-11-26, 12-25, 2026-07-03..2026-07-05]
            open:
              - 2026-12-25
        windows:
          trading: {timeZone: America/New_York, calendar: nyse, on: open, days: [mon-fri], from: "09:30", to: "16:00"}
          month-end: {calendar: nyse, months: "mar, jun, sep, dec", monthDays: last 3}
          mid-month: {monthDays: [1, 15-17], from: "22:00", to: "06:00"}
          nightly:
            cron: "30 22 * * mon-fri"
            for: 7h
          holidays: {calendar: nyse, on: closed, days: mon-fri}
        rules:
          - name: first
            description: the first
            match:
              path: [/data/**, "/x/{a,b}/[0-9]*.bin"]
              tenant: [risk, "quant-*"]
              dataset: none
              owner: [1000, 2000-2999]
              size: ">= 1 MiB and < 10 GiB"
              age: "> 1w"
              idle: "> 36h"
              heat: "< 0.25"
              state: [hot, premigrated]
              storageClass: STANDARD
              pool: default
            when:
              fill: {pool: default, high: 85%, low: 70.5%}
              window: [nightly, month-end]
              outside: trading
            then: {place: release, storageClass: GLACIER_IR}
            weight: -2.5
          - {name: second, when: {outside: [holidays, mid-month]}, match: {size: "< 64 KiB"}, then: {place: cold, pack: true, pin: true, copies: 2}}
          - {name: third, match: {path: /tmp/**}, then: {exclude: true}}
          - {name: last, then: {place: hot, keepPremigrated: false}}

        """;

    /// <summary>All of them.</summary>
    public static IEnumerable<string> All => [Everything, .. PolicyGuide.Policies];
}
