using DataLayer.Core.Identity;

namespace DataLayer.Core.Tree;

/// <summary>
/// What the tree knows of one inode, without its content's placement. Immutable: a change gives a new record.
/// </summary>
public sealed record InodeAttributes
{
    /// <summary>The inode.</summary>
    public required InodeId Inode { get; init; }

    /// <summary>What it is.</summary>
    public required FileKind Kind { get; init; }

    /// <summary>Permission bits, 0 to 07777.</summary>
    public required int Mode { get; init; }

    /// <summary>Owner.</summary>
    public int UserId { get; init; }

    /// <summary>Owning group.</summary>
    public int GroupId { get; init; }

    /// <summary>How many names the inode has; 0 for an orphan that is still open.</summary>
    public int LinkCount { get; init; } = 1;

    /// <summary>Length, bytes: content of a file, target text of a symbolic link, 0 for a folder.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Which content the file has; grows when the content is replaced as a whole.</summary>
    public uint Generation { get; init; } = 1;

    /// <summary>
    /// Grows with every change of the content, in place or by replacement. Part of the HTTP entity tag.
    /// </summary>
    public long Version { get; init; } = 1;

    /// <summary>Where the content stands between the tiers.</summary>
    public TierState State { get; init; } = TierState.Hot;

    /// <summary>The attachment the inode lies under, or 0.</summary>
    public long AttachmentId { get; init; }

    /// <summary>
    /// The inode of the nearest folder above that has a quota, which this inode counts in; 0 for none.
    /// </summary>
    public long QuotaFolder { get; init; }

    /// <summary>The target text of a symbolic link, else null.</summary>
    public string? LinkTarget { get; init; }

    /// <summary>The device number of a character or block device, as the kernel gives it; else 0.</summary>
    public uint Device { get; init; }

    /// <summary>Last access, nanoseconds since 1970 UTC.</summary>
    public long AccessTimeNanoseconds { get; init; }

    /// <summary>Last change of the content, nanoseconds since 1970 UTC.</summary>
    public long ModifyTimeNanoseconds { get; init; }

    /// <summary>Last change of anything, nanoseconds since 1970 UTC.</summary>
    public long ChangeTimeNanoseconds { get; init; }

    /// <summary>
    /// When the inode was made, nanoseconds since 1970 UTC; 0 where that is not known (made before it was kept).
    /// </summary>
    public long BirthTimeNanoseconds { get; init; }

    /// <summary>The current content's name.</summary>
    public ContentId Content => new(Inode, Generation);
}
