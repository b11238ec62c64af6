using System.Text.Json.Nodes;

namespace DataLayer.Server.Configuration;

/// <summary>Writes the settings as a JSON Schema (2020-12), for editors that check YAML as it is typed.</summary>
internal static class ConfigurationSchema
{
    /// <summary>Makes the schema of every setting.</summary>
    public static JsonObject Make(IReadOnlyList<SettingDescription> settings)
    {
        JsonObject root = MakeObject();
        root.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        root.Insert(1, "title", "DataLayer configuration");
        foreach (SettingDescription setting in settings)
        {
            string[] parts = setting.Path.Split('.');
            JsonObject owner = root;
            for (int i = 0; i < parts.Length - 1; i++)
            {
                owner = Descend(owner, parts[i]);
            }

            owner["properties"]!.AsObject()[parts[^1]] = Describe(setting);
        }

        return root;
    }

    private static JsonObject Descend(JsonObject owner, string part)
    {
        bool isList = part.EndsWith("[]", StringComparison.Ordinal);
        string name = isList ? part[..^2] : part;
        JsonObject properties = owner["properties"]!.AsObject();
        if (properties[name] is not JsonObject present)
        {
            present = isList ? new JsonObject { ["type"] = "array", ["items"] = MakeObject() } : MakeObject();
            properties[name] = present;
        }

        return isList ? present["items"]!.AsObject() : present;
    }

    private static JsonObject Describe(SettingDescription setting)
    {
        JsonObject described = setting.Kind switch
        {
            SettingKind.Flag => new JsonObject { ["type"] = "boolean" },
            SettingKind.Count => new JsonObject { ["type"] = "integer" },
            SettingKind.Number => new JsonObject { ["type"] = "number" },
            SettingKind.TextList => new JsonObject
            {
                ["type"] = "array",
                ["items"] = new JsonObject { ["type"] = "string" },
            },
            SettingKind.Size => new JsonObject { ["type"] = new JsonArray("string", "integer") },
            _ => new JsonObject { ["type"] = "string" },
        };
        if (setting.Kind == SettingKind.Choice)
        {
            described["enum"] = new JsonArray([.. setting.Allowed.Select(a => (JsonNode)a)]);
        }

        described["description"] =
            setting.Range.Length == 0 ? setting.Summary : $"{setting.Summary} Accepted: {setting.Range}.";
        if (setting.Default.Length > 0 && setting.Kind != SettingKind.TextList)
        {
            described["default"] = setting.Default;
        }

        return described;
    }

    private static JsonObject MakeObject() =>
        new()
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = new JsonObject(),
        };
}
