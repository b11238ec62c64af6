using DataLayer.Protocol.Keeper;

namespace DataLayer.Protocol.Http;

/// <summary>What is mounted from this service, and where keepers find it: <c>GET /api/v1/mounts</c>.</summary>
public sealed record MountList
{
    /// <summary>The service's state folder; a keeper on the same machine connects to the socket in it.</summary>
    public required string StateFolder { get; init; }

    /// <summary>Why keepers cannot connect now; null where they can.</summary>
    public string? Unavailable { get; init; }

    /// <summary>The mounts the service serves now.</summary>
    public required IReadOnlyList<MountReport> Mounts { get; init; }
}

/// <summary>One mount that the service serves, since it took it.</summary>
public sealed record MountReport
{
    /// <summary>The mount's name for its life.</summary>
    public required string MountId { get; init; }

    /// <summary>The path in the tree.</summary>
    public required string TreePath { get; init; }

    /// <summary>Where it is mounted, as its keeper sees it.</summary>
    public required string MountPoint { get; init; }

    /// <summary>The profile in use.</summary>
    public MountProfile Profile { get; init; }

    /// <summary>Whether changes are refused.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The protocol version agreed on with the kernel, as 7.45.</summary>
    public required string Protocol { get; init; }

    /// <summary>Which way each kind of access takes, and why.</summary>
    public required IReadOnlyList<MountPathReport> Paths { get; init; }

    /// <summary>The keeper's process.</summary>
    public int KeeperProcessId { get; init; }

    /// <summary>How often the mount went from one service to the next, a count.</summary>
    public int TakeoverCount { get; init; }

    /// <summary>How long this service has served it, seconds.</summary>
    public double ServedSeconds { get; init; }

    /// <summary>Requests of the kernel by kind, counts.</summary>
    public required IReadOnlyDictionary<string, long> Requests { get; init; }

    /// <summary>Bytes answered to reads; what the kernel answers from its own cache does not count.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Bytes taken by writes.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Requests in flight, a count.</summary>
    public int InFlight { get; init; }

    /// <summary>Inodes the kernel knows, a count.</summary>
    public int KnownInodes { get; init; }

    /// <summary>Invalidations of the kernel's caches, a count.</summary>
    public long Invalidations { get; init; }

    /// <summary>Memory of request buffers, bytes.</summary>
    public long BufferBytes { get; init; }
}

/// <summary>Which way a kind of access takes on a mount.</summary>
/// <param name="Access">The kind of access.</param>
/// <param name="Path">The way it takes.</param>
/// <param name="Why">Why this one.</param>
public sealed record MountPathReport(string Access, string Path, string Why);

/// <summary>What a mount on this machine is in.</summary>
public enum MountState
{
    /// <summary>The service serves it.</summary>
    Served,

    /// <summary>Its keeper waits for a service; so does who uses it.</summary>
    Waiting,

    /// <summary>Nobody keeps it: it answers ENOTCONN until it is detached.</summary>
    Dead,

    /// <summary>Served, but not in this machine's table: detached with users left, or in another container.</summary>
    Elsewhere,
}

/// <summary>One mount as <c>datalayer mount status</c> finds it.</summary>
public sealed record MountStatus
{
    /// <summary>Where it is mounted.</summary>
    public required string MountPoint { get; init; }

    /// <summary>The path in the tree; null where nobody says.</summary>
    public string? TreePath { get; init; }

    /// <summary>What it is in.</summary>
    public MountState State { get; init; }

    /// <summary>What the service says of it; null where it serves it not.</summary>
    public MountReport? Report { get; init; }
}
