using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Interop;
using DataLayer.Keeper;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Csi.Node;

/// <summary>
/// Mounts by keepers in this process (<see cref="MountKeeper"/>: they hold the descriptors while services come and go),
/// and binds by the kernel's new mount calls, which make a bind appear in one step with all its options.
/// </summary>
/// <remarks>
/// A keeper lives as long as this process, disposed or killed. What a process before left behind are dead mounts, whose
/// records and places
/// in the table say all that is needed to make them anew: <see cref="BeginRestore"/> does so, as soon as the service
/// answers, binds included. Running containers keep the dead mount they were started with unless their volume mount has
/// mountPropagation HostToContainer; restarted containers get the new one.
/// </remarks>
internal sealed partial class KeeperMounter(
    DataLayerClient client, TimeSpan takeoverTimeout, TimeProvider time, ILogger log) : INodeMounter, IAsyncDisposable
{
    private const string OwnType = "fuse.datalayer";
    private const uint CloneTree = 1 | 0x80000; // OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    private const uint OfDescriptors = 0x04 | 0x40; // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    private static readonly TimeSpan _retryInterval = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, MountKeeper> _keepers = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private Task _restoring = Task.CompletedTask;

    /// <inheritdoc/>
    public IReadOnlyList<NodeMount> ListMounts() =>
        [.. MountTable.Read().Select(e => e.FileSystemType == OwnType ? Identify(e) : new NodeMount(e))];

    /// <inheritdoc/>
    public Task MountAsync(VolumeMount mount, CancellationToken cancellationToken)
    {
        List<string> flags = ["nosuid", "nodev"];
        flags.AddRange(mount.ReadOnly ? ["ro"] : []);
        flags.AddRange(mount.NoExec ? ["noexec"] : []);
        flags.AddRange(mount.NoAccessTime ? ["noatime"] : []);
        return KeepAsync(
            new MountKeeperOptions
            {
                StateFolder = string.Empty,
                TreePath = mount.TreePath,
                MountPoint = mount.Target.FullPath,
                Profile = Enum.Parse<MountProfile>(mount.Profile, ignoreCase: true),
                Flags = MountFlags.Parse(flags),
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async Task UnmountAsync(TargetPath target, CancellationToken cancellationToken)
    {
        if (!_keepers.TryRemove(target.FullPath, out MountKeeper? keeper))
        {
            Unbind(target);
            return;
        }

        // From here on the keeper is this call's: nobody else disposes it.
        try
        {
            await keeper.UnmountAsync(UnmountMode.Normal, cancellationToken).ConfigureAwait(false);
            await keeper.Ended.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.Overloaded or ErrorCode.TimedOut)
        {
            // The kubelet has ended the pod: who is left is not waited for, and loses nothing that was written.
            LogBusy(log, target.FullPath, e.Message);
            Unbind(target);
        }
        finally
        {
            _ = DisposeAtEndAsync(keeper);
        }
    }

    /// <inheritdoc/>
    public void Bind(TargetPath source, TargetPath target, bool readOnly, bool noExec)
    {
        using SafeFileHandle copy = Libc.OpenTree(
            source.Parent, source.Name, CloneTree | Libc.AtSymlinkNoFollow, out int errno)
            ?? throw Fault("Copying the mount", source, errno);
        Libc.MountAttributes attributes = new()
        {
            Set = 2 | 4 | (readOnly ? 1UL : 0) | (noExec ? 8UL : 0), // MOUNT_ATTR_NOSUID, NODEV, RDONLY, NOEXEC
        };
        errno = Libc.SetMountAttributes(copy, attributes);
        if (errno != 0)
        {
            throw Fault("Setting the options of the mount", source, errno);
        }

        using SafeFileHandle place = target.OpenSelf();
        errno = Libc.MoveMount(copy, string.Empty, place, string.Empty, OfDescriptors);
        if (errno != 0)
        {
            throw Fault("Mounting", target, errno);
        }
    }

    /// <inheritdoc/>
    public void Unbind(TargetPath target)
    {
        int errno = Unmount(target, Libc.UnmountNoFollow);
        if (errno == Errno.Busy)
        {
            LogBusy(log, target.FullPath, "It is in use.");
            errno = Unmount(target, Libc.UnmountNoFollow | Libc.UnmountDetach);
        }

        if (errno is not (0 or Errno.Invalid or Errno.NoEntry))
        {
            throw Fault("Unmounting", target, errno);
        }
    }

    /// <inheritdoc/>
    public VolumeSpace GetSpace(string path)
    {
        if (Libc.GetSpace(path, out Libc.FileSystemSpace space) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            throw new IOException($"'{path}' does not answer: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
        }

        return new VolumeSpace(
            (long)(space.Blocks * space.FragmentBytes), (long)(space.BlocksAvailable * space.FragmentBytes),
            (long)((space.Blocks - space.BlocksFree) * space.FragmentBytes), (long)space.Files,
            (long)space.FilesAvailable, (long)(space.Files - space.FilesFree));
    }

    /// <summary>Makes anew, in the background, what a killed driver left dead.</summary>
    public void BeginRestore()
    {
        ILookup<string, NodeMount> dead = ListMounts().Where(e => e.IsOrphan && e.Record is not null)
            .ToLookup(e => e.Record!, StringComparer.Ordinal);
        if (dead.Count > 0)
        {
            // What the records say is read now: the first new keeper removes those of dead ones.
            (KeeperHello, NodeMount[])[] mounts =
                [.. dead.Select(g => (MountRecord.TryRead(g.Key)!, g.ToArray())).Where(m => m.Item1 is not null)];
            _restoring = Task.Run(() => RestoreAllAsync(mounts), CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _restoring.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();

        // Keepers are not disposed: that would take their mounts and records away. They end with the process, as at a
        // kill, and the next driver finds what it needs to make the mounts anew.
    }

    private static NodeMount Identify(MountEntry entry)
    {
        // A record without a lock is a dead keeper's; one that is gone was cleaned away with its mount, or is
        // elsewhere.
        KeeperHello? record = MountRecord.TryRead(entry.Source);
        return new NodeMount(entry)
        {
            Record = entry.Source,
            IsOrphan = !MountRecord.IsAlive(entry.Source),
            Source = record is null ? entry.Source : VolumeMount.SourceOfFolder(record.TreePath),
        };
    }

    private async Task KeepAsync(MountKeeperOptions options, CancellationToken cancellationToken)
    {
        MountList service = await client.Admin.ListMountsAsync(cancellationToken).ConfigureAwait(false);
        MountKeeper keeper = await MountKeeper.StartAsync(
            options with { StateFolder = service.StateFolder, TakeoverTimeout = takeoverTimeout }, log, time,
            cancellationToken).ConfigureAwait(false);
        _keepers[keeper.MountPoint] = keeper;
        _ = ForgetAsync(keeper);
    }

    private async Task ForgetAsync(MountKeeper keeper)
    {
        await keeper.Ended.ConfigureAwait(false);
        if (_keepers.TryRemove(new KeyValuePair<string, MountKeeper>(keeper.MountPoint, keeper)))
        {
            await keeper.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task DisposeAtEndAsync(MountKeeper keeper)
    {
        await keeper.Ended.ConfigureAwait(false);
        await keeper.DisposeAsync().ConfigureAwait(false);
    }

    private async Task RestoreAllAsync((KeeperHello Hello, NodeMount[] Entries)[] mounts)
    {
        foreach ((KeeperHello hello, NodeMount[] entries) in mounts)
        {
            while (!_stop.IsCancellationRequested && !await TryRestoreAsync(hello, entries).ConfigureAwait(false))
            {
                await Task.Delay(_retryInterval, time, _stop.Token)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>One mount with its binds; false where the service does not answer yet.</summary>
    private async Task<bool> TryRestoreAsync(KeeperHello hello, NodeMount[] entries)
    {
        try
        {
            NodeMount? main = entries.FirstOrDefault(e => e.MountPoint == hello.MountPoint);
            using TargetPath? stage = TargetPath.TryOpen(hello.MountPoint, "the mount", root: null);
            if (stage is null || main is null || IsAlive(hello.MountPoint))
            {
                return true;
            }

            // Before the keeper looks at the folder: a dead mount on it answers nothing but errors.
            foreach (NodeMount dead in entries)
            {
                Detach(dead.MountPoint);
            }

            await KeepAsync(
                new MountKeeperOptions
                {
                    StateFolder = string.Empty,
                    TreePath = hello.TreePath,
                    MountPoint = hello.MountPoint,
                    Profile = hello.Profile,
                    Flags = MountFlags.Parse(main.Options.Split(',').Where(o => o is "ro" or "noexec" or "noatime")),
                },
                _stop.Token).ConfigureAwait(false);
            foreach (NodeMount bind in entries.Where(e => e.MountPoint != hello.MountPoint))
            {
                using TargetPath? target = TargetPath.TryOpen(bind.MountPoint, "the bind", root: null);
                if (target is not null)
                {
                    Bind(stage, target, bind.IsReadOnly, bind.Has("noexec"));
                }
            }

            LogRestored(log, hello.TreePath, hello.MountPoint, entries.Length - 1);
            return true;
        }
        catch (DataLayerException e) when (e.Code
            is ErrorCode.OriginUnavailable or ErrorCode.ShuttingDown or ErrorCode.Overloaded or ErrorCode.TimedOut)
        {
            return false;
        }
        catch (Exception e) when (e is DataLayerException or RpcException or OperationCanceledException)
        {
            // The volume may have been deleted meanwhile; the kubelet's own calls say so to whoever needs to know.
            LogNotRestored(log, hello.TreePath, hello.MountPoint, e.Message);
            return true;
        }
    }

    private bool IsAlive(string mountPoint) =>
        ListMounts().LastOrDefault(e => e.MountPoint == mountPoint) is { IsOrphan: false };

    private static void Detach(string mountPoint)
    {
        using TargetPath? target = TargetPath.TryOpen(mountPoint, "the mount", root: null);
        if (target is not null)
        {
            _ = Unmount(target, Libc.UnmountNoFollow | Libc.UnmountDetach);
        }
    }

    private static int Unmount(TargetPath target, int flags) =>
        Libc.Unmount(target.ByParent, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();

    private static RpcException Fault(string what, TargetPath path, int errno) =>
        new(RpcCode.Internal, $"{what} at '{path.FullPath}' failed: {Marshal.GetPInvokeErrorMessage(errno)}."
            + (errno == Errno.NotImplemented ? " The driver needs Linux 5.12 or newer." : string.Empty));

    [LoggerMessage(40, LogLevel.Warning, "'{Path}' is detached while it is in use. {Why}")]
    private static partial void LogBusy(ILogger log, string path, string why);

    [LoggerMessage(41, LogLevel.Information,
        "{TreePath} is mounted anew at '{Path}' with {Binds} binds, after the driver before had died")]
    private static partial void LogRestored(ILogger log, string treePath, string path, int binds);

    [LoggerMessage(42, LogLevel.Warning, "{TreePath} cannot be mounted anew at '{Path}': {Why}")]
    private static partial void LogNotRestored(ILogger log, string treePath, string path, string why);
}
