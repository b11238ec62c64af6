using DataLayer.Core.Errors;

namespace DataLayer.Keeper.Mounts;

/// <summary>Whether a folder can be mounted on, without ever waiting for a dead mount there.</summary>
internal static class MountPointCheck
{
    /// <summary>The folder as the kernel will name it.</summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, NotEmpty, AlreadyExists (a mount of ours),
    /// TimedOut (the path hangs).</exception>
    internal static async Task<string> RunAsync(
        string mountPoint, TimeProvider time, CancellationToken cancellationToken)
    {
        string resolved = await BoundedProbe.ResolveParentAsync(mountPoint, time, cancellationToken)
            .ConfigureAwait(false);
        if (MountTable.FindAt(MountTable.Read(), resolved) is { FileSystemType: FuseDevice.FileSystemType } mounted)
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists,
                MountRecord.IsAlive(mounted.Source)
                    ? $"'{resolved}' is already a mount of DataLayer. Unmount it first, with 'datalayer umount'."
                    : $"'{resolved}' is a dead mount of another state folder. Detach it first, with 'datalayer umount "
                    + "--lazy'.");
        }

        return await BoundedProbe.RunAsync(
                () => Check(resolved), resolved, BoundedProbe.DefaultTimeout, time, cancellationToken)
            .ConfigureAwait(false);
    }

    private static string Check(string mountPoint)
    {
        if (!Directory.Exists(mountPoint))
        {
            throw File.Exists(mountPoint)
                ? new DataLayerException(
                    ErrorCode.NotADirectory, $"'{mountPoint}' is not a folder. Give a folder to mount on.")
                : new DataLayerException(
                    ErrorCode.NotFound, $"There is no folder '{mountPoint}'. Make it with 'mkdir -p' first.");
        }

        foreach (string entry in Directory.EnumerateFileSystemEntries(mountPoint))
        {
            throw new DataLayerException(
                ErrorCode.NotEmpty,
                $"'{mountPoint}' is not empty (it holds '{Path.GetFileName(entry)}'): a mount would hide that. Give an "
                + "empty folder.");
        }

        return BoundedProbe.RealPath(mountPoint);
    }
}
