using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DataLayer.Engine.Tiering.Policies;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DataLayer.Tests.Tiering.Policies;

/// <summary>The published schema and the parser: what the parser takes, the schema takes.</summary>
public sealed class PolicySchemaTests
{
    private static readonly JsonObject _schema = PolicySchema.Make();

    [Fact]
    public void The_schema_takes_every_good_policy()
    {
        foreach (string policy in PolicyExamples.All)
        {
            PolicyFixture.Read(policy);
            Assert.Empty(Validate(policy));
        }
    }

    [Fact]
    public void The_schema_refuses_most_bad_policies_and_the_parser_all_of_them()
    {
        int yaml = 0;
        int refused = 0;
        foreach (string marked in BadPolicies.All)
        {
            string text = marked.Replace("⟦", string.Empty, StringComparison.Ordinal);
            Assert.Null(PolicyDocument.Parse(text).Policy);
            if (TryLoad(text, out JsonNode? node))
            {
                yaml++;
                refused += Errors(node, _schema, "$").Any() ? 1 : 0;
            }
        }

        Assert.True(yaml > 200 && refused > yaml / 2, $"{refused} of {yaml}");
    }

    [Fact]
    public void What_the_parser_takes_of_mutated_policies_the_schema_takes()
    {
        Random random = new(7);
        string text = PolicyExamples.Everything;
        string[] values = ["1", "true", "none", "\"> 5d\"", "\"= 5 B\"", "[a, b]", "cold", "mon", "/x/**", "2026-01-01", "50%", "\"12:00\"", "last 2", "1h", "UTC"];
        MatchCollection places = Regex.Matches(text, "(?<=: )[^,{}\\[\\]\n]+(?=[,}\n])", RegexOptions.CultureInvariant);
        int taken = 0;
        for (int i = 0; i < 3000; i++)
        {
            Match place = places[random.Next(places.Count)];
            string mutated = string.Concat(text.AsSpan(0, place.Index), values[random.Next(values.Length)], text.AsSpan(place.Index + place.Length));
            if (PolicyDocument.Parse(mutated).Policy is not null)
            {
                taken++;
                Assert.True(Validate(mutated) is [], $"{string.Join('\n', Validate(mutated))}\n{mutated}");
            }
        }

        Assert.True(taken > 100, $"{taken}");
    }

    [Fact]
    public void Every_key_of_the_schema_is_described()
    {
        Assert.All(Properties(_schema), p => Assert.True(p.Value!["description"] is not null || p.Value["properties"] is not null, p.Key));
    }

    private static IEnumerable<KeyValuePair<string, JsonNode?>> Properties(JsonNode? node) => node switch
    {
        JsonObject o => [.. o["properties"] as JsonObject ?? [], .. o.SelectMany(p => Properties(p.Value))],
        JsonArray a => a.SelectMany(Properties),
        _ => [],
    };

    private static string[] Validate(string yaml)
    {
        Assert.True(TryLoad(yaml, out JsonNode? node));
        return [.. Errors(node, _schema, "$")];
    }

    private static bool TryLoad(string yaml, out JsonNode? node)
    {
        node = null;
        try
        {
            YamlStream stream = [];
            stream.Load(new StringReader(yaml));
            node = stream.Documents.Count == 0 ? null : ToJson(stream.Documents[0].RootNode);
            return true;
        }
        catch (Exception e) when (e is YamlException or ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(p => KeyValuePair.Create(p.Key.ToString(), ToJson(p.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } s when s.Value is "" or "~" or "null" => null,
        YamlScalarNode { Style: ScalarStyle.Plain } s when s.Value is "true" or "false" => s.Value == "true",
        YamlScalarNode { Style: ScalarStyle.Plain } s when Regex.IsMatch(s.Value!, "^-?[0-9]+(?:\\.[0-9]+)?$", RegexOptions.CultureInvariant) =>
            decimal.Parse(s.Value!, CultureInfo.InvariantCulture),
        YamlScalarNode s => s.Value,
        _ => throw new InvalidOperationException(),
    };

    /// <summary>A validator of the keywords that the schema uses; any other keyword fails the test.</summary>
    private static IEnumerable<string> Errors(JsonNode? value, JsonNode schema, string at)
    {
        foreach ((string keyword, JsonNode? rule) in schema.AsObject())
        {
            bool isGood = keyword switch
            {
                "$schema" or "title" or "description" or "properties" => true,
                "type" => (rule as JsonArray ?? [rule!.DeepClone()]).Any(t => IsType(value, (string)t!)),
                "const" => JsonNode.DeepEquals(value, rule) || (value is JsonValue v && v.ToString() == rule!.ToString()),
                "enum" => rule!.AsArray().Any(r => JsonNode.DeepEquals(r, value)),
                "pattern" => !IsType(value, "string") || Regex.IsMatch((string)value!, (string)rule!, RegexOptions.CultureInvariant),
                "minimum" => !IsType(value, "number") || Number(value) >= Number(rule),
                "maximum" => !IsType(value, "number") || Number(value) <= Number(rule),
                "minLength" => !IsType(value, "string") || ((string)value!).Length >= (int)rule!,
                "maxLength" => !IsType(value, "string") || ((string)value!).Length <= (int)rule!,
                "minItems" => value is not JsonArray a || a.Count >= (int)rule!,
                "maxItems" => value is not JsonArray b || b.Count <= (int)rule!,
                "minProperties" => value is not JsonObject o || o.Count >= (int)rule!,
                "maxProperties" => value is not JsonObject p || p.Count <= (int)rule!,
                "required" => value is not JsonObject q || rule!.AsArray().All(r => q.ContainsKey((string)r!)),
                "anyOf" => rule!.AsArray().Any(r => !Errors(value, r!, at).Any()),
                "items" => value is not JsonArray c || c.All(i => !Errors(i, rule!, at).Any()),
                "additionalProperties" => value is not JsonObject m || m.All(p => MapAllows(schema, rule!, p, at)),
                _ => throw new InvalidOperationException($"The validator does not know '{keyword}'."),
            };
            if (!isGood)
            {
                yield return $"{at}: {keyword}: {value?.ToJsonString()}";
            }
        }
    }

    private static bool MapAllows(JsonNode schema, JsonNode rule, KeyValuePair<string, JsonNode?> property, string at) =>
        schema["properties"]?[property.Key] is { } known ? !Errors(property.Value, known, $"{at}.{property.Key}").Any()
        : rule is JsonObject && !Errors(property.Value, rule, $"{at}.{property.Key}").Any();

    private static double Number(JsonNode? node) => double.Parse(node!.ToJsonString(), CultureInfo.InvariantCulture);

    private static bool IsType(JsonNode? value, string type) => type switch
    {
        "object" => value is JsonObject,
        "array" => value is JsonArray,
        "string" => value is JsonValue s && s.TryGetValue(out string? _),
        "boolean" => value is JsonValue b && b.TryGetValue(out bool _),
        "number" => value is JsonValue n && n.TryGetValue(out decimal _),
        "integer" => value is JsonValue i && i.TryGetValue(out decimal d) && d == Math.Floor(d),
        _ => false,
    };
}
