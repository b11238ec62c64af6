namespace DataLayer.Fuse;

/// <summary>How a mount is served, and what it did; what <c>datalayer mount status</c> shows.</summary>
public sealed record FuseMountStatus
{
    /// <summary>The mount's name.</summary>
    public required string MountId { get; init; }

    /// <summary>Protocol version in use, for instance 7.45; empty before it was agreed on.</summary>
    public required string Protocol { get; init; }

    /// <summary>The profile in use.</summary>
    public required MountProfile Profile { get; init; }

    /// <summary>Which way each kind of read takes, and why not a shorter one.</summary>
    public required IReadOnlyList<MountPath> Paths { get; init; }

    /// <summary>Requests of the kernel since the service has the mount, by kind, counts.</summary>
    public required IReadOnlyDictionary<string, long> Requests { get; init; }

    /// <summary>Bytes answered to reads; what the kernel answers from its own cache does not count.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Bytes taken by writes.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Requests that wait for the engine now, a count.</summary>
    public int InFlight { get; init; }

    /// <summary>Inodes the kernel knows, a count.</summary>
    public int KnownInodes { get; init; }

    /// <summary>Cache invalidations sent to the kernel, a count.</summary>
    public long Invalidations { get; init; }

    /// <summary>Memory of request buffers, bytes.</summary>
    public long BufferBytes { get; init; }

    /// <summary>Opens of files that the kernel reads by itself, a count.</summary>
    public long PassthroughOpens { get; init; }

    /// <summary>Whether the mount was taken over from an earlier service.</summary>
    public bool WasTakenOver { get; init; }
}

/// <summary>Which way a kind of access takes.</summary>
/// <param name="Access">The kind of access.</param>
/// <param name="Path">The way.</param>
/// <param name="Why">Why this one.</param>
public sealed record MountPath(string Access, string Path, string Why);
