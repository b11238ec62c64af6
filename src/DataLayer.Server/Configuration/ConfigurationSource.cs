using System.Collections;
using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DataLayer.Server.Configuration;

/// <summary>
/// Reads a YAML (or JSON, which is YAML) file and the environment into one tree of <see cref="ConfigurationNode"/>.
/// </summary>
internal static class ConfigurationSource
{
    /// <summary>
    /// Environment variables that start so are configuration: <c>DATALAYER__LISTEN__ADDRESS</c> is
    /// <c>listen.address</c>.
    /// </summary>
    public const string EnvironmentPrefix = "DATALAYER__";

    private const int MaxFileBytes = 1 << 20;
    private const int MaxListIndex = 255;

    /// <summary>Reads a file's text. A missing or unreadable file is a problem, not an exception.</summary>
    public static MapNode ReadFile(string path, List<ConfigurationProblem> problems)
    {
        ConfigurationOrigin origin = new(path, 1, 1);
        try
        {
            FileInfo file = new(path);
            if (file.Exists && file.Length > MaxFileBytes)
            {
                problems.Add(
                    new ConfigurationProblem(
                        origin, string.Empty, $"The file has {file.Length} bytes.", "Keep it under 1 MiB."));
                return new MapNode(origin);
            }

            return Parse(File.ReadAllText(path), path, problems);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(
                new ConfigurationProblem(origin, string.Empty, e.Message, "Give a readable file with --config."));
            return new MapNode(origin);
        }
    }

    /// <summary>Reads YAML text; what is wrong with it goes to <paramref name="problems"/>.</summary>
    public static MapNode Parse(string text, string source, List<ConfigurationProblem> problems)
    {
        MapNode empty = new(new ConfigurationOrigin(source, 1, 1));
        try
        {
            // The scanner is used by hand: YamlStream stops at the first repeated key without its place.
            Parser parser = new(new StringReader(text));
            parser.Consume<StreamStart>();
            if (parser.Accept<StreamEnd>(out _))
            {
                return empty;
            }

            parser.Consume<DocumentStart>();
            ConfigurationNode? root = ReadNode(parser, source, string.Empty, problems);
            parser.Consume<DocumentEnd>();
            if (!parser.Accept<StreamEnd>(out _))
            {
                Mark mark = parser.Current!.Start;
                problems.Add(
                    new ConfigurationProblem(
                        At(source, mark), string.Empty, "A second document starts here.", "Keep one document a file.")
                );
            }

            switch (root)
            {
                case MapNode map:
                    return map;
                case ScalarNode { IsNull: true }:
                    return empty;
                default:
                    problems.Add(
                        new ConfigurationProblem(
                            root?.Origin ?? empty.Origin, string.Empty, "The configuration is not a map of sections.",
                            "Write 'section:' and its keys below."));
                    return empty;
            }
        }
        catch (YamlException e)
        {
            problems.Add(
                new ConfigurationProblem(
                    At(source, e.End.Line > e.Start.Line ? e.End : e.Start), string.Empty,
                    $"This is not YAML: {e.Message.TrimEnd('.')}.",
                    "Mind indentation, colons and quotes."));
            return empty;
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidOperationException or ArgumentException)
        {
            // The scanner's own words for some texts that are none.
            problems.Add(
                new ConfigurationProblem(
                    empty.Origin, string.Empty, $"This is not YAML: {e.Message.TrimEnd('.')}.",
                    "Mind indentation, colons and quotes."));
            return empty;
        }
    }

    /// <summary>Lays the environment's values over a tree.</summary>
    public static void Overlay(MapNode root, IDictionary environment, List<ConfigurationProblem> problems)
    {
        List<string> names = [];
        foreach (object? key in environment.Keys)
        {
            if (key is string name && name.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
            {
                names.Add(name);
            }
        }

        names.Sort(StringComparer.Ordinal);
        foreach (string name in names)
        {
            string value = environment[name] as string ?? string.Empty;
            ConfigurationOrigin origin = new(name, 0, 0);
            string[] parts = name[EnvironmentPrefix.Length..].Split("__");
            if (parts.Any(p => p.Length == 0) || !TrySet(root, parts, new ScalarNode(value, isNull: false, origin)))
            {
                problems.Add(
                    new ConfigurationProblem(
                        origin, string.Empty, "The name leads to no setting.",
                        "Write DATALAYER__SECTION__KEY; items of a list by number from 0, without gaps."));
            }
        }
    }

    private static bool TrySet(MapNode root, string[] parts, ScalarNode value)
    {
        ConfigurationNode current = root;
        for (int i = 0; i < parts.Length; i++)
        {
            bool last = i == parts.Length - 1;
            bool listNext =
                !last && int.TryParse(parts[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out _);
            ConfigurationNode made =
                last ? value
                : listNext ? new ListNode(value.Origin)
                : new MapNode(value.Origin);
            switch (current)
            {
                case MapNode map:
                    int index = map.Entries.FindIndex(e =>
                        string.Equals(e.Key, parts[i], StringComparison.OrdinalIgnoreCase)
                    );
                    if (index < 0)
                    {
                        map.Entries.Add((parts[i], value.Origin, made));
                        current = made;
                    }
                    else
                    {
                        current = Keep(map.Entries[index].Value, made, last);
                        map.Entries[index] = map.Entries[index] with { Value = current };
                    }

                    break;
                case ListNode list:
                    if (
                        !int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out int item)
                        || item > list.Items.Count
                        || item > MaxListIndex)
                    {
                        return false;
                    }

                    if (item == list.Items.Count)
                    {
                        list.Items.Add(made);
                    }
                    else
                    {
                        made = list.Items[item] = Keep(list.Items[item], made, last);
                    }

                    current = made;
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    /// <summary>What stands at a key on the way: the present folder where the kind fits, else the new one.</summary>
    private static ConfigurationNode Keep(ConfigurationNode present, ConfigurationNode made, bool last) =>
        !last && present.GetType() == made.GetType() ? present : made;

    private static ConfigurationNode? ReadNode(
        Parser parser, string source, string path, List<ConfigurationProblem> problems)
    {
        if (parser.TryConsume<Scalar>(out Scalar? scalar))
        {
            bool isNull =
                scalar.IsPlainImplicit
                && scalar.Style == ScalarStyle.Plain
                && scalar.Value is "" or "~" or "null" or "Null" or "NULL";
            return new ScalarNode(scalar.Value, isNull, At(source, scalar.Start));
        }

        if (parser.TryConsume<SequenceStart>(out SequenceStart? sequence))
        {
            ListNode list = new(At(source, sequence.Start));
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                if (ReadNode(parser, source, $"{path}[{list.Items.Count}]", problems) is { } item)
                {
                    list.Items.Add(item);
                }
            }

            return list;
        }

        if (parser.TryConsume<MappingStart>(out MappingStart? mapping))
        {
            return ReadMap(parser, source, path, new MapNode(At(source, mapping.Start)), problems);
        }

        ParsingEvent other = parser.Consume<ParsingEvent>();
        problems.Add(
            new ConfigurationProblem(
                At(source, other.Start), path, "Anchors and aliases are not supported.", "Write the value out."));
        return null;
    }

    private static MapNode ReadMap(
        Parser parser, string source, string path, MapNode map, List<ConfigurationProblem> problems)
    {
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (!parser.TryConsume<Scalar>(out Scalar? key))
            {
                ConfigurationNode? odd = ReadNode(parser, source, path, problems);
                problems.Add(
                    new ConfigurationProblem(
                        odd?.Origin ?? map.Origin, path, "A key is not plain text.", "Write 'key: value'."));
                _ = ReadNode(parser, source, path, problems);
                continue;
            }

            string full = path.Length == 0 ? key.Value : $"{path}.{key.Value}";
            ConfigurationNode? value = ReadNode(parser, source, full, problems);
            if (map.IndexOf(key.Value) >= 0)
            {
                problems.Add(
                    new ConfigurationProblem(
                        At(source, key.Start), full, "The key is given twice.", "Keep one of them."));
            }
            else if (value is not null)
            {
                map.Entries.Add((key.Value, At(source, key.Start), value));
            }
        }

        return map;
    }

    private static ConfigurationOrigin At(string source, Mark mark) => new(source, (int)mark.Line, (int)mark.Column);
}
