using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Keeper;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.Server.Mounts;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Server.Demo;

/// <summary>
/// The demo's mount: its keeper lives in the demo's process and goes with it. Where the machine cannot mount, it says
/// why and the demo goes on without.
/// </summary>
internal sealed class DemoMount : IAsyncDisposable
{
    /// <summary>The largest file is read by calls of this many bytes.</summary>
    private const int ReadBytes = 1 << 20;

    private readonly MountKeeper _keeper;

    private DemoMount(MountKeeper keeper) => _keeper = keeper;

    /// <summary>Where it is mounted.</summary>
    public string Path => _keeper.MountPoint;

    /// <summary>Mounts a folder of the tree read-only; null, and why, where that cannot be done here.</summary>
    public static async Task<(DemoMount? Mount, string? Why)> TryStartAsync(
        DataLayerClient client, string treePath, string mountPoint, CancellationToken cancellationToken)
    {
        try
        {
            MountList list = await client.Admin.ListMountsAsync(cancellationToken);
            Directory.CreateDirectory(mountPoint);
            MountKeeperOptions options = new()
            {
                StateFolder = list.StateFolder,
                TreePath = treePath,
                MountPoint = mountPoint,
                Flags = new MountFlags().WithReadOnly(true),
                TakeoverTimeout = TimeSpan.FromSeconds(10),
            };
            MountKeeper keeper = await MountKeeper.StartAsync(
                options, MountLog.Open(string.Empty, CliEnvironment.OfProcess()), TimeProvider.System,
                cancellationToken);
            return (new DemoMount(keeper), null);
        }
        catch (Exception e) when (e is DataLayerException or IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
    }

    /// <summary>Reads a whole file through the mount; its length, bytes. Blocks its thread, as a loader does.</summary>
    /// <param name="path">The file, relative to the mount.</param>
    /// <param name="buffer">At least 1 MiB.</param>
    public long ReadFile(string path, byte[] buffer)
    {
        using SafeFileHandle file = File.OpenHandle(
            System.IO.Path.Combine(Path, path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        long length = 0;
        while (RandomAccess.Read(file, buffer.AsSpan(0, ReadBytes), length) is > 0 and int count)
        {
            length += count;
        }

        return length;
    }

    /// <summary>A buffer for <see cref="ReadFile"/>.</summary>
    public static byte[] MakeBuffer() => GC.AllocateUninitializedArray<byte>(ReadBytes);

    /// <summary>Unmounts; who else uses the mount goes on until done.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _keeper.UnmountAsync(UnmountMode.Normal, CancellationToken.None);
        }
        catch (DataLayerException)
        {
            // In use, or its service is gone: dispose detaches it.
        }

        await _keeper.DisposeAsync();
    }
}
