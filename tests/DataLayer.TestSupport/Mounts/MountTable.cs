using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Mounts;

/// <summary>What is mounted where, read from <c>/proc/self/mountinfo</c>.</summary>
public static class MountTable
{
    /// <summary>Mount points at or below a folder, deepest first.</summary>
    public static IReadOnlyList<string> ListBelow(string folder)
    {
        var found = new List<string>();
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var fields = line.Split(' ');
            var point = fields[4].Replace("\\040", " ", StringComparison.Ordinal);
            if (point == folder || point.StartsWith(folder + "/", StringComparison.Ordinal))
            {
                found.Add(point);
            }
        }

        found.Reverse();
        return found;
    }

    /// <summary>Detaches everything mounted at or below a folder; what is still in use goes when its last user ends.</summary>
    public static void DetachBelow(string folder)
    {
        foreach (var point in ListBelow(folder))
        {
            Command.TryRun("umount", "--lazy", point);
        }
    }
}
