namespace DataLayer.Core.Cluster;

/// <summary>One service of a tree, as the others see it.</summary>
/// <param name="Id">What it is known by, over restarts: 32 hexadecimal digits.</param>
/// <param name="Name">What people call it; not necessarily unique.</param>
public sealed record ClusterNode(string Id, string Name)
{
    /// <summary>Where other nodes reach its HTTP API, or null where it offers itself to none.</summary>
    public Uri? PeerEndpoint { get; init; }

    /// <summary>The failure domain it is in, or null.</summary>
    public string? Zone { get; init; }

    /// <summary>What it may do.</summary>
    public NodeRole Role { get; init; }

    /// <summary>How often a service started under this id, from 1: it fences the one before.</summary>
    public long Epoch { get; init; }

    /// <summary>When it started, by the database's clock.</summary>
    public DateTimeOffset StartedAt { get; init; }
}
