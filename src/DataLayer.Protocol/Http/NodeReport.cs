namespace DataLayer.Protocol.Http;

/// <summary>A node of the tree.</summary>
public sealed record NodeReport
{
    /// <summary>What it is known by over restarts.</summary>
    public required string Id { get; init; }

    /// <summary>What people call it.</summary>
    public required string Name { get; init; }

    /// <summary>Where other nodes reach its HTTP API; null where it offers itself to none.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The failure domain it is in; null where none is known.</summary>
    public string? Zone { get; init; }

    /// <summary><c>writer</c> or <c>reader</c>.</summary>
    public required string Role { get; init; }

    /// <summary>How often a service started as this node.</summary>
    public required long Epoch { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Whether its heartbeats have not expired.</summary>
    public required bool Live { get; init; }

    /// <summary>How long ago its last heartbeat was, seconds.</summary>
    public required double HeartbeatAgeSeconds { get; init; }

    /// <summary>Whether it is the node that answers.</summary>
    public bool Self { get; init; }
}
