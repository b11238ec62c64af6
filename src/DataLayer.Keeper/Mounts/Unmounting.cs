using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Interop;

namespace DataLayer.Keeper.Mounts;

/// <summary>How a mount is taken away.</summary>
public enum UnmountMode
{
    /// <summary>Only where nobody uses it; everything written is with the service first.</summary>
    Normal,

    /// <summary>Its name goes at once; who uses it goes on until done (MNT_DETACH).</summary>
    Lazy,

    /// <summary>
    /// Who uses it gets ENOTCONN at once, what waits for the service fails, and its name goes. Written data that the
    /// service has not taken yet is lost.
    /// </summary>
    Force,
}

/// <summary>Takes mounts away, from any process with CAP_SYS_ADMIN, without ever waiting for a dead one.</summary>
public static class Unmounting
{
    private const int MaxUsersNamed = 5;
    private const int MaxDescriptorsLooked = 256;
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    /// <summary>The mount of ours at a path, which may be dead.</summary>
    /// <exception cref="DataLayerException">NotFound: nothing is mounted there. InvalidArgument: something
    /// else is.</exception>
    public static async Task<MountEntry> FindAsync(
        string path, TimeProvider time, CancellationToken cancellationToken)
    {
        string resolved = await BoundedProbe.ResolveParentAsync(path, time, cancellationToken).ConfigureAwait(false);
        MountEntry entry = MountTable.FindAt(MountTable.Read(), resolved) ?? throw new DataLayerException(
            ErrorCode.NotFound,
            $"Nothing is mounted at '{resolved}'. 'datalayer mount status' lists the mounts.");
        return entry.FileSystemType == FuseDevice.FileSystemType
            ? entry
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{resolved}' is a mount of '{entry.Source}' ({entry.FileSystemType}), not of DataLayer. "
                + "Use 'umount'.");
    }

    /// <summary>Takes a mount away.</summary>
    /// <exception cref="DataLayerException">Overloaded: it is in use (normal only). TimedOut: the service does not take
    /// what was written. PermissionDenied: not root.</exception>
    public static async Task RunAsync(
        MountEntry entry, UnmountMode mode, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (mode == UnmountMode.Force)
        {
            Abort(entry.Device);
        }

        int flags = Libc.UnmountNoFollow | mode switch
        {
            UnmountMode.Lazy => Libc.UnmountDetach,
            UnmountMode.Force => Libc.UnmountDetach | Libc.UnmountForce,
            _ => 0,
        };

        // A normal unmount writes back what is dirty, which waits for the service.
        int errno = await BoundedProbe.RunAsync(
                () => Libc.Unmount(entry.MountPoint, flags) == 0 ? 0 : FailedCall.Last, entry.MountPoint, _timeout,
                time, cancellationToken)
            .ConfigureAwait(false);
        if (errno == Errno.Busy)
        {
            string users = ListUsers(entry.MountPoint);
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"'{entry.MountPoint}' is in use{(users.Length > 0 ? " by " + users : string.Empty)}. End that first, "
                + "or use --lazy (they go on until done) or --force (they fail).");
        }

        if (errno != 0)
        {
            throw FailedCall.Fault(errno, $"Unmounting '{entry.MountPoint}'", errno switch
            {
                Errno.NotPermitted => "Unmounting needs root (CAP_SYS_ADMIN).",
                Errno.Invalid => "Nothing is mounted there any more.",
                _ => "Try --lazy.",
            });
        }
    }

    /// <summary>Ends a connection: everything that waits on it fails with ENOTCONN. Silent where it is over.</summary>
    private static void Abort(string device)
    {
        string file = string.Create(
            CultureInfo.InvariantCulture, $"/sys/fs/fuse/connections/{MountTable.MinorOf(device)}/abort");
        try
        {
            // Absent where nobody mounted fusectl; MNT_FORCE then does the same.
            if (File.Exists(file))
            {
                File.WriteAllText(file, "1");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // MNT_FORCE follows.
        }
    }

    /// <summary>Who uses a mount, from the links in <c>/proc</c>, which are read without touching it.</summary>
    private static string ListUsers(string mountPoint)
    {
        List<string> users = [];
        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(System.IO.Path.GetFileName(process), CultureInfo.InvariantCulture, out int id))
            {
                continue;
            }

            try
            {
                if (Uses(process, mountPoint))
                {
                    users.Add(string.Create(
                        CultureInfo.InvariantCulture, $"{File.ReadAllText(process + "/comm").Trim()} ({id})"));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or is none of ours to look at.
            }

            if (users.Count == MaxUsersNamed)
            {
                break;
            }
        }

        return string.Join(", ", users);
    }

    private static bool Uses(string process, string mountPoint)
    {
        if (IsBelow(process + "/cwd", mountPoint) || IsBelow(process + "/root", mountPoint))
        {
            return true;
        }

        // By number: listing the folder would stat what the links lead to.
        for (int descriptor = 0; descriptor < MaxDescriptorsLooked; descriptor++)
        {
            if (IsBelow(string.Create(CultureInfo.InvariantCulture, $"{process}/fd/{descriptor}"), mountPoint))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsBelow(string link, string mountPoint) =>
        new FileInfo(link).LinkTarget is { } target
        && (target == mountPoint || target.StartsWith(mountPoint + "/", StringComparison.Ordinal));
}
