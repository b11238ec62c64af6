using System.Globalization;

namespace DataLayer.Server.Configuration;

/// <summary>How much memory the process takes where the configuration does not say.</summary>
internal static class MemoryLimit
{
    /// <summary>
    /// Kept out of the cache for buffers, attributes, listings, SQLite and the runtime, at least. Bytes.
    /// </summary>
    private const long ReserveBytes = 192L << 20;

    /// <summary>What the cache gets of a large budget; the rest grows with the load.</summary>
    private const double CacheShare = 0.7;

    /// <summary>
    /// 80 % of the control group's limit; without one half of the machine's memory: others live there too.
    /// </summary>
    public static long DefaultBudgetBytes()
    {
        long machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return ReadGroupLimit() is { } limit && limit < machine ? (long)(limit * 0.8) : machine / 2;
    }

    /// <summary>The cache's part of a budget, bytes; at least 1 MiB.</summary>
    public static long CacheBytes(long budgetBytes) =>
        Math.Max(
            Math.Min((long)(budgetBytes * CacheShare), budgetBytes - ReserveBytes),
            Math.Max(1 << 20, budgetBytes / 4)
        );

    /// <summary>
    /// The tightest memory.max on the way from the process's control group (version 2) to the root, or null.
    /// </summary>
    private static long? ReadGroupLimit()
    {
        try
        {
            long? tightest = null;
            string path =
                File.ReadLines("/proc/self/cgroup")
                    .FirstOrDefault(l => l.StartsWith("0::", StringComparison.Ordinal))
                    ?[3..]
                ?? "/";
            for (string? folder = path; folder is not null; folder = Path.GetDirectoryName(folder))
            {
                string file = $"/sys/fs/cgroup{folder.TrimEnd('/')}/memory.max";
                if (
                    File.Exists(file)
                    && long.TryParse(
                        File.ReadAllText(file).Trim(),
                        NumberStyles.None,
                        CultureInfo.InvariantCulture,
                        out long limit
                    ))
                {
                    tightest = Math.Min(tightest ?? long.MaxValue, limit);
                }
            }

            return tightest;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
