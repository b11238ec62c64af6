using DataLayer.Core.Tree;

namespace DataLayer.Engine.Files.Nodes;

/// <summary>What a rename did.</summary>
/// <param name="Moved">The inode that got the new name.</param>
/// <param name="Replaced">What had it before, or null; with Exchange what has the old name now.</param>
public readonly record struct NodeRename(InodeAttributes Moved, InodeAttributes? Replaced);
