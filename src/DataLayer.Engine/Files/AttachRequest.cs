using DataLayer.Core.Tree;

namespace DataLayer.Engine.Files;

/// <summary>What to attach where.</summary>
public sealed record AttachRequest
{
    /// <summary><c>s3://bucket/prefix</c> or <c>file:///folder</c>.</summary>
    public required string Source { get; init; }

    /// <summary>The tree folder; made with its parents if absent, must be empty if there.</summary>
    public required string Path { get; init; }

    /// <summary>The name of the configured object store.</summary>
    public string StoreName { get; init; } = "default";

    /// <summary>Whether the tree may change the bucket. Default no.</summary>
    public AttachmentMode Mode { get; init; } = AttachmentMode.ReadOnly;

    /// <summary>When objects are checked again. Default never.</summary>
    public FreshnessMode Freshness { get; init; } = FreshnessMode.Immutable;

    /// <summary>With <see cref="FreshnessMode.MaxAge"/>: how old a check may be.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Whether its bytes are encrypted in the hot tier and in the memory tier's spill. Objects in the bucket stay as
    /// they are. Default no.
    /// </summary>
    public bool Encrypt { get; init; }

    /// <summary>When written content is uploaded.</summary>
    public FlushMode Flush { get; init; } = FlushMode.WriteBack;
}
