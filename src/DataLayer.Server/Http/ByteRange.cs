using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Server.Http;

/// <summary>What a Range header asks of a content.</summary>
internal enum RangeOutcome
{
    /// <summary>Send the whole: no range, one in another unit, a malformed one, or more than one.</summary>
    Whole,

    /// <summary>Send the one range.</summary>
    Partial,

    /// <summary>Answer 416: the range starts past the end.</summary>
    Unsatisfiable,
}

/// <summary>
/// One range of bytes: of a Range header (RFC 9110, section 14) or of the Content-Range of a partial PUT.
/// </summary>
/// <remarks>
/// Several ranges in one header are answered with the whole content, which the RFC allows: a multipart answer would
/// cost each
/// reader a parser, and parallel single ranges over kept-alive connections are no slower.
/// </remarks>
/// <param name="Start">The first byte.</param>
/// <param name="Length">How many bytes.</param>
internal readonly record struct ByteRange(long Start, long Length)
{
    /// <summary>Weighs a Range header against a content's length.</summary>
    public static RangeOutcome Evaluate(ReadOnlySpan<char> header, long contentLength, out ByteRange range)
    {
        range = new ByteRange(0, contentLength);
        const string Unit = "bytes=";
        if (!header.StartsWith(Unit, StringComparison.OrdinalIgnoreCase))
        {
            return RangeOutcome.Whole;
        }

        ReadOnlySpan<char> spec = header[Unit.Length..].Trim();
        int dash = spec.IndexOf('-');
        if (dash < 0 || spec.Contains(','))
        {
            return RangeOutcome.Whole;
        }

        ReadOnlySpan<char> firstText = spec[..dash].Trim();
        ReadOnlySpan<char> lastText = spec[(dash + 1)..].Trim();
        if (firstText.IsEmpty)
        {
            if (!TryNumber(lastText, out long suffix))
            {
                return RangeOutcome.Whole;
            }

            long length = Math.Min(suffix, contentLength);
            range = new ByteRange(contentLength - length, length);
            return length == 0 ? RangeOutcome.Unsatisfiable : RangeOutcome.Partial;
        }

        long last = long.MaxValue;
        if (
            !TryNumber(firstText, out long first)
            || (!lastText.IsEmpty && !TryNumber(lastText, out last))
            || last < first)
        {
            return RangeOutcome.Whole;
        }

        if (first >= contentLength)
        {
            return RangeOutcome.Unsatisfiable;
        }

        range = new ByteRange(first, Math.Min(last, contentLength - 1) - first + 1);
        return RangeOutcome.Partial;
    }

    /// <summary>Reads the Content-Range of a partial PUT: <c>bytes a-b/*</c> or <c>bytes a-b/total</c>.</summary>
    /// <param name="header">The header.</param>
    /// <param name="totalBytes">The total, or -1 for '*'.</param>
    /// <exception cref="DataLayerException">InvalidArgument, naming the value.</exception>
    public static ByteRange ParseContentRange(string header, out long totalBytes)
    {
        totalBytes = -1;
        ReadOnlySpan<char> text = header.AsSpan().Trim();
        if (text.StartsWith("bytes ", StringComparison.OrdinalIgnoreCase))
        {
            ReadOnlySpan<char> spec = text["bytes ".Length..].Trim();
            int dash = spec.IndexOf('-');
            int slash = spec.IndexOf('/');
            if (
                dash > 0
                && slash > dash
                && TryNumber(spec[..dash], out long first)
                && TryNumber(spec[(dash + 1)..slash], out long last)
                && last >= first
                && last < long.MaxValue
                && (
                    spec[(slash + 1)..] is "*"
                    || (TryNumber(spec[(slash + 1)..], out totalBytes) && totalBytes > last)))
            {
                return new ByteRange(first, last - first + 1);
            }
        }

        throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"Content-Range is '{header}': give 'bytes FIRST-LAST/*', or the total size in place of '*'.");
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
