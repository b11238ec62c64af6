namespace DataLayer.Core.Tree;

/// <summary>Whether changes in the tree may reach the bucket. The values are stored.</summary>
public enum AttachmentMode
{
    /// <summary>The tree never changes the bucket; writes below the folder are refused.</summary>
    ReadOnly = 1,

    /// <summary>Writes, renames and deletes below the folder reach the bucket.</summary>
    ReadWrite = 2,
}
