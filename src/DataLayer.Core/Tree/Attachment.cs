using DataLayer.Core.Identity;

namespace DataLayer.Core.Tree;

/// <summary>A tree folder bound to a bucket prefix.</summary>
public sealed record Attachment
{
    /// <summary>The attachment's number, from 1; 0 before it is stored.</summary>
    public long Id { get; init; }

    /// <summary>The folder.</summary>
    public required InodeId Folder { get; init; }

    /// <summary>The folder's path when it was attached, for messages.</summary>
    public required string Path { get; init; }

    /// <summary>What is attached: <c>s3://bucket/prefix</c> or <c>file:///folder</c>.</summary>
    public required string Source { get; init; }

    /// <summary>
    /// What the key of every object below starts with, its '/' included; a file's key is this and the path below the
    /// folder.
    /// Null lets the tree derive it from an <c>s3://</c> source (a '/' is added where one is missing); stored
    /// attachments
    /// have it.
    /// </summary>
    public string? KeyPrefix { get; init; }

    /// <summary>
    /// The name of the configured object store that serves the source (endpoint and credentials stand in the
    /// configuration).
    /// </summary>
    public required string StoreName { get; init; }

    /// <summary>Whether the tree may change the bucket.</summary>
    public AttachmentMode Mode { get; init; } = AttachmentMode.ReadOnly;

    /// <summary>When objects are checked again.</summary>
    public FreshnessMode Freshness { get; init; } = FreshnessMode.Immutable;

    /// <summary>With <see cref="FreshnessMode.MaxAge"/>: how old a check may be.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>When written content is uploaded.</summary>
    public FlushMode Flush { get; init; } = FlushMode.WriteBack;

    /// <summary>
    /// The key of its hot copies, sealed under the key file's, in base64; null where they are not encrypted. Chosen
    /// when it is attached, and forgotten before anything else when it is detached.
    /// </summary>
    public string? SealedKey { get; init; }

    /// <summary>Whether its hot copies are encrypted.</summary>
    public bool IsEncrypted => SealedKey is not null;

    /// <summary>
    /// Where an interrupted listing goes on, in the lister's own text; null when the listing is complete.
    /// </summary>
    public string? ListingCursor { get; init; }

    /// <summary>How many objects the listing brought, a count.</summary>
    public long ObjectCount { get; init; }

    /// <summary>How many bytes those objects hold.</summary>
    public long ObjectBytes { get; init; }
}
