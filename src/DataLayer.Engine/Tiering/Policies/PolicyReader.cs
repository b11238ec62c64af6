using System.Globalization;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Reads a document's nodes into a policy. It goes on after each error, so that one reading reports them all; what
/// depends on something wrong (a rule on a window that did not parse) is not reported a second time.
/// </summary>
internal sealed class PolicyReader
{
    /// <summary>Rules a document may have.</summary>
    public const int MaxRules = 20_000;

    /// <summary>Windows a document may have, and calendars.</summary>
    public const int MaxNamed = 256;

    private readonly PolicyErrors _errors;
    private readonly Dictionary<string, PolicyCalendar?> _calendars = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PolicyWindow?> _windows = new(StringComparer.Ordinal);

    private PolicyReader(PolicyErrors errors) => _errors = errors;

    /// <summary>Reads a document; null where there is an error.</summary>
    public static PolicyDocument? Read(string text, PolicyErrors errors)
    {
        PolicyMap? root = PolicyYaml.Read(text, errors);
        return root is null ? null : new PolicyReader(errors).ReadDocument(root, text);
    }

    private PolicyDocument? ReadDocument(PolicyMap root, string text)
    {
        PolicyMapReader map = PolicyMapReader.From(root, "the document", PolicyKeys.Document, _errors)!;
        map.Require("version", "Write 'version: 1'.");
        map.Number("version", 1, 1, isWhole: true);
        PolicyScalar? description = map.Text("description", "a text");
        TimeZoneInfo zone = map.Text("timeZone", "a time zone: Europe/London") is { } zoneText
            ? WindowReader.ReadZone(zoneText, _errors)
            : TimeZoneInfo.Utc;
        ReadNamed(map, "calendars", "calendar", (name, node) =>
            _calendars[name] = WindowReader.ReadCalendar(name, node, _errors));
        ReadNamed(map, "windows", "window", (name, node) =>
            _windows[name] = WindowReader.ReadWindow(name, node, zone, _calendars, _errors));
        map.Require("rules", "Write 'rules:' and a list of rules below it.");
        List<PolicyRule> rules = map.Find("rules") is { } list ? ReadRules(list) : [];
        WarnUnused(map);
        return _errors.IsEmpty
            ? new PolicyDocument(
                text, description?.Text, zone, (Kept(_calendars), Kept(_windows)), rules)
            : null;
    }

    private void ReadNamed(PolicyMapReader map, string key, string what, Action<string, PolicyNode> read)
    {
        switch (map.Find(key))
        {
            case null:
                return;
            case PolicyMap named:
                if (named.Entries.Count > MaxNamed)
                {
                    _errors.Add(
                        named.Place,
                        string.Create(CultureInfo.InvariantCulture, $"There are {named.Entries.Count} {key}."),
                        string.Create(CultureInfo.InvariantCulture, $"Keep at most {MaxNamed}."));
                    return;
                }

                foreach ((string name, PolicyPlace place, PolicyNode value) in named.Entries)
                {
                    PolicyMapReader.CheckName(name, place, what, _errors);
                    read(name, value);
                }

                return;
            case { } other:
                _errors.Add(
                    other.Place, $"'{key}' is {PolicyMapReader.Describe(other)}.",
                    $"Write the name of a {what} below it, and its keys below that.");
                return;
        }
    }

    private List<PolicyRule> ReadRules(PolicyNode node)
    {
        List<PolicyRule> rules = [];
        if (node is not PolicyList list)
        {
            _errors.Add(
                node.Place, $"'rules' is {PolicyMapReader.Describe(node)}.",
                "Write a list: each rule starts with '- '.");
            return rules;
        }

        if (list.Items.Count == 0 && !list.IsTruncated)
        {
            _errors.Add(
                list.Place, "'rules' is an empty list.",
                "Write at least one rule; 'then: {exclude: true}' for all paths leaves everything alone.");
        }
        else if (list.Items.Count > MaxRules)
        {
            _errors.Add(
                list.Place,
                string.Create(CultureInfo.InvariantCulture, $"There are {list.Items.Count} rules."),
                string.Create(CultureInfo.InvariantCulture, $"Keep at most {MaxRules}: a rule takes a list of paths."));
            return rules;
        }

        Dictionary<string, PolicyPlace> names = new(StringComparer.Ordinal);
        RuleReader reader = new(_windows, _errors);
        for (int i = 0; i < list.Items.Count; i++)
        {
            PolicyRule? rule = reader.Read(list.Items[i], i);
            if (rule is null)
            {
                continue;
            }

            if (rule.Name.Length > 0 && !names.TryAdd(rule.Name, rule.Place))
            {
                _errors.Add(
                    reader.NamePlace,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"The rule in line {names[rule.Name].Line} has the name {PolicyErrors.Quote(rule.Name)} too."),
                    "Give each rule a name of its own: plans and history name it.");
            }

            rules.Add(rule);
        }

        UsedWindows.UnionWith(reader.UsedWindows);
        return rules;
    }

    private HashSet<string> UsedWindows { get; } = new(StringComparer.Ordinal);

    private void WarnUnused(PolicyMapReader map)
    {
        HashSet<string> usedCalendars = new(StringComparer.Ordinal);
        foreach (PolicyWindow? window in _windows.Values)
        {
            usedCalendars.Add(window?.Calendar?.Name ?? string.Empty);
        }

        Warn("windows", UsedWindows, "No rule uses the window", "Name it in a rule's 'when', or remove it.");
        Warn("calendars", usedCalendars, "No window uses the calendar", "Name it in a window, or remove it.");

        void Warn(string key, HashSet<string> used, string message, string remedy)
        {
            if (map.Find(key) is not PolicyMap named)
            {
                return;
            }

            foreach ((string name, PolicyPlace place, _) in named.Entries)
            {
                if (!used.Contains(name))
                {
                    _errors.Warn(place, $"{message} {PolicyErrors.Quote(name)}.", remedy);
                }
            }
        }
    }

    private static List<T> Kept<T>(Dictionary<string, T?> named)
        where T : class
    {
        List<T> kept = [];
        foreach (T? value in named.Values)
        {
            if (value is not null)
            {
                kept.Add(value);
            }
        }

        return kept;
    }

    /// <summary>Says that a name leads nowhere, and which one was most likely meant.</summary>
    public static void AddUnknown(PolicyScalar name, string what, ICollection<string> known, PolicyErrors errors)
    {
        string? meant = errors.IsFull ? null : NearestName.Find(name.Text, [.. known]);
        errors.Add(
            name.Place, $"There is no {what} {PolicyErrors.Quote(name.Text)} in this document.",
            meant is not null ? $"Did you mean '{meant}'?"
                : known.Count == 0 ? $"Define it under '{what}s'."
                : $"Define it under '{what}s', or use one of: {string.Join(", ", known)}.");
    }
}
