namespace DataLayer.Tests.Tiering.Policies;

/// <summary>
/// Policies that are wrong. A ⟦ stands before each place that must be reported, and nowhere else.
/// </summary>
internal static class BadPolicies
{
    /// <summary>The rest of a good document around each fragment.</summary>
    public static IEnumerable<string> All =>
        [
            .. _documents,
            .. _rules.Select(r => "version: 1\nrules:\n" + r),
            .. _matches.Select(m => $"version: 1\nrules:\n  - {{name: a, match: {{{m}}}, then: {{place: cold}}}}\n"),
            .. _actions.Select(a => $"version: 1\nrules:\n  - name: a\n    then: {{{a}}}\n"),
            .. _timings.Select(w =>
                "version: 1\nwindows: {w: {days: mon-fri}}\n"
                    + $"rules:\n  - {{name: a, when: {{{w}}}, then: {{place: cold}}}}\n"),
            .. _windows.Select(w =>
                "version: 1\ncalendars: {c: {closed: [12-25]}}\n"
                    + $"windows: {{w: {w}}}\n"
                    + "rules:\n  - {name: a, when: {window: w}, then: {place: cold}}\n"),
            .. _calendars.Select(c =>
                $"version: 1\ncalendars: {{c: {c}}}\n"
                    + "windows: {w: {calendar: c}}\n"
                    + "rules:\n  - {name: a, when: {window: w}, then: {place: cold}}\n"),
        ];

    private const string Good = "rules: [{name: a, then: {place: cold}}]\n";

    private static readonly string[] _documents =
    [
        "⟦",
        "⟦# only a comment\n",
        "⟦~\n",
        "⟦- a\n",
        "⟦rules\n",
        "⟦42\n",
        "⟦rules: [{name: a, then: {place: cold}}]\n",
        "version: ⟦2\n" + Good,
        "version: ⟦one\n" + Good,
        "version:⟦\n" + Good,
        "version: ⟦[1]\n" + Good,
        "version: ⟦1.5\n" + Good,
        "⟦version: 1\n",
        "version: 1\nrules: ⟦[]\n",
        "version: 1\nrules: ⟦{}\n",
        "version: 1\nrules: ⟦all\n",
        "version: 1\nrules:⟦\n",
        "version: 1\n⟦rule: []\n" + Good,
        "version: 1\n⟦Rules: []\n" + Good,
        "version: 1\n⟦timezone: UTC\n" + Good,
        "version: 1\n⟦version: 1\n" + Good,
        "version: 1\ndescription: ⟦[a]\n" + Good,
        "version: 1\ndescription: ⟦{a: b}\n" + Good,
        "version: 1\ntimeZone: ⟦Europe/Londn\n" + Good,
        "version: 1\ntimeZone: ⟦EST\n" + Good,
        "version: 1\ntimeZone: ⟦../etc/passwd\n" + Good,
        "version: 1\ntimeZone: ⟦'+02:00'\n" + Good,
        "version: 1\nwindows: ⟦[]\n" + Good,
        "version: 1\nwindows: ⟦all\n" + Good,
        "version: 1\ncalendars:⟦\n" + Good,
        "version: 1\nwindows:\n  w: ⟦09:00-17:00\n" + Good,
        "version: 1\nwindows:\n  w:⟦\n" + Good,
        "version: 1\nwindows:\n  ⟦'': {days: mon}\n" + Good,
        "version: 1\n⟦&a description: x\n" + Good,
        "version: 1\ndescription: ⟦&a x\n" + Good,
        "version: 1\ndescription: ⟦!!str x\n" + Good,
        "version: 1\n? ⟦[a, b]\n: c\n" + Good,
        "version: 1\n" + Good + "⟦---\nversion: 1\n",
        "version: 1\nrules: [{name: a, then: {place: cold}}\n⟦",
        "version: 1\nrules:\n  - name: a\n   ⟦then: {place: cold}\n",
        "version: 1\nrules:\n⟦\t- name: a\n",
        "version: 1\ndescription: 'no end\n⟦",
        "version: 1\ndescription: [[[[[[[[[⟦[[[1]]]]]]]]]]]]\n".Replace("description: ", "description: ⟦", StringComparison.Ordinal) + Good,
        "version: 1\ncalendars:\n  a: {days: mon-fri}\n  ⟦a: {days: sun}\n" + Good,
    ];

    private static readonly string[] _rules =
    [
        "  - ⟦archive\n",
        "  - ⟦[a]\n",
        "  -⟦\n",
        "  - ⟦{}\n".Replace("⟦", "⟦⟦", StringComparison.Ordinal),
        "  - ⟦name: a\n",
        "  - ⟦then: {place: cold}\n",
        "  - name:⟦\n    then: {place: cold}\n",
        "  - name: ⟦''\n    then: {place: cold}\n",
        "  - name: ⟦' a'\n    then: {place: cold}\n",
        "  - name: ⟦\"a\\nb\"\n    then: {place: cold}\n",
        "  - name: ⟦[a]\n    then: {place: cold}\n",
        "  - name: ⟦" + new string('n', 101) + "\n    then: {place: cold}\n",
        "  - name: a\n    then: {place: cold}\n  - name: ⟦a\n    then: {place: hot}\n",
        "  - name: a\n    ⟦action: {place: cold}\n    then: {place: cold}\n",
        "  - name: a\n    ⟦act: {place: cold}\n    then: {place: cold}\n",
        "  - name: a\n    ⟦path: /data/**\n    then: {place: cold}\n",
        "  - name: a\n    then: {place: cold}\n    ⟦then: {place: hot}\n",
        "  - name: a\n    then: ⟦cold\n",
        "  - name: a\n    then: ⟦[cold]\n",
        "  - name: a\n    then:⟦\n",
        "  - name: a\n    then: {place: cold}\n    weight: ⟦heavy\n",
        "  - name: a\n    then: {place: cold}\n    weight: ⟦1e999\n",
        "  - name: a\n    then: {place: cold}\n    weight: ⟦2000000\n",
        "  - name: a\n    then: {place: cold}\n    weight: ⟦[1]\n",
        "  - name: a\n    then: {place: cold}\n    weight: ⟦NaN\n",
        "  - name: a\n    description: ⟦[x]\n    then: {place: cold}\n",
        "  - name: a\n    match: ⟦/data/**\n    then: {place: cold}\n",
        "  - name: a\n    match: ⟦[/data/**]\n    then: {place: cold}\n",
        "  - name: a\n    match: ⟦{}\n    then: {place: cold}\n",
        "  - name: a\n    match:⟦\n    then: {place: cold}\n",
        "  - name: a\n    when: ⟦{}\n    then: {place: cold}\n",
        "  - name: a\n    when: ⟦night\n    then: {place: cold}\n",
        "  - name: a\n    match: ⟦*everything\n    then: {place: cold}\n",
        "  - name: a\n    match: {size: ⟦'10 MiB', ⟦agee: '> 1d', path: ⟦data}\n    then: {place: ⟦warm, copies: ⟦0, pin: ⟦yes}\n    weight: ⟦x\n",
        "  - name: a\n    match:\n      size: ⟦>= 10 MiB\n    then: {place: cold}\n",
    ];

    private static readonly string[] _matches =
    [
        "path: ⟦data", "path: ⟦''", "path: ⟦/", "path: ⟦/data/", "path: ⟦//data", "path: ⟦/a//b", "path: ⟦/a/./b", "path: ⟦/a/../b",
        "path: ⟦/data/**.csv", "path: ⟦/data/a**", "path: ⟦'/data/[abc'", "path: ⟦'/data/abc]'", "path: ⟦'/data/[]x'", "path: ⟦'/data/[^a]'",
        "path: ⟦'/data/[z-a]'", "path: ⟦'/data/{a,b'", "path: ⟦'/data/a,b}'", "path: ⟦'/data/{a,{b,{c,{d,{e}}}}}'", "path: ⟦'/data/a\\'",
        "path: ⟦\"/data/\\0\"", "path: ⟦'/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}'", "path: ⟦'{a,/b}'", "path: [/a, ⟦b, ⟦c]", "path: ⟦[]",
        "path: ⟦{a: b}", "path: [/a, ⟦[/b]]", "path: ⟦", "path: ⟦s3://bucket/x", "path: [/a, ⟦~]",
        "size: ⟦10 MiB", "size: ⟦10", "size: ⟦'>'", "size: ⟦'> ten'", "size: ⟦'> 10 MiBs'", "size: ⟦'=> 10 MiB'", "size: ⟦'> -1'", "size: ⟦'> 10 MiB and'",
        "size: ⟦'and > 10 MiB'", "size: ⟦'> 10 MiB < 20 MiB'", "size: ⟦'> 20 MiB and < 10 MiB'", "size: ⟦'> 5 and <= 5'", "size: ⟦'< 0'", "size: ⟦'>= 10 s'",
        "size: ⟦'>= 99999999999 PiB'", "size: ⟦['> 1']", "size: ⟦{min: 1}", "size: ⟦'!= 5'", "size: ⟦'> 1 and > 2 and > 3 and > 4 and > 5'", "size: ⟦''",
        "age: ⟦30d", "age: ⟦'> 30'", "age: ⟦'> 30 days'", "age: ⟦'> 1y'", "age: ⟦'> 10 MiB'", "age: ⟦'< 0s'", "age: ⟦'> 2d and < 1d'", "age: ⟦true", "age: ⟦",
        "idle: ⟦7d", "idle: ⟦'> x'", "idle: ⟦'older than 7d'", "idle: ⟦'> 999999999999d'", "idle: ⟦['> 1d', '< 2d']",
        "heat: ⟦0.5", "heat: ⟦'> 1 MiB'", "heat: ⟦'> -1'", "heat: ⟦'> NaN'", "heat: ⟦'< 0'", "heat: ⟦cold",
        "tenant: ⟦''", "tenant: ⟦[]", "tenant: ⟦{a: b}", "tenant: ⟦'[a'", "tenant: [a, ⟦[b]]", "tenant: ⟦\"a\\tb\"", "tenant: ⟦' a'", "tenant: ⟦",
        "dataset: ⟦''", "dataset: ⟦'a]'", "dataset: ⟦'x\\'", "dataset: [⟦~]",
        "owner: ⟦root", "owner: ⟦-1", "owner: ⟦1.5", "owner: ⟦10-5", "owner: ⟦1-2-3", "owner: ⟦99999999999", "owner: [1, ⟦a]", "owner: ⟦[]", "owner: ⟦'1000,1001'",
        "state: ⟦warm", "state: ⟦Hot", "state: [hot, ⟦cold]", "state: ⟦[]", "state: ⟦{hot: true}", "state: ⟦1", "state: ⟦relaesed",
        "storageClass: ⟦''", "storageClass: ⟦'[x'", "storageClass: ⟦[]", "pool: ⟦[]", "pool: ⟦{}", "pool: ⟦''",
        "⟦paths: /data/**", "⟦Path: /data/**", "⟦sizes: '> 1'", "⟦user: 5", "⟦storageclass: STANDARD", "⟦tier: hot", "⟦glob: /data", "⟦not: {path: /a}",
        "size: ⟦'10 MiB', age: ⟦'30d', idle: ⟦'x', ⟦foo: 1",
    ];

    private static readonly string[] _actions =
    [
        "place: ⟦warm", "place: ⟦Hot", "place: ⟦[hot]", "place: ⟦", "place: ⟦released", "place: ⟦1",
        "⟦tier: hot, place: hot", "⟦storageclass: STANDARD", "⟦Place: hot", "⟦copy: 2, place: hot", "⟦weight: 1, place: hot",
        "storageClass: ⟦'STANDARD IA'", "storageClass: ⟦''", "storageClass: ⟦[A]", "storageClass: ⟦'a/b'", "storageClass: ⟦",
        "copies: ⟦0", "copies: ⟦-1", "copies: ⟦9", "copies: ⟦1.5", "copies: ⟦two", "copies: ⟦[2]", "copies: ⟦",
        "pin: ⟦yes", "pin: ⟦1", "pin: ⟦'true'", "pin: ⟦True", "pin: ⟦", "pack: ⟦on", "exclude: ⟦no", "keepPremigrated: ⟦maybe",
        "exclude: true, ⟦place: hot", "exclude: true, ⟦pin: true, ⟦copies: 2", "exclude: true, ⟦weight: 1".Replace("⟦weight: 1", "⟦keepPremigrated: true", StringComparison.Ordinal),
        "place: release, ⟦pin: true", "place: release, ⟦copies: 2", "place: hot, ⟦pack: true", "⟦pack: true",
        "place: cold, ⟦keepPremigrated: false", "place: release, ⟦keepPremigrated: false",
        "place: release, ⟦pin: true, ⟦copies: 2, ⟦keepPremigrated: false", "place: ⟦x, copies: ⟦y, pin: ⟦z, ⟦u: v",
    ];

    private static readonly string[] _timings =
    [
        "window: ⟦x", "window: ⟦W", "window: [w, ⟦x]", "window: ⟦[]", "window: ⟦", "window: ⟦{days: mon}", "outside: ⟦y", "window: w, ⟦outside: w",
        "⟦windows: w", "⟦schedule: w", "⟦fil: {pool: p, high: 90%, low: 80%}",
        "window: w, fill: ⟦90%", "window: w, fill: ⟦{}".Replace("⟦", "⟦⟦⟦", StringComparison.Ordinal), "window: w, fill: ⟦{pool: p}".Replace("⟦", "⟦⟦", StringComparison.Ordinal),
        "window: w, fill: ⟦{pool: p, high: 90%}", "window: w, fill: ⟦{high: 90%, low: 80%}", "window: w, fill: ⟦{pool: p, low: 10%}",
        "window: w, fill: {pool: p, high: ⟦90, low: 80%}", "window: w, fill: {pool: p, high: ⟦0.9, low: ⟦0.8}", "window: w, fill: {pool: p, high: ⟦190%, low: 80%}",
        "window: w, fill: {pool: p, high: 90%, low: ⟦0%}", "window: w, fill: {pool: p, high: 90%, low: ⟦-5%}", "window: w, fill: {pool: p, high: ⟦x%, low: 80%}",
        "window: w, fill: {pool: p, high: 80%, ⟦low: 80%}", "window: w, fill: {pool: p, high: 70%, ⟦low: 80%}", "window: w, fill: {pool: ⟦'', high: 90%, low: 80%}",
        "window: w, fill: {pool: ⟦[p], high: 90%, low: 80%}", "window: w, fill: {pool: p, high: 90%, low: 80%, ⟦mid: 85%}", "window: w, fill: {pool: p, ⟦hi: 90%, high: 90%, low: 80%}",
    ];

    private static readonly string[] _windows =
    [
        "⟦{}", "⟦[]", "{days: ⟦monday}", "{days: ⟦mon-friday}", "{days: ⟦1-5}", "{days: ⟦[]}", "{days: [mon, ⟦tag]}", "{days: ⟦'*'}",
        "{from: ⟦9am}", "{from: ⟦'9:00'}", "{from: ⟦'25:00'}", "{from: ⟦'09:60'}", "{⟦from: '24:00'}", "{from: ⟦'09:00:00'}", "{from: '09:00', ⟦to: '09:00'}", "{to: ⟦noon}",
        "{months: ⟦13}", "{months: ⟦januar}", "{months: ⟦dec-jan}", "{monthDays: ⟦0}", "{monthDays: ⟦32}", "{monthDays: ⟦last 0}", "{monthDays: ⟦last}", "{monthDays: ⟦third 2}",
        "{monthDays: [1, ⟦last 2]}", "{monthDays: ⟦-1}", "{monthDays: ⟦first 40}",
        "{calendar: ⟦nyse}", "{calendar: ⟦C}", "{calendar: ⟦[c]}", "{days: mon, ⟦on: open}", "{calendar: c, on: ⟦holidays}",
        "{timeZone: ⟦Mars/Olympus}", "{timeZone: ⟦America/NewYork}", "{timeZone: ⟦}",
        "⟦{cron: '0 22 * * *'}", "⟦{for: 8h}", "{cron: ⟦'0 22 * *', for: 8h}", "{cron: ⟦'60 22 * * *', for: 8h}", "{cron: ⟦'0 24 * * *', for: 8h}", "{cron: ⟦'0 22 0 * *', for: 8h}",
        "{cron: ⟦'0 22 * 13 *', for: 8h}", "{cron: ⟦'0 22 * * 8', for: 8h}", "{cron: ⟦'0 22 * * foo', for: 8h}", "{cron: ⟦'*/0 22 * * *', for: 8h}", "{cron: ⟦'0 5-3 * * *', for: 8h}",
        "{cron: ⟦'0 22 31 feb *', for: 8h}", "{cron: ⟦'@daily', for: 8h}", "{cron: ⟦'', for: 8h}", "{cron: ⟦'0/5 22 * * *', for: 8h}", "{cron: ⟦'0 22 * * * *', for: 8h}",
        "{cron: '0 22 * * *', for: ⟦8}", "{cron: '0 22 * * *', for: ⟦0h}", "{cron: '0 22 * * *', for: ⟦8d}", "{cron: '0 22 * * *', for: ⟦30s}", "{cron: '0 22 * * *', for: ⟦-1h}",
        "{cron: '0 22 * * *', for: 8h, ⟦days: mon}", "{cron: '0 22 * * *', for: 8h, ⟦from: '09:00', ⟦to: '10:00'}", "{⟦until: '10:00'}", "{⟦tz: UTC, days: mon}", "{⟦day: mon}",
        "{days: ⟦x, months: ⟦y, monthDays: ⟦z, from: ⟦a, to: ⟦b, timeZone: ⟦c, calendar: ⟦d}",
    ];

    private static readonly string[] _calendars =
    [
        "⟦[]", "⟦2026-12-25", "⟦", "{⟦holidays: [12-25]}", "{closed: ⟦25.12.2026}", "{closed: [⟦2026-13-01]}", "{closed: [⟦2026-02-30]}", "{closed: [⟦02-30]}", "{closed: [⟦christmas]}",
        "{closed: ⟦[]}", "{closed: [⟦2026-12-31..2026-12-24]}", "{closed: [⟦2020-01-01..2026-01-01]}", "{closed: [⟦2026-12-24..]}", "{closed: [12-25], open: [⟦12-25]}",
        "{closed: [2026-12-25], open: [⟦2026-12-25]}", "{closed: [2026-12-24..2026-12-26], open: [⟦2026-12-25]}", "{days: ⟦weekdays}", "{days: ⟦0-4}", "{closed: [⟦[12-25]]}", "{open: {⟦a: b}}".Replace("{⟦a", "⟦{a", StringComparison.Ordinal),
        "{closed: [⟦1800-01-01]}",
    ];
}
