using DataLayer.Core.Identity;

namespace DataLayer.Engine.Files.Nodes;

/// <summary>
/// Is told of changes that others made, so that caches of them can be dropped. Calls come after the change, from any
/// thread, perhaps more often than needed: they must be quick and must not throw or call back into the engine.
/// </summary>
public interface INodeObserver
{
    /// <summary>Bytes of a file changed, and with them its length and times.</summary>
    void ContentChanged(InodeId inode);

    /// <summary>
    /// Attributes changed; also told where the content was replaced or moved, so cached bytes are to be checked.
    /// </summary>
    void AttributesChanged(InodeId inode);

    /// <summary>A name in a folder came, went, or leads elsewhere.</summary>
    void NameChanged(InodeId folder, string name);

    /// <summary>Everything may have changed (a bucket was listed, a folder moved).</summary>
    void AllChanged();
}
