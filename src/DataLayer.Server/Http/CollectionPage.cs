using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;

namespace DataLayer.Server.Http;

/// <summary>
/// A collection that is answered as a JSON array: in the order of its keys, page by page, with a Link to the next page
/// (RFC 8288), and with an entity tag of the whole collection as the caller sees it, so that a change which goes by
/// what
/// the caller has seen can say so (If-Match).
/// </summary>
internal static class CollectionPage
{
    /// <summary>The longest page, and the one where nothing is said.</summary>
    public const int MaxEntries = 1000;

    /// <summary>The parameters of a page.</summary>
    public static IReadOnlyList<ApiParameter> Parameters { get; } =
    [
        new("after", ApiParameterPlace.Query, "string", "Only entries after this one; the Link of a page has it."),
        new(
            "limit", ApiParameterPlace.Query, "integer",
            $"At most so many, 1 to {MaxEntries}. Default {MaxEntries}; a Link with rel=\"next\" leads on."),
        new("If-None-Match", ApiParameterPlace.Header, "string", "The collection's entity tag known; 304 if it holds."),
    ];

    /// <summary>Answers with a page.</summary>
    public static Task WriteAsync<T>(
        HttpContext context, IReadOnlyList<T> all, Func<T, string> keyOf, JsonTypeInfo<IReadOnlyList<T>> type)
    {
        int limit = RequestTarget.Count(context, "limit", MaxEntries, 1, MaxEntries);
        string? after = RequestTarget.Text(context, "after");
        string tag = TagOf(all, type);
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch.ToString() == tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        List<T> page =
        [
            .. all.OrderBy(keyOf, StringComparer.Ordinal)
                .Where(e => after is null || string.CompareOrdinal(keyOf(e), after) > 0).Take(limit + 1),
        ];
        if (page.Count > limit)
        {
            page.RemoveAt(limit);
            context.Response.Headers.Link = string.Create(
                CultureInfo.InvariantCulture,
                $"<{context.Request.Path}?after={Uri.EscapeDataString(keyOf(page[^1]))}&limit={limit}>; rel=\"next\"");
        }

        return ApiJson.WriteAsync(context, page, type);
    }

    /// <summary>Checks If-Match of a change against the collection as the caller sees it now.</summary>
    /// <exception cref="DataLayerException">Stale.</exception>
    public static void DemandTag<T>(HttpContext context, IReadOnlyList<T> all, JsonTypeInfo<IReadOnlyList<T>> type)
    {
        string wanted = context.Request.Headers.IfMatch.ToString();
        if (wanted.Length > 0 && wanted != "*" && wanted != TagOf(all, type))
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"The collection has the entity tag {TagOf(all, type)} now: somebody changed it.");
        }
    }

    private static string TagOf<T>(IReadOnlyList<T> all, JsonTypeInfo<IReadOnlyList<T>> type)
    {
        byte[] digest = SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(all, type));
        return $"\"{Convert.ToHexStringLower(digest.AsSpan(0, 16))}\"";
    }
}
