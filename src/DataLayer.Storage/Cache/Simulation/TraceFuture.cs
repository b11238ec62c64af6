using DataLayer.Core.Identity;

namespace DataLayer.Storage.Cache.Simulation;

/// <summary>Knows the future of a trace that is being replayed. One tick an access.</summary>
internal sealed class TraceFuture(CacheTrace trace) : IFutureUses
{
    private readonly int[] _next = BeladyOptimum.NextUses(trace);
    private readonly int[] _nextOf = new int[trace.ObjectCount];
    private int _now = -1;

    /// <inheritdoc/>
    public bool IsEmpty => false;

    /// <inheritdoc/>
    public int Version => 1;

    /// <inheritdoc/>
    public long Now => _now;

    /// <summary>The access that is made now; one after the other.</summary>
    public void MoveTo(int access)
    {
        _now = access;
        _nextOf[trace.Objects[access]] = _next[access];
    }

    /// <inheritdoc/>
    public bool Knows(in BlockId block) => true;

    /// <inheritdoc/>
    public long NextUseOf(in BlockId block) =>
        _nextOf[block.Inode - 1] is var next and not int.MaxValue ? next : IFutureUses.Never;
}
