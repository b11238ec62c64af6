using System.Globalization;

namespace DataLayer.Storage.Cache;

/// <summary>
/// How much memory this process may use: the tightest limit of its control groups (v2 <c>memory.max</c>, v1
/// <c>memory.limit_in_bytes</c>, each up to the root), else the machine's memory.
/// </summary>
/// <param name="LimitBytes">The limit, bytes.</param>
/// <param name="Source">Where it comes from: the file that holds it.</param>
public sealed record MemoryBudget(long LimitBytes, string Source)
{
    /// <summary>
    /// The part of the limit that the cache takes when nobody says otherwise: the runtime, buffers and the kernel's
    /// share of the page cache need the rest.
    /// </summary>
    public const double DefaultCacheShare = 0.6;

    // v1 says "no limit" with the largest page-aligned number.
    private const long NoLimit = 1L << 60;

    /// <summary>What a cache gets by default, bytes.</summary>
    public long CacheBytes => (long)(LimitBytes * DefaultCacheShare);

    /// <summary>Reads the limit of this process.</summary>
    public static MemoryBudget Read() => Read("/proc", "/sys/fs/cgroup");

    /// <summary>
    /// Reads the limit from given places, for tests. What cannot be read or makes no sense is no limit.
    /// </summary>
    internal static MemoryBudget Read(string proc, string cgroups)
    {
        MemoryBudget best = Physical(proc);
        foreach (string line in Lines(Path.Combine(proc, "self/cgroup")))
        {
            // "0::/path" is v2; "7:memory,cpu:/path" is v1.
            string[] parts = line.Split(':', 3);
            if (parts.Length != 3)
            {
                continue;
            }

            if (parts[0] == "0" && parts[1].Length == 0)
            {
                best = Tightest(best, cgroups, parts[2], "memory.max");
            }
            else if (Array.IndexOf(parts[1].Split(','), "memory") >= 0)
            {
                best = Tightest(best, Path.Combine(cgroups, "memory"), parts[2], "memory.limit_in_bytes");
            }
        }

        return best;
    }

    private static MemoryBudget Tightest(MemoryBudget best, string root, string group, string file)
    {
        // In a container the path may name groups that are not mounted here; the root's own file then holds the limit.
        string relative = group.Trim('/');
        while (true)
        {
            string candidate = Path.Combine(root, relative, file);
            if (Number(Lines(candidate), 0) is { } limit && limit < best.LimitBytes)
            {
                best = new MemoryBudget(limit, candidate);
            }

            if (relative.Length == 0)
            {
                return best;
            }

            relative = relative.LastIndexOf('/') is var slash && slash < 0 ? string.Empty : relative[..slash];
        }
    }

    private static MemoryBudget Physical(string proc)
    {
        string file = Path.Combine(proc, "meminfo");
        foreach (string line in Lines(file))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal)
                && Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), 1) is { } kib)
            {
                return new MemoryBudget(kib * 1024, file);
            }
        }

        return new MemoryBudget(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, "the runtime");
    }

    private static long? Number(string[] words, int index) =>
        words.Length > index
            && long.TryParse(words[index].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            && value is > 0 and < NoLimit
            ? value
            : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
