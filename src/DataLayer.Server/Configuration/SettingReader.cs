using System.Globalization;
using DataLayer.Core.Text;

namespace DataLayer.Server.Configuration;

/// <summary>
/// Reads one section key by key. Each call states a key once: its kind, default, range and meaning; from the same
/// calls come the
/// values, the complaints, <c>config schema</c> and <c>config show</c>, so they cannot disagree. Nothing throws: what
/// is wrong is
/// gathered, and the default stands in. Call <see cref="Done"/> last: keys nobody asked for are unknown.
/// </summary>
internal sealed class SettingReader(ConfigurationReading reading, MapNode? node, string path, string schemaPath)
{
    private readonly HashSet<int> _used = [];
    private readonly List<string> _known = [];

    /// <summary>Where the section stands.</summary>
    public ConfigurationOrigin Origin => node?.Origin ?? ConfigurationOrigin.Default;

    /// <summary>Whether a key is given.</summary>
    public bool Has(string name) => node is not null && node.IndexOf(name) >= 0;

    /// <summary>Adds a problem about a key of this section.</summary>
    public void Report(string name, string message, string remedy) =>
        reading.Problems.Add(
            new ConfigurationProblem(OriginOf(name), Join(path, name), message, remedy));

    /// <summary>Reads text.</summary>
    public string? Text(string name, string? fallback, string summary, string range = "") =>
        Read(
            name, SettingKind.Text, fallback, fallback ?? string.Empty, range, summary, [],
            text => text.Length > 0 ? text : null, v => v ?? string.Empty);

    /// <summary>Reads one word out of a few.</summary>
    public string Choice(string name, string fallback, string summary, params string[] allowed) =>
        Read(
            name, SettingKind.Choice, fallback, fallback, string.Join(", ", allowed), summary, allowed,
            text => allowed.FirstOrDefault(a => a.Equals(text, StringComparison.OrdinalIgnoreCase)), v => v)!;

    /// <summary>Reads true or false.</summary>
    public bool Flag(string name, bool fallback, string summary) =>
        Read<bool?>(
            name, SettingKind.Flag, fallback, fallback ? "true" : "false", "true, false", summary, [],
            text =>
                text is "true" or "True" or "TRUE" ? true
                : text is "false" or "False" or "FALSE" ? false
                : null,
            v => v == true ? "true" : "false")!.Value;

    /// <summary>Reads a whole number.</summary>
    public int Count(string name, int fallback, int min, int max, string summary) =>
        Read<int?>(
            name, SettingKind.Count, fallback, Invariant(fallback), $"{Invariant(min)} to {Invariant(max)}", summary,
            [],
            text =>
                int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
                && value >= min
                && value <= max
                    ? value
                    : null,
            v => Invariant(v!.Value))!.Value;

    /// <summary>Reads a number.</summary>
    public double Number(string name, double fallback, double min, double max, string summary) =>
        Read<double?>(
            name, SettingKind.Number, fallback, fallback.ToString(CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"{min} to {max}"), summary, [],
            text =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value >= min
                && value <= max
                    ? value
                    : null,
            v => v!.Value.ToString(CultureInfo.InvariantCulture))!.Value;

    /// <summary>Reads a size, bytes.</summary>
    public long Size(string name, long fallback, long min, long max, string summary) =>
        SizeOrAuto(name, fallback, min, max, summary, auto: null)!.Value;

    /// <summary>Reads a size, bytes, or a word that stands for a computed one (null).</summary>
    public long? SizeOrAuto(string name, long? fallback, long min, long max, string summary, string? auto = "auto")
    {
        string fallbackText = fallback is { } f ? UnitText.FormatSize(f) : auto ?? string.Empty;
        string range =
            $"{UnitText.FormatSize(min)} to {UnitText.FormatSize(max)}{(auto is null ? string.Empty : $", or {auto}")}";
        (bool, long)? value = Read<(bool Auto, long Bytes)?>(
            name, SettingKind.Size, (fallback is null, fallback ?? 0), fallbackText, range, summary, [],
            text =>
                auto is not null && text == auto ? (true, 0)
                : UnitText.TryParseSize(text, out long bytes) && bytes >= min && bytes <= max ? (false, bytes)
                : null,
            v => v!.Value.Auto ? auto ?? string.Empty : UnitText.FormatSize(v.Value.Bytes));
        return value!.Value.Item1 ? null : value.Value.Item2;
    }

    /// <summary>Reads a duration.</summary>
    public TimeSpan Duration(string name, TimeSpan fallback, TimeSpan min, TimeSpan max, string summary) =>
        Read<TimeSpan?>(
            name, SettingKind.Duration, fallback, UnitText.FormatDuration(fallback),
            $"{UnitText.FormatDuration(min)} to {UnitText.FormatDuration(max)}", summary, [],
            text =>
                UnitText.TryParseDuration(text, out TimeSpan value) && value >= min && value <= max ? value : null,
            v => UnitText.FormatDuration(v!.Value))!.Value;

    /// <summary>Reads a list of texts.</summary>
    public IReadOnlyList<string> TextList(string name, IReadOnlyList<string> fallback, string summary)
    {
        Describe(name, SettingKind.TextList, $"[{string.Join(", ", fallback)}]", "a list", summary, []);
        ConfigurationNode? found = Find(name);
        if (found is null or ScalarNode { IsNull: true })
        {
            Record(name, $"[{string.Join(", ", fallback)}]", ConfigurationOrigin.Default);
            return fallback;
        }

        List<string> items = [];
        if (found is ListNode list)
        {
            foreach (ConfigurationNode item in list.Items)
            {
                if (item is ScalarNode { IsNull: false, Text.Length: > 0 } scalar)
                {
                    items.Add(scalar.Text);
                }
                else
                {
                    reading.Problems.Add(
                        new ConfigurationProblem(
                            item.Origin, $"{Join(path, name)}[{items.Count}]", "An item is not text.",
                            "Write '- value'."));
                }
            }
        }
        else
        {
            Report(name, "A list is expected.", "Write each item on its own line after '- '.");
            return fallback;
        }

        Record(name, $"[{string.Join(", ", items)}]", found.Origin);
        return items;
    }

    /// <summary>Reads a section below this one.</summary>
    public SettingReader Section(string name)
    {
        _known.Add(name);
        ConfigurationNode? found = Find(name);
        if (found is not null and not MapNode and not ScalarNode { IsNull: true })
        {
            Report(name, "A section is expected.", "Write its keys below it, indented.");
        }

        return new SettingReader(reading, found as MapNode, Join(path, name), Join(schemaPath, name));
    }

    /// <summary>Reads a list of sections; <paramref name="fallback"/> where the key is absent.</summary>
    public IReadOnlyList<T> Items<T>(string name, Func<SettingReader, T> read, Func<IReadOnlyList<T>> fallback)
    {
        _known.Add(name);
        ConfigurationNode? found = Find(name);
        ListNode? list = found as ListNode;
        if (found is null or ScalarNode { IsNull: true })
        {
            // Read an empty item once, so that the schema knows the keys; its complaints do not count.
            ConfigurationReading schemaOnly = new();
            _ = read(
                new SettingReader(schemaOnly, node: null, Join(path, name) + "[]", Join(schemaPath, name) + "[]"));
            reading.Settings.AddRange(schemaOnly.Settings);
            return fallback();
        }

        if (list is null)
        {
            Report(name, "A list is expected.", "Write each item after '- '.");
            return fallback();
        }

        List<T> items = [];
        for (int i = 0; i < list.Items.Count; i++)
        {
            string itemPath = $"{Join(path, name)}[{i}]";
            if (list.Items[i] is MapNode map)
            {
                items.Add(read(new SettingReader(reading, map, itemPath, Join(schemaPath, name) + "[]")));
            }
            else
            {
                reading.Problems.Add(
                    new ConfigurationProblem(
                        list.Items[i].Origin, itemPath, "A section is expected.",
                        "Write '- key: value' and further keys below it."));
            }
        }

        return items;
    }

    /// <summary>Reports the keys that nobody asked for.</summary>
    public void Done()
    {
        for (int i = 0; node is not null && i < node.Entries.Count; i++)
        {
            if (_used.Contains(i))
            {
                continue;
            }

            (string key, ConfigurationOrigin origin, _) = node.Entries[i];
            string? near = NearestName.Find(key, _known);
            reading.Problems.Add(
                new ConfigurationProblem(
                    origin, Join(path, key),
                    $"There is no setting '{key}'{(path.Length == 0 ? string.Empty : $" in '{path}'")}.",
                    near is null ? $"Known are: {string.Join(", ", _known)}." : $"Did you mean '{near}'?"));
        }
    }

    private T Read<T>(
        string name, SettingKind kind, T fallback, string fallbackText, string range, string summary,
        IReadOnlyList<string> allowed, Func<string, T?> parse, Func<T, string> format)
    {
        Describe(name, kind, fallbackText, range, summary, allowed);
        switch (Find(name))
        {
            case null:
            case ScalarNode { IsNull: true }:
                Record(name, fallbackText, ConfigurationOrigin.Default);
                return fallback;
            case ScalarNode scalar when parse(scalar.Text) is { } value:
                Record(name, format(value), scalar.Origin);
                return value;
            case ScalarNode scalar:
                Report(
                    name, $"'{scalar.Text}' is not {Expected(kind)}.",
                    range.Length > 0 ? $"Accepted: {range}." : "Give a value.");
                return fallback;
            default:
                Report(
                    name, $"One value is expected: {Expected(kind)}.",
                    range.Length > 0 ? $"Accepted: {range}." : "Write 'key: value'.");
                return fallback;
        }
    }

    /// <summary>Where a value stands; of a list or section its key, since its first item may be lines below.</summary>
    private ConfigurationOrigin OriginOf(string name) =>
        Find(name) switch
        {
            null => Origin,
            ScalarNode scalar => scalar.Origin,
            _ => node!.Entries[node.IndexOf(name)].KeyOrigin,
        };

    private ConfigurationNode? Find(string name)
    {
        int index = node?.IndexOf(name) ?? -1;
        if (index < 0)
        {
            return null;
        }

        _used.Add(index);
        return node!.Entries[index].Value;
    }

    private void Describe(
        string name, SettingKind kind, string fallback, string range, string summary, IReadOnlyList<string> allowed)
    {
        _known.Add(name);
        string full = Join(schemaPath, name);
        if (!reading.Settings.Exists(s => s.Path == full))
        {
            reading.Settings.Add(new SettingDescription(full, kind, fallback, range, summary, allowed));
        }
    }

    private void Record(string name, string value, ConfigurationOrigin origin) =>
        reading.Effective.Add(new EffectiveSetting(Join(path, name), value, origin));

    private static string Expected(SettingKind kind) =>
        kind switch
        {
            SettingKind.Choice => "one of the words",
            SettingKind.Flag => "true or false",
            SettingKind.Count => "a whole number in range",
            SettingKind.Number => "a number in range",
            SettingKind.Size => "a size in range (as 512MiB)",
            SettingKind.Duration => "a duration in range (as 30s)",
            _ => "text",
        };

    private static string Invariant(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
