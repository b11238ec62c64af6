namespace DataLayer.Core.Tree;

/// <summary>What a journal entry still has to do. The values are stored.</summary>
public enum JournalKind
{
    /// <summary>Upload the current content of the inode to the entry's key.</summary>
    UploadObject = 1,

    /// <summary>Delete the object at the entry's key if it still has the entry's ETag.</summary>
    DeleteObject = 2,

    /// <summary>Delete the hot copy of a content: inode, generation and placement stand in the entry.</summary>
    DeleteHotCopy = 3,

    /// <summary>
    /// A hot copy is being written under the entry's content; if the write never commits, delete it at the next start.
    /// </summary>
    PendingWrite = 4,

    /// <summary>
    /// Write beside a pack which of its members are gone or renamed: to the entry's key. The inode is minus the pack's
    /// number; what is written is what the tree says then.
    /// </summary>
    WritePackNames = 5,
}
