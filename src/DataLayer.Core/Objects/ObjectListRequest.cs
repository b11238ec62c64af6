namespace DataLayer.Core.Objects;

/// <summary>Which part of a bucket to list.</summary>
/// <param name="Prefix">Only keys that start so.</param>
/// <param name="StartAfter">Only keys after this one, or null. Ignored with a continuation token.</param>
/// <param name="Delimiter">Fold keys at the first of these after the prefix into
/// <see cref="ObjectListPage.CommonPrefixes"/>, or null.</param>
/// <param name="ContinuationToken">From the page before, or null.</param>
/// <param name="MaxKeys">At most this many entries, 1 to 1,000.</param>
public sealed record ObjectListRequest(
    string Prefix, string? StartAfter = null, string? Delimiter = null,
    string? ContinuationToken = null, int MaxKeys = 1000);
