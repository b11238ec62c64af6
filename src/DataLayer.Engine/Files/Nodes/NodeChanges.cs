namespace DataLayer.Engine.Files.Nodes;

/// <summary>What setattr changes; null leaves a thing as it is.</summary>
public sealed record NodeChanges
{
    /// <summary>Permission bits, 0 to 07777.</summary>
    public int? Mode { get; init; }

    /// <summary>Owner.</summary>
    public int? UserId { get; init; }

    /// <summary>Owning group.</summary>
    public int? GroupId { get; init; }

    /// <summary>The new length of a regular file, bytes; new bytes are zeros.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Last access.</summary>
    public NodeTime? AccessTime { get; init; }

    /// <summary>Last change of the content.</summary>
    public NodeTime? ModifyTime { get; init; }
}
