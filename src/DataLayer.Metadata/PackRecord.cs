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

    /// <summary>Contents put into it, a count.</summary>
    public long MemberCount { get; init; }

    /// <summary>Bytes of these contents.</summary>
    public long MemberBytes { get; init; }

    /// <summary>How far it is.</summary>
    public PackState State { get; init; } = PackState.Building;

    /// <summary>When it was begun, nanoseconds since 1970 UTC.</summary>
    public long CreatedTimeNanoseconds { get; init; }

    /// <summary>The index's key.</summary>
    public string IndexKey => Key + PackKeys.IndexSuffix;
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

/// <summary>A content that was put into a pack.</summary>
/// <param name="Content">The content.</param>
/// <param name="Version">Its version when it was read.</param>
/// <param name="From">Where it lay.</param>
/// <param name="OffsetBytes">Where its bytes begin in the tar.</param>
public sealed record PackMember(ContentId Content, long Version, ObjectReference From, long OffsetBytes);
