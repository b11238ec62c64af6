namespace DataLayer.Metadata;

/// <summary>A pack that was found in a bucket and that the tree does not know.</summary>
public sealed record PackImport
{
    /// <summary>The attachment whose bucket holds it.</summary>
    public required long AttachmentId { get; init; }

    /// <summary>The tar's whole key.</summary>
    public required string Key { get; init; }

    /// <summary>The tar's ETag, without quotes.</summary>
    public required string ETag { get; init; }

    /// <summary>The tar's version where the bucket is versioned, else null.</summary>
    public string? VersionId { get; init; }

    /// <summary>Length of the tar, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>The tar's storage class, or null where the store does not say.</summary>
    public string? StorageClass { get; init; }

    /// <summary>When the tar was stored, nanoseconds since 1970 UTC.</summary>
    public long StoredTimeNanoseconds { get; init; }

    /// <summary>When the pack was begun, by its key, nanoseconds since 1970 UTC.</summary>
    public long CreatedTimeNanoseconds { get; init; }

    /// <summary>How many members lie in it in all, a count.</summary>
    public required long TotalCount { get; init; }

    /// <summary>The number of the first of <see cref="Members"/>, from 0.</summary>
    public long First { get; init; }

    /// <summary>Members from <see cref="First"/> on, in the order of their bytes: one piece of the import.</summary>
    public required IReadOnlyList<PackImportMember> Members { get; init; }
}

/// <summary>One content in a pack that is imported.</summary>
/// <param name="RelativePath">Path below the attachment's folder, '/'-separated: what it is called now.</param>
/// <param name="OffsetBytes">Where its bytes begin in the tar.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="ModifiedNanoseconds">When it was changed last, nanoseconds since 1970 UTC.</param>
/// <param name="FormerPath">What the tar calls it where it was renamed since, else null.</param>
/// <param name="IsGone">Whether no file needs it any more: it is counted and not shown.</param>
public readonly record struct PackImportMember(
    string RelativePath, long OffsetBytes, long SizeBytes, long ModifiedNanoseconds, string? FormerPath = null,
    bool IsGone = false);

/// <summary>What a piece of the import of a pack did.</summary>
/// <param name="Next">The number of the member to go on with, a count; the pack's count when nothing is left.</param>
/// <param name="Added">Files that were made, a count.</param>
/// <param name="Replaced">Files that lay in an older pack, a count.</param>
/// <param name="Superseded">Members of which the tree has something newer: an object of their own, or a newer pack; a
/// count.</param>
/// <param name="IsKnown">Whether the tree counts the pack among its own from now on.</param>
/// <param name="Refused">Members that have no place in the tree, with the reason.</param>
public sealed record PackImportResult(
    long Next, long Added, long Replaced, long Superseded, bool IsKnown,
    IReadOnlyList<(string Key, string Reason)> Refused);
