using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Writes the settings of a policy in one form: equal texts for equal meaning. The hash is over these, and versions are
/// compared by them.
/// </summary>
internal static class PolicyCanonical
{
    /// <summary>SHA-256 over names and settings, in lower-case hexadecimal digits.</summary>
    public static string Hash(PolicyDocument document)
    {
        StringBuilder text = new("datalayer policy 1\n");
        foreach (PolicyCalendar calendar in Sorted(document.Calendars, static c => c.Name))
        {
            Append(text, "calendar", calendar.Name, calendar.ToFields());
        }

        foreach (PolicyWindow window in Sorted(document.Windows, static w => w.Name))
        {
            Append(text, "window", window.Name, window.ToFields());
        }

        foreach (PolicyRule rule in document.Rules)
        {
            Append(text, "rule", rule.Name, FieldsOf(rule));
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>What a rule consists of besides its name, always in the same order; only what is given.</summary>
    public static IReadOnlyList<PolicyField> FieldsOf(PolicyRule rule)
    {
        List<PolicyField> fields = [];
        RuleMatch match = rule.Match;
        AddText("match.path", match.Paths is null ? null : Join(match.PathTexts));
        AddNames("match.tenant", match.Tenants);
        AddNames("match.dataset", match.Datasets);
        AddText("match.owner", match.Owners is null ? null : OwnersText(match.Owners));
        AddText("match.size", match.Size.ToText(PolicyUnit.Bytes));
        AddText("match.age", match.Age.ToText(PolicyUnit.Seconds));
        AddText("match.idle", match.Idle.ToText(PolicyUnit.Seconds));
        AddText("match.heat", match.Heat.ToText(PolicyUnit.Number));
        AddText("match.state", StatesText(match.StateMask));
        AddNames("match.storageClass", match.StorageClasses);
        AddNames("match.pool", match.Pools);
        if (rule.When.Fill is { } fill)
        {
            AddText("when.fill.pool", fill.Pool);
            AddText("when.fill.high", Percent(fill.High));
            AddText("when.fill.low", Percent(fill.Low));
        }

        AddText("when.window", WindowsText(rule.When.Inside));
        AddText("when.outside", WindowsText(rule.When.Outside));
        PlacementDecision then = rule.Decision;
        AddText("then.place", then.Place is { } place ? PolicyKeys.Places[(int)place - 1] : null);
        AddText("then.storageClass", then.StorageClass);
        AddText("then.copies", then.CopyCount?.ToString(CultureInfo.InvariantCulture));
        AddText("then.pin", then.Pin ? "true" : null);
        AddText("then.pack", then.Pack ? "true" : null);
        AddText("then.exclude", then.Exclude ? "true" : null);
        AddText("then.keepPremigrated", then.KeepPremigrated ? null : "false");
        AddText("weight", then.Weight == 0 ? null : then.Weight.ToString("R", CultureInfo.InvariantCulture));
        return fields;

        void AddNames(string name, NameSet? names) =>
            AddText(name, names is null ? null : Join(names.Texts));

        void AddText(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                fields.Add(new PolicyField(name, value));
            }
        }
    }

    /// <summary>States as text.</summary>
    public static string StatesText(int mask)
    {
        List<string> names = [];
        for (int state = (int)TierState.Hot; state <= (int)TierState.Recalling; state++)
        {
            if ((mask & (1 << state)) != 0)
            {
                names.Add(PolicyKeys.States[state - 1]);
            }
        }

        return string.Join(", ", names);
    }

    /// <summary>Owners as text.</summary>
    public static string OwnersText(IReadOnlyList<(int First, int Last)> owners)
    {
        List<string> texts = [];
        foreach ((int first, int last) in owners)
        {
            texts.Add(first == last ? $"{first}" : $"{first}-{last}");
        }

        return string.Join(", ", texts);
    }

    /// <summary>Things by name.</summary>
    public static List<T> Sorted<T>(IReadOnlyList<T> named, Func<T, string> name)
    {
        List<T> sorted = [.. named];
        sorted.Sort((a, b) => string.CompareOrdinal(name(a), name(b)));
        return sorted;
    }

    private static string WindowsText(IReadOnlyList<PolicyWindow> windows)
    {
        List<string> names = [];
        foreach (PolicyWindow window in windows)
        {
            names.Add(window.Name);
        }

        names.Sort(StringComparer.Ordinal);
        return Join(names);
    }

    // An item with a comma stands in quotes, so that no two lists look alike.
    private static string Join(IReadOnlyList<string> items)
    {
        List<string> shown = [];
        foreach (string item in items)
        {
            shown.Add(
                item.AsSpan().ContainsAny(",\"")
                    ? $"\"{item.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
                    : item);
        }

        return string.Join(", ", shown);
    }

    private static string Percent(double share) =>
        Math.Round(share * 100, 6).ToString("R", CultureInfo.InvariantCulture) + "%";

    // Lengths stand before texts, so that no text can be taken for another's end.
    private static void Append(StringBuilder text, string kind, string name, IReadOnlyList<PolicyField> fields)
    {
        text.Append(CultureInfo.InvariantCulture, $"{kind} {name.Length}:{name} {fields.Count}\n");
        foreach (PolicyField field in fields)
        {
            text.Append(CultureInfo.InvariantCulture, $"{field.Name} {field.Value.Length}:{field.Value}\n");
        }
    }
}
