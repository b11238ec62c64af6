using System.Numerics;
using DataLayer.Core.Errors;
using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>What a policy is built from.</summary>
/// <param name="Entries">The table its marks are kept in.</param>
/// <param name="CapacityBytes">About how much the cache holds, bytes.</param>
/// <param name="GhostSlots">How many departed blocks it may remember, a power of two.</param>
/// <param name="Seed">Seed of the policy's random choices.</param>
internal sealed record PolicySettings(EntryTable Entries, long CapacityBytes, int GhostSlots, int Seed)
{
    /// <summary>
    /// What the greediest policy keeps for each ghost slot, bytes: guard's history, and an eighth of a ghost of its
    /// area's.
    /// </summary>
    public const int BytesPerGhostSlot = AccessHistory.SlotBytes + (GhostTable.SlotBytes / GuardPolicy.AreaGhostPart);

    /// <summary>Names of all policies, the default first.</summary>
    public static IReadOnlyList<string> Names { get; } = ["guard", "s3fifo", "lru"];

    /// <summary>How many ghosts a cache of this size keeps: one for each 8 KiB to 16 KiB.</summary>
    public static int DefaultGhostSlots(long capacityBytes) =>
        (int)Math.Clamp(BitOperations.RoundUpToPowerOf2(((ulong)capacityBytes / 16384) + 1), 1024, 1 << 26);

    /// <summary>Throws unless there is a policy of that name.</summary>
    /// <exception cref="DataLayerException">There is no such policy.</exception>
    public static void CheckName(string name, bool alsoBelady = false)
    {
        foreach (string known in Names)
        {
            if (name == known)
            {
                return;
            }
        }

        if (!alsoBelady || name is not ("belady" or "future"))
        {
            throw Unknown(name);
        }
    }

    /// <summary>Builds the policy of that name.</summary>
    /// <exception cref="DataLayerException">There is no such policy.</exception>
    public EvictionPolicy Create(string name) => name switch
    {
        "lru" => new LruPolicy(this),
        "s3fifo" => new S3FifoPolicy(this),
        "guard" => new GuardPolicy(this),
        _ => throw Unknown(name),
    };

    private static DataLayerException Unknown(string name) =>
        new(ErrorCode.InvalidArgument, $"There is no eviction policy '{name}'. Use {string.Join(", ", Names)}.");
}
