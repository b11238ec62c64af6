namespace DataLayer.Engine.Tiering.Policies;

/// <summary>The keys of the language: the parser, its proposals and the published schema all go by these.</summary>
internal static class PolicyKeys
{
    /// <summary>Of the document.</summary>
    public static IReadOnlyList<string> Document { get; } =
        ["version", "description", "timeZone", "calendars", "windows", "rules"];

    /// <summary>Of a calendar.</summary>
    public static IReadOnlyList<string> Calendar { get; } = ["days", "closed", "open"];

    /// <summary>Of a window.</summary>
    public static IReadOnlyList<string> Window { get; } =
        ["timeZone", "calendar", "on", "days", "months", "monthDays", "from", "to", "cron", "for"];

    /// <summary>Of a rule.</summary>
    public static IReadOnlyList<string> Rule { get; } = ["name", "description", "match", "when", "then", "weight"];

    /// <summary>Of <c>match</c>.</summary>
    public static IReadOnlyList<string> Match { get; } =
    [
        "path", "tenant", "dataset", "owner", "size", "age", "idle", "heat", "state", "storageClass", "pool",
    ];

    /// <summary>Of <c>when</c>.</summary>
    public static IReadOnlyList<string> When { get; } = ["fill", "window", "outside"];

    /// <summary>Of <c>when.fill</c>.</summary>
    public static IReadOnlyList<string> Fill { get; } = ["pool", "high", "low"];

    /// <summary>Of <c>then</c>.</summary>
    public static IReadOnlyList<string> Then { get; } =
        ["place", "storageClass", "copies", "pin", "pack", "exclude", "keepPremigrated"];

    /// <summary>Values of <c>match.state</c>.</summary>
    public static IReadOnlyList<string> States { get; } = ["hot", "premigrated", "released", "recalling"];

    /// <summary>Values of <c>then.place</c>.</summary>
    public static IReadOnlyList<string> Places { get; } = ["hot", "cold", "release"];

    /// <summary>Values of a window's <c>on</c>.</summary>
    public static IReadOnlyList<string> CalendarDays { get; } = ["open", "closed"];

    /// <summary>Storage classes that stores are known to have; others are allowed.</summary>
    public static IReadOnlyList<string> StorageClasses { get; } =
    [
        "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
        "EXPRESS_ONEZONE", "REDUCED_REDUNDANCY",
    ];
}
