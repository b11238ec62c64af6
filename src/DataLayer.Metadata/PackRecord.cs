using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata;

/// <summary>How far a pack is. The values are stored.</summary>
public enum PackState
{
    /// <summary>It is being written; nothing refers to it. After a crash it is collected.</summary>
    Building = 1,

    /// <summary>Contents may lie in it.</summary>
    Live = 2,

    /// <summary>It was found in the bucket, and its members are brought into the tree, some at a time.</summary>
    Importing = 3,
}

/// <summary>A tar object that holds the contents of small cold files. Immutable.</summary>
public sealed record PackRecord
{
    /// <summary>The pack's number, never used again.</summary>
    public required long Id { get; init; }

    /// <summary>The attachment whose bucket holds it.</summary>
    public required long AttachmentId { get; init; }

    /// <summary>The tar's key; its index lies at this key and <see cref="PackKeys.IndexSuffix"/>.</summary>
    public required string Key { get; init; }

    /// <summary>The tar's ETag; empty while it is built.</summary>
    public string ETag { get; init; } = string.Empty;

    /// <summary>Length of the tar, bytes; 0 while it is built.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Contents put into it, a count; while it is imported, of those the tree has looked at.</summary>
    public long MemberCount { get; init; }

    /// <summary>Bytes of these contents.</summary>
    public long MemberBytes { get; init; }

    /// <summary>How far it is.</summary>
    public PackState State { get; init; } = PackState.Building;

    /// <summary>When it was begun, nanoseconds since 1970 UTC.</summary>
    public long CreatedTimeNanoseconds { get; init; }

    /// <summary>The index's key.</summary>
    public string IndexKey => Key + PackKeys.IndexSuffix;

    /// <summary>The key of what says which members are gone or renamed.</summary>
    public string NamesKey => Key + PackKeys.NamesSuffix;
}

/// <summary>A pack and what of it is in use.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="LiveCount">Contents in it that are files' current ones, a count.</param>
/// <param name="LiveBytes">Bytes of these.</param>
public sealed record PackUse(PackRecord Pack, long LiveCount, long LiveBytes)
{
    /// <summary>The share of its contents' bytes that no file needs any more, 0 to 1.</summary>
    public double DeadShare => Pack.MemberBytes == 0
        ? (Pack.MemberCount == 0 ? 0 : 1 - (LiveCount / (double)Pack.MemberCount))
        : 1 - (LiveBytes / (double)Pack.MemberBytes);
}

/// <summary>What became of a pack's members since they were packed.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Gone">Offsets of members that no file needs any more, bytes, ascending.</param>
/// <param name="Renamed">Offsets, ascending, and paths below the attachment's folder of members that are called
/// otherwise now.</param>
/// <param name="IsDeferred">Whether members that left are not named as gone yet, because their files' newer contents
/// are not in the bucket.</param>
public sealed record PackNamesOwed(
    PackRecord Pack, IReadOnlyList<long> Gone, IReadOnlyList<(long OffsetBytes, string Name)> Renamed, bool IsDeferred);

/// <summary>A content that was put into a pack.</summary>
/// <param name="Content">The content.</param>
/// <param name="Version">Its version when it was read.</param>
/// <param name="From">Where it lay.</param>
/// <param name="OffsetBytes">Where its bytes begin in the tar.</param>
public sealed record PackMember(ContentId Content, long Version, ObjectReference From, long OffsetBytes);
