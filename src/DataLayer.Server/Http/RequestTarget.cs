using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Server.Http;

/// <summary>
/// Reads paths and query values from a request. Tree paths come from the raw request target: Kestrel's decoded path
/// has dot segments
/// removed and undecodable bytes left as they were, so two different targets could name one file.
/// </summary>
internal static class RequestTarget
{
    /// <summary>The tree path that follows <paramref name="prefix"/> in the target, decoded once.</summary>
    /// <exception cref="DataLayerException">InvalidArgument or NameTooLong, naming the value.</exception>
    public static string TreePathOf(HttpContext context, string prefix)
    {
        ReadOnlySpan<char> path = RawPath(context);
        return path.StartsWith(prefix, StringComparison.Ordinal)
            ? TreePath.Decode(path[prefix.Length..])
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The target '{Cut(path)}' is not '{prefix}' and a path: write the route as it is documented.");
    }

    /// <summary>Refuses a target with dot components, plain or encoded, wherever they would lead.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, naming the value.</exception>
    public static void RefuseDotSegments(HttpContext context)
    {
        ReadOnlySpan<char> path = RawPath(context);
        if (path.Contains("..", StringComparison.Ordinal) || path.Contains("%2e", StringComparison.OrdinalIgnoreCase))
        {
            _ = TreePath.Decode(path);
        }
    }

    /// <summary>A flag in the query: absent is false; <c>true</c>, <c>1</c> or nothing after '=' is true.</summary>
    public static bool Flag(HttpContext context, string name, bool fallback = false)
    {
        if (
            !context.Request.QueryString.HasValue || !context.Request.Query.TryGetValue(name, out StringValues values)
        )
        {
            return fallback;
        }

        return values.ToString() switch
        {
            "" or "true" or "1" => true,
            "false" or "0" => false,
            string other => throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{name} is '{Cut(other)}': give true or false."),
        };
    }

    /// <summary>A whole number in the query, or the fallback.</summary>
    public static int Count(HttpContext context, string name, int fallback, int min, int max) =>
        (int)Number(context, name, fallback, min, max);

    /// <summary>A large whole number in the query, or the fallback.</summary>
    public static long Number(HttpContext context, string name, long fallback, long min, long max)
    {
        if (!context.Request.Query.TryGetValue(name, out StringValues values))
        {
            return fallback;
        }

        return
            long.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && number >= min
            && number <= max
            ? number
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"{name} is '{Cut(values.ToString())}': give a number from {min} to {max}.");
    }

    /// <summary>Text in the query, or null.</summary>
    public static string? Text(HttpContext context, string name) =>
        context.Request.Query.TryGetValue(name, out StringValues values) ? values.ToString() : null;

    /// <summary>Text in the query that must be there.</summary>
    public static string RequiredText(HttpContext context, string name) =>
        Text(context, name) is { Length: > 0 } text
            ? text
            : throw new DataLayerException(ErrorCode.InvalidArgument, $"The query has no '{name}': add ?{name}=….");

    /// <summary>A time in the query, of UTC where it names no zone; or null.</summary>
    public static DateTimeOffset? Time(HttpContext context, string name) =>
        Text(context, name) is not { } text ? null
        : DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset parsed)
            ? parsed
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{name} is no time: write it as 2026-01-31T18:00:00Z.");

    /// <summary>Permission bits in the query, in octal as chmod takes them.</summary>
    public static int? Mode(HttpContext context)
    {
        if (!context.Request.QueryString.HasValue || Text(context, "mode") is not { } text)
        {
            return null;
        }

        int mode = 0;
        bool good = text.Length is >= 1 and <= 5;
        foreach (char c in text)
        {
            good &= c is >= '0' and <= '7';
            mode = (mode << 3) | (c & 7);
        }

        return good && mode <= 0xFFF
            ? mode
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"mode is '{Cut(text)}': give octal permission bits, 0 to 7777.");
    }

    private static ReadOnlySpan<char> RawPath(HttpContext context)
    {
        ReadOnlySpan<char> target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        if (!target.IsEmpty && target[0] != '/')
        {
            // Absolute form: http://host/path, as proxies send it.
            int authority = target.IndexOf("://", StringComparison.Ordinal);
            int slash = authority < 0 ? -1 : target[(authority + 3)..].IndexOf('/');
            target = slash < 0 ? "/" : target[(authority + 3 + slash)..];
        }

        int query = target.IndexOf('?');
        return query < 0 ? target : target[..query];
    }

    private static string Cut(ReadOnlySpan<char> text) =>
        text.Length > 80 ? string.Concat(text[..80], "…") : text.ToString();
}
