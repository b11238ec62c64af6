using DataLayer.Core.Identity;

namespace DataLayer.Metadata.Nodes;

/// <summary>What a change of the tree touched.</summary>
public enum TreeChangeKind
{
    /// <summary>An inode's attributes, or where its content lies.</summary>
    Attributes = 1,

    /// <summary>Bytes of a content: changed in place, replaced, or gone.</summary>
    Content = 2,

    /// <summary>A name in a folder.</summary>
    Name = 3,

    /// <summary>The attachments.</summary>
    Attachments = 4,
}

/// <summary>One thing that a committed transaction of another node touched.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Inode">The inode; of a name its folder.</param>
/// <param name="Generation">The content that was current before; of names and attachments 0.</param>
/// <param name="BlockCount">How many blocks of the content may be cached, with Content.</param>
/// <param name="Name">The name, or null where it is none.</param>
public readonly record struct TreeChange(
    TreeChangeKind Kind, InodeId Inode, uint Generation, uint BlockCount, string? Name);
