using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>Makes a job of packs.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PackCommand
{
    /// <summary>
    /// What is done: <c>repack</c> writes packs anew of which much is dead and deletes those nobody needs,
    /// <c>unpack</c>
    /// gives packed files objects of their own again, <c>index</c> makes the indexes again from the tars.
    /// </summary>
    public required string Action { get; init; }

    /// <summary>The files at or below it, and the packs that hold such files.</summary>
    public string Path { get; set; } = "/";

    /// <summary>With <c>repack</c>: from which share of dead bytes on, 0.01 to 1; null as configured.</summary>
    public double? DeadShare { get; init; }
}

/// <summary>A pack: a tar object that holds the contents of small files.</summary>
public sealed record PackStatus
{
    /// <summary>Its number.</summary>
    public long Id { get; init; }

    /// <summary>The folder whose bucket holds it; null where that is detached.</summary>
    public string? Attachment { get; init; }

    /// <summary>The tar's key in the bucket.</summary>
    public required string Key { get; init; }

    /// <summary><c>building</c> or <c>live</c>.</summary>
    public required string State { get; init; }

    /// <summary>Length of the tar, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Files put into it, a count.</summary>
    public long Members { get; init; }

    /// <summary>Files that need it still, a count.</summary>
    public long LiveMembers { get; init; }

    /// <summary>Bytes of these.</summary>
    public long LiveBytes { get; init; }

    /// <summary>The share of its members' bytes that nobody needs any more, 0 to 1.</summary>
    public double DeadShare { get; init; }

    /// <summary>When it was begun.</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A page of the packs, by number.</summary>
public sealed record PackPage
{
    /// <summary>The packs.</summary>
    public required IReadOnlyList<PackStatus> Packs { get; init; }

    /// <summary>What to ask the next page after; null on the last.</summary>
    public long? Next { get; init; }
}
