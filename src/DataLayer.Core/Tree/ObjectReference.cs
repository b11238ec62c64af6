namespace DataLayer.Core.Tree;

/// <summary>The cold copy of one content: an object, or a byte range of a pack object.</summary>
/// <param name="AttachmentId">The attachment whose store holds the object.</param>
/// <param name="Key">The object's full key in the bucket, prefix included.</param>
/// <param name="ETag">The ETag as the store gave it, without quotes.</param>
/// <param name="VersionId">The object's version where the bucket is versioned, else null.</param>
/// <param name="SizeBytes">The content's size.</param>
/// <param name="PackOffsetBytes">Where the content starts in the object: 0 unless the object is a pack.</param>
/// <param name="StorageClass">The object's storage class as the store last named it, or null if it never did.</param>
/// <param name="StoredTimeNanoseconds">
/// Since when the object is known to be in that class, nanoseconds since 1970 UTC; 0 where unknown. Of an object that
/// changed its class in the bucket: when that was first seen.
/// </param>
public sealed record ObjectReference(
    long AttachmentId, string Key, string ETag, string? VersionId, long SizeBytes, long PackOffsetBytes = 0,
    string? StorageClass = null, long StoredTimeNanoseconds = 0)
{
    /// <summary>
    /// Whether the content is a member of a pack: no content starts a pack's first byte, a header does.
    /// </summary>
    public bool IsPacked => PackOffsetBytes > 0;
}
