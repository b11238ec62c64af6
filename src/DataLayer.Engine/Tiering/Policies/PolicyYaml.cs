using System.Globalization;
using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Reads YAML text into nodes with their places, event by event. Limits stand before anything is built: size of the
/// text, depth; anchors, aliases and tags are refused, so nothing can grow beyond what was sent. Where the text stops
/// being YAML, what stood before is returned, marked as truncated.
/// </summary>
internal sealed class PolicyYaml
{
    /// <summary>Bytes of UTF-8 a document may have: room for 10,000 rules with comments.</summary>
    public const int MaxBytes = 8 << 20;

    /// <summary>Maps and lists within each other; the language needs 5.</summary>
    public const int MaxDepth = 10;

    private readonly string _text;
    private readonly PolicyErrors _errors;
    private readonly Parser _parser;
    private bool _isBroken;

    private PolicyYaml(string text, PolicyErrors errors)
    {
        _text = text;
        _errors = errors;
        _parser = new Parser(new StringReader(text));
    }

    /// <summary>Reads one document.</summary>
    /// <returns>Its map; null where there is none, with an error saying why.</returns>
    public static PolicyMap? Read(string text, PolicyErrors errors)
    {
        if (text.Length > MaxBytes || Encoding.UTF8.GetByteCount(text) > MaxBytes)
        {
            errors.Add(
                new PolicyPlace(1, 1),
                string.Create(CultureInfo.InvariantCulture, $"The document has more than {MaxBytes >> 20} MiB."),
                "Join rules that differ only in their path into one with a list of paths.");
            return null;
        }

        return new PolicyYaml(text, errors).ReadDocument();
    }

    private PolicyMap? ReadDocument()
    {
        PolicyNode? root = null;
        try
        {
            _parser.Consume<StreamStart>();
            if (!_parser.Accept<StreamEnd>(out _))
            {
                _parser.Consume<DocumentStart>();
                root = ReadNode(1);
                if (!_isBroken)
                {
                    _parser.Consume<DocumentEnd>();
                    if (!_parser.Accept<StreamEnd>(out _))
                    {
                        _errors.Add(
                            PlaceOf(_parser.Current!.Start), "A second document starts here.",
                            "Keep one document: remove the '---'.");
                    }
                }
            }
        }
        catch (Exception e) when (IsNotYaml(e))
        {
            Break(e);
        }

        switch (root)
        {
            case PolicyMap map:
                return map;
            case null or PolicyScalar { IsNull: true }:
                if (!_isBroken)
                {
                    _errors.Add(
                        new PolicyPlace(1, 1), "The document is empty.",
                        "Write 'version: 1' and 'rules:' with at least one rule.");
                }

                return null;
            default:
                _errors.Add(
                    root.Place, "The document is not a map.", "Start with 'version: 1', then 'rules:' and a list.");
                return null;
        }
    }

    private PolicyNode? ReadNode(int depth)
    {
        ParsingEvent next = Peek();
        if (next is NodeEvent node)
        {
            RefuseExtras(node);
        }

        switch (next)
        {
            case Scalar scalar:
                _parser.MoveNext();
                return new PolicyScalar(
                    scalar.Value, scalar.Style is ScalarStyle.Plain, PlaceOf(scalar.Start));
            case SequenceStart or MappingStart when depth > MaxDepth:
                _errors.Add(
                    PlaceOf(next.Start),
                    string.Create(CultureInfo.InvariantCulture, $"Nested deeper than {MaxDepth} levels."),
                    "A policy needs five: rules, a rule, its match, a list, a value; what stands behind was not read.");

                // Not skipped but ended: the scanner's time grows with the square of the depth.
                _isBroken = true;
                return null;
            case SequenceStart:
                _parser.MoveNext();
                return ReadList(new PolicyList(PlaceOf(next.Start)), depth);
            case MappingStart:
                _parser.MoveNext();
                return ReadMap(new PolicyMap(PlaceOf(next.Start)), depth);
            default:
                // Only an alias is left.
                _parser.MoveNext();
                _errors.Add(PlaceOf(next.Start), "An alias ('*name') stands here.", "Write the value out.");
                return null;
        }
    }

    private PolicyList ReadList(PolicyList list, int depth)
    {
        try
        {
            while (!_isBroken && Peek() is not SequenceEnd)
            {
                if (ReadNode(depth + 1) is { } item)
                {
                    list.Items.Add(item);
                }
            }

            if (!_isBroken)
            {
                _parser.MoveNext();
            }
        }
        catch (Exception e) when (IsNotYaml(e))
        {
            Break(e);
        }

        list.IsTruncated = _isBroken;
        return list;
    }

    private PolicyMap ReadMap(PolicyMap map, int depth)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        try
        {
            while (!_isBroken && Peek() is not MappingEnd)
            {
                PolicyNode? key = ReadNode(depth + 1);
                PolicyNode? value = _isBroken ? null : ReadNode(depth + 1);
                if (key is not PolicyScalar { IsNull: false } name)
                {
                    if (!_isBroken && key is not null)
                    {
                        _errors.Add(key.Place, "A key is not plain text.", "Write 'key: value'.");
                    }
                }
                else if (!seen.Add(name.Text))
                {
                    _errors.Add(
                        name.Place, $"The key {PolicyErrors.Quote(name.Text)} is given twice.", "Keep one of them.");
                }
                else if (value is not null)
                {
                    map.Entries.Add((name.Text, name.Place, value));
                }
            }

            if (!_isBroken)
            {
                _parser.MoveNext();
            }
        }
        catch (Exception e) when (IsNotYaml(e))
        {
            Break(e);
        }

        map.IsTruncated = _isBroken;
        return map;
    }

    private void RefuseExtras(NodeEvent node)
    {
        if (!node.Anchor.IsEmpty)
        {
            _errors.Add(
                PlaceOf(node.Start), $"An anchor ('&{node.Anchor.Value}') stands here.",
                "Write the value out where it is needed: a policy has no aliases.");
        }

        if (!node.Tag.IsEmpty)
        {
            _errors.Add(PlaceOf(node.Start), "A tag ('!…') stands here.", "Leave it out: the key says the type.");
        }
    }

    private ParsingEvent Peek()
    {
        _parser.Accept<ParsingEvent>(out ParsingEvent? next);
        return next ?? throw new YamlException("the text ends too early");
    }

    // The scanner is known to leave its own exceptions on some texts; to us they are all "not YAML".
    private static bool IsNotYaml(Exception e) =>
        e is YamlException or InvalidOperationException or ArgumentException or IndexOutOfRangeException
            or FormatException or OverflowException or IOException;

    private void Break(Exception e)
    {
        if (_isBroken)
        {
            return;
        }

        _isBroken = true;
        PolicyPlace place = PlaceOf(_parser.Current?.End ?? new Mark(0, 1, 1));
        string started = string.Empty;
        if (e is YamlException { Start.Line: > 0 } fault)
        {
            bool isLong = fault.End.Line > fault.Start.Line;
            place = PlaceOf(isLong ? fault.End : fault.Start);
            started = isLong
                ? string.Create(CultureInfo.InvariantCulture, $" (from {fault.Start.Line}:{fault.Start.Column} on)")
                : string.Empty;
        }

        string remedy = "Mind indentation, colons and quotes; what stands behind this place was not read.";
        if (e.Message.Contains("block scalar", StringComparison.OrdinalIgnoreCase))
        {
            remedy = "Put a comparison in quotes: size: \">= 10 MiB\".";
        }
        else if (e.Message.Contains(" tab ", StringComparison.Ordinal) && FindTab() is { } tab)
        {
            place = tab;
            remedy = "Indent with blanks.";
        }

        _errors.Add(place, $"This is not YAML: {OneLine(e.Message)}{started}.", remedy);
    }

    private static string OneLine(string message)
    {
        int end = message.IndexOfAny(['\r', '\n']);
        return (end < 0 ? message : message[..end]).TrimEnd('.');
    }

    // The scanner tells of a tab only in which map it stands.
    private PolicyPlace? FindTab()
    {
        int line = 0;
        foreach (ReadOnlySpan<char> text in _text.AsSpan().EnumerateLines())
        {
            line++;
            int column = text.IndexOfAnyExcept(' ');
            if (column >= 0 && text[column] == '\t')
            {
                return new PolicyPlace(line, column + 1);
            }
        }

        return null;
    }

    private static PolicyPlace PlaceOf(Mark mark) => new((int)mark.Line, (int)mark.Column);
}
