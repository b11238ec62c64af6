using System.Text.Json.Nodes;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// The language as a JSON Schema (2020-12), for editors that check YAML as it is typed. It knows keys, types and the
/// form of values; what depends on other parts of the document (names of windows, marks that cross) only the parser
/// knows: what the parser takes, the schema takes.
/// </summary>
public static class PolicySchema
{
    private const string Sign = "(>=|<=|>|<|=)";

    /// <summary>Makes the schema.</summary>
    public static JsonObject Make()
    {
        JsonObject document = Map(
            PolicyKeys.Document,
            new Dictionary<string, JsonNode>(StringComparer.Ordinal)
            {
                ["version"] = new JsonObject { ["const"] = 1, ["description"] = "The version of the language." },
                ["description"] = Text("What the policy is for."),
                ["timeZone"] = Text("Time zone of windows that name none; UTC where it is not given.", "^(UTC|.+/.+)$"),
                ["calendars"] = Named(Calendar(), "Calendars by name."),
                ["windows"] = Named(Window(), "Windows of time by name."),
                ["rules"] = new JsonObject
                {
                    ["type"] = "array",
                    ["minItems"] = 1,
                    ["maxItems"] = PolicyReader.MaxRules,
                    ["items"] = Rule(),
                    ["description"] = "Rules in order: the first that matches a file decides.",
                },
            },
            ["version", "rules"]);
        document.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        document.Insert(1, "title", "DataLayer tiering policy");
        return document;
    }

    private static JsonObject Calendar() => Map(
        PolicyKeys.Calendar,
        new Dictionary<string, JsonNode>(StringComparer.Ordinal)
        {
            ["days"] = TextOrList("Weekdays that are open: mon-fri (the default)."),
            ["closed"] = TextOrList("Days that are closed: 2026-12-25, 12-25 (every year), 2026-12-24..2026-12-31."),
            ["open"] = TextOrList("Days that are open, against the weekday or a yearly closing."),
        },
        []);

    private static JsonObject Window() => Map(
        PolicyKeys.Window,
        new Dictionary<string, JsonNode>(StringComparer.Ordinal)
        {
            ["timeZone"] = Text("Time zone of its times.", "^(UTC|.+/.+)$"),
            ["calendar"] = Text("The calendar that lets days through."),
            ["on"] = Words("Which days of the calendar.", PolicyKeys.CalendarDays),
            ["days"] = TextOrList("Weekdays: mon-fri."),
            ["months"] = TextOrList("Months: mar, jun, sep, dec."),
            ["monthDays"] = Either(
                "Days of the month: 'first 2', 'last 3' (of those that days and calendar let through), 1, 15, 28-31.",
                new JsonObject { ["type"] = new JsonArray("string", "integer") }),
            ["from"] = Text("Time of day it opens; 00:00 where it is not given.", "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
            ["to"] = Text(
                "Time of day it closes, on the next day where it is not after 'from'; 24:00 where it is not given.",
                "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
            ["cron"] = Text(
                "Start times: minute, hour, day of the month, month, weekday; all must fit.",
                "^ *[^ ]+( +[^ ]+){4} *$"),
            ["for"] = Text("How long it is open after each start, 1m to 7d.", "^ *[0-9.]+ *(ms|s|m|min|h|d|w) *$"),
        },
        []);

    private static JsonObject Rule() => Map(
        PolicyKeys.Rule,
        new Dictionary<string, JsonNode>(StringComparer.Ordinal)
        {
            ["name"] = Name("Its name, alone in the document: plans and history speak of it."),
            ["description"] = Text("What it is for."),
            ["match"] = Match(),
            ["when"] = When(),
            ["then"] = Then(),
            ["weight"] = new JsonObject
            {
                ["type"] = "number",
                ["minimum"] = -1e6,
                ["maximum"] = 1e6,
                ["description"] = "Order of moves: larger first.",
            },
        },
        ["name", "then"]);

    private static JsonObject Match()
    {
        JsonObject match = Map(
            PolicyKeys.Match,
            new Dictionary<string, JsonNode>(StringComparer.Ordinal)
            {
                ["path"] = Either(
                    "Patterns of paths: * and ? within a name, ** for any folders, [a-z], [!a-z], {a,b}.",
                    Text(null, "^/")),
                ["tenant"] = TextOrList("Tenants, perhaps with wildcards; none for files without one."),
                ["dataset"] = TextOrList("Datasets, perhaps with wildcards; none for files without one."),
                ["owner"] = Either(
                    "User ids: 1000, 1000-1999.", new JsonObject { ["type"] = new JsonArray("string", "integer") }),
                ["size"] = Range("Length: '>= 10 MiB and < 1 GiB'.", "[0-9.]+ *([kKMGTP]i?B|B)?"),
                ["age"] = Range("Time since the content changed: '> 30d'.", "[0-9.]+ *(ms|s|m|min|h|d|w)"),
                ["idle"] = Range(
                    "Time since the last known read or write: '> 7d'.", "[0-9.]+ *(ms|s|m|min|h|d|w)"),
                ["heat"] = Range("Reads of the whole content, each halved with every half-life.", "[0-9.]+"),
                ["state"] = Either("Where the content stands.", Words(null, PolicyKeys.States)),
                ["storageClass"] = TextOrList("The object's class; none for files without an object."),
                ["pool"] = TextOrList("The pool of the hot copy; none for files without one."),
            },
            []);
        match["minProperties"] = 1;
        return match;
    }

    private static JsonObject When()
    {
        JsonObject percent = Text("A share of the pool: 85%.", "^[0-9.]+ *%$");
        JsonObject when = Map(
            PolicyKeys.When,
            new Dictionary<string, JsonNode>(StringComparer.Ordinal)
            {
                ["fill"] = Map(
                    PolicyKeys.Fill,
                    new Dictionary<string, JsonNode>(StringComparer.Ordinal)
                    {
                        ["pool"] = Name("The pool; the rule is about its files alone."),
                        ["high"] = percent,
                        ["low"] = percent.DeepClone(),
                    },
                    ["pool", "high", "low"]),
                ["window"] = TextOrList("Windows of which one must be open."),
                ["outside"] = TextOrList("Windows that must all be closed."),
            },
            []);
        when["minProperties"] = 1;
        return when;
    }

    private static JsonObject Then()
    {
        JsonObject then = Map(
            PolicyKeys.Then,
            new Dictionary<string, JsonNode>(StringComparer.Ordinal)
            {
                ["place"] = Words("Where the content is to be.", PolicyKeys.Places),
                ["storageClass"] = Name("The class the object is to have, as the store names it."),
                ["copies"] = new JsonObject
                {
                    ["type"] = "integer",
                    ["minimum"] = 1,
                    ["maximum"] = RuleReader.MaxCopies,
                    ["description"] = "Hot copies.",
                },
                ["pin"] = Flag("Never release the hot copy."),
                ["pack"] = Flag("Put cold content into packs with others."),
                ["exclude"] = Flag("Leave the file alone."),
                ["keepPremigrated"] = Flag("Keep the object of content that is hot again."),
            },
            []);
        then["minProperties"] = 1;
        return then;
    }

    private static JsonObject Map(
        IReadOnlyList<string> keys, Dictionary<string, JsonNode> properties, IReadOnlyList<string> required)
    {
        JsonObject ordered = [];
        foreach (string key in keys)
        {
            ordered[key] = properties[key];
        }

        JsonObject map = new()
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = ordered,
        };
        if (required.Count > 0)
        {
            map["required"] = Array(required);
        }

        return map;
    }

    private static JsonObject Named(JsonObject item, string description) =>
        new()
        {
            ["type"] = "object",
            ["maxProperties"] = PolicyReader.MaxNamed,
            ["additionalProperties"] = item,
            ["description"] = description,
        };

    private static JsonObject Text(string? description, string? pattern = null)
    {
        // What is plain text may look like a number or a flag to YAML.
        JsonObject text = pattern is null ? AnyText() : new JsonObject { ["type"] = "string" };
        if (pattern is not null)
        {
            text["pattern"] = pattern;
        }

        return Describe(text, description);
    }

    private static JsonObject Name(string description) =>
        Describe(
            new JsonObject
            {
                ["type"] = new JsonArray("string", "number", "boolean"),
                ["minLength"] = 1,
                ["maxLength"] = PolicyMapReader.MaxNameLength,
            },
            description);

    private static JsonObject Flag(string description) =>
        new() { ["type"] = "boolean", ["description"] = description };

    private static JsonObject Words(string? description, IReadOnlyList<string> words) =>
        Describe(new JsonObject { ["enum"] = Array(words) }, description);

    private static JsonObject Range(string description, string number) =>
        Text(description, $"^ *{Sign} *{number}( +and +{Sign} *{number}){{0,3}} *$");

    private static JsonObject TextOrList(string description) =>
        Either(description, AnyText());

    private static JsonObject AnyText() =>
        new() { ["type"] = new JsonArray("string", "number", "boolean") };

    private static JsonObject Either(string description, JsonObject item) =>
        new()
        {
            ["anyOf"] = new JsonArray(
                item,
                new JsonObject
                {
                    ["type"] = "array",
                    ["minItems"] = 1,
                    ["maxItems"] = PolicyMapReader.MaxItems,
                    ["items"] = item.DeepClone(),
                }),
            ["description"] = description,
        };

    private static JsonArray Array(IReadOnlyList<string> texts)
    {
        JsonArray array = [];
        foreach (string text in texts)
        {
            array.Add(text);
        }

        return array;
    }

    private static JsonObject Describe(JsonObject schema, string? description)
    {
        if (description is not null)
        {
            schema["description"] = description;
        }

        return schema;
    }
}
