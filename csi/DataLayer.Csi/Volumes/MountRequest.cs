using System.Globalization;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;

namespace DataLayer.Csi.Volumes;

/// <summary>How a volume is to be mounted: a checked volume_capability.</summary>
internal sealed record MountRequest
{
    /// <summary>
    /// Types that name us, and those that old provisioners fill in by themselves where a class names none.
    /// </summary>
    private static readonly string[] _fsTypes = ["", "datalayer", "fuse", "fuse.datalayer", "ext4", "xfs"];

    /// <summary>The access mode.</summary>
    public required VolumeCapability.Types.AccessMode.Types.Mode Mode { get; init; }

    /// <summary>Whether only reading was asked for, by the mode or a mount option.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Refuse to run programs from the volume.</summary>
    public bool NoExec { get; init; }

    /// <summary>Do not write access times.</summary>
    public bool NoAccessTime { get; init; }

    /// <summary>The mount's profile: auto, large or small; null where the capability does not say.</summary>
    public string? Profile { get; init; }

    /// <summary>The group that must be able to use the files, or null.</summary>
    public int? GroupId { get; init; }

    /// <summary>Whether pods on several nodes may use the volume.</summary>
    public bool IsMultiNode => Mode is VolumeCapability.Types.AccessMode.Types.Mode.MultiNodeReaderOnly
        or VolumeCapability.Types.AccessMode.Types.Mode.MultiNodeSingleWriter
        or VolumeCapability.Types.AccessMode.Types.Mode.MultiNodeMultiWriter;

    /// <summary>Whether several pods of one node may use the volume.</summary>
    public bool AllowsSeveralTargets =>
        IsMultiNode || Mode == VolumeCapability.Types.AccessMode.Types.Mode.SingleNodeMultiWriter;

    /// <summary>Checks a capability; what is malformed is refused, what is not offered is said in the result.</summary>
    /// <param name="capability">The field of the request.</param>
    /// <param name="unsupported">Why this cannot be offered, or null.</param>
    /// <returns>The request; meaningless where <paramref name="unsupported"/> is set.</returns>
    /// <exception cref="RpcException">INVALID_ARGUMENT: a part is missing or malformed.</exception>
    public static MountRequest Read(VolumeCapability? capability, out string? unsupported)
    {
        if (capability is null)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_capability is missing.");
        }

        VolumeCapability.Types.AccessMode.Types.Mode mode =
            capability.AccessMode?.Mode ?? VolumeCapability.Types.AccessMode.Types.Mode.Unknown;
        if (mode == VolumeCapability.Types.AccessMode.Types.Mode.Unknown)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_capability has no access_mode.");
        }

        if (capability.AccessTypeCase == VolumeCapability.AccessTypeOneofCase.None)
        {
            throw new RpcException(RpcCode.InvalidArgument, "volume_capability has neither mount nor block.");
        }

        unsupported = null;
        MountRequest request = new() { Mode = mode, ReadOnly = IsReader(mode) };
        if (!Enum.IsDefined(mode))
        {
            unsupported = $"Access mode {(int)mode} is not known.";
            return request;
        }

        if (capability.AccessTypeCase == VolumeCapability.AccessTypeOneofCase.Block)
        {
            unsupported = "A volume here is a folder; it cannot be used as a block device.";
            return request;
        }

        if (!_fsTypes.Contains(capability.Mount.FsType, StringComparer.Ordinal))
        {
            unsupported = $"There is no file system type '{capability.Mount.FsType}' here; leave fsType empty.";
            return request;
        }

        foreach (string flag in capability.Mount.MountFlags)
        {
            if (request.With(flag) is not { } more)
            {
                // The text may hold a secret by the specification's rules, so it is not repeated.
                unsupported = "A mount option is not known; allowed are ro, rw, noexec, exec, noatime, relatime, "
                    + "nosuid, nodev, nodiratime and profile=auto|large|small.";
                return request;
            }

            request = more;
        }

        return request with { GroupId = ReadGroup(capability.Mount.VolumeMountGroup) };
    }

    /// <summary>With a mount option; null where it is not known. nosuid and nodev always hold.</summary>
    private MountRequest? With(string flag) => flag switch
    {
        "ro" => this with { ReadOnly = true },
        "noexec" => this with { NoExec = true },
        "exec" => this with { NoExec = false },
        "noatime" => this with { NoAccessTime = true },
        "profile=auto" or "profile=large" or "profile=small" => this with { Profile = flag["profile=".Length..] },
        "rw" or "relatime" or "nosuid" or "nodev" or "nodiratime" or "defaults" => this,
        _ => null,
    };

    private static bool IsReader(VolumeCapability.Types.AccessMode.Types.Mode mode) =>
        mode is VolumeCapability.Types.AccessMode.Types.Mode.SingleNodeReaderOnly
            or VolumeCapability.Types.AccessMode.Types.Mode.MultiNodeReaderOnly;

    private static int? ReadGroup(string text) =>
        text.Length == 0 ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int group) ? group
        : throw new RpcException(RpcCode.InvalidArgument, "volume_mount_group is not a group's number.");
}
