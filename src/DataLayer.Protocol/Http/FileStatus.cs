using DataLayer.Core.Tree;

namespace DataLayer.Protocol.Http;

/// <summary>What the API says of one inode.</summary>
public record FileStatus
{
    /// <summary>The name in its folder; "/" for the root.</summary>
    public required string Name { get; init; }

    /// <summary>The inode's number.</summary>
    public required long Inode { get; init; }

    /// <summary>File, folder or symbolic link.</summary>
    public required FileKind Kind { get; init; }

    /// <summary>Permission bits, 0 to 4095 (07777).</summary>
    public required int Mode { get; init; }

    /// <summary>Owner.</summary>
    public int UserId { get; init; }

    /// <summary>Owning group.</summary>
    public int GroupId { get; init; }

    /// <summary>How many names the inode has.</summary>
    public int LinkCount { get; init; }

    /// <summary>Length, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Which content the file has.</summary>
    public uint Generation { get; init; }

    /// <summary>Grows with every change of the content.</summary>
    public long Version { get; init; }

    /// <summary>The entity tag without quotes, for If-Match; null for what is not a file.</summary>
    public string? EntityTag { get; init; }

    /// <summary>Where the content stands between the tiers.</summary>
    public TierState State { get; init; }

    /// <summary>The attachment the inode lies under, or 0.</summary>
    public long AttachmentId { get; init; }

    /// <summary>The target text of a symbolic link, else null.</summary>
    public string? LinkTarget { get; init; }

    /// <summary>Last access, nanoseconds since 1970 UTC.</summary>
    public long AccessTimeNanoseconds { get; init; }

    /// <summary>Last change of the content, nanoseconds since 1970 UTC.</summary>
    public long ModifyTimeNanoseconds { get; init; }

    /// <summary>Last change of anything, nanoseconds since 1970 UTC.</summary>
    public long ChangeTimeNanoseconds { get; init; }

    /// <summary>Says of <paramref name="attributes"/> what the wire carries.</summary>
    public static FileStatus From(string name, InodeAttributes attributes, string? entityTag)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        return new FileStatus
        {
            Name = name,
            Inode = attributes.Inode.Value,
            Kind = attributes.Kind,
            Mode = attributes.Mode,
            UserId = attributes.UserId,
            GroupId = attributes.GroupId,
            LinkCount = attributes.LinkCount,
            SizeBytes = attributes.SizeBytes,
            Generation = attributes.Generation,
            Version = attributes.Version,
            EntityTag = entityTag,
            State = attributes.State,
            AttachmentId = attributes.AttachmentId,
            LinkTarget = attributes.LinkTarget,
            AccessTimeNanoseconds = attributes.AccessTimeNanoseconds,
            ModifyTimeNanoseconds = attributes.ModifyTimeNanoseconds,
            ChangeTimeNanoseconds = attributes.ChangeTimeNanoseconds,
        };
    }
}

/// <summary>One page of a listing, in name order (UTF-8 bytes).</summary>
public sealed record DirectoryPage
{
    /// <summary>The folder.</summary>
    public required string Path { get; init; }

    /// <summary>Its entries after the name asked for.</summary>
    public required IReadOnlyList<FileStatus> Entries { get; init; }

    /// <summary>What to give as <c>after</c> for the next page; null after the last.</summary>
    public string? Next { get; init; }
}

/// <summary>Everything known of one file: what <c>datalayer stat FILE</c> shows.</summary>
public sealed record FileDetail
{
    /// <summary>The path asked for.</summary>
    public required string Path { get; init; }

    /// <summary>The attributes.</summary>
    public required FileStatus Status { get; init; }

    /// <summary>
    /// The fastest tier that holds all of the content: <c>memory</c>, <c>hot</c> or <c>cold</c>; null for what is not
    /// a file.
    /// </summary>
    public string? Tier { get; init; }

    /// <summary>Where the hot copy lies, or null.</summary>
    public string? Placement { get; init; }

    /// <summary>Blocks of the content, a count.</summary>
    public long BlockCount { get; init; }

    /// <summary>Blocks in the hot tier, a count.</summary>
    public long HotBlocks { get; init; }

    /// <summary>Blocks in memory, a count.</summary>
    public long MemoryBlocks { get; init; }

    /// <summary>The cold copy, or null.</summary>
    public ObjectStatus? Object { get; init; }

    /// <summary>The decayed access score; 0 for a file never read.</summary>
    public double Heat { get; init; }

    /// <summary>Whether an upload of the content is due.</summary>
    public bool UploadPending { get; init; }
}

/// <summary>The cold copy of a file.</summary>
public sealed record ObjectStatus
{
    /// <summary>The bucket: <c>s3://bucket</c> or <c>file:///folder</c>; null where the store is not known.</summary>
    public string? Store { get; init; }

    /// <summary>The key.</summary>
    public required string Key { get; init; }

    /// <summary>The ETag without quotes.</summary>
    public required string ETag { get; init; }

    /// <summary>The version in a versioned bucket, else null.</summary>
    public string? VersionId { get; init; }

    /// <summary>Size, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>The storage class as the store last named it; null where it never did.</summary>
    public string? StorageClass { get; init; }
}
