namespace DataLayer.Storage.Objects.S3;

/// <summary>How values stand in S3's answers, and how they stand in ours.</summary>
internal static class S3Text
{
    /// <summary>An ETag without quotes; empty for none.</summary>
    internal static string ETag(string? header) => header?.Trim('"') ?? "";

    /// <summary>A version id; null for none and for objects older than the bucket's versioning ("null").</summary>
    internal static string? Version(string? id) => string.IsNullOrEmpty(id) || id == "null" ? null : id;

    /// <summary>A storage class; S3 leaves the header out for its standard class.</summary>
    internal static string Class(string? header) => string.IsNullOrEmpty(header) ? "STANDARD" : header;

    /// <summary>A time; the epoch where the server does not say.</summary>
    internal static DateTimeOffset Time(DateTime? time) =>
        time is { } known ? new DateTimeOffset(known.ToUniversalTime(), TimeSpan.Zero) : DateTimeOffset.UnixEpoch;

    /// <summary>
    /// A key or prefix from a listing with <c>encoding-type=url</c> (AWS writes a space as '+', and '+' as %2B).
    /// </summary>
    internal static string Decode(string text, bool isEncoded) =>
        isEncoded ? Uri.UnescapeDataString(text.Replace('+', ' ')) : text;
}
