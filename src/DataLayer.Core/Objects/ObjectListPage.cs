namespace DataLayer.Core.Objects;

/// <summary>One answer of a listing, in key order (UTF-8 bytes).</summary>
/// <param name="Objects">The objects, at most 1,000.</param>
/// <param name="CommonPrefixes">With a delimiter: the prefixes below, ending in it; else empty.</param>
/// <param name="ContinuationToken">What to ask next with, or null after the last page.</param>
public sealed record ObjectListPage(
    IReadOnlyList<ObjectProperties> Objects, IReadOnlyList<string> CommonPrefixes, string? ContinuationToken);
