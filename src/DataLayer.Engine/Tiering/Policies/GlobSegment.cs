using System.Text;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// A pattern of one name: literal text, <c>?</c> (one character), <c>*</c> (any number of them), <c>[a-z]</c>,
/// <c>[!a-z]</c>; <c>\</c> takes the next character as it is. Case counts; a character is a Unicode code point.
/// </summary>
/// <remarks>
/// Matching walks text and tokens with one place to come back to, the last star: time is at most text × tokens, and no
/// pattern makes it explode.
/// </remarks>
internal sealed class GlobSegment
{
    private readonly Token[] _tokens;

    private GlobSegment(Token[] tokens)
    {
        _tokens = tokens;
        Literal = tokens.Length == 0 ? string.Empty : tokens is [{ Kind: TokenKind.Text } only] ? only.Text : null;
    }

    private enum TokenKind
    {
        Text,
        AnyOne,
        AnyRun,
        Set,
    }

    /// <summary><c>*</c>.</summary>
    public static GlobSegment Anything { get; } = new([new Token(TokenKind.AnyRun, string.Empty, [], false)]);

    /// <summary>The text it stands for where it has no wildcard; else null.</summary>
    public string? Literal { get; }

    /// <summary>The literal text it starts with.</summary>
    public string LiteralStart => _tokens is [{ Kind: TokenKind.Text } first, ..] ? first.Text : string.Empty;

    /// <summary>The literal text it ends with.</summary>
    public string LiteralEnd => _tokens is [.., { Kind: TokenKind.Text } last] ? last.Text : string.Empty;

    /// <summary>Whether it is <c>*</c> alone.</summary>
    public bool IsAnything => _tokens is [{ Kind: TokenKind.AnyRun }];

    /// <summary>Reads a pattern; false with what is wrong.</summary>
    public static bool TryParse(string text, out GlobSegment segment, out string? fault)
    {
        List<Token> tokens = [];
        StringBuilder literal = new();
        fault = null;
        int at = 0;
        while (at < text.Length && fault is null)
        {
            char c = text[at];
            switch (c)
            {
                case '\\' when at + 1 == text.Length:
                    fault = "ends with '\\', which takes the next character as it is";
                    break;
                case '\\':
                    literal.Append(text[at + 1]);
                    at += 2;
                    break;
                case '?' or '*':
                    Flush(tokens, literal);
                    TokenKind kind = c == '?' ? TokenKind.AnyOne : TokenKind.AnyRun;
                    if (kind == TokenKind.AnyOne || tokens is not [.., { Kind: TokenKind.AnyRun }])
                    {
                        tokens.Add(new Token(kind, string.Empty, [], false));
                    }

                    at++;
                    break;
                case '[':
                    Flush(tokens, literal);
                    at = ReadSet(text, at, tokens, out fault);
                    break;
                case ']':
                    fault = "has a ']' without a '[' before it";
                    break;
                default:
                    literal.Append(c);
                    at++;
                    break;
            }
        }

        Flush(tokens, literal);
        segment = new GlobSegment([.. tokens]);
        return fault is null;
    }

    /// <summary>Whether a whole name fits.</summary>
    public bool IsMatch(ReadOnlySpan<char> name)
    {
        if (Literal is not null)
        {
            return name.SequenceEqual(Literal);
        }

        int at = 0;
        int token = 0;
        int starToken = -1;
        int starAt = 0;
        while (true)
        {
            if (token < _tokens.Length && _tokens[token].Kind == TokenKind.AnyRun)
            {
                starToken = ++token;
                starAt = at;
                if (token == _tokens.Length)
                {
                    return true;
                }

                continue;
            }

            if (token == _tokens.Length && at == name.Length)
            {
                return true;
            }

            int taken = token < _tokens.Length ? _tokens[token].Take(name[at..]) : -1;
            if (taken >= 0)
            {
                at += taken;
                token++;
            }
            else if (starToken >= 0 && starAt < name.Length)
            {
                starAt += LengthOfFirst(name[starAt..]);
                at = starAt;
                token = starToken;
            }
            else
            {
                return false;
            }
        }
    }

    private static int LengthOfFirst(ReadOnlySpan<char> text) =>
        text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? 2 : 1;

    private static void Flush(List<Token> tokens, StringBuilder literal)
    {
        if (literal.Length > 0)
        {
            tokens.Add(new Token(TokenKind.Text, literal.ToString(), [], false));
            literal.Clear();
        }
    }

    private static int ReadSet(string text, int at, List<Token> tokens, out string? fault)
    {
        List<(int Low, int High)> ranges = [];
        int start = at++;
        bool isNegated = at < text.Length && text[at] == '!';
        at += isNegated ? 1 : 0;
        fault = at < text.Length && text[at] == '^'
            ? "has a set that starts with '^'; the sign for 'not' is '!'"
            : null;
        while (fault is null && at < text.Length && text[at] != ']')
        {
            if (!TryReadOne(text, ref at, out int low))
            {
                break;
            }

            int high = low;
            if (at + 1 < text.Length && text[at] == '-' && text[at + 1] != ']')
            {
                at++;
                if (!TryReadOne(text, ref at, out high))
                {
                    break;
                }
            }

            if (high < low)
            {
                fault = $"has the range {PolicyErrors.Quote(text[start..at])} that runs backward";
            }

            ranges.Add((low, high));
        }

        if (fault is null && (at >= text.Length || text[at] != ']'))
        {
            fault = "has a '[' without a ']' behind it";
        }
        else if (fault is null && ranges.Count == 0)
        {
            fault = "has an empty set '[]'";
        }

        tokens.Add(new Token(TokenKind.Set, string.Empty, [.. ranges], isNegated));
        return at + 1;
    }

    private static bool TryReadOne(string text, ref int at, out int value)
    {
        value = 0;
        at += at < text.Length && text[at] == '\\' ? 1 : 0;
        if (at >= text.Length)
        {
            return false;
        }

        int length = LengthOfFirst(text.AsSpan(at));
        value = length == 2 ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at];
        at += length;
        return true;
    }

    private readonly record struct Token(
        TokenKind Kind, string Text, (int Low, int High)[] Ranges, bool IsNegated)
    {
        /// <summary>Characters of the text's start that the token takes; -1 where it does not fit.</summary>
        public int Take(ReadOnlySpan<char> text)
        {
            if (Kind == TokenKind.Text)
            {
                return text.StartsWith(Text) ? Text.Length : -1;
            }

            if (text.IsEmpty)
            {
                return -1;
            }

            int length = LengthOfFirst(text);
            if (Kind == TokenKind.AnyOne)
            {
                return length;
            }

            int value = length == 2 ? char.ConvertToUtf32(text[0], text[1]) : text[0];
            bool isIn = false;
            foreach ((int low, int high) in Ranges)
            {
                isIn |= value >= low && value <= high;
            }

            return isIn != IsNegated ? length : -1;
        }
    }
}
