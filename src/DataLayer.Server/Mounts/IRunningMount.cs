using DataLayer.Keeper.Channel;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Server.Mounts;

/// <summary>What serves a mount's requests: the edge to the kernel.</summary>
internal interface IRunningMount
{
    /// <summary>Ends when the kernel ended the mount, or after <see cref="StopAsync"/>.</summary>
    Task Ended { get; }

    /// <summary>How the mount is served, and what it did.</summary>
    MountReport Describe();

    /// <summary>Takes no more requests and ends those in flight; the mount goes on with the next service.</summary>
    ValueTask StopAsync();
}

/// <summary>What a mount is served with.</summary>
/// <param name="Device">The mount's <c>/dev/fuse</c>; stays the caller's.</param>
/// <param name="Hello">What the keeper said of it.</param>
/// <param name="Backing">Registers files for passthrough.</param>
/// <param name="OnNegotiated">Takes what was agreed on with the kernel, before the kernel is answered.</param>
internal sealed record MountStart(
    SafeFileHandle Device, KeeperHello Hello, BackingClient Backing,
    Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> OnNegotiated);

/// <summary>Begins to serve a mount; returns when it can be used.</summary>
internal delegate Task<IRunningMount> MountStarter(MountStart start, CancellationToken cancellationToken);
