using System.Globalization;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// Names of files being written: process id, its start time in clock ticks since boot, and a number. So a later process
/// can tell what a dead one left behind and remove it, and never removes a live one's.
/// </summary>
internal static class TemporaryNames
{
    private static readonly string _prefix = string.Create(
        CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{StartTicks(Environment.ProcessId) ?? 0}-");

    private static long _counter;

    /// <summary>A name that no other writer uses.</summary>
    internal static string Next() => _prefix + Interlocked.Increment(ref _counter)
        .ToString(CultureInfo.InvariantCulture);

    /// <summary>Removes what dead processes left in a temp folder; the count of files removed.</summary>
    internal static int RemoveAbandoned(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return 0;
        }

        int removed = 0;
        foreach (string file in Directory.EnumerateFiles(folder))
        {
            string[] parts = Path.GetFileName(file).Split('-');
            if (parts.Length == 3
                && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int process)
                && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long start)
                && StartTicks(process) != start
                && DurableFile.Unlink(file))
            {
                removed++;
            }
        }

        return removed;
    }

    /// <summary>Field 22 of <c>/proc/PID/stat</c>; null if there is no such process.</summary>
    private static long? StartTicks(int process)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
