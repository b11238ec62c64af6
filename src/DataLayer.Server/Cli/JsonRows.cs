using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DataLayer.Server.Cli;

/// <summary>A report that came as JSON, as rows of a name and a value each, for people.</summary>
internal static class JsonRows
{
    private const int MaxItems = 20;

    /// <summary>
    /// One row a member of an object, below a row of its own; what is 0, empty or absent is left out. Members whose
    /// names end in <c>Bytes</c> are sizes; <c>releasedBytes</c> is shown as <c>released bytes</c>.
    /// </summary>
    public static IEnumerable<(string Name, string? Value)> Of(string name, JsonElement? report)
    {
        if (report is not { ValueKind: JsonValueKind.Object } members)
        {
            return [(name, report?.GetRawText())];
        }

        List<(string Name, string? Value)> rows = [];
        Add(rows, string.Empty, members);
        return rows.Count == 0 ? [] : [(name, ":"), .. rows.Select(row => ($"  {row.Name}", row.Value))];
    }

    private static void Add(List<(string Name, string? Value)> rows, string before, JsonElement members)
    {
        foreach (JsonProperty member in members.EnumerateObject())
        {
            string name = before + Words(member.Name);
            switch (member.Value.ValueKind)
            {
                case JsonValueKind.Object:
                    Add(rows, $"{name}: ", member.Value);
                    break;
                case JsonValueKind.Array:
                    AddItems(rows, name, member.Value);
                    break;
                case JsonValueKind.Number when member.Value.GetDouble() != 0:
                    rows.Add((name, Number(member)));
                    break;
                case JsonValueKind.True:
                    rows.Add((name, "yes"));
                    break;
                case JsonValueKind.String:
                    rows.Add((name, member.Value.GetString()));
                    break;
                default:
                    break;
            }
        }
    }

    private static void AddItems(List<(string Name, string? Value)> rows, string name, JsonElement items)
    {
        int count = 0;
        foreach (JsonElement item in items.EnumerateArray())
        {
            if (count++ == MaxItems)
            {
                rows.Add((name, $"… {items.GetArrayLength() - MaxItems} more: --json shows all"));
                return;
            }

            rows.Add((name, item.ValueKind switch
            {
                JsonValueKind.String => item.GetString(),
                JsonValueKind.Object => string.Join(
                    ", ", item.EnumerateObject().Select(part => $"{Words(part.Name)} {part.Value}")),
                _ => item.GetRawText(),
            }));
        }
    }

    private static string Number(JsonProperty member) =>
        !member.Value.TryGetInt64(out long whole)
            ? member.Value.GetDouble().ToString("0.######", CultureInfo.InvariantCulture)
            : member.NameEquals("bytes") || member.Name.EndsWith("Bytes", StringComparison.Ordinal)
                ? Show.Size(whole)
                : Show.Count(whole);

    private static string Words(string name)
    {
        // Names that are no identifiers are texts themselves, as the reasons of a job are.
        if (name.Contains(' ', StringComparison.Ordinal))
        {
            return name;
        }

        StringBuilder words = new();
        foreach (char letter in name)
        {
            if (char.IsUpper(letter))
            {
                words.Append(' ').Append(char.ToLowerInvariant(letter));
            }
            else
            {
                words.Append(letter);
            }
        }

        return words.ToString();
    }
}
