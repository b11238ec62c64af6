using DataLayer.Core.Identity;

namespace DataLayer.Core.Tree;

/// <summary>
/// Work that must end even if the process dies: written in the transaction that makes it due, removed when done.
/// </summary>
public sealed record JournalEntry
{
    /// <summary>The entry's number; 0 before it is stored. Entries of one inode are done in this order.</summary>
    public long Id { get; init; }

    /// <summary>What to do.</summary>
    public required JournalKind Kind { get; init; }

    /// <summary>The content concerned.</summary>
    public required ContentId Content { get; init; }

    /// <summary>The attachment whose store is concerned, or 0.</summary>
    public long AttachmentId { get; init; }

    /// <summary>The object's key, or empty.</summary>
    public string Key { get; init; } = string.Empty;

    /// <summary>The ETag the object must still have for a delete or overwrite, or null for no condition.</summary>
    public string? ETag { get; init; }

    /// <summary>
    /// With an upload that has no <see cref="ETag"/>: an object of ours whose ETag nobody knows may be at the key, and
    /// is replaced. Else there must be none.
    /// </summary>
    public bool MayReplace { get; init; }

    /// <summary>The placement of a hot copy to delete (<see cref="Layout.Placement.ToText"/>), or null.</summary>
    public string? Placement { get; init; }

    /// <summary>How often the work failed, a count.</summary>
    public int FailureCount { get; init; }

    /// <summary>Not before this time, nanoseconds since 1970 UTC.</summary>
    public long DueTimeNanoseconds { get; init; }
}
