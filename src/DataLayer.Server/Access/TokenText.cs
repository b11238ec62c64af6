using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Server.Access;

/// <summary>
/// The text of a token: <c>dl_ID_SECRET</c>, with 6 bytes of number and 32 random bytes of secret, both in hexadecimal.
/// The prefix lets scanners of repositories find leaked ones; the number finds the entry without a comparison of
/// secrets.
/// </summary>
internal static class TokenText
{
    /// <summary>Digits of the number.</summary>
    public const int IdLength = 12;

    /// <summary>Bytes of a hash.</summary>
    public const int HashBytes = SHA256.HashSizeInBytes;

    private const string Prefix = "dl_";
    private const int SecretBytes = 32;
    private const int Length = 3 + IdLength + 1 + (SecretBytes * 2);
    private static readonly SearchValues<char> _hexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>Makes a token that nobody can guess.</summary>
    public static (string Id, string Text) Make()
    {
        string id = RandomNumberGenerator.GetHexString(IdLength, lowercase: true);
        return (id, $"{Prefix}{id}_{RandomNumberGenerator.GetHexString(SecretBytes * 2, lowercase: true)}");
    }

    /// <summary>The number in a text that looks like a token; null for another text.</summary>
    public static string? IdOf(ReadOnlySpan<char> text) =>
        text.Length == Length && text.StartsWith(Prefix, StringComparison.Ordinal) && text[3 + IdLength] == '_'
            && IsHex(text.Slice(3, IdLength)) && IsHex(text[(3 + IdLength + 1)..])
            ? text.Slice(3, IdLength).ToString()
            : null;

    /// <summary>Whether a text is a number of a token.</summary>
    public static bool IsId(string? text) => text?.Length == IdLength && IsHex(text);

    /// <summary>The hash that is kept: plain SHA-256, since 256 random bits need no slow one (decision 0135).</summary>
    public static void Hash(ReadOnlySpan<char> text, Span<byte> hash)
    {
        Span<byte> bytes = stackalloc byte[Length];
        int count = Encoding.ASCII.GetBytes(text, bytes);
        SHA256.HashData(bytes[..count], hash);
        CryptographicOperations.ZeroMemory(bytes);
    }

    /// <summary>Whether a text has nothing but lower-case hexadecimal digits.</summary>
    public static bool IsHex(ReadOnlySpan<char> text) => !text.ContainsAnyExcept(_hexDigits);
}
