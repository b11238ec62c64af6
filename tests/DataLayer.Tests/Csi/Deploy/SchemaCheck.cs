using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DataLayer.Tests.Csi.Deploy;

/// <summary>The part of JSON Schema that our schema is written in; any other keyword is an error of the schema.</summary>
internal sealed class SchemaCheck(JsonObject definitions)
{
    private static readonly string[] _known =
        ["$ref", "type", "required", "additionalProperties", "properties", "items", "minItems", "minLength", "enum", "pattern"];

    /// <summary>Every fault of a value, with where it is.</summary>
    public IReadOnlyList<string> Check(JsonNode? value, JsonObject schema, string where = "")
    {
        List<string> faults = [];
        Check(value, schema, where, faults);
        return faults;
    }

    private void Check(JsonNode? value, JsonObject schema, string where, List<string> faults)
    {
        Assert.Empty(schema.Select(p => p.Key).Except(_known));
        if (schema["$ref"] is { } reference)
        {
            string name = reference.GetValue<string>()["#/$defs/".Length..];
            Check(value, definitions[name]!.AsObject(), where, faults);
            return;
        }

        switch (schema["type"]!.GetValue<string>())
        {
            case "object" when value is JsonObject map:
                CheckObject(map, schema, where, faults);
                break;
            case "array" when value is JsonArray list:
                if (list.Count < (schema["minItems"]?.GetValue<int>() ?? 0))
                {
                    faults.Add($"{where}: has {list.Count} items");
                }

                for (int i = 0; i < list.Count; i++)
                {
                    Check(list[i], schema["items"]!.AsObject(), $"{where}[{i}]", faults);
                }

                break;
            case "string" when value is JsonValue text && text.TryGetValue(out string? content):
                CheckText(content, schema, where, faults);
                break;
            case "boolean" when value is JsonValue flag && flag.TryGetValue(out bool _):
            case "integer" when value is JsonValue number && number.TryGetValue(out long _):
                break;
            case string type:
                faults.Add($"{where}: is not of type {type}: {value?.ToJsonString() ?? "null"}");
                break;
        }
    }

    private void CheckObject(JsonObject map, JsonObject schema, string where, List<string> faults)
    {
        faults.AddRange((schema["required"]?.AsArray() ?? [])
            .Select(n => n!.GetValue<string>()).Where(n => !map.ContainsKey(n)).Select(n => $"{where}: has no {n}"));
        JsonObject? properties = schema["properties"]?.AsObject();
        foreach ((string name, JsonNode? inner) in map)
        {
            if (properties?[name] is JsonObject known)
            {
                Check(inner, known, $"{where}.{name}", faults);
            }
            else if (schema["additionalProperties"] is JsonObject any)
            {
                Check(inner, any, $"{where}.{name}", faults);
            }
            else
            {
                faults.Add($"{where}: has the unknown field {name}");
            }
        }
    }

    private static void CheckText(string text, JsonObject schema, string where, List<string> faults)
    {
        if (text.Length < (schema["minLength"]?.GetValue<int>() ?? 0))
        {
            faults.Add($"{where}: is empty");
        }

        if (schema["pattern"] is { } pattern
            && !Regex.IsMatch(text, pattern.GetValue<string>(), RegexOptions.None, TimeSpan.FromSeconds(1)))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{where}: '{text}' does not match {pattern}"));
        }

        if (schema["enum"] is JsonArray choices && !choices.Any(c => c!.GetValue<string>() == text))
        {
            faults.Add($"{where}: '{text}' is none of {choices.ToJsonString()}");
        }
    }
}
