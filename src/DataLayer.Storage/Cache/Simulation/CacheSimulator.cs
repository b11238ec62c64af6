using System.Numerics;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache.Interop;
using DataLayer.Storage.Cache.Memory;
using DataLayer.Storage.Cache.Policies;

namespace DataLayer.Storage.Cache.Simulation;

/// <summary>
/// Replays a trace against the eviction policies of the real cache, without the bytes. Objects count with their size
/// and nothing else; the real cache spends 1 to 3 % of its budget on headers, index and rounding, more on objects under
/// 4 KiB.
/// </summary>
/// <example><code>
/// using StreamReader trace = File.OpenText("trace.txt");
/// foreach (SimulationRow row in CacheSimulator.Run(trace, ["guard", "s3fifo"], 1L &lt;&lt; 30))
/// {
///     Console.WriteLine(row.ToJson());
/// }
/// </code></example>
public static class CacheSimulator
{
    /// <summary>The policy of feeds, where the whole trace is known in advance.</summary>
    internal const string FutureName = "future";

    /// <summary>The policies that can be asked for; <c>lru</c> and <c>belady</c> are always added to a run.</summary>
    public static IReadOnlyList<string> PolicyNames => PolicySettings.Names;

    /// <summary>
    /// Reads a trace (see <see cref="CacheTrace"/>) and replays it: a row for each policy, then LRU's and Belady's
    /// optimum.
    /// </summary>
    /// <exception cref="DataLayerException">A bad line, policy name or size
    /// (<see cref="ErrorCode.InvalidArgument"/>).</exception>
    public static IReadOnlyList<SimulationRow> Run(TextReader trace, IReadOnlyList<string> policies, long sizeBytes)
    {
        ArgumentNullException.ThrowIfNull(policies);
        foreach (string policy in policies)
        {
            PolicySettings.CheckName(policy, alsoBelady: true);
        }

        if (sizeBytes <= 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The cache's size is {sizeBytes} bytes; it must be positive.");
        }

        return Run(CacheTrace.Read(trace), policies, sizeBytes);
    }

    /// <summary>Replays a trace: a row for each policy, then LRU's and Belady's optimum.</summary>
    public static IReadOnlyList<SimulationRow> Run(CacheTrace trace, IReadOnlyList<string> policies, long sizeBytes)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(policies);
        List<SimulationRow> rows = [];
        HashSet<string> done = [];
        foreach (string policy in (IReadOnlyList<string>)[.. policies, "lru", "belady"])
        {
            if (done.Add(policy))
            {
                rows.Add(policy == "belady" ? BeladyOptimum.Run(trace, sizeBytes) : Replay(trace, policy, sizeBytes));
            }
        }

        return rows;
    }

    /// <summary>Replays a trace against one policy.</summary>
    internal static SimulationRow Replay(
        CacheTrace trace, string policyName, long sizeBytes, Action<EvictionPolicy>? prepare = null)
    {
        List<NativeMapping> chunks = [];
        try
        {
            using EntryTable entries = new(
                ((long)trace.ObjectCount + 1) * EntryTable.EntryBytes * 2, () => NewChunk(chunks));
            PolicySettings settings = new(entries, sizeBytes, GhostSlots(trace, sizeBytes), 1);
            TraceFuture? future = policyName == FutureName ? new TraceFuture(trace) : null;
            EvictionPolicy policy = future is null
                ? settings.Create(policyName)
                : new FuturePolicy(settings, settings.Create(PolicySettings.Names[0]), null) { Uses = future };
            prepare?.Invoke(policy);
            return Replay(trace, policy, entries, sizeBytes, future);
        }
        finally
        {
            foreach (NativeMapping chunk in chunks)
            {
                chunk.Dispose();
            }
        }
    }

    private static SimulationRow Replay(
        CacheTrace trace, EvictionPolicy policy, EntryTable entries, long sizeBytes, TraceFuture? future)
    {
        uint[] entryOf = new uint[trace.ObjectCount];
        long used = 0, hits = 0, bytes = 0, hitBytes = 0;
        for (int i = 0; i < trace.Count; i++)
        {
            future?.MoveTo(i);
            int id = trace.Objects[i], size = trace.Sizes[i], dataset = trace.DatasetOf[id];
            ulong hash = HashOf(id);
            bytes += size;
            uint entry = entryOf[id];
            if (entry != 0 && entries[entry].Length == size)
            {
                policy.OnHit(entry, hash, dataset);
                hits++;
                hitBytes += size;
                continue;
            }

            policy.OnMiss(new BlockId(id + 1, 1, 0), hash, dataset);
            if (entry != 0)
            {
                Remove(entry, evicted: false);
            }

            Candidate candidate = new(hash, size, dataset) { Block = new BlockId(id + 1, 1, 0) };
            uint victim = 0;
            while (used + size > sizeBytes && size <= sizeBytes && (victim = policy.SelectVictim(candidate)) != 0)
            {
                Remove(victim, evicted: true);
            }

            if (used + size <= sizeBytes && entries.TryAllocate(out uint added))
            {
                entries[added].Block = new BlockId(id + 1, 1, 0);
                entries[added].Length = size;
                entries[added].DatasetId = dataset;
                entryOf[id] = added;
                used += size;
                policy.OnInsert(added, candidate);
            }
        }

        return new SimulationRow(policy.Name, sizeBytes, trace.Count, hits, bytes, hitBytes);

        void Remove(uint entry, bool evicted)
        {
            int id = (int)entries[entry].Block.Inode - 1;
            policy.OnRemove(entry, HashOf(id), evicted);
            used -= entries[entry].Length;
            entryOf[id] = 0;
            entries.Free(entry);
        }
    }

    private static ulong HashOf(int id) => BlockIndex.Hash(new BlockId(id + 1, 1, 0));

    /// <summary>
    /// As many ghosts as the real cache of this size would have, or one an object that fits, if objects are smaller
    /// than blocks.
    /// </summary>
    private static int GhostSlots(CacheTrace trace, long sizeBytes)
    {
        long bytes = 0;
        foreach (int size in trace.Sizes)
        {
            bytes += size;
        }

        long fitting = trace.Count == 0 ? 0 : sizeBytes / Math.Max(1, bytes / trace.Count);
        long slots = Math.Max(PolicySettings.DefaultGhostSlots(sizeBytes), Math.Min(fitting, trace.ObjectCount));
        return (int)BitOperations.RoundUpToPowerOf2((ulong)Math.Min(slots, 1 << 26));
    }

    private static unsafe nint NewChunk(List<NativeMapping> chunks)
    {
        chunks.Add(new NativeMapping(EntryTable.ChunkBytes));
        return (nint)chunks[^1].Pointer;
    }
}
