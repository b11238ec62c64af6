using DataLayer.Core.Identity;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>A file that is to be packed.</summary>
/// <param name="Inode">The file.</param>
/// <param name="Version">The content that is meant; another one is left alone.</param>
/// <param name="StorageClass">The class its pack is to have; null for that of new objects.</param>
internal readonly record struct PackFile(InodeId Inode, long Version, string? StorageClass = null);

/// <summary>Why files are not packed, in words that reports count by.</summary>
internal static class PackReasons
{
    public const string Gone = "It was removed meanwhile.";
    public const string Changed = "It was changed meanwhile.";
    public const string Writing = "It is being written.";
    public const string NoObject = "No object holds its current content yet.";
    public const string ReadOnly = "Its bucket is not attached read-write.";
    public const string Large = "It is larger than packed files may be.";
    public const string Names = "It has several names.";
    public const string Alone = "No other file could be packed with it.";
    public const string Differs = "The stored pack does not hold the bytes that were sent.";
}
