using DataLayer.Csi.Volumes;

namespace DataLayer.Csi.Node;

/// <summary>
/// What the node's calls do to the machine: one FUSE mount a volume and node (stage), bind mounts of it (publish). The
/// process's edge: the driver has one implementation, tests have another that needs no kernel.
/// </summary>
internal interface INodeMounter
{
    /// <summary>All mounts as they are now.</summary>
    IReadOnlyList<NodeMount> ListMounts();

    /// <summary>
    /// Mounts a folder of the tree. Returns once the mount answers; on a fault nothing is mounted.
    /// </summary>
    Task MountAsync(VolumeMount mount, CancellationToken cancellationToken);

    /// <summary>
    /// Unmounts what <see cref="MountAsync"/> mounted, also when its service is gone; nothing there is no error.
    /// </summary>
    Task UnmountAsync(TargetPath target, CancellationToken cancellationToken);

    /// <summary>
    /// Binds what is mounted at <paramref name="source"/> to <paramref name="target"/>: appears in one step with all
    /// its options, always with nosuid and nodev.
    /// </summary>
    void Bind(TargetPath source, TargetPath target, bool readOnly, bool noExec);

    /// <summary>Unmounts a bind mount.</summary>
    void Unbind(TargetPath target);

    /// <summary>
    /// Space of the file system at a path. Fails where the mount is dead; may take as long as the service.
    /// </summary>
    /// <exception cref="IOException">The mount does not answer.</exception>
    VolumeSpace GetSpace(string path);
}

/// <summary>A mount of one volume.</summary>
/// <param name="VolumeId">The volume.</param>
/// <param name="TreePath">Its folder in the tree.</param>
/// <param name="Target">Where to mount it; the folder is there.</param>
internal sealed record VolumeMount(string VolumeId, string TreePath, TargetPath Target)
{
    private const string SourcePrefix = "datalayer:";

    /// <summary>The source of a mount of a folder the driver made: the folder's name is the volume's.</summary>
    public static string SourceOfFolder(string treePath) => SourcePrefix + treePath[(treePath.LastIndexOf('/') + 1)..];

    /// <summary>Whether the whole mount is read-only.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Refuse to run programs.</summary>
    public bool NoExec { get; init; }

    /// <summary>Do not write access times.</summary>
    public bool NoAccessTime { get; init; }

    /// <summary>auto, large or small.</summary>
    public string Profile { get; init; } = "auto";

    /// <summary>By what the node's calls know their volume again in the table of mounts.</summary>
    public string Source => SourceOf(VolumeId);

    /// <summary>The source of a volume's mount.</summary>
    public static string SourceOf(string volumeId) => SourcePrefix + VolumeName.ToId(volumeId, "volume_id");
}

/// <summary>Space of a file system.</summary>
internal readonly record struct VolumeSpace(
    long TotalBytes, long AvailableBytes, long UsedBytes, long TotalInodes, long AvailableInodes, long UsedInodes);
