using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects;

/// <summary>The rules for keys that hold for every store, and their order.</summary>
internal static class ObjectKey
{
    /// <summary>The longest key, bytes of UTF-8 (the limit of S3).</summary>
    internal const int MaxBytes = 1024;

    private static readonly UTF8Encoding _strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Checks a key: 1 to 1,024 bytes of well-formed UTF-8.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    internal static void Check(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Length == 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "An object's key is empty.");
        }

        CheckPrefix(key);
    }

    /// <summary>As <see cref="Check"/>, but may be empty.</summary>
    internal static void CheckPrefix(string prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        int bytes;
        try
        {
            bytes = _strict.GetByteCount(prefix);
        }
        catch (EncoderFallbackException e)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                    $"The key '{prefix}' is not well-formed text: it cannot be written as UTF-8.", e);
        }

        if (bytes > MaxBytes)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The key '{prefix[..64]}…' has {bytes} bytes; {MaxBytes} are the limit.");
        }
    }

    /// <summary>
    /// Compares as S3 does, by UTF-8 bytes. That is the order of UTF-16 code units except that surrogates (characters
    /// beyond the first 65,536) come after U+E000…U+FFFF.
    /// </summary>
    internal static int Compare(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        char a = left[common];
        char b = right[common];
        return char.IsSurrogate(a) != char.IsSurrogate(b) ? (char.IsSurrogate(a) ? 1 : -1) : a.CompareTo(b);
    }
}
