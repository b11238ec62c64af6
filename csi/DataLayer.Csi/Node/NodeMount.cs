using DataLayer.Keeper.Mounts;

namespace DataLayer.Csi.Node;

/// <summary>A mount of this node, and what the driver knows of it if it is one of its own.</summary>
internal sealed record NodeMount : MountEntry
{
    /// <summary>A mount of the kernel's table, nobody's so far.</summary>
    public NodeMount(MountEntry found)
        : base(found)
    {
    }

    /// <summary>
    /// Whether this is a mount of ours that nothing keeps alive any more, and of which nobody knows the volume.
    /// </summary>
    public bool IsOrphan { get; init; }

    /// <summary>The file by which a mount of ours is known, or null.</summary>
    public string? Record { get; init; }
}
