using System.Runtime.InteropServices;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>A block that wants into the cache.</summary>
/// <param name="Hash">A 64-bit hash of its identity.</param>
/// <param name="Bytes">Its length, bytes.</param>
/// <param name="DatasetId">Its dataset, 0 for none.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Candidate(ulong Hash, int Bytes, int DatasetId)
{
    /// <summary>Which block it is.</summary>
    public BlockId Block { get; init; }
}

/// <summary>
/// Decides what a full cache gives up, and for whom. The real cache and the trace simulator run the same policies over
/// the same <see cref="EntryTable"/>; a policy keeps its marks in the entries and never touches the bytes.
/// </summary>
/// <remarks>
/// An access is either <see cref="OnHit"/> or <see cref="OnMiss"/>, from any thread. A miss may be followed by a fill:
/// the cache calls <see cref="SelectVictim"/> until the block fits, each time followed by <see cref="OnRemove"/> of the
/// victim, then <see cref="OnInsert"/>. Those, and <see cref="SetDataset"/>, come from one thread at a time (the
/// cache's lock).
/// </remarks>
internal abstract class EvictionPolicy
{
    /// <summary>The policy's name in options and reports.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Whether a block that came in stays while others of its pass come by, so that it can be counted on.
    /// </summary>
    public virtual bool KeepsAdmitted => false;

    /// <summary>A cached block was read. Must not allocate; the entry may have been replaced a moment ago.</summary>
    public abstract void OnHit(uint entry, ulong hash, int datasetId);

    /// <summary>A block that is not cached was asked for. Must not allocate.</summary>
    public virtual void OnMiss(in BlockId block, ulong hash, int datasetId)
    {
    }

    /// <summary>
    /// The entry to give up so that <paramref name="candidate"/> may come in, or 0 to refuse the candidate.
    /// </summary>
    public abstract uint SelectVictim(in Candidate candidate);

    /// <summary>
    /// The entry that this policy can do without most easily, for somebody who is owed the room; 0 if none may go.
    /// </summary>
    public virtual uint SelectLeast(in Candidate candidate) => SelectVictim(candidate);

    /// <summary>The block is in the cache now; its entry holds length and dataset.</summary>
    public abstract void OnInsert(uint entry, in Candidate candidate);

    /// <summary>The block leaves the cache.</summary>
    /// <param name="entry">Its entry, still filled in.</param>
    /// <param name="hash">The hash of its identity.</param>
    /// <param name="evicted">True if it was a victim, false if somebody removed it.</param>
    public abstract void OnRemove(uint entry, ulong hash, bool evicted);

    /// <summary>
    /// The length of a pass over a dataset, blocks, and how many jobs run over it; 0 where unknown or none.
    /// </summary>
    public virtual void SetDataset(int datasetId, long passLengthBlocks, int runningJobs)
    {
    }
}
