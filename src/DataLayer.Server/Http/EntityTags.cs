using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace DataLayer.Server.Http;

/// <summary>What the conditions of a request ask for (RFC 9110, section 13).</summary>
internal enum ConditionOutcome
{
    /// <summary>Go on.</summary>
    Proceed,

    /// <summary>Answer 304.</summary>
    NotModified,

    /// <summary>Answer 412.</summary>
    Failed,
}

/// <summary>Entity tags and the conditions that name them. All tags of the service are strong.</summary>
internal static class EntityTags
{
    /// <summary>The tag with its quotes, as the header carries it.</summary>
    public static string Quoted(InodeAttributes attributes) => $"\"{FileEngine.EntityTag(attributes)}\"";

    /// <summary>The content's time of change, in whole seconds as HTTP carries it.</summary>
    public static DateTimeOffset LastModified(InodeAttributes attributes) =>
        DateTimeOffset.FromUnixTimeSeconds(
            Math.Clamp(attributes.ModifyTimeNanoseconds / 1_000_000_000, 0, 253_402_300_799));

    /// <summary>Weighs If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since of a GET or HEAD.</summary>
    public static ConditionOutcome EvaluateRead(
        IHeaderDictionary headers, string quotedTag, DateTimeOffset lastModified)
    {
        StringValues ifMatch = headers.IfMatch;
        if (ifMatch.Count > 0)
        {
            if (!Contains(ifMatch, quotedTag, weak: false))
            {
                return ConditionOutcome.Failed;
            }
        }
        else if (TryDate(headers.IfUnmodifiedSince, out DateTimeOffset unmodified) && lastModified > unmodified)
        {
            return ConditionOutcome.Failed;
        }

        StringValues ifNoneMatch = headers.IfNoneMatch;
        if (ifNoneMatch.Count > 0)
        {
            return Contains(ifNoneMatch, quotedTag, weak: true)
                ? ConditionOutcome.NotModified
                : ConditionOutcome.Proceed;
        }

        return TryDate(headers.IfModifiedSince, out DateTimeOffset modified) && lastModified <= modified
            ? ConditionOutcome.NotModified
            : ConditionOutcome.Proceed;
    }

    /// <summary>Whether If-Range lets a Range header count: absent, the same strong tag, or the same date.</summary>
    public static bool RangeApplies(StringValues ifRange, string quotedTag, DateTimeOffset lastModified)
    {
        if (ifRange.Count == 0)
        {
            return true;
        }

        string value = ifRange.ToString();
        return value == quotedTag || (TryDate(ifRange, out DateTimeOffset date) && date == lastModified);
    }

    /// <summary>
    /// The tag, without quotes, that a change must find: of If-Match's list the one that holds now, or one that
    /// fails. Null for no condition.
    /// </summary>
    /// <param name="ifMatch">The header.</param>
    /// <param name="current">Asks for the file's attributes; null if there is none. Called only for '*' and
    /// lists.</param>
    /// <exception cref="DataLayerException">Stale: '*' and there is nothing. InvalidArgument: not a tag.</exception>
    public static async ValueTask<string?> ResolveIfMatchAsync(
        StringValues ifMatch, Func<ValueTask<InodeAttributes?>> current)
    {
        if (ifMatch.Count == 0)
        {
            return null;
        }

        string text = ifMatch.ToString();
        if (text != "*" && !text.Contains(','))
        {
            return Unquote(text);
        }

        InodeAttributes? attributes = await current();
        if (attributes is null || !Contains(ifMatch, Quoted(attributes), weak: false))
        {
            throw new DataLayerException(ErrorCode.Stale, $"If-Match is {text} and the file has no such content.");
        }

        return FileEngine.EntityTag(attributes);
    }

    /// <summary>Whether If-None-Match asks that there be nothing at the path.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a change takes only '*' there.</exception>
    public static bool AsksAbsent(StringValues ifNoneMatch) =>
        ifNoneMatch.Count != 0
        && (
            ifNoneMatch.ToString() == "*"
                ? true
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"If-None-Match is {ifNoneMatch}: a write takes only '*' there."));

    private static string Unquote(string tag) =>
        tag.Length > 2 && tag[0] == '"' && tag[^1] == '"' && !tag.AsSpan(1, tag.Length - 2).Contains('"')
            ? tag[1..^1]
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"If-Match is {tag}: give a strong entity tag in quotes, or '*'.");

    private static bool Contains(StringValues header, string quotedTag, bool weak)
    {
        foreach (string? line in header)
        {
            foreach (Range part in line.AsSpan().Split(','))
            {
                ReadOnlySpan<char> tag = line.AsSpan()[part].Trim();
                if (
                    tag is "*"
                    || tag.SequenceEqual(quotedTag)
                    || (weak && tag.StartsWith("W/", StringComparison.Ordinal) && tag[2..].SequenceEqual(quotedTag)))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool TryDate(StringValues header, out DateTimeOffset date)
    {
        date = default;
        return header.Count == 1 && HeaderUtilities.TryParseDate(header.ToString(), out date);
    }

    /// <summary>Writes a date as HTTP carries it.</summary>
    public static string FormatDate(DateTimeOffset date) => date.ToString("R", CultureInfo.InvariantCulture);
}
