using DataLayer.Core.Errors;

namespace DataLayer.Csi;

/// <summary>Which services a driver serves.</summary>
[Flags]
public enum CsiRoles
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The controller: makes and deletes volumes. One a cluster (or one a tree).</summary>
    Controller = 1,

    /// <summary>The node: mounts volumes. One a node.</summary>
    Node = 2,

    /// <summary>Both.</summary>
    All = Controller | Node,
}

/// <summary>What a CSI driver runs with. Checked by <see cref="Validate"/>.</summary>
public sealed record CsiDriverOptions
{
    /// <summary>The driver's name where none is given.</summary>
    public const string DefaultName = "csi.datalayer.io";

    /// <summary>The Unix socket the calls are served on; an old one is replaced. Absolute, at most 107 bytes.</summary>
    public required string SocketPath { get; init; }

    /// <summary>The service: http://host:port or unix:/path.</summary>
    public required string Server { get; init; }

    /// <summary>What to serve. Default: both.</summary>
    public CsiRoles Roles { get; init; } = CsiRoles.All;

    /// <summary>
    /// The driver's name, as StorageClass and CSIDriver have it: a domain name, at most 63 characters.
    /// </summary>
    public string Name { get; init; } = DefaultName;

    /// <summary>This node's name, at most 192 bytes. Default: the machine's name.</summary>
    public string NodeId { get; init; } = Environment.MachineName;

    /// <summary>This node's zone, for the scheduler; null for none.</summary>
    public string? Zone { get; init; }

    /// <summary>Domain of the topology keys: <c>PREFIX/tree</c> and <c>PREFIX/zone</c>.</summary>
    public string TopologyPrefix { get; init; } = "topology." + DefaultName;

    /// <summary>How many volumes a node takes, a count; 0 (the default) is no limit.</summary>
    public long MaxVolumesPerNode { get; init; }

    /// <summary>The largest volume, bytes. Default: no limit but the number's.</summary>
    public long MaxVolumeBytes { get; init; } = long.MaxValue;

    /// <summary>The folder of the tree that holds all volumes.</summary>
    public string TreeRoot { get; init; } = "/csi";

    /// <summary>
    /// The folder that all staging and target paths must be below, the kubelet's; null (the default) for no bound. It
    /// may itself be reached through symbolic links; nothing below it may.
    /// </summary>
    public string? TargetRoot { get; init; }

    /// <summary>
    /// How long pods wait for a service that died before they get ENOTCONN. Default 60 s; 100 ms to 24 hours.
    /// </summary>
    public TimeSpan TakeoverTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The socket on which the kubelet learns of the driver, in its plugins_registry; null where a registrar does it.
    /// </summary>
    public string? RegistrationSocketPath { get; init; }

    /// <summary>
    /// <see cref="SocketPath"/> as the kubelet sees it, where the two see different folders; null where they are the
    /// same.
    /// </summary>
    public string? KubeletSocketPath { get; init; }

    /// <summary>Stores of the service that inline volumes may use without keys of their own. Default: none.</summary>
    public IReadOnlyList<string> InlineStores { get; init; } = [];

    /// <summary>Checks all; the exception names every fault.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public void Validate()
    {
        List<string> faults = [];
        CheckSocket(faults, SocketPath, "The socket");
        CheckSocket(faults, RegistrationSocketPath, "The registration socket");
        Check(faults, Roles is > CsiRoles.None and <= CsiRoles.All, "No role is given: controller, node or all.");
        Check(
            faults,
            Name.Length is > 0 and <= 63 && Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.')
                && char.IsAsciiLetterOrDigit(Name[0]) && char.IsAsciiLetterOrDigit(Name[^1]),
            $"'{Name}' is not a driver's name: letters, digits, '-' and '.', at most 63.");
        Check(
            faults, NodeId.Length > 0 && System.Text.Encoding.UTF8.GetByteCount(NodeId) <= 192,
            "The node's name must have 1 to 192 bytes.");
        Check(
            faults, TreeRoot.Length > 1 && TreeRoot[0] == '/' && TreeRoot[^1] != '/',
            $"'{TreeRoot}' is not a folder of the tree below its root.");
        Check(
            faults,
            TargetRoot is null || (TargetRoot.Length > 1 && TargetRoot == Path.GetFullPath(TargetRoot).TrimEnd('/')),
            $"'{TargetRoot}' is not an absolute folder without '.', '..' and '/' at its end.");
        Check(
            faults, TakeoverTimeout >= TimeSpan.FromMilliseconds(100) && TakeoverTimeout <= TimeSpan.FromHours(24),
            "The takeover timeout is not between 100 ms and 24 hours.");
        Check(faults, MaxVolumesPerNode >= 0, "The number of volumes a node takes is negative.");
        Check(faults, MaxVolumeBytes > 0, "The largest volume has no bytes.");
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }

    private static void CheckSocket(List<string> faults, string? path, string what) =>
        Check(
            faults,
            path is null || (path.StartsWith('/') && System.Text.Encoding.UTF8.GetByteCount(path) <= 107),
            $"{what} '{path}' is not an absolute path of at most 107 bytes.");

    private static void Check(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}
