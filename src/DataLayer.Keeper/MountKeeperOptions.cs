using DataLayer.Core.Errors;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Keeper;

namespace DataLayer.Keeper;

/// <summary>What a <see cref="MountKeeper"/> mounts, where, and how long it waits for services.</summary>
public sealed record MountKeeperOptions
{
    /// <summary>The file name of the service's socket in its state folder.</summary>
    public const string SocketName = "keeper.sock";

    /// <summary>The longest path of a Unix socket, bytes (unix(7): 108 with the closing zero).</summary>
    public const int MaxSocketPathBytes = 107;

    /// <summary>
    /// The service's state folder, absolute. Here are its socket (<c>keeper.sock</c>) and the mounts' records.
    /// </summary>
    public required string StateFolder { get; init; }

    /// <summary>The folder of the tree that becomes the mount's root, from '/'.</summary>
    public required string TreePath { get; init; }

    /// <summary>An existing folder to mount on.</summary>
    public required string MountPoint { get; init; }

    /// <summary>How the mount serves reads. Default: auto.</summary>
    public MountProfile Profile { get; init; }

    /// <summary>Flags and options. Default: nosuid, nodev, for all users.</summary>
    public MountFlags Flags { get; init; } = new();

    /// <summary>
    /// How long users wait for a service that died before they get ENOTCONN. Default 60 s: a restart takes seconds, a
    /// new image on a node some ten; longer hangs are worse than an error. 100 ms to 24 hours.
    /// </summary>
    public TimeSpan TakeoverTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long the first answer of the service may take, choosing a profile included. Default 60 s.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The kernel's readahead, bytes. Default 16 MiB: over a backend of 2 ms it read 2.2 GB/s, where the kernel's 128
    /// KiB read 118 MB/s.
    /// </summary>
    public long ReadAheadBytes { get; init; } = 16L << 20;

    /// <summary>The service's socket.</summary>
    public string SocketPath => Path.Combine(StateFolder, SocketName);

    /// <summary>Checks everything.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: says what is wrong.</exception>
    public void Validate()
    {
        string? wrong =
            !Path.IsPathRooted(StateFolder) ? $"the state folder '{StateFolder}' is not an absolute path"
            : System.Text.Encoding.UTF8.GetByteCount(SocketPath) > MaxSocketPathBytes
                ? $"the socket's path '{SocketPath}' is longer than {MaxSocketPathBytes} bytes"
            : !TreePath.StartsWith('/') ? $"the path '{TreePath}' does not start with '/'"
            : string.IsNullOrEmpty(MountPoint) ? "no folder to mount on is given"
            : TakeoverTimeout < TimeSpan.FromMilliseconds(100) || TakeoverTimeout > TimeSpan.FromHours(24)
                ? $"the takeover timeout {TakeoverTimeout} is not between 100 ms and 24 hours"
            : StartTimeout <= TimeSpan.Zero ? "the start timeout is not positive"
            : ReadAheadBytes is < 0 or > 1L << 30 ? $"a readahead of {ReadAheadBytes} bytes is not between 0 and 1 GiB"
            : null;
        if (wrong is not null)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"The mount cannot be made: {wrong}.");
        }
    }
}
