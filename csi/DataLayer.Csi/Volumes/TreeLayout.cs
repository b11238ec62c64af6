namespace DataLayer.Csi.Volumes;

/// <summary>
/// Where the driver keeps what it makes, all below one folder of the tree. A volume is complete exactly when it has its
/// name below <see cref="Volumes"/>: it is made under <see cref="New"/> and moved there by one rename, and leaves by
/// one rename to <see cref="Deleted"/>.
/// </summary>
internal sealed class TreeLayout(string root)
{
    /// <summary>The folder of all.</summary>
    public string Root => root;

    /// <summary>Volumes made by CreateVolume, by id.</summary>
    public string Volumes { get; } = root + "/volumes";

    /// <summary>Snapshots, by id.</summary>
    public string Snapshots { get; } = root + "/snapshots";

    /// <summary>Buckets attached for static volumes.</summary>
    public string Static { get; } = root + "/static";

    /// <summary>Scratch folders and buckets of inline volumes; they go with their pod.</summary>
    public string Ephemeral { get; } = root + "/ephemeral";

    /// <summary>Volumes and snapshots that are being made.</summary>
    public string New { get; } = root + "/new";

    /// <summary>What was deleted and is being removed.</summary>
    public string Deleted { get; } = root + "/deleted";

    /// <summary>A file with the identity of this tree, the value of the topology key.</summary>
    public string TreeIdentity { get; } = root + "/tree-id";
}
