using DataLayer.Core.Errors;
using DataLayer.Keeper.Interop;

namespace DataLayer.Keeper.Mounts;

/// <summary>
/// What keepers of a state folder left that died: mounts that answer ENOTCONN, and records. A living keeper's are never
/// touched.
/// </summary>
public static class StaleMounts
{
    /// <summary>The mounts in a table whose keepers are gone.</summary>
    /// <param name="entries">The table.</param>
    /// <param name="stateFolder">Only mounts whose source is a record of this folder count.</param>
    /// <param name="mark">The folder's mark, from <see cref="MountRecord.MarkOf"/>.</param>
    /// <param name="isAlive">Whether the keeper of a record lives.</param>
    public static IReadOnlyList<MountEntry> Find(
        IReadOnlyList<MountEntry> entries, string stateFolder, string mark, Func<string, bool> isAlive)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(isAlive);
        List<MountEntry> stale = [];

        // Deepest and youngest first: a mount over another has to go before it.
        for (int i = entries.Count - 1; i >= 0; i--)
        {
            MountEntry entry = entries[i];
            if (entry.FileSystemType == FuseDevice.FileSystemType
                && MountRecord.IsOf(entry.Source, stateFolder, mark)
                && !isAlive(entry.Source))
            {
                stale.Add(entry);
            }
        }

        return stale;
    }

    /// <summary>Detaches stale mounts and removes dead keepers' records; what was detached.</summary>
    /// <exception cref="DataLayerException">PermissionDenied: not root. NotFound: no such state folder.</exception>
    public static IReadOnlyList<MountEntry> Clean(string stateFolder)
    {
        IReadOnlyList<MountEntry> stale = Find(
            MountTable.Read(), stateFolder, MountRecord.MarkOf(stateFolder), MountRecord.IsAlive);
        foreach (MountEntry entry in stale)
        {
            if (Libc.Unmount(entry.MountPoint, Libc.UnmountDetach | Libc.UnmountNoFollow) != 0)
            {
                int errno = FailedCall.Last;
                if (errno != Errno.Invalid)
                {
                    throw FailedCall.Fault(
                        errno, $"Detaching the dead mount '{entry.MountPoint}'", "Detach it as root with 'umount -l'.");
                }
            }
        }

        foreach (string record in MountRecord.List(stateFolder))
        {
            // A record that is just being made (.new) is locked right after it exists; it may stay a little longer.
            if (!record.EndsWith(".new", StringComparison.Ordinal) && !MountRecord.IsAlive(record))
            {
                File.Delete(record);
            }
        }

        return stale;
    }
}
