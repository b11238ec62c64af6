using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Keeper;

/// <summary>How a mount serves reads: from what its tree holds, or for one kind of files.</summary>
public enum MountProfile
{
    /// <summary>Chosen from the sizes of the files below the mounted path.</summary>
    Auto,

    /// <summary>For large files: passthrough of hot ones.</summary>
    Large,

    /// <summary>For many small files of a read-only tree: no opens.</summary>
    Small,
}

/// <summary>A mount and what the service needs to serve it: <see cref="KeeperFrameKind.Hello"/>.</summary>
public sealed record KeeperHello
{
    /// <summary>Names the mount for its life: 16 hexadecimal digits.</summary>
    public required string MountId { get; init; }

    /// <summary>The path in the tree that is the mount's root.</summary>
    public required string TreePath { get; init; }

    /// <summary>Where it is mounted, in the keeper's name space.</summary>
    public required string MountPoint { get; init; }

    /// <summary>How it serves reads.</summary>
    public MountProfile Profile { get; init; }

    /// <summary>Whether changes are refused.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Further options by name, as given to <c>-o</c>.</summary>
    public IReadOnlyDictionary<string, string> Options
    {
        // What the wire leaves out arrives as null here.
        get => field ?? new Dictionary<string, string>(StringComparer.Ordinal);
        init;
    }

    /// <summary>The keeper's process.</summary>
    public int KeeperProcessId { get; init; }

    /// <summary>
    /// What a service before agreed on with the kernel; empty for a mount that no service has served yet.
    /// </summary>
    public byte[] Negotiated
    {
        get => field ?? [];
        init;
    }

    /// <summary>How often the mount has gone from one service to the next, a count.</summary>
    public int TakeoverCount { get; init; }
}

/// <summary>The service's answer to a mount: <see cref="KeeperFrameKind.Welcome"/>.</summary>
public sealed record KeeperWelcome
{
    /// <summary>Whether the mount is served now.</summary>
    public bool Ok { get; init; }

    /// <summary>Why not.</summary>
    public ErrorCode? Code { get; init; }

    /// <summary>Why not, as a sentence with the remedy.</summary>
    public string? Error { get; init; }

    /// <summary>The service's process.</summary>
    public int ServiceProcessId { get; init; }
}

/// <summary>What the kernel and the service agreed on: <see cref="KeeperFrameKind.Negotiated"/>.</summary>
public sealed record KeeperNegotiated
{
    /// <summary>Bytes that only the service reads: they go back to the next one in its Hello.</summary>
    public required byte[] Negotiated { get; init; }
}

/// <summary>
/// A request for passthrough: <see cref="KeeperFrameKind.BackingOpen"/>, <see cref="KeeperFrameKind.BackingClose"/>.
/// </summary>
public sealed record KeeperBackingRequest
{
    /// <summary>Repeated in the answer; the service's choice.</summary>
    public long RequestId { get; init; }

    /// <summary>
    /// What the file is the content of, in the service's words (inode and generation). The keeper remembers it: asked
    /// again, also by the next service, it answers the same id, as the kernel allows one backing file an inode.
    /// </summary>
    public required string Key { get; init; }
}

/// <summary>The answer to a request for passthrough: <see cref="KeeperFrameKind.BackingAnswer"/>.</summary>
public sealed record KeeperBackingAnswer
{
    /// <summary>The request's.</summary>
    public long RequestId { get; init; }

    /// <summary>The kernel's name of the backing file; positive where it is registered.</summary>
    public int BackingId { get; init; }

    /// <summary>The ioctl's errno; 0 where it worked.</summary>
    public int Errno { get; init; }
}

/// <summary>Why one end stops: <see cref="KeeperFrameKind.Ended"/>, <see cref="KeeperFrameKind.Leave"/>.</summary>
public sealed record KeeperFarewell
{
    /// <summary>One sentence.</summary>
    public string? Reason { get; init; }
}
