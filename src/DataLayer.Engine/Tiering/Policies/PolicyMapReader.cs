using System.Globalization;
using System.Text;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Takes the keys of one map apart: says which are unknown and which one was most likely meant, which are missing, and
/// which values are of the wrong kind. A wrong value is reported once and then read as absent.
/// </summary>
internal sealed class PolicyMapReader
{
    /// <summary>Items a list may have.</summary>
    public const int MaxItems = 4096;

    /// <summary>Characters a name may have.</summary>
    public const int MaxNameLength = 100;

    private readonly PolicyMap _map;
    private readonly PolicyErrors _errors;
    private readonly string _what;

    private PolicyMapReader(PolicyMap map, string what, PolicyErrors errors)
    {
        _map = map;
        _what = what;
        _errors = errors;
    }

    /// <summary>Where the map starts.</summary>
    public PolicyPlace Place => _map.Place;

    /// <summary>Whether no key is given, and none can have been lost.</summary>
    public bool IsEmpty => _map.Entries.Count == 0 && !_map.IsTruncated;

    /// <summary>Reads a node as a map with known keys.</summary>
    /// <returns>Its reader; null where the node is no map.</returns>
    public static PolicyMapReader? From(PolicyNode node, string what, IReadOnlyList<string> keys, PolicyErrors errors)
    {
        if (node is not PolicyMap map)
        {
            errors.Add(
                node.Place, $"{Capital(what)} is {Kind(node)}.",
                $"Write keys below it: {string.Join(", ", keys)}.");
            return null;
        }

        foreach ((string key, PolicyPlace place, _) in map.Entries)
        {
            if (!Contains(keys, key))
            {
                string? meant = NearestName.Find(key, keys);
                errors.Add(
                    place, $"{Capital(what)} has no key {PolicyErrors.Quote(key)}.",
                    meant is null ? $"Known keys: {string.Join(", ", keys)}." : $"Did you mean '{meant}'?");
            }
        }

        return new PolicyMapReader(map, what, errors);
    }

    /// <summary>The value of a key; null where it is not given.</summary>
    public PolicyNode? Find(string key)
    {
        foreach ((string name, _, PolicyNode value) in _map.Entries)
        {
            if (name == key)
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>Where a key stands, or the map where it is not given.</summary>
    public PolicyPlace PlaceOf(string key)
    {
        foreach ((string name, PolicyPlace place, _) in _map.Entries)
        {
            if (name == key)
            {
                return place;
            }
        }

        return _map.Place;
    }

    /// <summary>Says that a key must be given.</summary>
    public void Require(string key, string remedy)
    {
        if (!_map.IsTruncated && Find(key) is null)
        {
            _errors.Add(_map.Place, $"{Capital(_what)} has no '{key}'.", remedy);
        }
    }

    /// <summary>A text; null where none is given or it is none.</summary>
    public PolicyScalar? Text(string key, string example)
    {
        PolicyNode? value = Find(key);
        return value is null ? null : AsText(value, key, example);
    }

    /// <summary>One text or a list of texts; null where none is given. An empty list is an error.</summary>
    public IReadOnlyList<PolicyScalar>? Texts(string key, string example)
    {
        PolicyNode? value = Find(key);
        if (value is not PolicyList list)
        {
            return value is null ? null : AsText(value, key, example) is { } one ? [one] : [];
        }

        if (list.Items.Count == 0 && !list.IsTruncated)
        {
            _errors.Add(list.Place, $"'{key}' is an empty list, which nothing matches.", $"Write {example}.");
        }
        else if (list.Items.Count > MaxItems)
        {
            _errors.Add(
                list.Place,
                string.Create(CultureInfo.InvariantCulture, $"'{key}' has {list.Items.Count} items."),
                string.Create(CultureInfo.InvariantCulture, $"Keep at most {MaxItems}, or use a wildcard."));
        }

        List<PolicyScalar> texts = [];
        foreach (PolicyNode item in list.Items)
        {
            if (AsText(item, key, example) is { } text)
            {
                texts.Add(text);
            }
        }

        return texts;
    }

    /// <summary>A yes or no; null where none is given.</summary>
    public bool? Flag(string key)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        if (value is PolicyScalar { IsPlain: true, Text: "true" or "false" } scalar)
        {
            return scalar.Text == "true";
        }

        _errors.Add(value.Place, $"'{key}' is {Describe(value)}.", $"Write '{key}: true' or '{key}: false'.");
        return null;
    }

    /// <summary>A number within bounds; null where none is given.</summary>
    public double? Number(string key, double least, double most, bool isWhole)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        const NumberStyles Styles = NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign;
        if (value is PolicyScalar scalar
            && double.TryParse(scalar.Text, Styles, CultureInfo.InvariantCulture, out double number)
            && number >= least && number <= most && (!isWhole || number == Math.Floor(number)))
        {
            return number;
        }

        string wanted = least == most
            ? string.Create(CultureInfo.InvariantCulture, $"{least}")
            : string.Create(
                CultureInfo.InvariantCulture, $"a {(isWhole ? "whole number" : "number")} from {least} to {most}");
        _errors.Add(value.Place, $"'{key}' is {Describe(value)}, not {wanted}.", $"Write {wanted} after '{key}: '.");
        return null;
    }

    /// <summary>One of some words; null where none is given.</summary>
    public string? Word(string key, IReadOnlyList<string> words) =>
        Text(key, words[0]) is { } text ? AsWord(text, key, words) : null;

    /// <summary>Checks that a text is one of some words.</summary>
    public string? AsWord(PolicyScalar text, string key, IReadOnlyList<string> words)
    {
        if (Contains(words, text.Text))
        {
            return text.Text;
        }

        string? meant = NearestName.Find(text.Text, words);
        _errors.Add(
            text.Place, $"'{key}' is {PolicyErrors.Quote(text.Text)}.",
            meant is null ? $"Write one of: {string.Join(", ", words)}." : $"Did you mean '{meant}'?");
        return null;
    }

    /// <summary>A name: one line of 1 to 100 printable characters.</summary>
    public PolicyScalar? Name(string key, string example)
    {
        PolicyScalar? text = Text(key, example);
        return text is null || CheckName(text, key, _errors) ? text : null;
    }

    /// <summary>Checks that a text is a name.</summary>
    public static bool CheckName(PolicyScalar text, string key, PolicyErrors errors) =>
        CheckName(text.Text, text.Place, key, errors);

    /// <summary>Checks that a text is a name.</summary>
    public static bool CheckName(string text, PolicyPlace place, string key, PolicyErrors errors)
    {
        bool isPrintable = text.Trim().Length == text.Length;
        foreach (Rune rune in text.EnumerateRunes())
        {
            isPrintable &= !Rune.IsControl(rune);
        }

        if (text.Length is > 0 and <= MaxNameLength && isPrintable)
        {
            return true;
        }

        errors.Add(
            place, $"'{key}' is {PolicyErrors.Quote(text)}, which is no name.",
            $"Use 1 to {MaxNameLength} characters on one line, without blanks at its ends.");
        return false;
    }

    /// <summary>What a node is, for a message.</summary>
    public static string Describe(PolicyNode node) =>
        node is PolicyScalar { IsNull: false } scalar ? PolicyErrors.Quote(scalar.Text) : Kind(node);

    private PolicyScalar? AsText(PolicyNode value, string key, string example)
    {
        if (value is PolicyScalar { IsNull: false } text)
        {
            return text;
        }

        _errors.Add(value.Place, $"'{key}' is {Kind(value)}.", $"Write {example}.");
        return null;
    }

    private static string Kind(PolicyNode node) =>
        node switch
        {
            PolicyList => "a list",
            PolicyMap => "a map",
            PolicyScalar { IsNull: true } => "empty",
            _ => "a single value",
        };

    private static bool Contains(IReadOnlyList<string> keys, string key)
    {
        foreach (string known in keys)
        {
            if (string.Equals(known, key, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private static string Capital(string what) => char.ToUpperInvariant(what[0]) + what[1..];
}
