namespace DataLayer.Storage.Cache.Simulation;

/// <summary>
/// Belady's rule over a trace known in advance: what is used again farthest in the future goes first, and a newcomer
/// that is itself the farthest does not come in. Optimal for objects of one size; for mixed sizes (where the optimum is
/// NP-hard) the usual reference. O(n log n).
/// </summary>
internal static class BeladyOptimum
{
    /// <summary>Replays the trace with a cache of <paramref name="sizeBytes"/> bytes.</summary>
    public static SimulationRow Run(CacheTrace trace, long sizeBytes)
    {
        int[] next = NextUses(trace);
        int[] cachedNext = new int[trace.ObjectCount], cachedSize = new int[trace.ObjectCount];

        // Farthest next use first. Entries are stale once the object was used again or evicted; they are skipped when
        // met.
        PriorityQueue<(int Object, int Next), int> farthest = new();
        long used = 0, hits = 0, bytes = 0, hitBytes = 0;
        for (int i = 0; i < trace.Count; i++)
        {
            int id = trace.Objects[i], size = trace.Sizes[i];
            bytes += size;
            if (cachedSize[id] != 0)
            {
                bool hit = cachedSize[id] == size;
                hits += hit ? 1 : 0;
                hitBytes += hit ? size : 0;
                used -= cachedSize[id];
                cachedSize[id] = 0;
            }

            if (next[i] == int.MaxValue || size > sizeBytes)
            {
                continue;
            }

            used += size;
            cachedSize[id] = size;
            cachedNext[id] = next[i];
            farthest.Enqueue((id, next[i]), -next[i]);
            while (used > sizeBytes)
            {
                (int victim, int victimNext) = farthest.Dequeue();
                if (cachedSize[victim] != 0 && cachedNext[victim] == victimNext)
                {
                    used -= cachedSize[victim];
                    cachedSize[victim] = 0;
                }
            }
        }

        return new SimulationRow("belady", sizeBytes, trace.Count, hits, bytes, hitBytes);
    }

    /// <summary>For each access, the next one of its object; the largest number for none.</summary>
    public static int[] NextUses(CacheTrace trace)
    {
        int[] next = new int[trace.Count], latest = new int[trace.ObjectCount];
        Array.Fill(latest, int.MaxValue);
        for (int i = trace.Count - 1; i >= 0; i--)
        {
            next[i] = latest[trace.Objects[i]];
            latest[trace.Objects[i]] = i;
        }

        return next;
    }
}
