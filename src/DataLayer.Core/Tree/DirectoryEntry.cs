namespace DataLayer.Core.Tree;

/// <summary>One name in a folder, with what it names.</summary>
/// <param name="Name">The name: 1 to 255 bytes of UTF-8, no '/' and no NUL, not '.' or '..'.</param>
/// <param name="Attributes">The inode the name leads to.</param>
public readonly record struct DirectoryEntry(string Name, InodeAttributes Attributes);
