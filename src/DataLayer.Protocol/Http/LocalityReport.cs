namespace DataLayer.Protocol.Http;

/// <summary>How much of a folder each node has near.</summary>
public sealed record LocalityReport
{
    /// <summary>The folder, or one file.</summary>
    public required string Path { get; init; }

    /// <summary>This node, then the others in the order of their names.</summary>
    public required IReadOnlyList<NodeLocality> Nodes { get; init; }
}

/// <summary>How much of a folder one node has near.</summary>
public sealed record NodeLocality
{
    /// <summary>What the node is called.</summary>
    public required string Node { get; init; }

    /// <summary>The failure domain it is in; null where none is known.</summary>
    public string? Zone { get; init; }

    /// <summary>Whether it is the node that was asked.</summary>
    public bool IsSelf { get; init; }

    /// <summary>Why nothing is known of it; null where something is.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether all files were looked at; else the first ones, and <see cref="Share"/> is theirs.</summary>
    public bool IsWhole { get; init; }

    /// <summary>Files looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their length, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>What of it memory has, bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>What of it the hot tier has, bytes.</summary>
    public long HotBytes { get; init; }

    /// <summary>What one of them has, bytes.</summary>
    public long NearBytes { get; init; }

    /// <summary>
    /// <see cref="NearBytes"/> as a part of <see cref="SizeBytes"/>, 0 to 1; 0 where there is nothing.
    /// </summary>
    public double Share => SizeBytes == 0 ? 0 : (double)NearBytes / SizeBytes;
}
