namespace DataLayer.Csi.Node;

/// <summary>What the node is told by <see cref="CsiDriverOptions"/>.</summary>
internal sealed record NodeOptions
{
    /// <summary>The node's name.</summary>
    public required string NodeId { get; init; }

    /// <summary>The node's zone, or null.</summary>
    public string? Zone { get; init; }

    /// <summary>The domain of the topology keys.</summary>
    public required string TopologyPrefix { get; init; }

    /// <summary>How many volumes a node takes; 0 is no limit.</summary>
    public long MaxVolumes { get; init; }

    /// <summary>The folder all targets must be below, or null.</summary>
    public string? TargetRoot { get; init; }

    /// <summary>Configured stores that inline volumes may use without a secret of their own.</summary>
    public IReadOnlyList<string> InlineStores { get; init; } = [];

    /// <summary>How long a mount may take to answer before it counts as dead.</summary>
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
