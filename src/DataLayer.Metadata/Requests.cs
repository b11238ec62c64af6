using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata;

/// <summary>What a new inode starts with.</summary>
/// <param name="Mode">Permission bits.</param>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Owning group.</param>
/// <param name="Device">The device number of a character or block device, as the kernel gives it; else 0.</param>
public readonly record struct NewInode(int Mode, int UserId = 0, int GroupId = 0, uint Device = 0);

/// <summary>Files, folders and bytes below a folder.</summary>
public readonly record struct TreeUsage(long FileCount, long FolderCount, long SizeBytes, long ResidentBytes);

/// <summary>
/// What a rename did: the moved inode and the file it replaced, if any (an orphan when its LinkCount is 0).
/// </summary>
public readonly record struct RenameResult(InodeAttributes Moved, InodeAttributes? Replaced);

/// <summary>Which attributes to change; null leaves one as it is.</summary>
public sealed record AttributeChanges
{
    /// <summary>Permission bits.</summary>
    public int? Mode { get; init; }

    /// <summary>Owner.</summary>
    public int? UserId { get; init; }

    /// <summary>Owning group.</summary>
    public int? GroupId { get; init; }

    /// <summary>Last access, nanoseconds since 1970 UTC.</summary>
    public long? AccessTimeNanoseconds { get; init; }

    /// <summary>Last content change, nanoseconds since 1970 UTC.</summary>
    public long? ModifyTimeNanoseconds { get; init; }

    /// <summary>Sets the last access to the time of the change.</summary>
    public bool AccessTimeIsNow { get; init; }

    /// <summary>Sets the last content change to the time of the change.</summary>
    public bool ModifyTimeIsNow { get; init; }
}

/// <summary>A content being written, not yet visible.</summary>
/// <param name="Content">Its identity.</param>
/// <param name="Folder">The folder it will appear in.</param>
/// <param name="Name">The name it will have.</param>
/// <param name="Placement">Where it is written; null where the content goes to a segment and is placed at
/// publication.</param>
/// <param name="JournalId">The PendingWrite entry, or 0 without one.</param>
public sealed record PendingContent(
    ContentId Content, InodeId Folder, string Name, Placement? Placement, long JournalId);

/// <summary>Makes a written content current.</summary>
public sealed record PublishRequest
{
    /// <summary>The content that was begun.</summary>
    public required PendingContent Pending { get; init; }

    /// <summary>Its length, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Where it lies; null for an empty file.</summary>
    public required Placement? Placement { get; init; }

    /// <summary>Mode and owner if the name is new.</summary>
    public required NewInode NewInode { get; init; }

    /// <summary>
    /// The file must still have this generation and version (<see cref="InodeAttributes.Version"/>); null for no
    /// condition.
    /// </summary>
    public (uint Generation, long Version)? IfMatch { get; init; }

    /// <summary>There must be nothing at the name.</summary>
    public bool IfAbsent { get; init; }
}

/// <summary>Changes a content in place. A null field stays as it is.</summary>
public sealed record ContentUpdate
{
    /// <summary>The content that must be current.</summary>
    public required ContentId Content { get; init; }

    /// <summary>The version that must be current, or null.</summary>
    public long? IfVersion { get; init; }

    /// <summary>The new length, bytes.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>The new placement.</summary>
    public Placement? Placement { get; init; }

    /// <summary>Forget the placement (after a release).</summary>
    public bool ClearPlacement { get; init; }

    /// <summary>Blocks that became hot.</summary>
    public IReadOnlyList<uint>? SetResident { get; init; }

    /// <summary>Blocks that are hot no longer.</summary>
    public IReadOnlyList<uint>? ClearResident { get; init; }

    /// <summary>The new state.</summary>
    public TierState? State { get; init; }

    /// <summary>When the object was last seen to be current, nanoseconds since 1970 UTC.</summary>
    public long? CheckedTimeNanoseconds { get; init; }

    /// <summary>The new cold copy of this content.</summary>
    public ObjectReference? Object { get; init; }

    /// <summary>When the bytes changed, nanoseconds since 1970 UTC; null for now. With ContentChanges only.</summary>
    public long? ModifyTimeNanoseconds { get; init; }

    /// <summary>A journal entry whose work ends with this change, or 0.</summary>
    public long CompletesJournalId { get; init; }

    /// <summary>
    /// The bytes change: counts up the version, sets the times and state Hot, journals an upload under a read-write
    /// attachment.
    /// </summary>
    public bool ContentChanges { get; init; }
}

/// <summary>One listed object.</summary>
/// <param name="RelativePath">Path below the attachment's folder, '/'-separated.</param>
/// <param name="Key">The full key.</param>
/// <param name="ETag">ETag without quotes.</param>
/// <param name="VersionId">Version, or null.</param>
/// <param name="SizeBytes">Size.</param>
/// <param name="LastModifiedNanoseconds">When the object was written, nanoseconds since 1970 UTC.</param>
/// <param name="StorageClass">The storage class as the store names it, or null where it does not say.</param>
public readonly record struct ImportedObject(
    string RelativePath, string Key, string ETag, string? VersionId, long SizeBytes, long LastModifiedNanoseconds,
    string? StorageClass = null);

/// <summary>
/// What an import changed: counts of files, and the objects that have no place in a tree (empty name, "..", a name
/// that is file and folder) with the reason.
/// </summary>
public sealed record ImportResult(
    long Added, long Changed, long Unchanged, IReadOnlyList<(string Key, string Reason)> Refused);

/// <summary>When an extended attribute may be set.</summary>
public enum XattrCondition
{
    /// <summary>Always.</summary>
    None = 0,

    /// <summary>Only if it is absent (XATTR_CREATE).</summary>
    Create = 1,

    /// <summary>Only if it is there (XATTR_REPLACE).</summary>
    Replace = 2,
}

/// <summary>
/// What a publication did: the file as it is now, and the file it took the name from, if that was another one.
/// </summary>
/// <param name="Published">The published file.</param>
/// <param name="Replaced">
/// A file that another writer put at the name meanwhile (an orphan when its LinkCount is 0: to be released), or null.
/// </param>
public readonly record struct PublishResult(InodeAttributes Published, InodeAttributes? Replaced);

/// <summary>A fault found in the tree.</summary>
/// <param name="Kind">A stable word for the kind of fault.</param>
/// <param name="Inode">The inode concerned, or none.</param>
/// <param name="Message">What is wrong and what repairs it.</param>
public sealed record TreeProblem(string Kind, InodeId Inode, string Message);

/// <summary>What a check of the tree found.</summary>
/// <param name="InodeCount">How many inodes there are.</param>
/// <param name="ContentCount">How many of them are regular files.</param>
/// <param name="RepairedCount">How many problems were repaired.</param>
/// <param name="Problems">What is wrong (still, after a repair), at most 1,000 problems.</param>
public sealed record TreeCheckReport(
    long InodeCount, long ContentCount, long RepairedCount, IReadOnlyList<TreeProblem> Problems);
