using DataLayer.Core.Tree;

namespace DataLayer.Protocol.Http;

/// <summary>Files, folders and bytes below a path.</summary>
public sealed record UsageReport
{
    /// <summary>The path.</summary>
    public required string Path { get; init; }

    /// <summary>Files and links, a count.</summary>
    public long FileCount { get; init; }

    /// <summary>Folders, a count.</summary>
    public long FolderCount { get; init; }

    /// <summary>Lengths added up, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Bytes the hot tier holds.</summary>
    public long ResidentBytes { get; init; }
}

/// <summary>One attachment.</summary>
public sealed record AttachmentStatus
{
    /// <summary>Its number.</summary>
    public long Id { get; init; }

    /// <summary>The folder.</summary>
    public required string Path { get; init; }

    /// <summary>What is attached.</summary>
    public required string Source { get; init; }

    /// <summary>The object store's name in the configuration.</summary>
    public required string Store { get; init; }

    /// <summary>Whether the tree may change the bucket.</summary>
    public AttachmentMode Mode { get; init; }

    /// <summary>When objects are checked again.</summary>
    public FreshnessMode Freshness { get; init; }

    /// <summary>How old a check may be, seconds.</summary>
    public double MaxAgeSeconds { get; init; }

    /// <summary>When written content is uploaded.</summary>
    public FlushMode Flush { get; init; }

    /// <summary>Whether the listing is complete; if not, attach again to go on with it.</summary>
    public bool ListingComplete { get; init; }

    /// <summary>Objects listed, a count.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Bytes of those objects.</summary>
    public long ObjectBytes { get; init; }
}

/// <summary>What a listing of a bucket brought.</summary>
public sealed record ListingReport
{
    /// <summary>Objects seen, a count.</summary>
    public long Objects { get; init; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>LIST requests used, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Objects that have no place in a tree, a count.</summary>
    public long Refused { get; init; }

    /// <summary>Whether the listing reached its end.</summary>
    public bool Done { get; init; }
}

/// <summary>What a warm-up brought.</summary>
public sealed record WarmReport
{
    /// <summary>Files below the path, a count.</summary>
    public long Files { get; init; }

    /// <summary>Files that are resident now, a count.</summary>
    public long FilesDone { get; init; }

    /// <summary>Bytes below the path.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes that are resident now.</summary>
    public long BytesDone { get; init; }

    /// <summary>Files that were resident before, a count.</summary>
    public long AlreadyHot { get; init; }

    /// <summary>Files that could not be brought, a count.</summary>
    public long Failed { get; init; }

    /// <summary>The first failure, or null.</summary>
    public string? FirstError { get; init; }
}

/// <summary>What an eviction dropped.</summary>
public sealed record EvictReport
{
    /// <summary>Blocks dropped from memory, a count.</summary>
    public long Blocks { get; init; }

    /// <summary>Files whose hot copy was released, a count.</summary>
    public long ReleasedFiles { get; init; }

    /// <summary>Bytes released from the hot tier.</summary>
    public long ReleasedBytes { get; init; }

    /// <summary>Files kept because the hot tier holds their only copy, a count.</summary>
    public long KeptFiles { get; init; }
}

/// <summary>What fsck found.</summary>
public sealed record CheckStatus
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool Clean { get; init; }

    /// <summary>Inodes checked, a count.</summary>
    public long Inodes { get; init; }

    /// <summary>Contents checked, a count.</summary>
    public long Contents { get; init; }

    /// <summary>Problems repaired, a count.</summary>
    public long Repaired { get; init; }

    /// <summary>The problems.</summary>
    public required IReadOnlyList<ProblemFound> Problems { get; init; }
}

/// <summary>One problem fsck found.</summary>
public sealed record ProblemFound
{
    /// <summary>A stable word for the kind of fault.</summary>
    public required string Kind { get; init; }

    /// <summary>The inode concerned, or 0.</summary>
    public long Inode { get; init; }

    /// <summary>What is wrong and what repairs it.</summary>
    public required string Message { get; init; }
}

/// <summary>What a scrub found.</summary>
public sealed record ScrubStatus
{
    /// <summary>Files read, a count.</summary>
    public long Files { get; init; }

    /// <summary>Chunks of 64 KiB checked, a count.</summary>
    public long CheckedChunks { get; init; }

    /// <summary>Chunks repaired from another copy, a count.</summary>
    public long RepairedChunks { get; init; }

    /// <summary>Chunks repaired from the object, a count.</summary>
    public long RepairedFromObjects { get; init; }

    /// <summary>Files without a good copy of some range, a count.</summary>
    public long BadFiles { get; init; }
}

/// <summary>One target of the hot tier.</summary>
public sealed record TargetReport
{
    /// <summary>Its persistent number.</summary>
    public int Target { get; init; }

    /// <summary>Its pool.</summary>
    public required string Pool { get; init; }

    /// <summary>Where it is.</summary>
    public required string Location { get; init; }

    /// <summary>Its state, as the hot tier names it.</summary>
    public required string State { get; init; }

    /// <summary>Size of its file system, bytes.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>Bytes free on it.</summary>
    public long FreeBytes { get; init; }

    /// <summary>Bytes our contents use.</summary>
    public long UsedBytes { get; init; }

    /// <summary>Why it is fenced, or null.</summary>
    public string? Fault { get; init; }
}

/// <summary>Names of a path's extended attributes.</summary>
public sealed record XattrList
{
    /// <summary>The path.</summary>
    public required string Path { get; init; }

    /// <summary>The names.</summary>
    public required IReadOnlyList<string> Names { get; init; }
}

/// <summary>How many bytes a drain moved.</summary>
public sealed record DrainStatus
{
    /// <summary>The target.</summary>
    public int Target { get; init; }

    /// <summary>Bytes moved to other targets.</summary>
    public long MovedBytes { get; init; }
}

/// <summary>The program's version.</summary>
public sealed record VersionReport
{
    /// <summary>The program: <c>datalayer</c>.</summary>
    public required string Program { get; init; }

    /// <summary>Its version.</summary>
    public required string Version { get; init; }

    /// <summary>The API's version.</summary>
    public required string Api { get; init; }

    /// <summary>The runtime it runs on.</summary>
    public required string Runtime { get; init; }
}

/// <summary>Who calls, and what that allows: for programs that offer only what will work.</summary>
public sealed record CallerReport
{
    /// <summary>How the service's logs name the caller.</summary>
    public required string Name { get; init; }

    /// <summary>reader, tenant, admin or node.</summary>
    public required string Role { get; init; }

    /// <summary>The folders it reaches; empty for all.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary>Ids of the operations its role allows, as the OpenAPI document has them.</summary>
    public required IReadOnlyList<string> Operations { get; init; }
}

/// <summary>Whether the service can answer requests.</summary>
public sealed record ReadyReport
{
    /// <summary>True with status 200, false with 503.</summary>
    public bool Ready { get; init; }

    /// <summary>Why not, or what is impaired; empty when all is well.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }
}
