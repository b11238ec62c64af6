using DataLayer.Core.Identity;

namespace DataLayer.Fuse.Vfs;

/// <summary>What the semantics of a mount depend on.</summary>
internal sealed record FileSystemOptions
{
    /// <summary>The inode that is node 1.</summary>
    internal InodeId Root { get; init; } = InodeId.Root;

    /// <summary>The mount's name, which stays over takeovers.</summary>
    internal string MountId { get; init; } = string.Empty;

    /// <summary>Changes are refused.</summary>
    internal bool ReadOnly { get; init; }

    /// <summary>How long names are believed.</summary>
    internal TimeSpan EntryTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long attributes are believed.</summary>
    internal TimeSpan AttributeTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>The kernel may know inodes and have handles that a former service gave it.</summary>
    internal bool IsTakeover { get; init; }
}

/// <summary>Who asks.</summary>
/// <param name="UserId">User.</param>
/// <param name="GroupId">Group.</param>
/// <param name="IsResent">The former service may have done what is asked, and died before it answered.</param>
/// <param name="Request">The request's number, the same when it is sent again.</param>
internal readonly record struct Caller(int UserId, int GroupId, bool IsResent = false, ulong Request = 0);

/// <summary>An inode as the kernel is told of it.</summary>
/// <param name="Node">The node id.</param>
/// <param name="Attributes">Its attributes.</param>
/// <param name="EntryTimeout">How long the name is good.</param>
/// <param name="AttributeTimeout">How long the attributes are good.</param>
internal readonly record struct NodeEntry(
    ulong Node, Core.Tree.InodeAttributes Attributes, TimeSpan EntryTimeout, TimeSpan AttributeTimeout);

/// <summary>What an open came to.</summary>
/// <param name="Handle">The handle's number; 0 where handles carry nothing.</param>
/// <param name="KeepCache">What the kernel has of the file in its page cache is current.</param>
/// <param name="BackingId">The kernel's id of the file it reads by itself; 0 for none.</param>
internal readonly record struct OpenedFile(ulong Handle, bool KeepCache, int BackingId = 0)
{
    /// <summary>How the handle reads.</summary>
    internal HandleMode Mode => (HandleMode)Handle;
}
