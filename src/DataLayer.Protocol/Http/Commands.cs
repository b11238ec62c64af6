using System.Text.Json.Serialization;
using DataLayer.Core.Tree;

namespace DataLayer.Protocol.Http;

/// <summary>A path, for the operations that need nothing else.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PathCommand
{
    /// <summary>The absolute path.</summary>
    public required string Path { get; init; }
}

/// <summary>Makes a folder.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record MakeDirectoryCommand
{
    /// <summary>The new folder.</summary>
    public required string Path { get; init; }

    /// <summary>Permission bits, 0 to 4095. Default 0755.</summary>
    public int Mode { get; set; } = 0x1ED;

    /// <summary>Make missing parents, and be content if the folder is there.</summary>
    public bool Parents { get; init; }
}

/// <summary>Renames in one transaction.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RenameCommand
{
    /// <summary>The old path.</summary>
    public required string From { get; init; }

    /// <summary>The new path.</summary>
    public required string To { get; init; }

    /// <summary>Fail if the new path is taken.</summary>
    public bool NoReplace { get; init; }

    /// <summary>Exchange the two names.</summary>
    public bool Exchange { get; init; }
}

/// <summary>Makes a file with the content of another.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record CloneCommand
{
    /// <summary>The file.</summary>
    public required string From { get; init; }

    /// <summary>The clone's path; what is there is replaced.</summary>
    public required string To { get; init; }

    /// <summary>Fail if the new path is taken.</summary>
    public bool NoReplace { get; init; }

    /// <summary>Make missing parent folders.</summary>
    public bool Parents { get; init; }

    /// <summary>The clone gets mode, owner, times and user attributes of the file too.</summary>
    public bool KeepAttributes { get; init; }
}

/// <summary>Makes another name for a file.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record LinkCommand
{
    /// <summary>The file.</summary>
    public required string Existing { get; init; }

    /// <summary>Its new name.</summary>
    public required string Path { get; init; }
}

/// <summary>Makes a symbolic link.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record SymbolicLinkCommand
{
    /// <summary>The link's path.</summary>
    public required string Path { get; init; }

    /// <summary>The text it holds, 1 to 4,096 bytes of UTF-8; not checked against the tree.</summary>
    public required string Target { get; init; }
}

/// <summary>Sets a file's length.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record TruncateCommand
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>The new length, bytes; a longer file reads as zeros past its old end.</summary>
    public required long SizeBytes { get; init; }
}

/// <summary>Changes attributes (chmod, chown, utimes). A null field stays as it is.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AttributesCommand
{
    /// <summary>The path.</summary>
    public required string Path { get; init; }

    /// <summary>Permission bits, 0 to 4095.</summary>
    public int? Mode { get; init; }

    /// <summary>Owner.</summary>
    public int? UserId { get; init; }

    /// <summary>Owning group.</summary>
    public int? GroupId { get; init; }

    /// <summary>Last access, nanoseconds since 1970 UTC.</summary>
    public long? AccessTimeNanoseconds { get; init; }

    /// <summary>Last content change, nanoseconds since 1970 UTC.</summary>
    public long? ModifyTimeNanoseconds { get; init; }
}

/// <summary>Makes writes durable, or waits for uploads.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FlushCommand
{
    /// <summary>A file (fsync), or with <see cref="Uploads"/> any path.</summary>
    public required string Path { get; init; }

    /// <summary>Wait until all uploads due below the path were verified.</summary>
    public bool Uploads { get; init; }
}

/// <summary>Attaches a bucket prefix to a folder.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AttachCommand
{
    /// <summary><c>s3://bucket/prefix</c> or <c>file:///folder</c>.</summary>
    public required string Source { get; init; }

    /// <summary>The folder; made if absent.</summary>
    public required string Path { get; init; }

    /// <summary>The configured object store.</summary>
    public string Store { get; set; } = "default";

    /// <summary>Whether the tree may change the bucket.</summary>
    public AttachmentMode Mode { get; set; } = AttachmentMode.ReadOnly;

    /// <summary>When objects are checked again.</summary>
    public FreshnessMode Freshness { get; set; } = FreshnessMode.Immutable;

    /// <summary>How old a check may be with <see cref="FreshnessMode.MaxAge"/>, seconds.</summary>
    public double MaxAgeSeconds { get; set; } = 60;

    /// <summary>When written content is uploaded.</summary>
    public FlushMode Flush { get; set; } = FlushMode.WriteBack;

    /// <summary>
    /// Encrypt what of it lies in the hot tier and in the memory tier's spill, under a key that is forgotten when it is
    /// detached. Objects in the bucket stay as they are.
    /// </summary>
    public bool Encrypt { get; set; }
}

/// <summary>Brings content into faster tiers.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record WarmCommand
{
    /// <summary>A file or folder.</summary>
    public required string Path { get; init; }

    /// <summary>Fill the memory tier as well.</summary>
    public bool IntoMemory { get; init; }
}

/// <summary>Drops copies from faster tiers.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record EvictCommand
{
    /// <summary>A file or folder.</summary>
    public required string Path { get; init; }

    /// <summary>Drop the hot copies of premigrated contents too.</summary>
    public bool Hot { get; init; }
}

/// <summary>Checks the tree against the tiers.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record CheckCommand
{
    /// <summary>Repair what can be repaired.</summary>
    public bool Repair { get; init; }
}

/// <summary>Adds a target to a pool.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AddTargetCommand
{
    /// <summary>The pool.</summary>
    public required string Pool { get; init; }

    /// <summary>The directory on the service's machine, or a rados:// address.</summary>
    public required string Directory { get; init; }
}

/// <summary>
/// Makes an S3 store known to the service while it runs, with keys of its own; asked again it replaces them. The keys
/// are kept in the service's state folder, readable by its user alone, and never shown again.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record DefineStoreCommand
{
    /// <summary>The name attachments refer to: letters, digits, '-', '_' and '.', at most 200.</summary>
    public required string Name { get; init; }

    /// <summary>The server's URL; null for AWS.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The region requests are signed for; null for us-east-1.</summary>
    public string? Region { get; init; }

    /// <summary>The bucket in the path rather than in the host name.</summary>
    public bool PathStyle { get; set; } = true;

    /// <summary>The access key.</summary>
    public required string AccessKey { get; init; }

    /// <summary>The secret key.</summary>
    public required string SecretKey { get; init; }

    /// <summary>The session token of temporary keys, or null.</summary>
    public string? SessionToken { get; init; }

    /// <summary>The name only: a log line must not hold the keys.</summary>
    public override string ToString() => $"store {Name}";
}
