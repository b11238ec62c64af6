namespace DataLayer.Engine.Files.Nodes;

/// <summary>What statfs(2) tells.</summary>
/// <param name="TotalBytes">Capacity of the hot tier's targets.</param>
/// <param name="FreeBytes">What is free on them.</param>
/// <param name="AvailableBytes">What may still be written, reserves left out.</param>
/// <param name="TotalInodes">How many inodes there may be, a count; inodes are rows and not limited by
/// themselves.</param>
/// <param name="FreeInodes">How many more there may be, a count.</param>
public readonly record struct NodeSpace(
    long TotalBytes, long FreeBytes, long AvailableBytes, long TotalInodes, long FreeInodes);
