namespace DataLayer.Core.Cluster;

/// <summary>What a node may do with the tree.</summary>
public enum NodeRole
{
    /// <summary>Reads and writes; a tree has one.</summary>
    Writer,

    /// <summary>Reads, and follows what the writer changes.</summary>
    Reader,
}
