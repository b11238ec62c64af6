using DataLayer.Core.Errors;
using DataLayer.Storage.Cache.Memory;
using DataLayer.Storage.Cache.Policies;

namespace DataLayer.Storage.Cache;

/// <summary>How the memory tier is set up. Checked as a whole when a <see cref="BlockCache"/> is made.</summary>
public sealed class BlockCacheOptions
{
    /// <summary>
    /// Hard budget for all of the memory tier: blocks, headers, index, policy state. Bytes; at least 1 MiB, with a
    /// spill 32 MiB. <see cref="MemoryBudget"/> proposes a value for this process.
    /// </summary>
    public required long CapacityBytes { get; init; }

    /// <summary>
    /// The eviction policy: <c>guard</c> (default: keeps what is there while a dataset is passed over, follows
    /// frequency elsewhere), <c>s3fifo</c> or <c>lru</c>.
    /// </summary>
    public string Policy { get; init; } = "guard";

    /// <summary>
    /// The most that may be pinned, as a part of the capacity; 0 to 0.9. Default 0.5, so that a cache full of pins
    /// still caches.
    /// </summary>
    public double PinShare { get; init; } = 0.5;

    /// <summary>
    /// How many calls may use the cache at once; more wait a moment. 1 to 1024. Default 64: each holds a FASTER session
    /// of some KiB.
    /// </summary>
    public int SessionCount { get; init; } = 64;

    /// <summary>
    /// Bytes a second that the background scrubber compares with their checksums; 0 turns it off. Default 16 MiB/s: a
    /// cache of 64 GiB is looked through in about an hour for under 1 % of a core.
    /// </summary>
    public long ScrubBytesPerSecond { get; init; } = 16 << 20;

    /// <summary>Seed of the policy's random choices, so that a run can be repeated.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Folder on a local SSD for blocks evicted from memory, or null for none (default). What lies in it is not used
    /// after a restart.
    /// </summary>
    public string? SpillDirectory { get; init; }

    /// <summary>Bytes the spill may use on disk; from 64 MiB. Ignored without <see cref="SpillDirectory"/>.</summary>
    public long SpillCapacityBytes { get; init; }

    /// <summary>Checks everything and names all that is wrong.</summary>
    /// <exception cref="DataLayerException">Something is out of range
    /// (<see cref="ErrorCode.InvalidArgument"/>).</exception>
    public void Validate()
    {
        List<string> errors = [];
        long least = SpillDirectory is null ? MemoryStore.MinCapacityBytes : 32 << 20;
        if (CapacityBytes < least)
        {
            errors.Add($"CapacityBytes is {CapacityBytes}, it must be at least {least}");
        }

        bool known = false;
        foreach (string name in PolicySettings.Names)
        {
            known |= name == Policy;
        }

        if (!known)
        {
            errors.Add($"Policy is '{Policy}', it must be one of {string.Join(", ", PolicySettings.Names)}");
        }

        if (PinShare is not (>= 0 and <= 0.9))
        {
            errors.Add($"PinShare is {PinShare}, it must be from 0 to 0.9");
        }

        if (SessionCount is < 1 or > 1024)
        {
            errors.Add($"SessionCount is {SessionCount}, it must be from 1 to 1024");
        }

        if (ScrubBytesPerSecond < 0)
        {
            errors.Add($"ScrubBytesPerSecond is {ScrubBytesPerSecond}, it must not be negative");
        }

        if (SpillDirectory is not null && SpillCapacityBytes < SpillMinBytes)
        {
            errors.Add(
                $"SpillCapacityBytes is {SpillCapacityBytes}, it needs at least {SpillMinBytes}");
        }

        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The cache's options are wrong: {string.Join("; ", errors)}.");
        }
    }

    private const long SpillMinBytes = 64 << 20;
}
