using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Metadata.Rows;

/// <summary>What a name in a folder may be: 1 to 255 bytes of UTF-8 without '/' and NUL, not "." and "..".</summary>
internal static class TreeName
{
    /// <summary>The longest name, bytes.</summary>
    public const int MaxBytes = 255;

    /// <summary>The longest path, bytes.</summary>
    public const int MaxPathBytes = 4096;

    private static readonly UTF8Encoding _strict = new(
        encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Checks a name and gives its bytes.</summary>
    /// <exception cref="DataLayerException">InvalidArgument or NameTooLong.</exception>
    public static byte[] Encode(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Check(name, out ErrorCode code, out string? reason) ?? throw new DataLayerException(code, reason!);
    }

    /// <summary>Checks a name without throwing.</summary>
    /// <returns>Its bytes, or null with the reason.</returns>
    public static byte[]? Check(string name, out ErrorCode code, out string? reason)
    {
        code = ErrorCode.InvalidArgument;
        reason = null;
        if (name.Length == 0)
        {
            reason = "A name is empty.";
        }
        else if (name is "." or "..")
        {
            reason = $"'{name}' is not a name that can be made or removed.";
        }
        else if (name.AsSpan().IndexOfAny('/', '\0') >= 0)
        {
            reason = "A name has '/' or NUL in it.";
        }
        else
        {
            byte[]? bytes = TryEncode(name);
            if (bytes is { Length: <= MaxBytes })
            {
                return bytes;
            }

            code = bytes is null ? ErrorCode.InvalidArgument : ErrorCode.NameTooLong;
            reason = bytes is null
                ? "A name is not valid Unicode."
                : $"A name is {bytes.Length} bytes long, {MaxBytes} are allowed: '{name[..32]}…'.";
        }

        return null;
    }

    /// <summary>The UTF-8 bytes of a text, or null if it is not valid Unicode.</summary>
    public static byte[]? TryEncode(string text)
    {
        try
        {
            return _strict.GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>The text of a stored name.</summary>
    public static string Decode(byte[] name) => Encoding.UTF8.GetString(name);
}
