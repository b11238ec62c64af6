namespace DataLayer.Core.Tree;

/// <summary>What an inode is. The values are stored.</summary>
public enum FileKind
{
    /// <summary>A regular file.</summary>
    Regular = 1,

    /// <summary>A folder.</summary>
    Directory = 2,

    /// <summary>A symbolic link.</summary>
    SymbolicLink = 3,

    /// <summary>A named pipe.</summary>
    Fifo = 4,

    /// <summary>A Unix socket.</summary>
    Socket = 5,

    /// <summary>A character device.</summary>
    CharacterDevice = 6,

    /// <summary>A block device.</summary>
    BlockDevice = 7,
}
