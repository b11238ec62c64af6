using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Http;

/// <summary>
/// Paths of the tree on the wire. A tree path is absolute, '/'-separated, without "." and ".." and empty components;
/// in a URL
/// each component is percent-encoded UTF-8 and decoded exactly once. Every refusal names the value that was wrong.
/// </summary>
public static class TreePath
{
    /// <summary>The longest path, bytes of UTF-8.</summary>
    public const int MaxPathBytes = 4096;

    /// <summary>The longest name, bytes of UTF-8.</summary>
    public const int MaxNameBytes = 255;

    private const int QuotedChars = 80;
    private static readonly UTF8Encoding _strictUtf8 = new(
        encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Decodes the path part of a request target that follows a route prefix: empty or <c>/a/b%20c</c>.
    /// </summary>
    /// <param name="encoded">What follows the prefix, without query.</param>
    /// <returns>The absolute tree path; "/" for an empty part.</returns>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/> or
    /// <see cref="ErrorCode.NameTooLong"/>, naming the value.</exception>
    public static string Decode(ReadOnlySpan<char> encoded)
    {
        if (encoded.IsEmpty || encoded is "/")
        {
            return "/";
        }

        string path = IsPlain(encoded) ? encoded.ToString() : DecodeEscapes(encoded);
        Check(path);
        return path;
    }

    /// <summary>Checks a tree path that came as plain text (JSON, command line).</summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/> or
    /// <see cref="ErrorCode.NameTooLong"/>, naming the value.</exception>
    public static void Check(string? path)
    {
        if (string.IsNullOrEmpty(path) || path[0] != '/')
        {
            throw Refuse(path, "is not an absolute path: start it with '/'");
        }

        if (path.Length == 1)
        {
            return;
        }

        if (path.Length > MaxPathBytes || CountBytes(path, path) > MaxPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"The path {Quote(path)} is longer than {MaxPathBytes} bytes.");
        }

        ReadOnlySpan<char> rest = path.AsSpan(1);
        while (true)
        {
            int slash = rest.IndexOf('/');
            CheckName(slash < 0 ? rest : rest[..slash], path);
            if (slash < 0)
            {
                return;
            }

            rest = rest[(slash + 1)..];
        }
    }

    /// <summary>
    /// Percent-encodes a tree path for a URL: everything but unreserved characters and '/' is escaped.
    /// </summary>
    /// <param name="path">An absolute tree path.</param>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/> or
    /// <see cref="ErrorCode.NameTooLong"/>.</exception>
    public static string Encode(string path)
    {
        Check(path);
        if (IsUnreserved(path))
        {
            return path;
        }

        StringBuilder text = new(path.Length + 16);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in path.EnumerateRunes())
        {
            if (rune.IsAscii && IsUnreserved((char)rune.Value))
            {
                text.Append((char)rune.Value);
                continue;
            }

            int length = rune.EncodeToUtf8(utf8);
            for (int i = 0; i < length; i++)
            {
                text.Append('%').Append(Hex(utf8[i] >> 4)).Append(Hex(utf8[i] & 15));
            }
        }

        return text.ToString();
    }

    /// <summary>Joins a folder's path and a name.</summary>
    public static string Combine(string folder, string name)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Length == 1 ? "/" + name : $"{folder}/{name}";
    }

    /// <summary>The last component of a path; "/" for the root.</summary>
    public static string NameOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.Length == 1 ? path : path[(path.LastIndexOf('/') + 1)..];
    }

    private static void CheckName(ReadOnlySpan<char> name, string path)
    {
        if (name.IsEmpty)
        {
            throw Refuse(path, "has an empty component: write one '/' between names and none at the end");
        }

        if (name is "." or "..")
        {
            throw Refuse(path, $"has the component '{name}': write the path without it");
        }

        if (name.Contains('\0'))
        {
            throw Refuse(path, "holds a NUL character, which no name can have");
        }

        if (name.Length > MaxNameBytes || CountBytes(name, path) > MaxNameBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"The name {Quote(name)} is longer than {MaxNameBytes} bytes of UTF-8.");
        }
    }

    private static int CountBytes(ReadOnlySpan<char> text, string path)
    {
        try
        {
            return _strictUtf8.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw Refuse(path, "holds an unpaired surrogate, which is not Unicode text");
        }
    }

    private static string DecodeEscapes(ReadOnlySpan<char> encoded)
    {
        if (encoded.Length > 3 * MaxPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"The path {Quote(encoded)} is longer than {MaxPathBytes} bytes.");
        }

        byte[] bytes = new byte[encoded.Length];
        int count = 0;
        for (int i = 0; i < encoded.Length; i++)
        {
            char c = encoded[i];
            if (c is < '!' or > '~')
            {
                throw Refuse(encoded, "has a character outside ASCII that is not percent-encoded");
            }

            if (c != '%')
            {
                bytes[count++] = (byte)c;
                continue;
            }

            int value = i + 2 < encoded.Length ? (Digit(encoded[i + 1]) << 4) | Digit(encoded[i + 2]) : -1;
            if (value < 0)
            {
                throw Refuse(
                    encoded, "has a '%' that two hexadecimal digits do not follow: write a percent sign as %25");
            }

            if (value == '/')
            {
                throw Refuse(encoded, "has an encoded '/' (%2F) inside a name, which no name can have");
            }

            bytes[count++] = (byte)value;
            i += 2;
        }

        try
        {
            return _strictUtf8.GetString(bytes, 0, count);
        }
        catch (DecoderFallbackException)
        {
            throw Refuse(encoded, "does not decode to valid UTF-8");
        }
    }

    private static bool IsPlain(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (c is < '!' or > '~' or '%')
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsUnreserved(string path)
    {
        foreach (char c in path)
        {
            if (!IsUnreserved(c))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsUnreserved(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '/';

    private static char Hex(int digit) => "0123456789ABCDEF"[digit];

    private static int Digit(char c) => char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : -1;

    private static DataLayerException Refuse(ReadOnlySpan<char> path, string reason) =>
        new(ErrorCode.InvalidArgument, $"The path {Quote(path)} {reason}.");

    /// <summary>Quotes a value for a message: cut at 80 characters, control characters shown as escapes.</summary>
    private static string Quote(ReadOnlySpan<char> value)
    {
        StringBuilder text = new("'");
        foreach (char c in value.Length > QuotedChars ? value[..QuotedChars] : value)
        {
            _ = char.IsControl(c) || char.IsSurrogate(c) ? text.Append($"\\u{(int)c:x4}") : text.Append(c);
        }

        return text.Append(value.Length > QuotedChars ? "…'" : "'").ToString();
    }
}
