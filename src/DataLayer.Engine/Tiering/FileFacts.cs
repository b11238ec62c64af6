using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// What tiering knows of one file at one moment: all that a rule may look at and a plan has to price.
/// </summary>
public readonly record struct FileFacts
{
    /// <summary>The file.</summary>
    public InodeId Inode { get; init; }

    /// <summary>The content these facts are of; a plan made from an older one is stale.</summary>
    public long Version { get; init; }

    /// <summary>Absolute path in the tree, one of them where the file has several names.</summary>
    public required string Path { get; init; }

    /// <summary>The tenant it belongs to, or null.</summary>
    public string? Tenant { get; init; }

    /// <summary>The dataset it belongs to, or null.</summary>
    public string? Dataset { get; init; }

    /// <summary>Owner, a user id.</summary>
    public int OwnerId { get; init; }

    /// <summary>Length, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Bytes that the hot tier holds now, one copy counted.</summary>
    public long HotBytes { get; init; }

    /// <summary>Copies of each hot byte, a count; 0 where nothing is hot.</summary>
    public int CopyCount { get; init; }

    /// <summary>Bytes that its hot copies take, all counted.</summary>
    public long HotCopiesBytes => HotBytes * Math.Max(1, CopyCount);

    /// <summary>Last change of the content.</summary>
    public DateTimeOffset ModifiedAt { get; init; }

    /// <summary>Last read or write that is known; null where none is.</summary>
    public DateTimeOffset? AccessedAt { get; init; }

    /// <summary>Decayed access score now: reads of the whole content, each halved with every half-life since.</summary>
    public double Heat { get; init; }

    /// <summary>Where the content stands between the tiers.</summary>
    public TierState State { get; init; }

    /// <summary>The pool that holds, or would hold, its hot copy.</summary>
    public string? Pool { get; init; }

    /// <summary>Whether the cold tier holds an object of the current content.</summary>
    public bool HasObject { get; init; }

    /// <summary>Whether that object is a pack, which holds other contents too.</summary>
    public bool IsPacked { get; init; }

    /// <summary>The attachment whose bucket holds, or would hold, its object; 0 where there is none.</summary>
    public long AttachmentId { get; init; }

    /// <summary>
    /// The object's storage class as the store names it (<c>STANDARD</c>); null where there is no object.
    /// </summary>
    public string? StorageClass { get; init; }

    /// <summary>Since when the object is in that class: early deletion is charged by it. Null where unknown.</summary>
    public DateTimeOffset? StoredAt { get; init; }

    /// <summary>Where its hot copy lies, as the tree stores it; null where there is none.</summary>
    internal string? Placement { get; init; }

    /// <summary>Whether a pin keeps it hot, whatever rules say.</summary>
    public bool IsPinned { get; init; }
}
